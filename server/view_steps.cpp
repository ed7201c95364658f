// The steps of a transaction's document, with their tasks, undos and waits, and its signals (view_json.h). Pure.
#include <algorithm>

#include "engine/clocks.h"
#include "server/view_fields.h"

namespace dta::server {

using engine::Machine;
using engine::Phase;
using engine::State;
using engine::StepBit;
using engine::TaskBit;
using engine::TaskState;
using engine::TaskStatus;
using engine::UndoStatus;
using schema::Time;

std::string_view step_word(const Machine& machine, const State& state, std::size_t step) {
  auto has = [&](StepBit bit) { return state.bits.test(machine.bit(bit, step)); };
  if (has(StepBit::skipped)) return "skipped";
  if (has(StepBit::undone)) return "undone";
  if (has(StepBit::failed)) return "failed";
  if (has(StepBit::met)) return "met";
  return has(StepBit::entered) ? "entered" : "not_entered";
}

std::string_view task_word(const engine::StepView& step, std::size_t slot, Time now) {
  const TaskState& task = step.task(slot);
  switch (task.status) {
    case TaskStatus::not_entered:
      return "not_entered";
    case TaskStatus::ready:
      return task.at > now ? "backoff" : "ready";
    case TaskStatus::leased:
      return "leased";
    case TaskStatus::blocked:
      return "waiting";
    case TaskStatus::outside:
      return "outside";
    case TaskStatus::held:
      return "held";
    case TaskStatus::child:
      return task.stopping ? "stopping" : "child";
    case TaskStatus::settled:
      break;
  }
  if (step.has(TaskBit::skipped, slot)) return "skipped";
  if (step.has(TaskBit::done, slot)) return "done";
  if (step.has(TaskBit::failed, slot)) return "failed";
  return step.has(TaskBit::unknown, slot) ? "unknown" : "withdrawn";
}

std::string_view undo_word(const engine::StepView& step, std::size_t slot, Time now) {
  if (step.rules(slot).child ? step.task(slot).irreversible : !step.rules(slot).undo) return "none";
  const TaskState& task = step.task(slot);
  switch (task.undo_status) {
    case UndoStatus::idle:
      return "idle";
    case UndoStatus::ready:
      return task.undo_at > now ? "backoff" : "ready";
    case UndoStatus::leased:
      return "leased";
    case UndoStatus::done:
      return "done";
    case UndoStatus::incident:
      return "incident";
    case UndoStatus::given_up:
      return "given_up";
    case UndoStatus::child:
      return "child";
  }
  return "idle";
}

namespace view {
namespace {

void error_code(std::string& out, std::string_view code) {
  key(out, "error");
  if (code.empty()) {
    out += "null";
    return;
  }
  out += "{\"code\":";
  append_quoted(out, code);
  out += '}';
}

const engine::Lease* lease_of(const State& state, const schema::TaskRef& ref, schema::Action action) {
  for (const engine::Lease& lease : state.leases)
    if (lease.task == ref && lease.action == action) return &lease;
  return nullptr;
}

// Worker and end of an open lease. The end is the attempt's: a missed heartbeat may end it earlier.
void lease(std::string& out, const engine::Lease* open) {
  text_or_null(out, "worker", open == nullptr ? std::string_view() : std::string_view(open->worker));
  time(out, "lease_until", open == nullptr ? Time::never() : open->leased_at + open->attempt_timeout);
  if (open != nullptr && open->stop_asked) truth(out, "stopping", true);
}

void task(std::string& out, const State& state, const engine::StepView& step, std::size_t slot,
          const ViewContext& context) {
  const schema::TaskRef ref = step.ref(slot);
  const schema::Task& definition = step.rules(slot);
  const TaskState& current = step.task(slot);
  const std::string_view word = task_word(step, slot, context.now);
  const std::string_view undo = undo_word(step, slot, context.now);
  // One field of the state holds the last error of the task or of its undo: the undo's from its first attempt on.
  const bool undo_erred = current.undo_attempt > 0 && (undo == "backoff" || undo == "incident");

  out += out.back() == '[' ? "{" : ",{";
  text(out, "name", definition.name);
  if (!step.rules().for_each.empty()) number(out, "instance", ref.instance);
  text_or_null(out, "queue", definition.queue);
  text(out, "status", word);
  number(out, "attempt", current.attempt);
  lease(out, current.status == TaskStatus::leased ? lease_of(state, ref, schema::Action::perform) : nullptr);
  error_code(out, undo_erred ? std::string_view() : std::string_view(current.error_code));
  time(out, "ready_at", current.status == TaskStatus::not_entered ? Time::never() : current.first_ready);
  time(out, "retry_at", word == "backoff" ? current.at : Time::never());
  payload(out, "output", current.output, context);
  key(out, "undo");
  out += '{';
  text_or_null(out, "queue", definition.undo ? std::string_view(definition.undo->queue) : std::string_view());
  text(out, "status", undo);
  number(out, "attempt", current.undo_attempt);
  lease(out, current.undo_status == UndoStatus::leased ? lease_of(state, ref, schema::Action::undo) : nullptr);
  error_code(out, undo_erred ? std::string_view(current.error_code) : std::string_view());
  time(out, "retry_at", undo == "backoff" ? current.undo_at : Time::never());
  out += "}}";
}

// How the step came out, whatever was undone since; null while it was not entered.
std::string_view outcome_word(const engine::StepView& step) {
  if (step.is(StepBit::skipped)) return "skipped";
  if (step.is(StepBit::failed)) return "failed";
  if (step.is(StepBit::met)) return "met";
  return step.is(StepBit::entered) ? "open" : "";
}

// Awaited signals that have not come, and until when it waits: for a time, or for them. Null when it waits for nothing.
void waits_for(std::string& out, const Machine& machine, const State& state, const engine::StepView& step) {
  key(out, "waits_for");
  const bool waits =
      state.phase == Phase::running && step.index() == state.step && outcome_word(step) == "open" && !step.waited();
  if (!waits) {
    out += "null";
    return;
  }
  out += "{\"signals\":[";
  for (const std::string& name : step.rules().wait_for->signals) {
    const bool came = std::any_of(state.signals.begin(), state.signals.end(), [&](const engine::KeptSignal& signal) {
      return signal.name == name && signal.step == step.index();
    });
    if (came) continue;
    if (out.back() != '[') out += ',';
    append_quoted(out, name);
  }
  out += ']';
  const engine::Clocks clocks(machine, state, nullptr);
  time(out, "until", std::min(clocks.wait(), clocks.wait_deadline()));
  out += '}';
}

const engine::Failure* failure_of(const State& state, std::size_t step) {
  if (state.failure.has_step && state.failure.task.step == step) return &state.failure;
  const auto it = std::find_if(state.handled.begin(), state.handled.end(),
                               [&](const engine::Failure& failure) { return failure.task.step == step; });
  return it == state.handled.end() ? nullptr : &*it;
}

void step_error(std::string& out, const Machine& machine, const engine::Failure* failure) {
  key(out, "error");
  if (failure == nullptr) {
    out += "null";
    return;
  }
  out += '{';
  text(out, "code", failure->code);
  text(out, "message", failure->message);
  text_or_null(out, "task",
               failure->has_task ? std::string_view(machine.task(failure->task).name) : std::string_view());
  out += '}';
}

}  // namespace

void steps(std::string& out, const Machine& machine, const State& state, const ViewContext& context) {
  key(out, "steps");
  out += '[';
  const auto& all = machine.definition().steps;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const engine::StepView step(machine, state, i);
    out += out.back() == '[' ? "{" : ",{";
    const Time entered = i < state.entered_at.size() ? state.entered_at[i] : Time{};
    const std::string_view word = step_word(machine, state, i);
    const bool open = word == "entered" && i == state.step;
    text(out, "name", all[i].name);
    text(out, "state", word);
    text_or_null(out, "outcome", outcome_word(step));
    if (all[i].pivot) truth(out, "pivot", true);
    if (state.held(i)) truth(out, "held", true);
    step_error(out, machine, step.is(StepBit::failed) ? failure_of(state, i) : nullptr);
    time(out, "entered_at", entered);
    time(out, "deadline_at", open ? engine::Clocks(machine, state, nullptr).join_deadline() : Time::never());
    waits_for(out, machine, state, step);
    if (!all[i].for_each.empty()) number(out, "instances", entered == Time{} ? 0 : step.block().instances);
    key(out, "tasks");
    out += '[';
    for (std::size_t slot = 0; slot < step.size(); ++slot) task(out, state, step, slot, context);
    out += "]}";
  }
  out += ']';
}

void signals(std::string& out, const Machine& machine, const State& state, const ViewContext& context) {
  key(out, "signals");
  out += '[';
  for (const engine::KeptSignal& signal : state.signals) {
    out += out.back() == '[' ? "{" : ",{";
    text(out, "name", signal.name);
    text(out, "signal_id", signal.id);
    payload(out, "payload", signal.payload, context);
    const bool kept = signal.step == engine::KeptSignal::kKept;
    text_or_null(out, "step", kept ? std::string_view() : std::string_view(machine.step(signal.step).name));
    out += '}';
  }
  out += ']';
}

}  // namespace view
}  // namespace dta::server

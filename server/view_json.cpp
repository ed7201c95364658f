// Writing of a transaction's document (view_json.h). Pure.
#include "server/view_json.h"

#include "schema/json.h"

namespace dta::server {
namespace {

using engine::Machine;
using engine::Phase;
using engine::State;
using engine::StepBit;
using engine::TaskBit;
using engine::TaskState;
using engine::TaskStatus;
using engine::UndoStatus;
using schema::append_quoted;
using schema::Time;

void key(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  out += '"';
  out += name;
  out += "\":";
}

void text(std::string& out, std::string_view name, std::string_view value) {
  key(out, name);
  append_quoted(out, value);
}

void text_or_null(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) return text(out, name, value);
  key(out, name);
  out += "null";
}

void number(std::string& out, std::string_view name, std::uint64_t value) {
  key(out, name);
  out += std::to_string(value);
}

void truth(std::string& out, std::string_view name, bool value) {
  key(out, name);
  out += value ? "true" : "false";
}

// Null for never and for the zero time, which is what "not yet" looks like in a state.
void time(std::string& out, std::string_view name, Time value) {
  key(out, name);
  if (value == Time::never() || value == Time{}) {
    out += "null";
  } else {
    out += '"';
    out += schema::format_time(value);
    out += '"';
  }
}

void pairs(std::string& out, std::string_view name, const std::vector<schema::Attribute>& values) {
  key(out, name);
  out += '{';
  for (const schema::Attribute& pair : values) {
    if (out.back() != '{') out += ',';
    append_quoted(out, pair.key);
    out += ':';
    append_quoted(out, pair.value);
  }
  out += '}';
}

void payload(std::string& out, std::string_view name, const engine::PayloadAt& at, const ViewContext& context) {
  if (!at.present()) return;
  key(out, name);
  if (auto bytes = context.payload(at)) {
    out += *bytes;
  } else {
    out += "{\"erased\":true,\"size\":" + std::to_string(at.size) + "}";
  }
}

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

void task(std::string& out, const Machine& machine, const State& state, std::size_t step, std::size_t index,
          const ViewContext& context) {
  const schema::TaskRef ref = machine.ref(step, index);
  const std::size_t flat = machine.flat(ref);
  const schema::Task& definition = machine.task(ref);
  const TaskState& current = state.tasks[flat];
  const std::string_view word = task_word(machine, state, flat, context.now);
  const std::string_view undo = undo_word(machine, state, flat, context.now);
  // One field of the state holds the last error of the task or of its undo: the undo's from its first attempt on.
  const bool undo_erred = current.undo_attempt > 0 && (undo == "backoff" || undo == "incident");

  out += out.back() == '[' ? "{" : ",{";
  text(out, "name", definition.name);
  text(out, "queue", definition.queue);
  text(out, "status", word);
  number(out, "attempt", current.attempt);
  lease(out, lease_of(state, ref, schema::Action::perform));
  error_code(out, undo_erred ? std::string_view() : std::string_view(current.error_code));
  time(out, "ready_at", current.status == TaskStatus::not_entered ? Time::never() : current.first_ready);
  time(out, "retry_at", word == "backoff" ? current.at : Time::never());
  payload(out, "output", current.output, context);
  key(out, "undo");
  out += '{';
  text_or_null(out, "queue", definition.undo ? std::string_view(definition.undo->queue) : std::string_view());
  text(out, "status", undo);
  number(out, "attempt", current.undo_attempt);
  lease(out, lease_of(state, ref, schema::Action::undo));
  error_code(out, undo_erred ? std::string_view(current.error_code) : std::string_view());
  time(out, "retry_at", undo == "backoff" ? current.undo_at : Time::never());
  out += "}}";
}

void steps(std::string& out, const Machine& machine, const State& state, const ViewContext& context) {
  key(out, "steps");
  out += '[';
  const auto& all = machine.definition().steps;
  for (std::size_t i = 0; i < all.size(); ++i) {
    out += out.back() == '[' ? "{" : ",{";
    const Time entered = i < state.entered_at.size() ? state.entered_at[i] : Time{};
    const std::string_view word = step_word(machine, state, i);
    text(out, "name", all[i].name);
    text(out, "state", word);
    time(out, "entered_at", entered);
    time(out, "deadline_at", word == "entered" && all[i].deadline.ms > 0 ? entered + all[i].deadline : Time::never());
    key(out, "tasks");
    out += '[';
    for (std::size_t k = 0; k < all[i].tasks.size(); ++k) task(out, machine, state, i, k, context);
    out += "]}";
  }
  out += ']';
}

void table(std::string& out, const Machine& machine, const State& state) {
  const schema::Definition& definition = machine.definition();
  text(out, "state", definition.states[state.table_state].name);
  key(out, "visited");
  out += '[';
  for (std::size_t i = 0; i < definition.states.size(); ++i) {
    if (!state.bits.test(machine.state_bit(i))) continue;
    if (out.back() != '[') out += ',';
    append_quoted(out, definition.states[i].name);
  }
  out += ']';
  key(out, "legal");
  out += '[';
  if (!state.ended()) {
    for (const std::uint32_t transition : machine.leaving(state.table_state)) {
      if (out.back() != '[') out += ',';
      append_quoted(out, definition.transitions[transition].on);
    }
  }
  out += ']';
}

void place(std::string& out, const Machine& machine, const schema::TaskRef& ref) {
  text(out, "step", machine.step(ref.step).name);
  text(out, "task", machine.task(ref).name);
}

void incidents(std::string& out, const Machine& machine, const State& state) {
  key(out, "incidents");
  out += '[';
  for (const engine::Incident& incident : state.incidents) {
    out += out.back() == '[' ? "{" : ",{";
    number(out, "number", incident.number);
    place(out, machine, incident.task);
    text(out, "kind", incident.kind == schema::IncidentKind::undo_failed ? "undo_failed" : "effect_after_undo");
    text(out, "code", incident.code);
    text(out, "message", incident.message);
    truth(out, "open", incident.open);
    out += '}';
  }
  out += ']';
  key(out, "not_undone");
  out += '[';
  for (const schema::NotUndone& left : state.not_undone) {
    out += out.back() == '[' ? "{" : ",{";
    place(out, machine, left.task);
    text(out, "reason", schema::to_string(left.reason));
    out += '}';
  }
  out += ']';
}

}  // namespace

std::string_view step_word(const Machine& machine, const State& state, std::size_t step) {
  auto has = [&](StepBit bit) { return state.bits.test(machine.bit(bit, step)); };
  if (has(StepBit::undone)) return "undone";
  if (has(StepBit::failed)) return "failed";
  if (has(StepBit::met)) return "met";
  return has(StepBit::entered) ? "entered" : "not_entered";
}

std::string_view task_word(const Machine& machine, const State& state, std::size_t flat, Time now) {
  const TaskState& task = state.tasks[flat];
  switch (task.status) {
    case TaskStatus::not_entered:
      return "not_entered";
    case TaskStatus::ready:
      return task.at > now ? "backoff" : "ready";
    case TaskStatus::leased:
      return "leased";
    case TaskStatus::settled:
      break;
  }
  auto has = [&](TaskBit bit) { return state.bits.test(machine.bit(bit, flat)); };
  if (has(TaskBit::done)) return "done";
  if (has(TaskBit::failed)) return "failed";
  return has(TaskBit::unknown) ? "unknown" : "withdrawn";
}

std::string_view undo_word(const Machine& machine, const State& state, std::size_t flat, Time now) {
  std::size_t step = machine.definition().steps.size() - 1;
  while (machine.step(step).first_task > flat || machine.step(step).tasks.empty()) --step;
  if (!machine.step(step).tasks[flat - machine.step(step).first_task].undo) return "none";
  const TaskState& task = state.tasks[flat];
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
  }
  return "idle";
}

std::string view_json(const Machine& machine, const State& state, const ViewContext& context) {
  std::string out = "{";
  text(out, "id", state.id);
  number(out, "number", context.number.value);
  text(out, "definition", state.definition);
  number(out, "version", state.version);
  text(out, "form", state.form == schema::Form::steps ? "steps" : "table");
  text(out, "status", engine::status(state));
  text(out, "phase", engine::to_string(state.phase));
  truth(out, "attention", state.attention());
  truth(out, "paused", state.paused);
  text_or_null(out, "outcome", state.outcome_decided ? engine::outcome(state) : std::string_view());
  number(out, "sequence", state.sequence.value);
  number(out, "epoch", state.epoch);
  time(out, "started_at", state.started_at);
  time(out, "ended_at", state.ended_at);
  time(out, "expires_at", state.expires_at);
  pairs(out, "attributes", state.attributes);
  pairs(out, "headers", state.headers);
  payload(out, "input", state.input, context);
  payload(out, "output", state.output, context);
  key(out, "error");
  if (state.failure.code.empty()) {
    out += "null";
  } else {
    out += '{';
    text(out, "code", state.failure.code);
    text(out, "message", state.failure.message);
    const schema::TaskRef& at = state.failure.task;
    text_or_null(out, "step",
                 state.failure.has_step ? std::string_view(machine.step(at.step).name) : std::string_view());
    text_or_null(out, "task", state.failure.has_task ? std::string_view(machine.task(at).name) : std::string_view());
    out += '}';
  }
  text_or_null(out, "reason", state.reason);
  if (state.form == schema::Form::steps) {
    steps(out, machine, state, context);
  } else {
    table(out, machine, state);
  }
  incidents(out, machine, state);
  return out + '}';
}

}  // namespace dta::server

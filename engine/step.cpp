// Steps: entering them with their inputs fixed, judging the join after every result, ending the transaction.
#include <algorithm>

#include "engine/decider.h"
#include "engine/join.h"
#include "schema/assert.h"
#include "schema/json.h"

namespace dta::engine {

using namespace schema;

namespace {

// What templates see: /input and /steps/<step>/<task>/output, of steps entered before (checked when it was published).
// An output exists when the step's join counted its task: what is late is undone or left aside, and nothing builds on
// it.
class Context : public TemplateContext {
 public:
  explicit Context(const Decider& d) : d_(d) {}

  std::optional<std::string_view> find(std::string_view pointer) const override {
    std::string_view rest = pointer;
    const std::string_view root = token(rest);
    if (root == "input") return inside(d_.s.input, rest);
    const std::string_view step = token(rest), task = token(rest), output = token(rest);
    if (root != "steps" || output != "output") return std::nullopt;
    const std::optional<std::size_t> flat = flat_of(d_.m.definition(), step, task);
    if (!flat || !d_.s.bits.test(d_.m.bit(TaskBit::counted, *flat))) return std::nullopt;
    return inside(d_.s.tasks[*flat].output, rest);
  }

  static std::string_view token(std::string_view& pointer) {
    if (pointer.empty()) return {};
    pointer.remove_prefix(1);
    const std::string_view found = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(found.size());
    return found;
  }

  static std::optional<std::size_t> flat_of(const Definition& definition, std::string_view step,
                                            std::string_view task) {
    for (const Step& s : definition.steps)
      if (s.name == step)
        for (std::size_t i = 0; i < s.tasks.size(); ++i)
          if (s.tasks[i].name == task) return s.first_task + i;
    return std::nullopt;
  }

 private:
  std::optional<std::string_view> inside(const PayloadAt& at, std::string_view pointer) const {
    if (!at.present()) return std::nullopt;
    const auto value = schema::find(JsonValue{d_.bytes(at)}, pointer);
    return value ? std::optional(value->raw) : std::nullopt;
  }

  const Decider& d_;
};

void fail_step(Decider& d, StepFailed event) {
  const std::string reason = event.code;
  d.emit(std::move(event));
  begin_compensation(d, CompensationCause::step_failed, reason, {});
}

PayloadRef resolve_output(Decider& d) {
  const Definition& definition = d.m.definition();
  if (!definition.output) return {};
  // A pointer that finds nothing gives null: the last join was met, so there is no step left that could fail for it.
  const auto resolved = resolve(*definition.output, Context(d));
  return d.attach(resolved ? *resolved : std::string("null"));
}

// Every task that was entered has settled, and every undo that became due is acknowledged.
bool quiet(const Decider& d) {
  if (d.m.definition().steps.empty()) return true;
  for (std::size_t index = 0; index <= d.s.step; ++index) {
    if (index < d.s.step && !d.m.leaves(index)) continue;
    const Step& step = d.m.step(index);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      const TaskState& t = d.s.tasks[step.first_task + i];
      if (t.status != TaskStatus::settled || t.undo_status == UndoStatus::ready ||
          t.undo_status == UndoStatus::leased || t.undo_status == UndoStatus::incident)
        return false;
    }
  }
  return true;
}

// After the last join was met: the outcome is fixed at once, the terminal event waits for leftovers and their undos.
void complete(Decider& d) {
  if (!quiet(d)) {
    if (d.s.outcome_decided) return;
    OutcomeDecided event;
    event.output = resolve_output(d);
    d.emit(std::move(event));
    return;
  }
  TransactionCompleted event;
  if (!d.s.outcome_decided) event.output = resolve_output(d);
  event.not_undone = not_undone(d, NotUndoneReason::no_undo);
  d.emit(std::move(event));
}

void meet_step(Decider& d, std::size_t index) {
  d.emit(StepMet{static_cast<std::uint16_t>(index)});
  if (index + 1 < d.m.definition().steps.size())
    enter_step(d, index + 1);
  else
    complete(d);
}

// One judgement of the current step's join; true when something was decided.
bool judge_step(Decider& d) {
  const std::size_t index = d.s.step;
  if (d.s.bits.test(d.m.bit(StepBit::met, index))) {
    complete(d);  // the last join was met before; leftovers may have settled
    return false;
  }
  switch (judge_join(d.m, d.s.bits, index)) {
    case Verdict::open:
      return false;
    case Verdict::met:
      meet_step(d, index);
      return true;
    case Verdict::failed:
      break;
  }
  const Failure& failure = d.s.failure;
  DTA_ASSERT(failure.has_step && failure.task.step == index);
  fail_step(
      d, StepFailed{static_cast<std::uint16_t>(index), failure.has_task, failure.task, failure.code, failure.message});
  return true;
}

}  // namespace

void enter_step(Decider& d, std::size_t index) {
  const Step& step = d.m.step(index);
  StepEntered event{static_cast<std::uint16_t>(index), {}};
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < step.tasks.size(); ++i) {
    if (!step.tasks[i].input) continue;
    auto resolved = resolve(*step.tasks[i].input, Context(d));
    if (!resolved) {
      d.emit(StepEntered{static_cast<std::uint16_t>(index), {}});
      fail_step(d, StepFailed{static_cast<std::uint16_t>(index), true, d.m.ref(index, i), "dta.input_unresolved",
                              resolved.error().message});
      return;
    }
    event.inputs.push_back(ResolvedInput{static_cast<std::uint16_t>(i), 0, {}});
    inputs.push_back(std::move(*resolved));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    event.inputs[i].input = d.attach(std::move(inputs[i]), static_cast<std::uint32_t>(i));
  d.emit(std::move(event));
}

void judge(Decider& d) {
  if (d.s.form != Form::steps) return;
  if (d.s.phase == Phase::running && d.m.definition().steps.empty()) return complete(d);
  while (d.s.phase == Phase::running)
    if (!judge_step(d)) return;
  judge_compensation(d);
}

void fire_step_timers(Decider& d) {
  if (d.s.phase != Phase::running || d.s.outcome_decided || d.m.definition().steps.empty()) return;
  const Step& step = d.m.step(d.s.step);
  if (step.deadline.ms > 0 && d.s.entered_at[d.s.step] + step.deadline <= d.now) {
    const std::size_t index = d.s.step;
    if (enough(d.m, d.s.bits, index))  // only its leftovers were drained: decided as met
      meet_step(d, index);
    else
      fail_step(d,
                StepFailed{static_cast<std::uint16_t>(index), false, TaskRef{static_cast<std::uint16_t>(index), 0, 0},
                           "dta.deadline", "the step's deadline passed before its join was met"});
    judge(d);
  }
  if (d.s.phase == Phase::running && !d.s.outcome_decided && d.s.expires_at <= d.now) {
    begin_compensation(d, CompensationCause::expired, "dta.expired", {});
    judge(d);
  }
}

namespace {

// Whether the command may meet the join of the step that is current. Errs on the side of yes: what is read in vain
// costs time, what is missing would be a bug.
bool may_meet(const Machine& machine, const State& state, const Command& command) {
  const std::size_t index = state.step;
  if (state.bits.test(machine.bit(StepBit::met, index))) return false;  // the last one; its outcome is decided
  const Step& step = machine.step(index);
  const auto* results = std::get_if<Report>(&command);
  // Time passing settles optional tasks and leftovers that are drained, and never does a task's work.
  if (results == nullptr) return std::holds_alternative<Tick>(command) && machine.leaves(index);
  const std::size_t open = step.tasks.size() - machine.count(state.bits, TaskBit::settled, index);
  const bool waits_for_all = step.need.kind == Need::Kind::all || step.leftover == Leftover::drain;
  return !waits_for_all || open <= results->items.size();
}

}  // namespace

std::vector<PayloadAt> needs(const Machine& machine, const State& state, const Command& command) {
  std::vector<PayloadAt> refs;
  const Definition& definition = machine.definition();
  if (state.form != Form::steps || state.phase != Phase::running || definition.steps.empty()) return refs;
  if (!may_meet(machine, state, command)) return refs;
  const auto add = [&](const PayloadAt& at) {
    if (at.present() && std::find(refs.begin(), refs.end(), at) == refs.end()) refs.push_back(at);
  };
  const auto add_template = [&](const Template& t) {
    for (std::string_view pointer : pointers(t)) {
      const std::string_view root = Context::token(pointer);
      if (root == "input") {
        add(state.input);
        continue;
      }
      const std::string_view step = Context::token(pointer), task = Context::token(pointer);
      if (const auto flat = Context::flat_of(definition, step, task)) add(state.tasks[*flat].output);
    }
  };
  // The step that would be entered, and on through steps without tasks, which are met at once.
  std::size_t next = state.step;
  do {
    if (++next == definition.steps.size()) {
      if (definition.output) add_template(*definition.output);
      return refs;
    }
    for (const Task& task : definition.steps[next].tasks)
      if (task.input) add_template(*task.input);
  } while (definition.steps[next].tasks.empty());
  return refs;
}

}  // namespace dta::engine

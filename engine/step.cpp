// Steps: entering them with their inputs fixed, judging the join after every result, choosing where to go on, ending
// the transaction.
#include <algorithm>
#include <utility>

#include "engine/clocks.h"
#include "engine/context.h"
#include "engine/decider.h"
#include "engine/join.h"
#include "engine/settle.h"
#include "schema/assert.h"

namespace dta::engine {

using namespace schema;

namespace {

std::uint16_t short_of(std::size_t index) {
  return static_cast<std::uint16_t>(index);
}

// The first entry whose condition holds.
Route choose(const Context& context, const std::vector<Choice>& choices, GoKind otherwise) {
  for (std::size_t i = 0; i < choices.size(); ++i)
    if (!choices[i].when || context.holds(*choices[i].when))
      return {static_cast<GoKind>(choices[i].go.kind), choices[i].go.step, short_of(i)};
  return {otherwise, 0, kNoChoice};
}

PayloadRef resolve_output(Decider& d) {
  const Definition& definition = d.m.definition();
  const Template* output = definition.output ? &*definition.output : nullptr;
  if (d.s.route.kind == GoKind::end && d.s.route.choice != kNoChoice) {
    const StepView step(d.m, d.s, d.s.step);
    const auto& choices = step.is(StepBit::met) ? step.rules().next : step.rules().on_failure;
    if (const auto& own = choices[d.s.route.choice].go.output) output = &*own;
  }
  if (output == nullptr) return {};
  // A pointer that finds nothing gives null: the last join was met, so there is no step left that could fail for it.
  Context context(d);
  // What a failure's own `end` gives sees what its `when` saw.
  const bool own = !definition.output || output != &*definition.output;
  if (own && d.s.bits.test(d.m.bit(StepBit::failed, d.s.step))) context.suppose_failed(&d.s.failure);
  const auto resolved = resolve(*output, context);
  return d.attach(resolved ? *resolved : std::string("null"));
}

// Every task that was entered has settled, and every undo that became due is acknowledged.
bool quiet(const Decider& d) {
  for (std::size_t index = 0; index < d.m.definition().steps.size(); ++index) {
    const StepView step(d.m, d.s, index);
    if (!step.is(StepBit::entered)) continue;
    if (index < d.s.step && !d.m.leaves(index) && step.is(StepBit::met) && !d.s.attention()) continue;
    if (step.count(TaskBit::settled) < step.size()) return false;
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskState& t = step.task(slot);
      if (t.status != TaskStatus::settled || t.undo_status == UndoStatus::ready ||
          t.undo_status == UndoStatus::leased || t.undo_status == UndoStatus::incident ||
          t.undo_status == UndoStatus::child)
        return false;
    }
  }
  return true;
}

// After the last join: the outcome is fixed at once, the terminal event waits for leftovers and their undos.
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

// The next step whose condition holds.
void follow(Decider& d, std::size_t from) {
  for (std::size_t index = from; index < d.m.definition().steps.size(); ++index) {
    const auto& when = d.m.step(index).when;
    if (!when || Context(d).holds(*when)) return enter_step(d, index);
    d.emit(StepSkipped{short_of(index)});
  }
  complete(d);
}

void take(Decider& d, const Route& route) {
  switch (route.kind) {
    case GoKind::follow:
      return follow(d, d.s.step + std::size_t{1});
    case GoKind::step:
      return enter_step(d, route.step);
    case GoKind::end:
      return complete(d);
    case GoKind::compensate: {
      const std::string& code = d.m.step(d.s.step).next[route.choice].go.code;
      return begin_compensation(d, CompensationCause::decided, code.empty() ? "dta.compensate" : code, {});
    }
  }
}

// Past the pivot nothing is compensated: a person decides.
void hold_step(Decider& d, const Failure& failure) {
  const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
  d.emit(IncidentRaised{number, IncidentKind::step_failed, failure.task, failure.code, failure.message});
}

// The code that `on_failure` gives, or else that of the failure.
std::string reason_of(const Step& step, const Route& route, const std::string& code) {
  if (route.choice == kNoChoice || step.on_failure[route.choice].go.code.empty()) return code;
  return step.on_failure[route.choice].go.code;
}

void fail_step(Decider& d, const Failure& failure) {
  const std::size_t index = failure.task.step;
  const bool pivoted = d.s.bits.test(d.m.bit(TransactionBit::pivoted));
  const bool in_flight = pivot_in_flight(d.m, d.s) && !pivoted;  // past an earlier one nothing goes back
  const bool cancelled = d.s.cancel.has_value(), expired = in_flight && d.s.expires_at <= d.now;
  Route route{GoKind::compensate, 0, kNoChoice};
  if (!cancelled && !expired) {
    Context context(d);
    context.suppose_failed(&failure);
    route = choose(context, d.m.step(index).on_failure, GoKind::compensate);
  }
  if (route.kind == GoKind::compensate && pivoted) return hold_step(d, failure);
  const std::optional<Asked> asked = d.s.cancel;
  d.emit(StepFailed{short_of(index), failure.has_task, failure.has_task ? failure.task : TaskRef{short_of(index), 0, 0},
                    failure.code, failure.message, route});
  if (route.kind != GoKind::compensate) return;
  if (asked)
    begin_compensation(d, CompensationCause::cancelled, asked->reason, asked->who);
  else if (expired)
    begin_compensation(d, CompensationCause::expired, "dta.expired", {});
  else
    begin_compensation(d, CompensationCause::step_failed, reason_of(d.m.step(index), route, failure.code), {});
}

void meet_step(Decider& d, std::size_t index) {
  Context context(d);
  context.suppose_met(index);
  const Step& step = d.m.step(index);
  const Route route = choose(context, step.next, GoKind::follow);
  const bool pivoted = step.pivot || d.s.bits.test(d.m.bit(TransactionBit::pivoted));
  if (route.kind == GoKind::compensate && pivoted) {
    const Go& go = step.next[route.choice].go;
    return hold_step(
        d,
        Failure{
            true, false, TaskRef{short_of(index), 0, 0}, go.code.empty() ? "dta.compensate" : go.code, go.message, {}});
  }
  d.emit(StepMet{short_of(index), route});
  take(d, route);
}

// Fixes the context of those tasks of the instances [first, last) whose predecessors are done or skipped.
bool unblock(Decider& d, const StepView& step, std::uint32_t first, std::uint32_t last) {
  bool any = false;
  const std::size_t end = std::size_t{last} * step.block().tasks;
  for (std::size_t slot = std::size_t{first} * step.block().tasks; slot < end;) {
    const auto& after = step.rules(slot).after;
    const bool over =
        step.task(slot).status == TaskStatus::blocked && std::all_of(after.begin(), after.end(), [&](std::size_t t) {
          const std::size_t other = step.beside(slot, t);
          return step.has(TaskBit::done, other) || step.has(TaskBit::skipped, other);
        });
    if (!over) {
      ++slot;
      continue;
    }
    ready_blocked(d, step, slot);
    any = true;
    if (step.is(StepBit::failed) || d.s.held(step.index())) break;
    slot = step.beside(slot, 0);  // one that is skipped makes way for others of its instance, wherever they stand
  }
  return any;
}

// Where the events since the last time reach; true when there was one.
bool unblock(Decider& d) {
  const Stirred where = std::exchange(d.stirred, {});
  if (!where.any) return false;
  bool any = false;
  for (std::size_t index = 0; index <= d.s.step && d.s.phase == Phase::running; ++index) {
    const StepView step(d.m, d.s, index);
    if (!step.rules().ordered() || (index < d.s.step && !d.m.leaves(index))) continue;
    if (step.is(StepBit::failed) || !step.is(StepBit::entered) || d.s.held(index)) continue;
    if (where.everything)
      any = unblock(d, step, 0, step.block().instances) || any;
    else if (where.task.step == index)
      any = unblock(d, step, where.task.instance, where.task.instance + 1) || any;
  }
  return any;
}

// One judgement; true when something was decided.
bool judge_step(Decider& d) {
  const std::size_t index = d.s.step;
  if (unblock(d)) return true;
  const StepView step(d.m, d.s, index);
  if (step.is(StepBit::failed) && !step.is(StepBit::undone)) {
    if (!turn_ended(d)) return false;
    d.emit(StepUndone{short_of(index)});
    take(d, d.s.route);
    return true;
  }
  if (!step.is(StepBit::entered) || step.is(StepBit::met) || step.is(StepBit::failed)) {
    complete(d);  // the last join was decided before; leftovers may have settled
    return false;
  }
  if (d.s.held(index)) return false;
  switch (judge_join(step)) {
    case Verdict::open:
      return false;
    case Verdict::met:
      if (!step.waited()) return false;
      meet_step(d, index);
      return true;
    case Verdict::failed:
      break;
  }
  if (d.s.failure.has_step) {
    fail_step(d, Failure(d.s.failure));
  } else {
    fail_step(d, need_unreachable(index));
  }
  return true;
}

// A task of a pivot that ended unknown waits for a person.
void raise_held(Decider& d) {
  const StepView step(d.m, d.s, d.s.step);
  if (!step.rules().pivot) return;
  const auto is_held = [&](std::size_t slot) { return step.task(slot).status == TaskStatus::held; };
  const auto may_be_held = [&](std::size_t slot, std::size_t n) {
    return step.bits(TaskBit::maybe, slot, n) & ~step.bits(TaskBit::settled, slot, n);
  };
  for (std::size_t slot = step.find(may_be_held, is_held); slot < step.size(); ++slot) {
    if (!is_held(slot)) continue;
    const TaskRef ref = step.ref(slot);
    if (std::any_of(d.s.incidents.begin(), d.s.incidents.end(), [&](const Incident& i) {
          return i.open && i.kind == IncidentKind::pivot_unknown && i.task == ref;
        }))
      continue;
    const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
    d.emit(IncidentRaised{number, IncidentKind::pivot_unknown, ref, step.task(slot).error_code,
                          "nobody knows whether the task of the pivot was done"});
  }
}

}  // namespace

Failure need_unreachable(std::size_t index) {
  return {true, false, TaskRef{short_of(index), 0, 0}, kNeedUnreachable, kFewerThanNeeded, {}};
}

void judge(Decider& d) {
  if (d.s.form != Form::steps || d.s.ended()) return;
  if (d.m.definition().steps.empty()) return complete(d);
  raise_held(d);
  while (d.s.phase == Phase::running) {
    if (!judge_step(d)) return;
    raise_held(d);
  }
  judge_compensation(d);
}

void begin_steps(Decider& d) {
  follow(d, 0);
  judge(d);
}

void force_step(Decider& d, std::size_t index) {
  Context context(d);
  context.suppose_met(index);
  Route route = choose(context, d.m.step(index).next, GoKind::follow);
  if (route.kind == GoKind::compensate) route = {GoKind::follow, 0, kNoChoice};  // a person has said otherwise
  d.emit(StepMet{short_of(index), route});
  take(d, route);
}

void fail_entry(Decider& d, const Failure& failure) {
  fail_step(d, failure);
}

void fire_step_timers(Decider& d) {
  if (d.s.phase != Phase::running || d.m.definition().steps.empty()) return;
  const std::size_t index = d.s.step;
  const auto here = [&] { return d.s.phase == Phase::running && d.s.step == index; };
  const auto clocks = [&] { return Clocks(d.m, d.s, d.inputs.settings); };
  const TaskRef place{short_of(index), 0, 0};
  const auto pass_deadline = [&] {
    if (!here() || clocks().join_deadline() > d.now) return;
    if (enough(StepView(d.m, d.s, index)))  // only its leftovers were drained: decided as met
      meet_step(d, index);
    else
      fail_step(d,
                Failure{true, false, place, "dta.deadline", "the step's deadline passed before its join was met", {}});
    judge(d);
  };
  pass_deadline();
  if (here() && clocks().wait() <= d.now) {
    d.emit(WaitEnded{short_of(index), WaitEnd::time});
    judge(d);
  }
  if (here() && clocks().wait_deadline() <= d.now) {
    if (d.m.step(index).wait_for->continue_on_deadline)
      d.emit(WaitEnded{short_of(index), WaitEnd::deadline});
    else
      fail_step(d, Failure{true, false, place, "dta.deadline", "what the step waits for did not come in time", {}});
    judge(d);
  }
  pass_deadline();  // over leftovers that are drained it has a say only once the wait is over
  if (clocks().expiry() > d.now) return;
  if (d.s.bits.test(d.m.bit(TransactionBit::pivoted))) {
    const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
    d.emit(IncidentRaised{number, IncidentKind::expired, TaskRef{d.s.step, 0, 0}, "dta.expired",
                          "the transaction's time is over, but its pivot has passed"});
    return;
  }
  begin_compensation(d, CompensationCause::expired, "dta.expired", {});
  judge(d);
}

}  // namespace dta::engine

// Compensation: strictly backwards step by step, in parallel inside a step (semantics section 6).
#include <algorithm>

#include "engine/decider.h"
#include "engine/join.h"
#include "schema/assert.h"

namespace dta::engine {

using namespace schema;

// Each of its tasks is settled, and each done or unknown one is undone, given up or has no undo.
bool turn_ended(const Decider& d) {
  const StepView step(d.m, d.s, d.s.step);
  if (step.count(TaskBit::settled) < step.size()) return false;
  // Only what happened and is not undone can be unclean, unless a person ordered an undo again.
  const bool ordered_again = !d.s.incidents.empty();
  const auto may_be_open = [&](std::size_t slot, std::size_t n) {
    const std::uint64_t happened = step.bits(TaskBit::done, slot, n) | step.bits(TaskBit::unknown, slot, n);
    return ordered_again ? happened : happened & ~step.bits(TaskBit::undone, slot, n);
  };
  return step.find(may_be_open, [&](std::size_t slot) { return !step.clean(slot); }) == step.size();
}

void begin_compensation(Decider& d, CompensationCause cause, std::string reason, std::string who) {
  DTA_ASSERT(d.s.phase == Phase::running);
  d.emit(CompensationStarted{cause, std::move(reason), std::move(who)});
}

void judge_compensation(Decider& d) {
  while (d.s.phase == Phase::compensating && turn_ended(d)) {
    const std::size_t step = d.s.step;
    if (!d.s.bits.test(d.m.bit(StepBit::undone, step))) d.emit(StepUndone{static_cast<std::uint16_t>(step)});
    if (d.s.step != step) continue;
    // The last turn; an undo that a person ordered again may still be open in any step.
    if (std::any_of(d.s.tasks.begin(), d.s.tasks.end(),
                    [](const TaskState& t) { return t.undo_again && t.undo_status != UndoStatus::given_up; }))
      return;
    d.emit(TransactionCompensated{not_undone(d, NotUndoneReason::no_undo)});
  }
}

std::vector<NotUndone> not_undone(const Decider& d, NotUndoneReason reason) {
  std::vector<NotUndone> list;
  const bool everything = d.s.phase == Phase::compensating || reason == NotUndoneReason::terminated;
  for (std::size_t s = 0; s < d.m.definition().steps.size(); ++s) {
    const StepView step(d.m, d.s, s);
    // A step that failed is undone whole, also when the transaction goes on.
    const bool failed = step.is(StepBit::failed);
    const bool left = d.m.has_children() && std::any_of(d.s.tasks.begin() + step.block().first_task,
                                                        d.s.tasks.begin() + step.block().first_task +
                                                            static_cast<std::ptrdiff_t>(step.size()),
                                                        [](const TaskState& t) { return t.left_behind; });
    if (!everything && !failed && !left && (!d.m.leaves(s) || step.rules().late_success == LateSuccess::ignore))
      continue;
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskState& t = step.task(slot);
      // At a termination a lease that is still open may have acted, so may an earlier attempt that ended unknown, and
      // what is outside.
      const bool may_have =
          !step.has(TaskBit::settled, slot) && (step.has(TaskBit::maybe, slot) || t.status == TaskStatus::leased ||
                                                t.status == TaskStatus::outside || t.status == TaskStatus::child);
      if (t.left_behind) list.push_back(NotUndone{step.ref(slot), NotUndoneReason::in_child});
      if (!step.happened(slot) && !may_have) continue;
      if (step.undone(slot) || (!everything && step.has(TaskBit::counted, slot))) continue;
      const bool given_up = t.undo_status == UndoStatus::given_up;
      list.push_back(NotUndone{step.ref(slot), given_up ? NotUndoneReason::given_up : reason});
    }
  }
  return list;
}

namespace {

const char* legal_words(const State& state, IncidentKind kind) {
  if (state.ended()) return "what is over can only be accepted";
  switch (kind) {
    case IncidentKind::undo_failed:
      return "an undo that failed can be resolved by retry, force_done or give_up";
    case IncidentKind::effect_after_undo:
      return "an effect that came after its undo can be resolved by accept, or by retry, which orders the undo again";
    case IncidentKind::pivot_unknown:
      return "an unknown task of a pivot can be resolved by retry, force_done or force_failed";
    case IncidentKind::step_failed:
      return "a step that failed past the pivot can be resolved by retry or force_done; or terminate the transaction";
    case IncidentKind::expired:
      return "an expiry past the pivot can only be accepted; or terminate the transaction";
  }
  return "";
}

// Trying again helps only where tasks failed: not when the step could not be begun, or when its `next` said no.
bool can_retry(const Decider& d, const Incident& incident) {
  if (d.s.ended()) return true;
  const StepView step(d.m, d.s, incident.task.step);
  // Nothing is handed out forward once the step is decided against it.
  if (incident.kind == IncidentKind::pivot_unknown)
    return d.s.phase == Phase::running && !step.is(StepBit::failed) && !d.m.task(incident.task).child &&
           (!step.is(StepBit::met) || step.rules().leftover == Leftover::keep);
  if (incident.kind != IncidentKind::step_failed) return true;
  // A child that was terminated may have acted, and another one would do it under other keys.
  for (std::size_t slot = 0; slot < step.size(); ++slot)
    if (step.rules(slot).child && step.has(TaskBit::unknown, slot)) return false;
  if (incident.code == "dta.deadline") return true;
  if (enough(step)) return false;  // its join was met, and its `next` said no
  for (std::size_t slot = 0; slot < step.size(); ++slot)
    if (step.has(TaskBit::settled, slot) && !step.has(TaskBit::done, slot) && !step.has(TaskBit::skipped, slot))
      return true;
  return false;
}

}  // namespace

Status resolve_incident(Decider& d, const Resolve& command) {
  if (command.incident == 0 || command.incident > d.s.incidents.size())
    return refuse(ErrorCode::incident_not_found, "there is no incident " + std::to_string(command.incident) +
                                                     "; the transaction has " + std::to_string(d.s.incidents.size()));
  const Incident& incident = d.s.incidents[command.incident - 1];
  if (!incident.open)
    return refuse(ErrorCode::closed, "incident " + std::to_string(command.incident) + " was resolved before");
  if (!fits(d.s, incident, command.resolution))
    return refuse(ErrorCode::illegal_event, legal_words(d.s, incident.kind));
  if (command.resolution == IncidentResolution::retry && !can_retry(d, incident))
    return refuse(ErrorCode::illegal_event,
                  incident.kind == IncidentKind::pivot_unknown
                      ? "it cannot be tried again, since its step is decided or it is a child that was terminated: say "
                        "force_done or "
                        "force_failed"
                      : "no task of the step failed that can be tried again: force_done, or terminate the transaction");
  const IncidentKind kind = incident.kind;
  const std::size_t step = incident.task.step;
  d.emit(IncidentResolved{command.incident, command.resolution, command.reason, command.who});
  if (kind == IncidentKind::step_failed && command.resolution == IncidentResolution::force_done) force_step(d, step);
  judge(d);
  return {};
}

}  // namespace dta::engine

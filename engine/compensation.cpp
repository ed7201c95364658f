// Compensation: strictly backwards step by step, in parallel inside a step (semantics section 6).
#include "engine/decider.h"
#include "schema/assert.h"

namespace dta::engine {

using namespace schema;

namespace {

// A step's turn ends when each of its tasks is settled and each done or unknown one is undone, given up or has no undo.
bool turn_ended(const Decider& d) {
  const Step& step = d.m.step(d.s.step);
  for (std::size_t i = 0; i < step.tasks.size(); ++i) {
    const std::size_t flat = step.first_task + i;
    const auto has = [&](TaskBit b) { return d.s.bits.test(d.m.bit(b, flat)); };
    if (!has(TaskBit::settled)) return false;
    if ((has(TaskBit::done) || has(TaskBit::unknown)) && step.tasks[i].undo && !has(TaskBit::undone) &&
        d.s.tasks[flat].undo_status != UndoStatus::given_up)
      return false;
  }
  return true;
}

}  // namespace

void begin_compensation(Decider& d, CompensationCause cause, std::string reason, std::string who) {
  DTA_ASSERT(d.s.phase == Phase::running);
  d.emit(CompensationStarted{cause, std::move(reason), std::move(who)});
}

void judge_compensation(Decider& d) {
  while (d.s.phase == Phase::compensating && turn_ended(d)) {
    const std::size_t step = d.s.step;
    d.emit(StepUndone{static_cast<std::uint16_t>(step)});
    if (step == 0) d.emit(TransactionCompensated{not_undone(d, NotUndoneReason::no_undo)});
  }
}

std::vector<NotUndone> not_undone(const Decider& d, NotUndoneReason reason) {
  std::vector<NotUndone> list;
  const bool everything = d.s.phase == Phase::compensating || reason == NotUndoneReason::terminated;
  const Definition& definition = d.m.definition();
  for (std::size_t s = 0; s < definition.steps.size(); ++s) {
    if (!everything && (!d.m.leaves(s) || definition.steps[s].late_success == LateSuccess::ignore)) continue;
    for (std::size_t i = 0; i < definition.steps[s].tasks.size(); ++i) {
      const std::size_t flat = definition.steps[s].first_task + i;
      const auto has = [&](TaskBit b) { return d.s.bits.test(d.m.bit(b, flat)); };
      // At a termination a lease that is still open may have acted, and so may an earlier attempt that ended unknown.
      const bool may_have =
          !has(TaskBit::settled) && (has(TaskBit::maybe) || d.s.tasks[flat].status == TaskStatus::leased);
      if (!has(TaskBit::done) && !has(TaskBit::unknown) && !may_have) continue;
      if (has(TaskBit::undone) || (!everything && has(TaskBit::counted))) continue;
      const bool given_up = d.s.tasks[flat].undo_status == UndoStatus::given_up;
      list.push_back(NotUndone{d.m.ref(s, i), given_up ? NotUndoneReason::given_up : reason});
    }
  }
  return list;
}

Status resolve_incident(Decider& d, const Resolve& command) {
  if (command.incident == 0 || command.incident > d.s.incidents.size())
    return refuse(ErrorCode::incident_not_found, "there is no incident " + std::to_string(command.incident) +
                                                     "; the transaction has " + std::to_string(d.s.incidents.size()));
  const Incident& incident = d.s.incidents[command.incident - 1];
  if (!incident.open)
    return refuse(ErrorCode::closed, "incident " + std::to_string(command.incident) + " was resolved before");
  if (!fits(d.s, incident, command.resolution))
    return refuse(ErrorCode::illegal_event, command.resolution == IncidentResolution::accept
                                                ? "an undo that failed can be resolved by retry, force_done or give_up"
                                                : "what is over can only be accepted");
  d.emit(IncidentResolved{command.incident, command.resolution, command.reason, command.who});
  judge(d);
  return {};
}

}  // namespace dta::engine

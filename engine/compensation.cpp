// Compensation: strictly backwards step by step, in parallel inside a step (semantics section 6).
#include "engine/decider.h"
#include "schema/assert.h"

namespace dta::engine {

using namespace schema;

namespace {

// A step's turn ends when each of its tasks is settled and each done or unknown one is undone or has no undo.
bool turn_ended(const Decider& d) {
  const Step& step = d.m.step(d.s.step);
  for (std::size_t i = 0; i < step.tasks.size(); ++i) {
    const std::size_t flat = step.first_task + i;
    const auto has = [&](TaskBit b) { return d.s.bits.test(d.m.bit(b, flat)); };
    if (!has(TaskBit::settled)) return false;
    if ((has(TaskBit::done) || has(TaskBit::unknown)) && step.tasks[i].undo && !has(TaskBit::undone)) return false;
  }
  return true;
}

}  // namespace

std::vector<NotUndone> not_undone(const Decider& d) {
  std::vector<NotUndone> list;
  const bool everything = d.s.phase == Phase::compensating;
  const Definition& definition = d.m.definition();
  for (std::size_t s = 0; s < definition.steps.size(); ++s) {
    if (!everything && (!d.m.leaves(s) || definition.steps[s].late_success == LateSuccess::ignore)) continue;
    for (std::size_t i = 0; i < definition.steps[s].tasks.size(); ++i) {
      const std::size_t flat = definition.steps[s].first_task + i;
      const auto has = [&](TaskBit b) { return d.s.bits.test(d.m.bit(b, flat)); };
      if (!has(TaskBit::done) && !has(TaskBit::unknown)) continue;
      if (has(TaskBit::undone) || (!everything && has(TaskBit::counted))) continue;
      list.push_back(NotUndone{d.m.ref(s, i), NotUndoneReason::no_undo});
    }
  }
  return list;
}

void begin_compensation(Decider& d, CompensationCause cause, std::string reason, std::string who) {
  DTA_ASSERT(d.s.phase == Phase::running);
  d.emit(CompensationStarted{cause, std::move(reason), std::move(who)});
}

void judge_compensation(Decider& d) {
  while (d.s.phase == Phase::compensating && turn_ended(d)) {
    const std::size_t step = d.s.step;
    d.emit(StepUndone{static_cast<std::uint16_t>(step)});
    if (step == 0) d.emit(TransactionCompensated{not_undone(d)});
  }
}

}  // namespace dta::engine

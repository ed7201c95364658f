// Numbering of the bits; the layout stands in machine.h. Pure.
#include "engine/machine.h"

#include <algorithm>

#include "schema/assert.h"

namespace dta::engine {

Machine::Machine(schema::DefinitionPtr definition) : definition_(std::move(definition)) {
  DTA_ASSERT(definition_ != nullptr);
  const schema::Definition& d = *definition_;
  if (d.form == schema::Form::table) {
    width_ = kTransactionBits + d.states.size();
    leaving_.resize(d.states.size());
    for (std::uint32_t i = 0; i < d.transitions.size(); ++i) leaving_[d.transitions[i].from].push_back(i);
    return;
  }
  steps_ = d.steps.size();
  tasks_ = d.task_count;
  tasks_first_ = kTransactionBits + kStepBits * steps_;
  width_ = tasks_first_ + kTaskBits * tasks_;
  for (const schema::Step& step : d.steps)
    leaves_.push_back(
        step.need.kind != schema::Need::Kind::all ||
        std::any_of(step.tasks.begin(), step.tasks.end(), [](const schema::Task& task) { return task.optional; }));
}

bool Machine::valid(const TaskRef& ref) const {
  return ref.step < definition_->steps.size() && ref.task < definition_->steps[ref.step].tasks.size() &&
         ref.instance == 0;
}

TaskRef Machine::ref(std::size_t step, std::size_t task) const {
  return TaskRef{static_cast<std::uint16_t>(step), static_cast<std::uint16_t>(task), 0};
}

std::size_t Machine::count(const BitSet& bits, TaskBit b, std::size_t step) const {
  const schema::Step& s = definition_->steps[step];
  return bits.count(bit(b, s.first_task), s.tasks.size());
}

}  // namespace dta::engine

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
  width_ = kTransactionBits + kStepBits * steps_;
  for (const schema::Step& step : d.steps) {
    const auto tasks = static_cast<std::uint32_t>(step.tasks.size());
    Block block{static_cast<std::uint32_t>(static_tasks_), static_cast<std::uint32_t>(width_), tasks, 1};
    if (!step.for_each.empty()) block.instances = 0;
    static_tasks_ += block.size();
    width_ += kTaskBits * block.size();
    blocks_.push_back(block);
    has_children_ = has_children_ || std::any_of(step.tasks.begin(), step.tasks.end(),
                                                 [](const schema::Task& task) { return task.child.has_value(); });
  }
  for (const schema::Step& step : d.steps)
    leaves_.push_back(
        step.need.kind != schema::Need::Kind::all ||
        std::any_of(step.tasks.begin(), step.tasks.end(), [](const schema::Task& task) { return task.optional; }));
}

Block Machine::block(const State& state, std::size_t step) const {
  if (blocks_[step].instances != 0) return blocks_[step];
  for (const Spread& spread : state.spreads)
    if (spread.step == step) return {spread.first_task, spread.first_bit, blocks_[step].tasks, spread.instances};
  return blocks_[step];
}

bool Machine::valid(const State& state, const TaskRef& ref) const {
  if (ref.step >= steps_) return false;
  const Block b = block(state, ref.step);
  return ref.task < b.tasks && ref.instance < b.instances;
}

std::size_t Machine::flat(const State& state, const TaskRef& ref) const {
  const Block b = block(state, ref.step);
  return b.first_task + std::size_t{ref.instance} * b.tasks + ref.task;
}

std::size_t Machine::bit(const State& state, TaskBit plane, const TaskRef& ref) const {
  const Block b = block(state, ref.step);
  return b.bit(plane, std::size_t{ref.instance} * b.tasks + ref.task);
}

}  // namespace dta::engine

// One step of one transaction, to look at: its block of tasks by slot (instance * tasks + task). Made where it is
// needed and thrown away; valid while the state's fan-outs do not change.
#pragma once

#include <algorithm>
#include <bit>

#include "engine/machine.h"

namespace dta::engine {

class StepView {
 public:
  StepView(const Machine& machine, const State& state, std::size_t step)
      : m_(machine), s_(state), step_(step), block_(machine.block(state, step)) {}

  std::size_t index() const { return step_; }
  const schema::Step& rules() const { return m_.step(step_); }
  const Block& block() const { return block_; }
  bool is(StepBit b) const { return s_.bits.test(m_.bit(b, step_)); }

  std::size_t size() const { return block_.size(); }
  bool has(TaskBit b, std::size_t slot) const { return s_.bits.test(block_.bit(b, slot)); }
  // One bit a slot for the `n` (at most 64) from `slot` on.
  std::uint64_t bits(TaskBit b, std::size_t slot, std::size_t n) const {
    return s_.bits.window(block_.bit(b, slot), n);
  }
  // The first slot that mask(slot, n) gives a bit for and that `wanted` agrees to; size() when there is none. For what
  // concerns few slots of very many: the others cost a bit each.
  template <class Mask, class Wanted>
  std::size_t find(Mask&& mask, Wanted&& wanted) const {
    for (std::size_t from = 0; from < size(); from += 64) {
      for (std::uint64_t left = mask(from, std::min<std::size_t>(64, size() - from)); left != 0; left &= left - 1)
        if (const std::size_t slot = from + static_cast<std::size_t>(std::countr_zero(left)); wanted(slot)) return slot;
    }
    return size();
  }
  std::size_t count(TaskBit b) const { return s_.bits.count(block_.bit(b, 0), block_.size()); }
  const TaskState& task(std::size_t slot) const { return s_.tasks[block_.first_task + slot]; }
  const schema::Task& rules(std::size_t slot) const { return rules().tasks[slot % block_.tasks]; }
  TaskRef ref(std::size_t slot) const {
    return {static_cast<std::uint16_t>(step_), static_cast<std::uint16_t>(slot % block_.tasks),
            static_cast<std::uint32_t>(slot / block_.tasks)};
  }
  std::size_t slot(const TaskRef& ref) const { return std::size_t{ref.instance} * block_.tasks + ref.task; }
  // The slot of another task of the same instance.
  std::size_t beside(std::size_t slot, std::size_t task) const { return slot - slot % block_.tasks + task; }

  // It happened, or may have.
  bool happened(std::size_t slot) const { return has(TaskBit::done, slot) || has(TaskBit::unknown, slot); }
  // A child is undone by compensating it, if it has ended in a way that allows it.
  bool undoable(std::size_t slot) const {
    if (rules(slot).child) return has(TaskBit::done, slot) && !task(slot).irreversible;
    return rules(slot).undo.has_value();
  }
  bool undone(std::size_t slot) const { return has(TaskBit::undone, slot) && !task(slot).undo_again; }
  // Settled, and nothing is left to undo that can be undone.
  bool clean(std::size_t slot) const {
    return has(TaskBit::settled, slot) &&
           (!happened(slot) || !undoable(slot) || undone(slot) || task(slot).undo_status == UndoStatus::given_up);
  }
  // What it waits for beside its tasks is over.
  bool waited() const { return !rules().wait_for || is(StepBit::waited); }

 private:
  const Machine& m_;
  const State& s_;
  const std::size_t step_;
  const Block block_;
};

}  // namespace dta::engine

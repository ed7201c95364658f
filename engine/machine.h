// The bit machine: a definition compiled to bit numbers. Every state, step and task owns a bit in each plane that
// concerns it; the width follows from the definition and has no bound. Planes of tasks and steps are contiguous, so
// that a join is a popcount over a range. Immutable after construction; shared by pointer, read from any thread.
//
//   [0, 8)                        the transaction's own bits (TransactionBit)
//   8 + plane * steps + step      StepBit planes
//   ... + plane * tasks + task    TaskBit planes, tasks in the flat order of the definition
//   8 + state                     table form instead of the two above
#pragma once

#include <memory>

#include "engine/transaction.h"
#include "schema/definition.h"

namespace dta::engine {

enum class TransactionBit : std::uint8_t {
  started = 0,
  compensating = 1,
  completed = 2,
  compensated = 3,
  terminated = 4,
  decided = 5
};
inline constexpr std::size_t kTransactionBits = 8;

enum class StepBit : std::uint8_t { entered = 0, met = 1, failed = 2, undone = 3 };
inline constexpr std::size_t kStepBits = 4;

enum class TaskBit : std::uint8_t {
  requested = 0,  // handed out at least once
  maybe = 1,      // an attempt ended unknown
  done = 2,       // exactly one of done, failed, unknown, withdrawn once settled
  failed = 3,
  unknown = 4,
  withdrawn = 5,
  settled = 6,
  undo_requested = 7,
  undone = 8,
  counted = 9,    // done in time for its met join, or kept by it
  undo_due = 10,  // to be undone as soon as a worker takes it
};
inline constexpr std::size_t kTaskBits = 11;

class Machine {
 public:
  explicit Machine(schema::DefinitionPtr definition);

  const schema::Definition& definition() const { return *definition_; }
  const schema::DefinitionPtr& definition_ptr() const { return definition_; }
  std::size_t width() const { return width_; }

  std::size_t bit(TransactionBit b) const { return static_cast<std::size_t>(b); }
  std::size_t bit(StepBit b, std::size_t step) const {
    return kTransactionBits + static_cast<std::size_t>(b) * steps_ + step;
  }
  std::size_t bit(TaskBit b, std::size_t flat) const {
    return tasks_first_ + static_cast<std::size_t>(b) * tasks_ + flat;
  }
  std::size_t state_bit(std::size_t table_state) const { return kTransactionBits + table_state; }

  // Index of a task in the flat order; the ref must be valid().
  std::size_t flat(const TaskRef& ref) const { return definition_->steps[ref.step].first_task + ref.task; }
  bool valid(const TaskRef& ref) const;
  const schema::Task& task(const TaskRef& ref) const { return definition_->steps[ref.step].tasks[ref.task]; }
  const schema::Step& step(std::size_t index) const { return definition_->steps[index]; }
  TaskRef ref(std::size_t step, std::size_t task) const;

  // How many tasks of the step have the bit.
  std::size_t count(const BitSet& bits, TaskBit b, std::size_t step) const;
  // Whether the step may leave something behind when its join is met: open tasks, or settled ones that it did not
  // count.
  bool leaves(std::size_t step) const { return leaves_[step] != 0; }
  // Table form: the transitions that leave a state, as indices.
  const std::vector<std::uint32_t>& leaving(std::size_t table_state) const { return leaving_[table_state]; }

 private:
  schema::DefinitionPtr definition_;
  std::size_t steps_ = 0, tasks_ = 0, tasks_first_ = 0, width_ = 0;
  std::vector<std::uint8_t> leaves_;
  std::vector<std::vector<std::uint32_t>> leaving_;
};
using MachinePtr = std::shared_ptr<const Machine>;

}  // namespace dta::engine

// The bit machine: a definition compiled to bit numbers. Every state, step and task owns a bit in each plane that
// concerns it; the width follows from the definition, and from the arrays that a transaction fans out over, and has no
// bound. The tasks of one step are one block of planes, so that a join is a popcount over a range. Immutable after
// construction; shared by pointer, read from any thread.
//
//   [0, 8)                                  the transaction's own bits (TransactionBit)
//   8 + plane * steps + step                StepBit planes
//   block.first_bit + plane * size + slot   TaskBit planes of one step; slot = instance * tasks + task
//   8 + state                               table form instead of the two above
//
// The block of a step stands at a fixed place, except that of a for_each: it is appended when the step is entered and
// its number of instances is known (State::spreads).
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
  decided = 5,
  pivoted = 6  // a pivot was met: there is no way back
};
inline constexpr std::size_t kTransactionBits = 8;

// waited: what it waits for beside its tasks has come, or waits no longer.
enum class StepBit : std::uint8_t { entered = 0, met = 1, failed = 2, undone = 3, skipped = 4, waited = 5 };
inline constexpr std::size_t kStepBits = 6;

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
  skipped = 11,   // its condition did not hold: settled, and as if it were not there
};
inline constexpr std::size_t kTaskBits = 12;

// Where the tasks of a step stand: in State::tasks, and in the bits.
struct Block {
  std::uint32_t first_task = 0, first_bit = 0;
  std::uint32_t tasks = 0, instances = 1;
  std::size_t size() const { return std::size_t{tasks} * instances; }
  std::size_t bit(TaskBit b, std::size_t slot) const { return first_bit + static_cast<std::size_t>(b) * size() + slot; }
};

class Machine {
 public:
  explicit Machine(schema::DefinitionPtr definition);

  const schema::Definition& definition() const { return *definition_; }
  const schema::DefinitionPtr& definition_ptr() const { return definition_; }
  std::size_t width() const { return width_; }  // of the bits that a transaction begins with

  std::size_t bit(TransactionBit b) const { return static_cast<std::size_t>(b); }
  std::size_t bit(StepBit b, std::size_t step) const {
    return kTransactionBits + static_cast<std::size_t>(b) * steps_ + step;
  }
  std::size_t state_bit(std::size_t table_state) const { return kTransactionBits + table_state; }

  // The step's tasks in this transaction; no instances for a for_each that was not entered.
  Block block(const State& state, std::size_t step) const;
  bool valid(const State& state, const TaskRef& ref) const;
  // Index into State::tasks, and number of a bit; the ref must be valid().
  std::size_t flat(const State& state, const TaskRef& ref) const;
  std::size_t bit(const State& state, TaskBit b, const TaskRef& ref) const;
  const schema::Task& task(const TaskRef& ref) const { return definition_->steps[ref.step].tasks[ref.task]; }
  const schema::Step& step(std::size_t index) const { return definition_->steps[index]; }
  // Tasks that are there from the start: all but those of a for_each.
  std::size_t static_tasks() const { return static_tasks_; }

  // Whether the step may leave something behind when its join is met: open tasks, or settled ones that it did not
  // count.
  bool leaves(std::size_t step) const { return leaves_[step] != 0; }
  bool has_children() const { return has_children_; }
  // Table form: the transitions that leave a state, as indices.
  const std::vector<std::uint32_t>& leaving(std::size_t table_state) const { return leaving_[table_state]; }

 private:
  schema::DefinitionPtr definition_;
  std::size_t steps_ = 0, static_tasks_ = 0, width_ = 0;
  std::vector<Block> blocks_;  // by step; no instances for a for_each
  std::vector<std::uint8_t> leaves_;
  bool has_children_ = false;
  std::vector<std::vector<std::uint32_t>> leaving_;
};
using MachinePtr = std::shared_ptr<const Machine>;

}  // namespace dta::engine

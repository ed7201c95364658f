// One case an event kind: adding a kind without a row does not compile.
#include "engine/lifecycle.h"

#include <algorithm>

#include "schema/assert.h"

namespace dta::engine {
namespace {

using namespace schema;

// Collects the bits of one row.
class Row {
 public:
  explicit Row(const Machine& machine) : machine_(machine) {}

  template <class... Place>
  Row& needs(auto bit, Place... place) {
    return add(masks_.requires_all, bit, place...);
  }
  template <class... Place>
  Row& forbids(auto bit, Place... place) {
    return add(masks_.forbids_any, bit, place...);
  }
  template <class... Place>
  Row& sets(auto bit, Place... place) {
    return add(masks_.sets, bit, place...);
  }

  // Nothing but late results and incidents follow a terminal event.
  Row& open() {
    return forbids(TransactionBit::completed).forbids(TransactionBit::compensated).forbids(TransactionBit::terminated);
  }
  Masks take() { return std::move(masks_); }

 private:
  template <class... Place>
  Row& add(Mask& mask, auto bit, Place... place) {
    mask.push_back(static_cast<std::uint32_t>(machine_.bit(bit, place...)));
    return *this;
  }

  const Machine& machine_;
  Masks masks_;
};

struct RowOf {
  const Machine& machine;

  Masks operator()(const TransactionStarted&) const {
    return Row(machine).forbids(TransactionBit::started).sets(TransactionBit::started).take();
  }
  Masks operator()(const StepEntered& e) const {
    Row row(machine);
    row.needs(TransactionBit::started).forbids(TransactionBit::compensating).open().forbids(StepBit::entered, e.step);
    if (e.step > 0) row.needs(StepBit::met, static_cast<std::size_t>(e.step) - 1);
    return row.sets(StepBit::entered, e.step).take();
  }
  Masks operator()(const StepMet& e) const {
    return Row(machine)
        .open()
        .needs(StepBit::entered, e.step)
        .forbids(StepBit::failed, e.step)
        .forbids(StepBit::met, e.step)
        .forbids(TransactionBit::compensating)
        .sets(StepBit::met, e.step)
        .take();
  }
  Masks operator()(const StepFailed& e) const {
    return Row(machine)
        .open()
        .needs(StepBit::entered, e.step)
        .forbids(StepBit::failed, e.step)
        .forbids(StepBit::met, e.step)
        .forbids(TransactionBit::compensating)
        .sets(StepBit::failed, e.step)
        .take();
  }
  Masks operator()(const TaskLeased& e) const {
    const std::size_t task = machine.flat(e.task);
    Row row(machine);
    row.open();
    if (e.action == Action::undo)
      return row.needs(TaskBit::undo_due, task)
          .needs(TaskBit::settled, task)
          .forbids(TaskBit::failed, task)
          .forbids(TaskBit::withdrawn, task)
          .forbids(TaskBit::undone, task)
          .sets(TaskBit::undo_requested, task)
          .take();
    return row.needs(StepBit::entered, e.task.step)
        .forbids(TransactionBit::compensating)
        .forbids(StepBit::failed, e.task.step)
        .forbids(TaskBit::settled, task)
        .sets(TaskBit::requested, task)
        .take();
  }
  // What every result of an open lease needs.
  Row answered(const Attempt& a) const {
    const std::size_t task = machine.flat(a.task);
    Row row(machine);
    row.open();
    if (a.action == Action::undo)
      row.needs(TaskBit::undo_requested, task).forbids(TaskBit::undone, task);
    else
      row.needs(TaskBit::requested, task).forbids(TaskBit::settled, task);
    return row;
  }
  Masks operator()(const TaskCompleted& e) const {
    const std::size_t task = machine.flat(e.attempt.task);
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::undo) return row.sets(TaskBit::undone, task).take();
    return row.sets(TaskBit::done, task).sets(TaskBit::settled, task).take();
  }
  Masks operator()(const TaskFailed& e) const {
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::perform && e.effect == Effect::unknown)
      row.sets(TaskBit::maybe, machine.flat(e.attempt.task));
    return row.take();
  }
  Masks operator()(const TaskReleased& e) const { return answered(e.attempt).take(); }
  Masks operator()(const AttemptTimedOut& e) const {
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::perform) row.sets(TaskBit::maybe, machine.flat(e.attempt.task));
    return row.take();
  }
  Masks operator()(const TaskTimedOut& e) const {
    return Row(machine)
        .open()
        .needs(StepBit::entered, e.task.step)
        .forbids(TaskBit::settled, machine.flat(e.task))
        .take();
  }
  Masks operator()(const HeartbeatRecorded& e) const { return answered(e.attempt).take(); }
  Masks operator()(const LateResult&) const { return Row(machine).needs(TransactionBit::started).take(); }
  Masks operator()(const OutcomeDecided&) const {
    Row row(machine);
    row.needs(TransactionBit::started).forbids(TransactionBit::compensating).forbids(TransactionBit::decided).open();
    const std::size_t steps = machine.definition().steps.size();
    if (steps > 0) row.needs(StepBit::met, steps - 1);
    return row.sets(TransactionBit::decided).take();
  }
  Masks operator()(const CompensationStarted&) const {
    Row row(machine);
    row.needs(TransactionBit::started).forbids(TransactionBit::decided).forbids(TransactionBit::compensating).open();
    return row.sets(TransactionBit::compensating).take();
  }
  Masks operator()(const StepUndone& e) const {
    Row row(machine);
    row.needs(TransactionBit::compensating).open().needs(StepBit::entered, e.step).forbids(StepBit::undone, e.step);
    return row.sets(StepBit::undone, e.step).take();
  }
  Masks operator()(const TransactionCompleted&) const {
    Row row(machine);
    row.needs(TransactionBit::started).forbids(TransactionBit::compensating).open();
    if (machine.definition().form == Form::steps && !machine.definition().steps.empty())
      row.needs(StepBit::met, machine.definition().steps.size() - 1);
    return row.sets(TransactionBit::completed).take();
  }
  Masks operator()(const TransactionCompensated&) const {
    Row row(machine);
    row.needs(TransactionBit::compensating).open();
    if (!machine.definition().steps.empty()) row.needs(StepBit::undone, std::size_t{0});
    return row.sets(TransactionBit::compensated).take();
  }
  Masks operator()(const TransactionTerminated&) const {
    return Row(machine).needs(TransactionBit::started).open().sets(TransactionBit::terminated).take();
  }
  Masks operator()(const IncidentRaised&) const { return Row(machine).needs(TransactionBit::started).take(); }
  Masks operator()(const IncidentResolved&) const { return Row(machine).needs(TransactionBit::started).take(); }
  Masks operator()(const Transitioned& e) const {
    Masks masks = Row(machine).needs(TransactionBit::started).open().take();
    const auto bit = [&](std::size_t state) { return static_cast<std::uint32_t>(machine.state_bit(state)); };
    masks.requires_all.push_back(bit(e.from));
    masks.sets.push_back(bit(e.to));
    if (machine.definition().cycles) {
      masks.clears.push_back(bit(e.from));
    } else {
      // A state has been left exactly when one of its successors was reached: in a table without cycles a successor
      // cannot have been reached before.
      for (std::uint32_t leaving : machine.leaving(e.from))
        masks.forbids_any.push_back(bit(machine.definition().transitions[leaving].to));
    }
    return masks;
  }
  Masks operator()(const DefinitionPublished&) const { return {}; }
};

}  // namespace

Masks masks_of(const Machine& machine, const Event& event) {
  return std::visit(RowOf{machine}, event);
}

bool legal(const BitSet& bits, const Masks& masks) {
  return std::all_of(masks.requires_all.begin(), masks.requires_all.end(),
                     [&](std::uint32_t bit) { return bits.test(bit); }) &&
         std::none_of(masks.forbids_any.begin(), masks.forbids_any.end(),
                      [&](std::uint32_t bit) { return bits.test(bit); });
}

void apply(BitSet& bits, const Masks& masks) {
  for (std::uint32_t bit : masks.clears) bits.reset(bit);
  for (std::uint32_t bit : masks.sets) bits.set(bit);
}

}  // namespace dta::engine

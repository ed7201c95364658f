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
  Row(const Machine& machine, const State& state) : machine_(machine), state_(state) {}

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
  Row& add(Mask& mask, TaskBit bit, const TaskRef& task) {
    mask.push_back(static_cast<std::uint32_t>(machine_.bit(state_, bit, task)));
    return *this;
  }

  const Machine& machine_;
  const State& state_;
  Masks masks_;
};

struct RowOf {
  const Machine& machine;
  const State& state;

  // What only a transaction does that still goes forward.
  Row forward() const {
    Row row(machine, state);
    row.needs(TransactionBit::started).forbids(TransactionBit::compensating).forbids(TransactionBit::decided).open();
    return row;
  }
  // A step is left when its join was met, or when it failed and was undone; where nothing else was chosen, all steps
  // between it and `to` were skipped.
  void way_from_current(Row& row, std::size_t to) const {
    std::size_t next = 0;
    if (state.bits.test(machine.bit(StepBit::entered, state.step))) {
      const bool failed = state.bits.test(machine.bit(StepBit::failed, state.step));
      row.needs(failed ? StepBit::undone : StepBit::met, std::size_t{state.step});
      next = state.route.kind == GoKind::follow ? state.step + std::size_t{1} : to;
    }
    for (; next < to; ++next) row.needs(StepBit::skipped, next);
  }
  std::size_t steps() const { return machine.definition().steps.size(); }

  Masks operator()(const TransactionStarted&) const {
    return Row(machine, state).forbids(TransactionBit::started).sets(TransactionBit::started).take();
  }
  Masks operator()(const StepEntered& e) const {
    Row row = forward();
    row.forbids(StepBit::entered, e.step).forbids(StepBit::skipped, e.step);
    way_from_current(row, e.step);
    return row.sets(StepBit::entered, e.step).take();
  }
  Masks operator()(const StepSkipped& e) const {
    Row row = forward();
    row.forbids(StepBit::entered, e.step).forbids(StepBit::skipped, e.step);
    way_from_current(row, e.step);
    return row.sets(StepBit::skipped, e.step).take();
  }
  Masks operator()(const StepMet& e) const {
    Row row(machine, state);
    row.open()
        .needs(StepBit::entered, e.step)
        .forbids(StepBit::failed, e.step)
        .forbids(StepBit::met, e.step)
        .forbids(TransactionBit::compensating)
        .sets(StepBit::met, e.step);
    if (machine.step(e.step).pivot) row.sets(TransactionBit::pivoted);
    return row.take();
  }
  Masks operator()(const StepFailed& e) const {
    return Row(machine, state)
        .open()
        .needs(StepBit::entered, e.step)
        .forbids(StepBit::failed, e.step)
        .forbids(StepBit::met, e.step)
        .forbids(TransactionBit::compensating)
        .sets(StepBit::failed, e.step)
        .take();
  }
  Masks operator()(const TaskLeased& e) const {
    Row row(machine, state);
    row.open();
    if (e.action == Action::undo) {
      row.needs(TaskBit::undo_due, e.task)
          .needs(TaskBit::settled, e.task)
          .forbids(TaskBit::failed, e.task)
          .forbids(TaskBit::withdrawn, e.task)
          .forbids(TaskBit::skipped, e.task);
      return undo_open(row, e.task).sets(TaskBit::undo_requested, e.task).take();
    }
    return row.needs(StepBit::entered, e.task.step)
        .forbids(TransactionBit::compensating)
        .forbids(StepBit::failed, e.task.step)
        .forbids(TaskBit::settled, e.task)
        .sets(TaskBit::requested, e.task)
        .take();
  }
  // An undo that was acknowledged is over, unless a person ordered it again.
  Row& undo_open(Row& row, const TaskRef& task) const {
    if (!state.tasks[machine.flat(state, task)].undo_again) row.forbids(TaskBit::undone, task);
    return row;
  }
  // What every result of an open lease needs.
  Row answered(const Attempt& a) const {
    Row row(machine, state);
    row.open();
    if (a.action == Action::undo)
      undo_open(row.needs(TaskBit::undo_requested, a.task), a.task);
    else
      row.needs(TaskBit::requested, a.task).forbids(TaskBit::settled, a.task);
    return row;
  }
  Masks operator()(const TaskCompleted& e) const {
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::undo) return row.sets(TaskBit::undone, e.attempt.task).take();
    return row.sets(TaskBit::done, e.attempt.task).sets(TaskBit::settled, e.attempt.task).take();
  }
  Masks operator()(const TaskFailed& e) const {
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::perform && e.effect == Effect::unknown) row.sets(TaskBit::maybe, e.attempt.task);
    return row.take();
  }
  Masks operator()(const TaskReleased& e) const { return answered(e.attempt).take(); }
  Masks operator()(const AttemptTimedOut& e) const {
    Row row = answered(e.attempt);
    if (e.attempt.action == Action::perform) row.sets(TaskBit::maybe, e.attempt.task);
    return row.take();
  }
  Masks operator()(const TaskTimedOut& e) const {
    return Row(machine, state).open().needs(StepBit::entered, e.task.step).forbids(TaskBit::settled, e.task).take();
  }
  Masks operator()(const HeartbeatRecorded& e) const { return answered(e.attempt).take(); }
  Masks operator()(const LateResult&) const { return Row(machine, state).needs(TransactionBit::started).take(); }
  Masks operator()(const OutcomeDecided&) const {
    Row row = forward();
    way_from_current(row, steps());
    return row.sets(TransactionBit::decided).take();
  }
  Masks operator()(const CompensationStarted&) const {
    Row row(machine, state);
    row.needs(TransactionBit::started)
        .forbids(TransactionBit::decided)
        .forbids(TransactionBit::compensating)
        .forbids(TransactionBit::pivoted)
        .open();
    return row.sets(TransactionBit::compensating).take();
  }
  // In a compensation, or of a failed step that `on_failure` leads past.
  Masks operator()(const StepUndone& e) const {
    Row row(machine, state);
    row.open().needs(StepBit::entered, e.step).forbids(StepBit::undone, e.step);
    if (state.phase != Phase::compensating) row.needs(StepBit::failed, e.step);
    return row.sets(StepBit::undone, e.step).take();
  }
  Masks operator()(const TransactionCompleted&) const {
    Row row(machine, state);
    row.needs(TransactionBit::started).forbids(TransactionBit::compensating).open();
    if (machine.definition().form == Form::steps && steps() > 0) way_from_current(row, steps());
    return row.sets(TransactionBit::completed).take();
  }
  Masks operator()(const TransactionCompensated&) const {
    Row row(machine, state);
    row.needs(TransactionBit::compensating).open();
    for (std::size_t step = 0; step < machine.definition().steps.size(); ++step)
      if (state.bits.test(machine.bit(StepBit::entered, step))) row.needs(StepBit::undone, step);
    return row.sets(TransactionBit::compensated).take();
  }
  Masks operator()(const TransactionTerminated&) const {
    return Row(machine, state).needs(TransactionBit::started).open().sets(TransactionBit::terminated).take();
  }
  // Only what completed goes on, and only backwards: nothing that has passed a pivot.
  Masks operator()(const EpochOpened&) const {
    return Row(machine, state).needs(TransactionBit::completed).forbids(TransactionBit::pivoted).take();
  }
  Masks operator()(const TaskReady& e) const {
    Row row(machine, state);
    row.open().needs(StepBit::entered, e.task.step).forbids(TransactionBit::compensating);
    return row.forbids(TaskBit::settled, e.task).forbids(TaskBit::requested, e.task).take();
  }
  Masks operator()(const TaskSkipped& e) const {
    Row row(machine, state);
    row.open().needs(StepBit::entered, e.task.step).forbids(TransactionBit::compensating);
    row.forbids(TaskBit::settled, e.task).forbids(TaskBit::requested, e.task);
    return row.sets(TaskBit::skipped, e.task).sets(TaskBit::settled, e.task).take();
  }
  Masks operator()(const SignalReceived&) const { return forward().take(); }
  Masks operator()(const WaitEnded& e) const {
    Row row = forward();
    row.needs(StepBit::entered, e.step).forbids(StepBit::met, e.step).forbids(StepBit::failed, e.step);
    return row.forbids(StepBit::waited, e.step).sets(StepBit::waited, e.step).take();
  }
  Masks operator()(const CancelRequested&) const {
    return forward().forbids(TransactionBit::pivoted).needs(StepBit::entered, std::size_t{state.step}).take();
  }
  Masks operator()(const TransactionPaused&) const {
    return Row(machine, state).needs(TransactionBit::started).open().take();
  }
  Masks operator()(const TransactionResumed&) const {
    return Row(machine, state).needs(TransactionBit::started).open().take();
  }
  Masks operator()(const IncidentRaised&) const { return Row(machine, state).needs(TransactionBit::started).take(); }
  Masks operator()(const IncidentResolved&) const { return Row(machine, state).needs(TransactionBit::started).take(); }
  Masks operator()(const Transitioned& e) const {
    Masks masks = Row(machine, state).needs(TransactionBit::started).open().take();
    const auto bit = [&](std::size_t of) { return static_cast<std::uint32_t>(machine.state_bit(of)); };
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

Masks masks_of(const Machine& machine, const State& state, const Event& event) {
  return std::visit(RowOf{machine, state}, event);
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

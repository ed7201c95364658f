// When the timers of a transaction are due. Pauses of the transaction, its definition and its queues hold them, except
// that of an attempt, of a heartbeat and the expiry (semantics section 7). Pure functions of the state; shared by
// pending(), which says what is due next, and decide(), which fires it, so that the two cannot differ.
#pragma once

#include <vector>

#include "engine/decide.h"
#include "engine/step_view.h"

namespace dta::engine {

// The earliest time at which `length` has gone by since `start`, less the union of the pauses. Each list is in order
// and without overlap. Never: a pause has no end yet.
Time due_at(Time start, Duration length, const std::vector<const schema::Pauses*>& pauses);

// A pivot step was begun and is not decided: cancel and expiry wait.
bool pivot_in_flight(const Machine& machine, const State& state);

class Clocks {
 public:
  Clocks(const Machine& machine, const State& state, const Settings* settings);

  schema::Timeouts timeouts(const TaskRef& ref, Action action) const;
  Time ready(const TaskRef& ref, const TaskState& task) const;  // when it may be handed out
  Time undo_ready(const TaskRef& ref, const TaskState& task) const;
  Time queue(const TaskRef& ref, const TaskState& task) const;  // never: it has no such limit, here and below
  Time total(const TaskRef& ref, const TaskState& task) const;
  // Of the step entered last.
  Time join_deadline() const;
  Time wait() const;
  Time wait_deadline() const;
  Time expiry() const;

  // By slot: whether its worker was asked to stop, so that its total timeout has fired already.
  std::vector<bool> asked_to_stop(const StepView& step) const;

 private:
  using Lists = std::vector<const schema::Pauses*>;
  Lists with_queue(const TaskRef& ref, Action action) const;
  bool step_runs() const;

  const Machine& m_;
  const State& s_;
  const Settings* settings_;
  Lists pauses_;  // of the transaction and its definition
};

}  // namespace dta::engine

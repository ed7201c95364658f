// What people ask of a transaction in the reference model: cancel, terminate, and what becomes of incidents. See
// model.h.
#include <algorithm>

#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

std::optional<ErrorCode> Transaction::cancel(Time now) {
  if (phase != Phase::running || decided) return ErrorCode::closed;
  if (definition_->form == Form::table) {
    note(EventKind::transaction_terminated);
    phase = Phase::terminated;
    return std::nullopt;
  }
  if (pivot_passed()) return ErrorCode::past_pivot;
  if (pivot_in_flight()) {
    if (cancel_requested_) return ErrorCode::closed;
    note(EventKind::cancel_requested);
    cancel_requested_ = true;
    return std::nullopt;
  }
  begin_compensation(now);
  judge(now);
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::terminate() {
  if (ended()) return ErrorCode::closed;
  note(EventKind::transaction_terminated);
  phase = Phase::terminated;
  for (std::size_t i = 0; i < steps_.size(); ++i)
    for (std::size_t p = 0; p < steps_[i].tasks.size(); ++p) {
      Task& t = steps_[i].tasks[p];
      for (Side* side : {&t.action, &t.undo}) {
        if (side->open_hand_out()) side->hand_outs.back().ending = Ending::timed_out;
        side->ready.reset();
      }
      t.held = false;
      if (t.entered && !t.settled) settle(ref_of(i, p), t, t.action.last);
    }
  return std::nullopt;
}

// Section 7. After the end there is nothing to decide any more but to accept.
std::optional<ErrorCode> Transaction::resolve_incident(std::size_t number, IncidentResolution resolution, Time now,
                                                       const std::string& reason) {
  if (number == 0 || number > incidents.size()) return ErrorCode::incident_not_found;
  Incident& incident = incidents[number - 1];
  if (!incident.open) return ErrorCode::closed;
  if (!can_resolve(incident, resolution)) return ErrorCode::illegal_event;
  note(EventKind::incident_resolved);
  incident.open = false;
  if (ended()) {
    if (incident.kind == IncidentKind::step_failed) steps_[incident.task.step].held = false;
    if (incident.kind != IncidentKind::undo_failed) return std::nullopt;
    at(incident.task).undo_stuck = false;
    at(incident.task).given_up = true;
    return std::nullopt;
  }
  switch (incident.kind) {
    case IncidentKind::undo_failed:
      resolve_undo_failed(at(incident.task), resolution, now);
      break;
    case IncidentKind::effect_after_undo:
      if (resolution == IncidentResolution::retry) order_undo_again(at(incident.task), now);
      break;
    case IncidentKind::pivot_unknown:
      resolve_pivot(incident.task, resolution, now, reason);
      break;
    case IncidentKind::step_failed:
      resolve_step(resolution, now);
      break;
    case IncidentKind::expired:
      break;
  }
  judge(now);
  return std::nullopt;
}

bool Transaction::can_resolve(const Incident& incident, IncidentResolution resolution) const {
  using R = IncidentResolution;
  if (ended()) return resolution == R::accept;
  switch (incident.kind) {
    case IncidentKind::undo_failed:
      return resolution == R::retry || resolution == R::force_done || resolution == R::give_up;
    case IncidentKind::effect_after_undo:
      return resolution == R::accept || resolution == R::retry;
    case IncidentKind::expired:
      return resolution == R::accept;
    case IncidentKind::pivot_unknown: {
      if (resolution != R::retry) return resolution == R::force_done || resolution == R::force_failed;
      const StepState& s = steps_[incident.task.step];
      return phase == Phase::running &&
             (s.outcome == StepOutcome::open || (s.outcome == StepOutcome::met && s.rules->leftover == Leftover::keep));
    }
    case IncidentKind::step_failed: {
      if (resolution != R::retry) return resolution == R::force_done;
      const StepState& s = current();
      if (s.unresolved || s.said_compensate) return false;
      return s.held_for == "dta.deadline" ||
             std::any_of(s.tasks.begin(), s.tasks.end(), [](const Task& t) { return ended_undone(t); });
    }
  }
  return false;
}

// Settled without being done, and not because a condition said so.
bool Transaction::ended_undone(const Task& t) {
  return t.settled && t.outcome() != Outcome::done && t.outcome() != Outcome::skipped;
}

void Transaction::resolve_undo_failed(Task& t, IncidentResolution resolution, Time now) {
  t.undo_stuck = false;
  if (resolution == IncidentResolution::retry) t.undo.ready = Clock{now, Duration{0}};
  if (resolution == IncidentResolution::force_done) {
    t.undone = true;
    t.undo_again = false;
  }
  t.given_up = resolution == IncidentResolution::give_up;
}

// Another order is another request: its attempts count from 1.
void Transaction::order_undo_again(Task& t, Time now) {
  ++t.undo_order;
  t.undo_again = true;
  t.earlier_undos.insert(t.earlier_undos.end(), t.undo.hand_outs.begin(), t.undo.hand_outs.end());
  t.undo = Side{};
  t.undo.ready = Clock{now, Duration{0}};
}

// Tried again, attempts go on counting; or a person says what became of it.
void Transaction::resolve_pivot(TaskRef ref, IncidentResolution resolution, Time now, const std::string& reason) {
  Task& t = at(ref);
  t.held = false;
  if (resolution == IncidentResolution::retry) {
    // A total that has run out bounds what the task tried by itself, not what a person orders.
    t.first_ready.reset();
    t.ran_out = false;
    return make_ready(t, now);
  }
  const bool done = resolution == IncidentResolution::force_done;
  t.forced = done ? Outcome::done : Outcome::failed;
  Failure why = t.action.last;
  why.task = ref;
  why.has_task = true;
  why.message = reason.empty() ? "a person said that it was not done" : reason;
  settle(ref, t, why);
  if (done) count_late(ref, t);
}

// A step that is held after a passed pivot: forced as met, or tried again in a new epoch. Then what settled without
// being done starts anew, and so do the clocks of the step.
void Transaction::resolve_step(IncidentResolution resolution, Time now) {
  StepState& s = current();
  s.held = false;
  s.said_compensate = false;
  if (resolution == IncidentResolution::force_done) {
    View view;
    view.own = step;
    const Route route = decide(s.rules->next, GoKind::follow, view);
    return meet_and_go(route.kind == GoKind::compensate ? Route{} : route, now);
  }
  ++epoch;
  s.failure.reset();
  s.since = now;
  for (Task& t : s.tasks) {
    if (!ended_undone(t)) continue;
    t.earlier.insert(t.earlier.end(), t.action.hand_outs.begin(), t.action.hand_outs.end());
    if (t.forced) t.forgiven = t.earlier.size();
    t.action = Side{};
    t.forced.reset();
    t.settled = t.ran_out = false;
    t.blocked = !t.rules->after.empty();  // judged anew, its turn may come at once
    t.first_ready.reset();
    if (!t.blocked) make_ready(t, now);
  }
}

}  // namespace dta::model

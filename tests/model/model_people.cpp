// What people and systems outside say: signals, cancel, terminate, pause, and what becomes of incidents (semantics
// sections 5 and 7).
#include <algorithm>

#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

namespace {

// Which words fit which incident. After the end only the attention of people is left to change.
bool fits(IncidentKind kind, IncidentResolution word, bool ended) {
  using enum IncidentResolution;
  if (ended) return word == accept;
  switch (kind) {
    case IncidentKind::undo_failed:
      return word == retry || word == force_done || word == give_up;
    case IncidentKind::effect_after_undo:
      return word == accept || word == retry;
    case IncidentKind::pivot_unknown:
      return word == retry || word == force_done || word == force_failed;
    case IncidentKind::step_failed:
      return word == retry || word == force_done;
    case IncidentKind::expired:
      return word == accept;
  }
  return false;
}

}  // namespace

// Kept by name in order of arrival; the step that waits for it takes it at once.
std::optional<ErrorCode> Transaction::signal(const std::string& name, const std::string& payload, Time now) {
  if (phase != Phase::running || decided) return ErrorCode::closed;
  if (std::find(definition_->signals.begin(), definition_->signals.end(), name) == definition_->signals.end())
    return ErrorCode::unknown_signal;
  note(EventKind::signal_received);
  signals_.push_back({name, payload, false});
  Step& s = current();
  if (s.entered && !s.met && !s.failed) hear(s, name);
  judge(now);
  return std::nullopt;
}

// The earliest signal of this name that no wait has taken, if the step waits for it and has none yet.
void Transaction::hear(Step& s, const std::string& name) {
  const auto& wait = rules(static_cast<std::size_t>(&s - steps_.data())).wait_for;
  if (!wait || s.waited || s.heard.contains(name)) return;
  if (std::find(wait->signals.begin(), wait->signals.end(), name) == wait->signals.end()) return;
  for (Signal& kept : signals_) {
    if (kept.name != name || kept.consumed) continue;
    kept.consumed = true;
    taken_[name] = kept.payload;
    s.heard.insert(name);
    s.waited = s.heard.size() == wait->signals.size();
    return;
  }
}

// Not once the outcome is fixed, not past a pivot, and not while one is under way: then it waits for that.
std::optional<ErrorCode> Transaction::cancel(Time now) {
  if (phase != Phase::running || decided) return ErrorCode::closed;
  if (definition_->form == Form::table) {
    note(EventKind::transaction_terminated);
    phase = Phase::terminated;
    return std::nullopt;
  }
  if (passed_) return ErrorCode::past_pivot;
  if (in_flight()) {
    if (cancel_asked_) return ErrorCode::closed;
    note(EventKind::cancel_requested);
    cancel_asked_ = true;
    return std::nullopt;
  }
  begin_compensation(CompensationCause::cancelled, {}, now);
  judge(now);
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::terminate() {
  if (ended()) return ErrorCode::closed;
  note(EventKind::transaction_terminated);
  phase = Phase::terminated;
  for (Step& s : steps_)
    for (Task& t : s.tasks) {
      for (Side* side : {&t.action, &t.undo}) {
        if (side->open()) side->hand_outs.back().ending = Ending::timed_out;
        side->waiting.reset();
      }
      if (t.entered) t.settled = true;
      t.blocked = t.held = false;
    }
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::pause(Time now) {
  if (ended()) return ErrorCode::closed;
  if (paused()) return ErrorCode::illegal_event;
  note(EventKind::transaction_paused);
  pauses_.emplace_back(now, Time::never());
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::resume(Time now) {
  if (ended()) return ErrorCode::closed;
  if (!paused()) return ErrorCode::illegal_event;
  note(EventKind::transaction_resumed);
  pauses_.back().second = now;
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::resolve_incident(std::size_t number, IncidentResolution word, Time now) {
  if (number == 0 || number > incidents.size()) return ErrorCode::incident_not_found;
  Incident& incident = incidents[number - 1];
  if (!incident.open) return ErrorCode::closed;
  if (!fits(incident.kind, word, ended())) return ErrorCode::illegal_event;
  const std::string said = std::to_string(number) + " " + std::string(to_string(word));
  if (word == IncidentResolution::retry) {
    const auto refused = may_begin_again(incident);
    if (refused) return refused;
  }
  note(EventKind::incident_resolved, said);
  incident.open = false;
  if (word == IncidentResolution::retry)
    begin_again(incident, now);
  else if (incident.kind == IncidentKind::undo_failed)
    end_undo(at(incident.task), word);
  else if (incident.kind == IncidentKind::pivot_unknown && !ended())
    settle_held(at(incident.task), word);
  else if (incident.kind == IncidentKind::step_failed && !ended())
    count_as_met({GoKind::follow, 0, kNoChoice}, now);
  if (!ended()) judge(now);
  return std::nullopt;
}

// An undo that failed is done by hand, or stays undone.
void Transaction::end_undo(Task& t, IncidentResolution word) {
  t.undo_stuck = false;
  if (word == IncidentResolution::force_done) {
    t.undone = true;
    t.undo_again = false;
  } else {
    t.given_up = true;
  }
}

void Transaction::settle_held(Task& t, IncidentResolution word) {
  const bool done = word == IncidentResolution::force_done;
  t.forced = done ? Outcome::done : Outcome::failed;
  settle_as(t, t.action.last_error);
  t.counted = done && steps_[t.ref.step].met && rules(t.ref.step).leftover == Leftover::keep;
}

// Nothing is tried again once its step has failed, or was met without keeping what is left over, or the transaction
// compensates. Of a step there must be something to try: a task that settled without being done, or a deadline.
std::optional<ErrorCode> Transaction::may_begin_again(const Incident& incident) const {
  const Step& s = steps_[incident.task.step];
  if (incident.kind == IncidentKind::pivot_unknown) {
    const bool dropped = s.met && rules(incident.task.step).leftover != Leftover::keep;
    if (phase != Phase::running || s.failed || dropped) return ErrorCode::illegal_event;
  }
  if (incident.kind == IncidentKind::step_failed) {
    const bool something = std::any_of(s.tasks.begin(), s.tasks.end(), [](const Task& t) {
      return t.settled && !t.skipped && t.outcome() != Outcome::done;
    });
    if (s.stuck_by_next || (!something && incident.code != "dta.deadline")) return ErrorCode::illegal_event;
  }
  return std::nullopt;
}

void Transaction::begin_again(const Incident& incident, Time now) {
  if (incident.kind == IncidentKind::step_failed) return begin_step_again(steps_[incident.task.step], now);
  Task& t = at(incident.task);
  switch (incident.kind) {
    case IncidentKind::undo_failed:
      t.undo_stuck = false;
      t.undo.waiting = Backoff{now, Duration{0}};
      break;
    case IncidentKind::effect_after_undo:
      ++t.order;
      t.undo_again = true;
      t.undo.round = t.undo.hand_outs.size();
      t.undo.waiting = Backoff{now, Duration{0}};
      break;
    default: {
      t.held = false;
      const Time first = t.first_ready;
      make_ready(t, now);
      t.first_ready = first;
    }
  }
}

// A new epoch: what settled without being done begins anew, and so do the step's clocks.
void Transaction::begin_step_again(Step& s, Time now) {
  ++epoch;
  s.stuck = s.deadline_passed = false;
  s.failure.reset();
  s.since = now;
  std::vector<Task*> anew;
  for (Task& t : s.tasks) {
    if (!t.settled || t.skipped || t.outcome() == Outcome::done) continue;
    t.settled = t.ran_out = false;
    t.forced.reset();
    t.action.round = t.action.hand_outs.size();
    anew.push_back(&t);
  }
  // What it reads stays fixed, once it was.
  for (Task* t : anew) {
    if (may_begin(*t) && (t->rules->after.empty() || t->fixed))
      make_ready(*t, now);
    else
      t->blocked = true;
  }
}

bool Transaction::waits_for_a_person() const {
  return std::any_of(incidents.begin(), incidents.end(), [](const Incident& i) { return i.open; });
}

}  // namespace dta::model

// Time in the reference model: timers, which fire late but never early, and pauses, for which most of them stand still.
// See model.h.
#include <algorithm>

#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

// ---- pauses

std::optional<ErrorCode> Transaction::pause(Time now) {
  if (ended()) return ErrorCode::closed;
  if (paused()) return ErrorCode::illegal_event;
  note(EventKind::transaction_paused);
  pauses_.emplace_back(now, std::nullopt);
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::resume(Time now) {
  if (ended()) return ErrorCode::closed;
  if (!paused()) return ErrorCode::illegal_event;
  note(EventKind::transaction_resumed);
  pauses_.back().second = now;
  return std::nullopt;
}

// The first moment at which the time since `start`, less the pauses, has reached `length`.
Time Transaction::due(Time start, Duration length) const {
  Time at = start + length;
  for (const auto& [from, to] : pauses_) {
    if (to && *to <= start) continue;
    const Time stands = std::max(from, start);
    if (at <= stands) break;
    if (!to) return Time::never();
    at = at + (*to - stands);
  }
  return at;
}

// ---- when timers are due

Time Transaction::lease_end(const Task& task, Action action, const HandOut& h) const {
  const Timeouts& limits = action == Action::undo ? task.rules->undo->timeouts : task.timeouts;
  const Time by_attempt = h.since + limits.attempt;
  return limits.heartbeat.ms == 0 ? by_attempt : std::min(by_attempt, h.last_beat + limits.heartbeat);
}

Time Transaction::limit_end(const Task& t, TaskLimit limit) const {
  if (phase != Phase::running || !t.entered || t.settled || t.held || t.blocked) return Time::never();
  if (limit == TaskLimit::queue) {
    if (t.timeouts.queue.ms == 0 || !t.action.ready) return Time::never();
    return due(t.action.ready->start, Duration{t.action.ready->length.ms + t.timeouts.queue.ms});
  }
  if (t.timeouts.total.ms == 0 || !t.first_ready || t.ran_out) return Time::never();
  if (t.action.open() && t.action.hand_outs.back().asked_to_stop) return Time::never();  // it has been told already
  return due(*t.first_ready, t.timeouts.total);
}

// It concerns the join of the tasks: when only the wait is open, it does nothing.
Time Transaction::deadline_end() const {
  if (phase != Phase::running || steps_.empty()) return Time::never();
  const StepState& s = current();
  if (s.outcome != StepOutcome::open || s.held || s.deadline.ms == 0) return Time::never();
  if (need_met(step, Open::left_aside) && s.waits()) return Time::never();
  return due(s.since, s.deadline);
}

Time Transaction::wait_end(WaitEnd how) const {
  if (phase != Phase::running || steps_.empty()) return Time::never();
  const StepState& s = current();
  if (s.outcome != StepOutcome::open || s.held) return Time::never();
  if (how == WaitEnd::time) return s.waits_for_time ? due(s.since, s.wait) : Time::never();
  return !s.awaited.empty() && s.wait_deadline.ms > 0 ? due(s.since, s.wait_deadline) : Time::never();
}

Time Transaction::expiry() const {
  if (phase != Phase::running || decided) return Time::never();
  if (pivot_in_flight() || (pivot_passed() && expiry_told_)) return Time::never();
  return expires_at_;
}

Time Transaction::due() const {
  Time first = Time::never();
  if (ended() || phase == Phase::none) return first;
  for (const StepState& s : steps_)
    for (const Task& t : s.tasks) {
      if (t.action.open()) first = std::min(first, lease_end(t, Action::perform, t.action.hand_outs.back()));
      if (t.undo.open()) first = std::min(first, lease_end(t, Action::undo, t.undo.hand_outs.back()));
      first = std::min({first, limit_end(t, TaskLimit::total), limit_end(t, TaskLimit::queue)});
    }
  return std::min({first, deadline_end(), wait_end(WaitEnd::time), wait_end(WaitEnd::deadline), expiry()});
}

// ---- firing

void Transaction::tick(Time now) {
  if (phase == Phase::none || ended()) return;
  std::vector<Sequence> open;
  for (const StepState& s : steps_)
    for (const Task& t : s.tasks)
      for (const Side* side : {&t.action, &t.undo})
        if (side->open()) open.push_back(side->hand_outs.back().lease);
  std::sort(open.begin(), open.end());
  for (const Sequence lease : open) end_lease(lease, now, true);
  const std::size_t last = step;
  for (std::size_t s = 0; s <= last && s < steps_.size(); ++s)
    for (std::size_t p = 0; p < steps_[s].tasks.size(); ++p)
      if (!run_out(ref_of(s, p), TaskLimit::total, now)) run_out(ref_of(s, p), TaskLimit::queue, now);
  pass_deadline(now);
  // The wait of the step that was current when the tick began.
  if (step == last) end_wait(WaitEnd::time, now);
  if (step == last) end_wait(WaitEnd::deadline, now);
  // Over leftovers that are drained the deadline has a say only once the wait is over.
  if (step == last) pass_deadline(now);
  expire(now);
}

bool Transaction::end_lease(Sequence lease, Time now, bool beats_known) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return false;
  if (beats_known && lease_end(*found->task, found->action, *found->hand_out) > now) return false;
  const Timeouts& limits = found->action == Action::undo ? found->task->rules->undo->timeouts : found->task->timeouts;
  const Duration shortest = limits.heartbeat.ms > 0 ? std::min(limits.heartbeat, limits.attempt) : limits.attempt;
  if (found->hand_out->since + shortest > now) return false;
  note(EventKind::attempt_timed_out);
  found->hand_out->ending = Ending::timed_out;
  after_failure(*found, Failure{found->ref, true, "dta.timeout", "", ""}, true, now);
  judge(now);
  return true;
}

bool Transaction::run_out(TaskRef ref, TaskLimit limit, Time now) {
  if (!exists(ref)) return false;
  Task& t = at(ref);
  if (limit_end(t, limit) > now) return false;
  note(EventKind::task_timed_out);
  t.ran_out = true;
  t.action.last = Failure{ref, true, "dta.timeout", "", ""};
  if (t.action.open()) {
    t.action.hand_outs.back().asked_to_stop = true;
  } else {
    if (t.action.outside()) t.action.hand_outs.back().ending = Ending::timed_out;
    settle(ref, t, t.action.last);
  }
  judge(now);
  return true;
}

bool Transaction::pass_deadline(Time now) {
  if (deadline_end() > now) return false;
  // Passed before the need is met: failure, also under drain. Passed while leftovers drain: decided as met.
  if (need_met(step, Open::left_aside))
    meet(now);
  else
    fail_step(Failure{ref_of(step, 0), false, "dta.deadline", "", ""}, now);
  judge(now);
  return true;
}

bool Transaction::end_wait(WaitEnd how, Time now) {
  if (wait_end(how) > now) return false;
  StepState& s = current();
  if (how == WaitEnd::deadline && !s.rules->wait_for->continue_on_deadline) {
    fail_step(Failure{ref_of(step, 0), false, "dta.deadline", "", ""}, now);
  } else {
    note(EventKind::wait_ended);
    s.waits_for_time = false;
    s.awaited.clear();
  }
  judge(now);
  return true;
}

bool Transaction::expire(Time now) {
  if (expiry() > now) return false;
  if (definition_->form == Form::table) {
    if (const Transition* transition = leaving(table_state, "expired")) {
      take(*transition);
    } else {
      note(EventKind::transaction_terminated);
      phase = Phase::terminated;
    }
    return true;
  }
  if (pivot_passed()) {
    expiry_told_ = true;
    raise(IncidentKind::expired, ref_of(step, 0), "");
    return true;
  }
  begin_compensation(now);
  judge(now);
  return true;
}

}  // namespace dta::model

// Time: when timers are due, what pauses hold, and what may be handed out (semantics sections 2, 5, 7 and 9).
#include <algorithm>

#include "tests/model/model.h"
#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;

// Due when the time since its start, less the pauses, reaches its length. Never: a pause has no end yet.
Time Transaction::due_at(Time start, Duration length) const {
  if (length.ms <= 0) return start;
  for (const auto& [from, to] : pauses_) {
    if (to <= start) continue;
    if (from > start && from - start >= length) break;
    if (from > start) length.ms -= (from - start).ms;
    if (to == Time::never()) return Time::never();
    start = to;
  }
  return start + length;
}

Time Transaction::lease_end(const Task& task, Action action, const HandOut& h) const {
  if (h.lease.value == 0) return Time::never();
  const Timeouts& limits = action == Action::undo ? task.rules->undo->timeouts : task.timeouts;
  const Time by_attempt = h.since + limits.attempt;
  return limits.heartbeat.ms == 0 ? by_attempt : std::min(by_attempt, h.last_beat + limits.heartbeat);
}

// The total timeout fires once: it asks an open attempt to stop, and settles what is not handed out.
Time Transaction::total_end(const Task& t) const {
  const bool begun = t.entered && !t.settled && !t.blocked && !t.held;
  const bool stopping = t.action.open() && t.action.hand_outs.back().asked_to_stop;
  if (phase != Phase::running || !begun || stopping || t.timeouts.total.ms == 0) return Time::never();
  return due_at(t.first_ready, t.timeouts.total);
}

Time Transaction::queue_end(const Task& t) const {
  if (phase != Phase::running || !t.action.waiting || t.timeouts.queue.ms == 0) return Time::never();
  const Time ready = ready_at(t.action);
  return ready == Time::never() ? ready : due_at(ready, t.timeouts.queue);
}

bool Transaction::clocks_run() const {
  return phase == Phase::running && !steps_.empty() && current().entered && !current().met && !current().failed &&
         !current().stuck;
}

// It concerns the tasks' join: once that is decided, it means nothing.
Time Transaction::deadline_end() const {
  if (!clocks_run() || !current().deadline || current().deadline_passed) return Time::never();
  const bool all_settled =
      std::all_of(current().tasks.begin(), current().tasks.end(), [](const Task& t) { return t.settled; });
  const bool draining = rules(step).leftover == Leftover::drain && !all_settled;
  if (need_met(current(), Open::left_aside) && !draining) return Time::never();
  return due_at(current().since, *current().deadline);
}

Time Transaction::wait_end() const {
  if (!clocks_run() || current().waited || !current().wait) return Time::never();
  return due_at(current().since, *current().wait);
}

Time Transaction::wait_deadline_end() const {
  if (!clocks_run() || current().waited || !current().wait_deadline) return Time::never();
  return due_at(current().since, *current().wait_deadline);
}

// Pauses do not hold it; a pivot under way does.
Time Transaction::expiry() const {
  if (phase != Phase::running || decided || expiry_told_ || in_flight()) return Time::never();
  return expires_at_;
}

void Transaction::tick(Time now) {
  if (phase == Phase::none || ended()) return;
  if (definition_->form == Form::table) {
    expire(now);
    return;
  }
  std::vector<Sequence> open;
  std::vector<TaskRef> tasks;
  for (const Step& s : steps_)
    for (const Task& t : s.tasks) {
      if (t.entered) tasks.push_back(t.ref);
      for (const Side* side : {&t.action, &t.undo})
        if (side->open() && side->hand_outs.back().lease.value != 0) open.push_back(side->hand_outs.back().lease);
    }
  std::sort(open.begin(), open.end());
  for (const Sequence lease : open) end_lease(lease, now, true);
  for (const TaskRef& ref : tasks)
    if (!run_out(ref, TaskLimit::total, now)) run_out(ref, TaskLimit::queue, now);
  const std::size_t before = step;
  pass_deadline(now);
  if (step == before) {
    pass_wait(now);
    pass_wait_deadline(now);
  }
  expire(now);
}

bool Transaction::end_lease(Sequence lease, Time now, bool beats_known) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return false;
  if (beats_known && lease_end(*found->task, found->action, *found->hand_out) > now) return false;
  const Timeouts& limits =
      found->action == Action::undo ? found->task->rules->undo->timeouts : found->task->timeouts;
  const Duration shortest = limits.heartbeat.ms > 0 ? std::min(limits.heartbeat, limits.attempt) : limits.attempt;
  if (found->hand_out->since + shortest > now) return false;
  note(EventKind::attempt_timed_out, tell(found->task->ref) + (found->action == Action::undo ? " undo" : ""));
  found->hand_out->ending = Ending::timed_out;
  Said said;
  said.code = "dta.timeout";
  after_failure(*found, said, now);
  judge(now);
  return true;
}

bool Transaction::run_out(TaskRef ref, TaskLimit limit, Time now) {
  Task& t = at(ref);
  if ((limit == TaskLimit::queue ? queue_end(t) : total_end(t)) > now) return false;
  note(EventKind::task_timed_out, tell(ref) + (limit == TaskLimit::queue ? " queue" : " total"));
  t.ran_out = true;
  t.action.last_error = "dta.timeout";
  t.details.clear();
  if (t.action.open() && !t.rules->external) {
    t.action.hand_outs.back().asked_to_stop = true;
  } else {
    if (t.action.open()) t.action.hand_outs.back().ending = Ending::timed_out;
    settle(t, "dta.timeout");
  }
  judge(now);
  return true;
}

// Passed before the need is met: failure, also under drain. Passed while leftovers drain: decided as met.
bool Transaction::pass_deadline(Time now) {
  if (deadline_end() > now) return false;
  if (need_met(current(), Open::left_aside))
    current().deadline_passed = true;
  else
    fail_step({std::nullopt, "dta.deadline", {}, {}}, now);
  judge(now);
  return true;
}

bool Transaction::pass_wait(Time now) {
  if (wait_end() > now) return false;
  current().waited = true;
  note(EventKind::wait_ended, std::to_string(step) + " time");
  judge(now);
  return true;
}

bool Transaction::pass_wait_deadline(Time now) {
  if (wait_deadline_end() > now) return false;
  if (rules(step).wait_for->continue_on_deadline) {
    current().waited = true;
    note(EventKind::wait_ended, std::to_string(step) + " deadline");
  } else {
    fail_step({std::nullopt, "dta.deadline", {}, {}}, now);
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
  if (passed_) {
    expiry_told_ = true;
    raise(IncidentKind::expired, {static_cast<std::uint16_t>(step), 0, 0}, "dta.expired");
  } else {
    begin_compensation(CompensationCause::expired, "dta.expired", now);
  }
  judge(now);
  return true;
}

// While paused nothing. Of a step that hands out only so many at once, those that have waited longest, as many as are
// still free.
std::vector<Transaction::Waiting> Transaction::ready() const {
  std::vector<Waiting> list;
  if (ended() || phase == Phase::none || paused()) return list;
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    std::vector<std::tuple<Time, std::size_t>> forward;
    std::size_t leased = 0;
    for (std::size_t i = 0; i < steps_[s].tasks.size(); ++i) {
      const Task& t = steps_[s].tasks[i];
      if (t.undo.waiting) list.emplace_back(t.ref, Action::undo, ready_at(t.undo));
      if (t.action.waiting) forward.emplace_back(ready_at(t.action), i);
      if (t.action.open() && !t.rules->external) ++leased;
    }
    std::sort(forward.begin(), forward.end());
    const std::size_t at_once = rules(s).at_once;
    if (at_once > 0) forward.resize(std::min(forward.size(), at_once > leased ? at_once - leased : 0));
    for (const auto& [time, i] : forward) list.emplace_back(steps_[s].tasks[i].ref, Action::perform, time);
  }
  std::sort(list.begin(), list.end());
  return list;
}

Time Transaction::due() const {
  if (ended() || phase == Phase::none) return Time::never();
  Time due = std::min({expiry(), deadline_end(), wait_end(), wait_deadline_end()});
  for (const Step& s : steps_)
    for (const Task& t : s.tasks) {
      due = std::min({due, total_end(t), queue_end(t)});
      if (t.action.open()) due = std::min(due, lease_end(t, Action::perform, t.action.hand_outs.back()));
      if (t.undo.open()) due = std::min(due, lease_end(t, Action::undo, t.undo.hand_outs.back()));
    }
  return due;
}

}  // namespace dta::model

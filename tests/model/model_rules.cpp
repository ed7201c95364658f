// Joins and compensation in the reference model: what follows from a task's end, one function each, in the words of the
// semantics. See model.h.
#include <algorithm>
#include <cmath>

#include "schema/assert.h"
#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

namespace {

const Backoff& rule_for(const Retry& retry, const std::string& code) {
  for (const ErrorRetry& rule : retry.by_error)
    for (const std::string& error : rule.errors)
      if (error == code) return rule.backoff;
  return retry.backoff;
}

}  // namespace

// ---- joins

void Transaction::judge(Time now) {
  if (definition_->form == Form::table) return;
  make_undos_ready(now);
  while (phase == Phase::running && (unblock(now) || judge_join(now))) make_undos_ready(now);
  judge_turn(now);
}

// Semantics section 4. "all": every task that is not optional is done, and every task has settled. Otherwise: enough
// tasks, or enough weight, is done, of those that no other comes after; an optional task counts like any other, but
// only by being done. Skipped tasks are as if they were not there, and where none is there any need is met.
bool Transaction::need_met(std::size_t index, Open open) const {
  const Need& need = rules(index).need;
  std::uint64_t reached = 0, countable = 0, present = 0;
  for (const Task& t : steps_[index].tasks) {
    if (t.outcome() == Outcome::skipped) continue;
    ++present;
    const bool done = t.settled ? t.outcome() == Outcome::done : open == Open::supposed_done;
    if (need.kind == Need::Kind::all) {
      if (!done && !(t.settled && t.rules->optional)) return false;
    } else if (t.rules->before.empty()) {
      ++countable;
      if (done) reached += need.kind == Need::Kind::weight ? t.rules->weight : 1;
    }
  }
  if (need.kind == Need::Kind::all || present == 0) return true;
  if (need.kind != Need::Kind::share) return reached >= need.amount;
  return static_cast<double>(reached) >= std::ceil(need.share * static_cast<double>(countable));
}

bool Transaction::need_unreachable(std::size_t index) const {
  const Need& need = rules(index).need;
  if (need.kind == Need::Kind::all || need.kind == Need::Kind::share) return false;
  std::uint64_t most = 0, present = 0;
  for (const Task& t : steps_[index].tasks) {
    if (t.outcome() == Outcome::skipped) continue;
    ++present;
    if (t.rules->before.empty()) most += need.kind == Need::Kind::weight ? t.rules->weight : 1;
  }
  return present > 0 && most < need.amount;
}

// Whether something happened, so that all has to be judged again.
bool Transaction::judge_join(Time now) {
  if (decided || steps_.empty()) {  // leftovers may have settled
    complete_when_quiet();
    return false;
  }
  StepState& s = current();
  if (s.outcome == StepOutcome::failed) {  // led past, once everything that it did is undone
    if (!std::all_of(s.tasks.begin(), s.tasks.end(), [](const Task& t) { return t.clean(); })) return false;
    note(EventKind::step_undone);
    s.undone = true;
    go_on(now);
    return true;
  }
  if (s.held || s.outcome != StepOutcome::open) return false;
  bool all_settled = true;
  for (const Task& t : s.tasks) all_settled &= t.settled;
  if (need_met(step, Open::left_aside)) {
    if (s.waits() || (s.rules->leftover == Leftover::drain && !all_settled)) return false;
    meet(now);
    return true;
  }
  if (!hopeless(step) || (s.rules->siblings == Siblings::drain && !all_settled)) return false;
  // No task failed: it was tried again, and too few are there.
  fail_step(s.failure ? *s.failure : Failure{ref_of(step, 0), false, "dta.need_unreachable", "", ""}, now);
  return true;
}

void Transaction::meet(Time now) {
  View view;
  view.own = step;
  const Route route = decide(rules(step).next, GoKind::follow, view);
  if (route.kind == GoKind::compensate && (pivot_passed() || rules(step).pivot)) {
    const std::string& code = rules(step).next[route.choice].go.code;
    current().said_compensate = true;
    return hold_step({ref_of(step, 0), false, code.empty() ? "dta.compensate" : code, "", ""});
  }
  meet_and_go(route, now);
}

void Transaction::meet_and_go(const Route& route, Time now) {
  StepState& s = current();
  note(EventKind::step_met);
  s.outcome = StepOutcome::met;
  s.route = route;
  s.failure.reset();
  s.awaited.clear();
  s.waits_for_time = false;
  if (s.rules->pivot) cancel_requested_ = false;
  for (Task& t : s.tasks) t.counted = t.outcome() == Outcome::done;
  // What was not there at entry keeps its tasks from ever becoming ready.
  if (s.rules->leftover != Leftover::keep || s.unresolved) stop_open_tasks(step);
  make_undos_ready(now);
  go_on(now);
}

// ---- failures

void Transaction::fail_step(Failure failure, Time now) {
  StepState& s = current();
  View view;
  view.own = step;
  view.failing = failure;
  Route route = decide(s.rules->on_failure, GoKind::compensate, view);
  // What waited for the pivot to be decided takes effect before what the definition says.
  if (pivot_in_flight() && !pivot_passed() && (cancel_requested_ || expires_at_ <= now))
    route = {GoKind::compensate, 0, kNoChoice};
  if (pivot_passed() && route.kind == GoKind::compensate) return hold_step(std::move(failure));
  note(EventKind::step_failed);
  s.outcome = StepOutcome::failed;
  s.failure = std::move(failure);
  s.route = route;
  s.awaited.clear();
  s.waits_for_time = false;
  if (route.kind == GoKind::compensate)
    begin_compensation(now);
  else
    stop_open_tasks(step);
}

void Transaction::hold_step(Failure failure) {
  current().held = true;
  current().held_for = failure.code;
  raise(IncidentKind::step_failed, failure.task, failure.code);
}

// What decides a failure is the task whose end put the need out of reach, though it may do so through those that come
// after it. What has an incident is not settled.
void Transaction::settle(TaskRef ref, Task& task, const Failure& why) {
  StepState& s = steps_[ref.step];
  task.settled = true;
  task.blocked = false;
  task.action.ready.reset();
  if (task.outcome() == Outcome::unknown && s.rules->pivot && s.outcome != StepOutcome::met &&
      phase != Phase::terminated) {
    task.settled = false;
    task.held = true;
    return raise(IncidentKind::pivot_unknown, ref, why.code);
  }
  if (task.outcome() != Outcome::done) withdraw_followers(s, ref);
  if (phase != Phase::running || s.failure || s.outcome != StepOutcome::open || task.outcome() == Outcome::withdrawn)
    return;
  if (hopeless(ref.step)) s.failure = why;
}

void Transaction::withdraw_followers(StepState& s, TaskRef ref) {
  const std::size_t first = ref.instance * s.rules->tasks.size();
  for (const std::uint16_t next : s.rules->tasks[ref.task].before) {
    Task& t = s.tasks[first + next];
    if (!t.blocked || t.settled) continue;
    t.settled = true;
    t.blocked = false;
    withdraw_followers(s, {ref.step, next, ref.instance});
  }
}

void Transaction::stop_open_tasks(std::size_t index) {
  for (std::size_t p = 0; p < steps_[index].tasks.size(); ++p) {
    Task& t = steps_[index].tasks[p];
    if (!t.entered || t.settled || t.held) continue;
    if (t.action.open()) {
      t.action.hand_outs.back().asked_to_stop = true;
      continue;
    }
    if (t.action.outside()) t.action.hand_outs.back().ending = Ending::timed_out;
    settle(ref_of(index, p), t, t.action.last);
  }
}

void Transaction::after_failure(const Found& found, Failure why, bool retryable, Time now) {
  found.side->last = why;
  const bool undo = found.action == Action::undo;
  const Backoff& rule = rule_for(undo ? found.task->rules->undo->retry : found.task->rules->retry, why.code);
  const std::uint32_t attempts = found.side->attempts();
  const bool outside = found.hand_out->lease.value == 0;
  const bool stopped = !undo && (found.hand_out->asked_to_stop || phase != Phase::running);
  if (retryable && !stopped && !outside && attempts < rule.max_attempts) {
    double delay = static_cast<double>(rule.first.ms);
    for (std::uint32_t n = 1; n < attempts && delay < static_cast<double>(rule.cap.ms); ++n) delay *= rule.rate;
    delay = std::min(delay, static_cast<double>(rule.cap.ms));
    const auto shortest = static_cast<std::int64_t>(std::floor(delay * (1 - rule.jitter)));
    const Time again = choose_(now + Duration{shortest}, now + Duration{static_cast<std::int64_t>(std::ceil(delay))});
    found.side->ready = Clock{now, again - now};
  } else if (undo) {
    found.task->undo_stuck = true;
    raise(IncidentKind::undo_failed, found.ref, why.code);
  } else {
    settle(found.ref, *found.task, why);
  }
}

void Transaction::raise(IncidentKind kind, TaskRef task, std::string code) {
  note(EventKind::incident_raised);
  incidents.push_back({kind, task, true, std::move(code)});
}

// ---- compensation

void Transaction::begin_compensation(Time now) {
  note(EventKind::compensation_started);
  phase = Phase::compensating;
  for (std::size_t i = 0; i < steps_.size(); ++i) stop_open_tasks(i);
  make_undos_ready(now);
}

// Backwards over the steps that were entered and are not yet undone.
void Transaction::judge_turn(Time now) {
  while (phase == Phase::compensating) {
    std::size_t turn = steps_.size();
    while (turn > 0 && (!steps_[turn - 1].was_entered() || steps_[turn - 1].undone)) --turn;
    if (turn == 0) {
      for (const StepState& s : steps_)  // an undo may have been ordered again
        for (const Task& t : s.tasks)
          if (t.entered && !t.clean()) return;
      note(EventKind::transaction_compensated);
      phase = Phase::compensated;
      return;
    }
    step = turn - 1;
    make_undos_ready(now);
    for (const Task& t : current().tasks)
      if (!t.clean()) return;
    note(EventKind::step_undone);
    current().undone = true;
  }
}

// Everything behind it, however far, of the same instance.
bool Transaction::all_after_clean(const StepState& s, std::size_t position) const {
  const std::size_t first = position - position % s.rules->tasks.size();
  for (const std::uint16_t next : s.tasks[position].rules->before)
    if (!s.tasks[first + next].clean() || !all_after_clean(s, first + next)) return false;
  return true;
}

// Never beside an open lease of its task: only what has settled is undone, and against `after`. In a compensation by
// turns, everything that happened, and so of a failed step that is led past; otherwise whatever a met join did not
// count, unless it says to ignore that.
void Transaction::make_undos_ready(Time now) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    StepState& s = steps_[i];
    const bool turn = i == step && (phase == Phase::compensating ||
                                    (phase == Phase::running && s.outcome == StepOutcome::failed && !s.undone));
    const bool late =
        phase == Phase::running && s.outcome == StepOutcome::met && s.rules->late_success == LateSuccess::compensate;
    for (std::size_t p = 0; p < s.tasks.size(); ++p) {
      Task& t = s.tasks[p];
      if (t.undo_due || !t.settled || !t.may_have_happened() || !t.rules->undo) continue;
      if (!turn && !(late && !t.counted)) continue;
      if (!all_after_clean(s, p)) continue;
      t.undo_due = true;
      t.undo.ready = Clock{now, Duration{0}};
    }
  }
}

}  // namespace dta::model

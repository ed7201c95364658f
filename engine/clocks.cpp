// See clocks.h. Pure.
#include "engine/clocks.h"

#include <algorithm>

#include "engine/join.h"
#include "engine/pending.h"

namespace dta::engine {

Time due_at(Time start, Duration length, const std::vector<const schema::Pauses*>& pauses) {
  if (start == Time::never()) return start;
  Duration left = length;
  Time now = start;
  while (left.ms > 0) {
    // Inside a pause, time stands still until it ends; else until the next one begins.
    Time resumed = now, next = Time::never();
    for (const auto* list : pauses)
      for (const schema::Pause& pause : *list) {
        if (pause.from <= now && now < pause.to) resumed = std::max(resumed, pause.to);
        if (pause.from > now) next = std::min(next, pause.from);
      }
    if (resumed > now) {
      if (resumed == Time::never()) return resumed;
      now = resumed;
      continue;
    }
    if (next == Time::never() || next - now >= left) return now + left;
    left = Duration{left.ms - (next - now).ms};
    now = next;
  }
  return now;
}

bool pivot_in_flight(const Machine& m, const State& s) {
  if (s.phase != Phase::running || m.definition().steps.empty()) return false;
  const StepView step(m, s, s.step);
  return step.rules().pivot && step.is(StepBit::entered) && !step.is(StepBit::met) && !step.is(StepBit::failed) &&
         step.count(TaskBit::requested) > 0;
}

Clocks::Clocks(const Machine& machine, const State& state, const Settings* settings)
    : m_(machine), s_(state), settings_(settings) {
  if (!s_.pauses.empty()) pauses_.push_back(&s_.pauses);
  if (settings_ != nullptr && !settings_->definition->empty()) pauses_.push_back(settings_->definition);
}

schema::Timeouts Clocks::timeouts(const TaskRef& ref, Action action) const {
  if (action == Action::undo) return m_.task(ref).undo->timeouts;
  if (s_.own_timeouts.empty()) return m_.task(ref).timeouts;
  const auto own = std::lower_bound(s_.own_timeouts.begin(), s_.own_timeouts.end(), ref,
                                    [](const schema::ResolvedTimeouts& t, const TaskRef& r) { return t.task < r; });
  if (own == s_.own_timeouts.end() || own->task != ref) return m_.task(ref).timeouts;
  return {own->queue, own->attempt, own->total, own->heartbeat};
}

Clocks::Lists Clocks::with_queue(const TaskRef& ref, Action action) const {
  Lists pauses = pauses_;
  if (settings_ == nullptr || (action == Action::perform && m_.task(ref).queue.empty())) return pauses;
  const schema::Pauses& queue = settings_->queue(queue_of(m_, ref, action));
  if (!queue.empty()) pauses.push_back(&queue);
  return pauses;
}

Time Clocks::ready(const TaskRef& ref, const TaskState& t) const {
  return t.at == t.since ? t.at : due_at(t.since, t.at - t.since, with_queue(ref, Action::perform));
}

Time Clocks::undo_ready(const TaskRef& ref, const TaskState& t) const {
  return t.undo_at == t.undo_since ? t.undo_at
                                   : due_at(t.undo_since, t.undo_at - t.undo_since, with_queue(ref, Action::undo));
}

Time Clocks::queue(const TaskRef& ref, const TaskState& t) const {
  const Duration limit = timeouts(ref, Action::perform).queue;
  return limit.ms == 0 ? Time::never() : due_at(ready(ref, t), limit, with_queue(ref, Action::perform));
}

Time Clocks::total(const TaskRef& ref, const TaskState& t) const {
  const Duration limit = timeouts(ref, Action::perform).total;
  return limit.ms == 0 ? Time::never() : due_at(t.first_ready, limit, with_queue(ref, Action::perform));
}

bool Clocks::step_runs() const {
  if (s_.phase != Phase::running || m_.definition().steps.empty()) return false;
  const StepView step(m_, s_, s_.step);
  return step.is(StepBit::entered) && !step.is(StepBit::met) && !step.is(StepBit::failed) && !s_.held(s_.step);
}

// Once enough is done it has a say only over leftovers that are drained.
Time Clocks::join_deadline() const {
  if (s_.clocks.deadline == kNone || !step_runs()) return Time::never();
  const StepView step(m_, s_, s_.step);
  if (enough(step) && (step.rules().leftover != schema::Leftover::drain || !step.waited() ||
                       step.count(TaskBit::settled) == step.size()))
    return Time::never();
  return due_at(s_.entered_at[s_.step], s_.clocks.deadline, pauses_);
}

Time Clocks::wait() const {
  if (s_.clocks.wait == kNone || !step_runs() || StepView(m_, s_, s_.step).waited()) return Time::never();
  return due_at(s_.entered_at[s_.step], s_.clocks.wait, pauses_);
}

Time Clocks::wait_deadline() const {
  if (s_.clocks.wait_deadline == kNone || !step_runs() || StepView(m_, s_, s_.step).waited()) return Time::never();
  return due_at(s_.entered_at[s_.step], s_.clocks.wait_deadline, pauses_);
}

Time Clocks::expiry() const {
  return s_.phase != Phase::running || s_.outcome_decided || pivot_in_flight(m_, s_) ? Time::never() : s_.expires_at;
}

std::vector<bool> Clocks::asked_to_stop(const StepView& step) const {
  std::vector<bool> stopping(step.size());
  for (const Lease& lease : s_.leases)
    if (lease.stop_asked && lease.task.step == step.index() && lease.action == Action::perform)
      stopping[step.slot(lease.task)] = true;
  return stopping;
}

}  // namespace dta::engine

// One task from ready to settled (semantics section 3), and the order inside a step.
#include <algorithm>
#include <cmath>

#include "tests/model/model.h"
#include "tests/model/reading.h"
#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;

namespace {

const schema::Backoff& rule_for(const Retry& retry, const std::string& code) {
  for (const ErrorRetry& rule : retry.by_error)
    for (const std::string& error : rule.errors)
      if (error == code) return rule.backoff;
  return retry.backoff;
}

bool unknown(Ending ending) {
  return ending == Ending::unclear || ending == Ending::timed_out;
}

}  // namespace

std::uint32_t Side::attempts() const {
  std::uint32_t count = 0;
  for (std::size_t i = round; i < hand_outs.size(); ++i) count += hand_outs[i].ending != Ending::released;
  return count;
}

// Semantics section 3: done if any attempt was; else unknown if any attempt ended so; else failed if it was ever handed
// out or ran out of time; else withdrawn. What a person said counts before all that.
Outcome Task::outcome() const {
  if (!settled) return Outcome::none;
  if (skipped) return Outcome::skipped;
  if (forced) return *forced;
  bool any_unknown = false;
  for (const HandOut& h : action.hand_outs) {
    if (h.ending == Ending::done) return Outcome::done;
    any_unknown |= unknown(h.ending);
  }
  if (any_unknown) return Outcome::unknown;
  return !action.hand_outs.empty() || ran_out ? Outcome::failed : Outcome::withdrawn;
}

bool Task::clean() const {
  return settled && (!may_have_happened() || !rules->undo || is_undone() || given_up);
}

// An external task is at work from here on, with whoever does it.
void Transaction::make_ready(Task& t, Time now) {
  t.blocked = false;
  t.fixed = true;
  t.first_ready = now;
  if (t.rules->external)
    t.action.hand_outs.push_back({Sequence(0), now, now, Ending::open, false});
  else
    t.action.waiting = Backoff{now, Duration{0}};
}

bool Transaction::may_begin(const Task& t) const {
  const Step& s = steps_[t.ref.step];
  const std::size_t first = t.ref.instance * rules(t.ref.step).tasks.size();
  return std::all_of(t.rules->after.begin(), t.rules->after.end(), [&](std::uint16_t place) {
    const Outcome before = s.tasks[first + place].outcome();
    return before == Outcome::done || before == Outcome::skipped;
  });
}

bool Transaction::read_timeouts(Task& t, const std::string& context) const {
  const TimeoutPointers& from = t.rules->timeouts_from;
  const auto read = [&](const std::string& pointer, Duration& limit) {
    if (pointer.empty()) return true;
    const auto length = length_at(context, pointer);
    if (length) limit = *length;
    return length.has_value();
  };
  t.timeouts = t.rules->timeouts;
  return read(from.queue, t.timeouts.queue) && read(from.attempt, t.timeouts.attempt) &&
         read(from.total, t.timeouts.total) && read(from.heartbeat, t.timeouts.heartbeat) && t.timeouts.attempt.ms > 0;
}

// What a task reads is fixed when its turn has come. One at a time: what follows from it is judged in between. A
// leftover that finds not what it needs can fail no step any more: it is skipped.
bool Transaction::ready_followers(Time now) {
  if (phase != Phase::running) return false;
  for (Step& s : steps_) {
    if (s.stuck) continue;
    for (Task& t : s.tasks) {
      if (!t.blocked || !may_begin(t)) continue;
      const std::string seen = context(&t);
      if (t.rules->when && !t.rules->when->holds(seen)) {
        t.blocked = false;
        t.skipped = t.settled = true;
        note(EventKind::task_skipped, tell(t.ref));
        return true;
      }
      const auto input = t.rules->input ? resolve(*t.rules->input, TextContext(seen)) : Result<std::string>(t.input);
      if (input && read_timeouts(t, seen)) {
        t.input = *input;
        note(EventKind::task_ready, tell(t.ref));
        make_ready(t, now);
      } else if (s.met) {
        t.blocked = false;
        t.skipped = t.settled = true;
        note(EventKind::task_skipped, tell(t.ref));
      } else {
        fail_step({t.ref, "dta.input_unresolved", {}, {}}, now);
      }
      return true;
    }
  }
  return false;
}

// Its attempts are over without success. A task of a pivot that ends unknown is held: a person must say what became of
// it, for a pivot is never compensated past. Once the join is met it settles as anywhere.
void Transaction::settle(Task& t, const std::string& code) {
  const bool before_pivot = rules(t.ref.step).pivot && !steps_[t.ref.step].met;
  t.action.waiting.reset();
  t.settled = true;
  if (before_pivot && !t.forced && t.outcome() == Outcome::unknown) {
    t.settled = false;
    t.held = true;
    return;
  }
  settle_as(t, code);
}

// What decides a failure is the task whose end put the need out of reach. Tasks that come after one that neither is done
// nor skipped will never begin.
void Transaction::settle_as(Task& t, const std::string& code) {
  Step& s = steps_[t.ref.step];
  t.settled = true;
  t.blocked = t.held = false;
  t.action.waiting.reset();
  if (t.outcome() != Outcome::done)
    for (Task& other : s.tasks)
      if (other.blocked && other.ref.instance == t.ref.instance &&
          std::find(other.rules->after.begin(), other.rules->after.end(), t.ref.task) != other.rules->after.end())
        settle_as(other, {});
  if (phase != Phase::running || s.failure || s.met || t.outcome() == Outcome::withdrawn) return;
  if (hopeless(s)) s.failure = Failure{t.ref, code, t.message, t.details};
}

void Transaction::stop_open_tasks(Step& s) {
  for (Task& t : s.tasks) {
    if (!t.entered || t.settled || t.held) continue;
    if (!t.action.open()) {
      settle(t, t.action.last_error);
    } else if (t.rules->external) {
      t.action.hand_outs.back().ending = Ending::timed_out;
      settle(t, t.action.last_error);
    } else {
      t.action.hand_outs.back().asked_to_stop = true;
    }
  }
}

void Transaction::after_failure(const Found& found, const Said& said, Time now) {
  Task& t = *found.task;
  found.side->last_error = said.code;
  const bool undo = found.action == Action::undo;
  if (!undo) {
    t.message = said.message;
    t.details = said.details;
  }
  const schema::Backoff& rule = rule_for(undo ? t.rules->undo->retry : t.rules->retry, said.code);
  const std::uint32_t attempts = found.side->attempts();
  const bool stopped = !undo && found.hand_out->asked_to_stop;
  const bool again = said.retryable && !stopped && attempts < rule.max_attempts;
  if (again && (undo || !t.rules->external)) {
    double delay = static_cast<double>(rule.first.ms);
    for (std::uint32_t n = 1; n < attempts && delay < static_cast<double>(rule.cap.ms); ++n) delay *= rule.rate;
    delay = std::min(delay, static_cast<double>(rule.cap.ms));
    const auto shortest = static_cast<std::int64_t>(std::floor(delay * (1 - rule.jitter)));
    const Time at =
        choose_(now + Duration{shortest}, now + Duration{static_cast<std::int64_t>(std::ceil(delay))});
    found.side->waiting = Backoff{now, at - now};
  } else if (undo) {
    t.undo_stuck = true;
    raise(IncidentKind::undo_failed, t.ref, said.code);
  } else {
    settle(t, said.code);
  }
}

}  // namespace dta::model

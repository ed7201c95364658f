// The way through the steps in the reference model: entering, skipping, readying tasks, opening waits, going on. See
// model.h.
#include <algorithm>

#include "schema/assert.h"
#include "schema/json.h"
#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

namespace {

constexpr std::size_t kElementsMax = 10'000, kTasksMax = 20'000;

bool is_over(const Task& t) {
  return t.outcome() == Outcome::done || t.outcome() == Outcome::skipped;
}

}  // namespace

// ---- entering

void Transaction::follow(std::size_t index, Time now) {
  for (std::size_t i = index; i < steps_.size(); ++i) {
    if (holds(rules(i).when, {})) return enter(i, now);
    note(EventKind::step_skipped);
    steps_[i].outcome = StepOutcome::skipped;
  }
  finish(nullptr, {});
}

void Transaction::enter(std::size_t index, Time now) {
  step = index;
  StepState& s = current();
  s.outcome = StepOutcome::open;
  s.since = now;
  s.deadline = s.rules->deadline.fixed;
  note(EventKind::step_entered);
  if (s.rules->wait_for) {
    s.awaited = s.rules->wait_for->signals;
    s.waits_for_time = s.awaited.empty();
  }
  auto failure = make_instances(s);
  if (!failure) failure = open_tasks(s);
  if (!failure) failure = open_waits(s, now);
  take_kept_signals(s);
  if (failure) {
    s.unresolved = true;
    for (Task& t : s.tasks) {
      t.skipped = t.settled = false;
      t.blocked = true;
    }
    return fail_step(*failure, now);
  }
  for (Task& t : s.tasks)
    if (!t.blocked && !t.settled) make_ready(t, now);
  if (s.waits_for_time && due(s.since, s.wait) <= now) {
    note(EventKind::wait_ended);
    s.waits_for_time = false;
  }
  if (need_unreachable(index)) fail_step({ref_of(index, 0), false, "dta.need_unreachable", "", ""}, now);
}

std::optional<Failure> Transaction::make_instances(StepState& s) {
  const TaskRef itself = ref_of(step, 0);
  std::size_t instances = 1;
  if (!s.rules->for_each.empty()) {
    const auto source = value_at(s.rules->for_each, {});
    if (!source || JsonValue{*source}.kind() != JsonKind::array)
      return Failure{itself, false, "dta.input_unresolved", "", ""};
    for (const JsonValue element : elements(JsonValue{*source})) s.items.emplace_back(element.raw);
    instances = s.items.size();
    if (instances > kElementsMax || instances * s.rules->tasks.size() > kTasksMax) {
      s.items.clear();
      return Failure{itself, false, "dta.too_many_instances", "", ""};
    }
  }
  s.tasks.clear();
  for (std::size_t i = 0; i < instances; ++i)
    for (const schema::Task& task : s.rules->tasks) {
      s.tasks.emplace_back();
      Task& t = s.tasks.back();
      t.rules = &task;
      t.timeouts = task.timeouts;
      t.entered = true;
      t.input = s.items.empty() ? input_ : s.items[i];
    }
  return std::nullopt;
}

std::optional<Failure> Transaction::open_waits(StepState& s, Time now) {
  const Failure failure{ref_of(step, 0), false, "dta.input_unresolved", "", ""};
  const auto read = [&](const Length& length, Duration& into) {
    into = length.fixed;
    if (length.pointer.empty()) return true;
    const auto found = length_at(length.pointer, {});
    if (found) into = *found;
    return found.has_value();
  };
  if (!read(s.rules->deadline, s.deadline)) return failure;
  if (!s.rules->wait_for) return std::nullopt;
  const Wait& wait = *s.rules->wait_for;
  if (!read(wait.deadline, s.wait_deadline)) return failure;
  if (!wait.signals.empty()) return std::nullopt;
  std::optional<Time> until = wait.until;
  if (!wait.until_pointer.empty()) {
    const auto raw = value_at(wait.until_pointer, {});
    const auto text = raw ? JsonValue{*raw}.string() : std::nullopt;
    until = text ? parse_time(*text) : std::nullopt;
    if (!until) return failure;
  }
  if (until)
    s.wait = std::max(Duration{0}, *until - now);
  else if (!read(wait.duration, s.wait))
    return failure;
  return std::nullopt;
}

std::optional<Failure> Transaction::open_tasks(StepState& s) {
  for (std::size_t p = 0; p < s.tasks.size(); ++p) {
    Task& t = s.tasks[p];
    t.blocked = !t.rules->after.empty();
    if (t.blocked) continue;
    if (!holds(t.rules->when, view_of(ref_of(step, p)))) {
      t.skipped = t.settled = true;
    } else if (!prepare(t, ref_of(step, p))) {
      return Failure{ref_of(step, p), true, "dta.input_unresolved", "", ""};
    }
  }
  return std::nullopt;
}

bool Transaction::prepare(Task& t, TaskRef ref) {
  const View view = view_of(ref);
  const auto limits = timeouts_of(*t.rules, view);
  if (!limits) return false;
  if (t.rules->input) {
    const auto input = resolved(*t.rules->input, view);
    if (!input) return false;
    t.input = *input;
  }
  t.timeouts = *limits;
  return true;
}

// An external task counts as handed out from here on, to nobody's lease.
void Transaction::make_ready(Task& t, Time now) {
  t.blocked = false;
  if (!t.first_ready) t.first_ready = now;
  if (t.rules->external)
    t.action.hand_outs.push_back({Sequence(0), now, now, Ending::open, false});
  else
    t.action.ready = Clock{now, Duration{0}};
}

bool Transaction::comes_first(const StepState& s, std::size_t position) {
  const std::size_t first = position - position % s.rules->tasks.size();
  const auto& after = s.tasks[position].rules->after;
  return std::all_of(after.begin(), after.end(),
                     [&](std::uint16_t before) { return is_over(s.tasks[first + before]); });
}

// The first task whose turn has come. A step that is held waits with this too.
bool Transaction::unblock(Time now) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    StepState& s = steps_[i];
    if (s.held || s.outcome == StepOutcome::failed) continue;
    for (std::size_t p = 0; p < s.tasks.size(); ++p) {
      Task& t = s.tasks[p];
      if (!t.blocked || t.settled) continue;
      const TaskRef ref = ref_of(i, p);
      if (!comes_first(s, p)) continue;
      const bool wanted = holds(t.rules->when, view_of(ref));
      if (wanted && prepare(t, ref)) {
        note(EventKind::task_ready);
        make_ready(t, now);
        return true;
      }
      if (wanted && s.outcome == StepOutcome::open) {
        fail_step({ref, true, "dta.input_unresolved", "", ""}, now);
        return true;
      }
      note(EventKind::task_skipped);
      t.blocked = false;
      t.skipped = t.settled = true;
      // At entry this fails the step at once; beside tasks that are under way siblings say what happens to them.
      if (s.outcome == StepOutcome::open && !s.failure && hopeless(i))
        s.failure = Failure{ref_of(i, 0), false, "dta.need_unreachable", "", ""};
      return true;
    }
  }
  return false;
}

// ---- signals

// Each name takes the oldest that nobody has taken. Inputs were fixed before that.
void Transaction::take_kept_signals(StepState& s) {
  for (auto it = s.awaited.begin(); it != s.awaited.end();) {
    const auto kept = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& k) { return k.name == *it; });
    if (kept == kept_.end()) {
      ++it;
      continue;
    }
    consumed_[kept->name] = kept->payload;
    kept_.erase(kept);
    it = s.awaited.erase(it);
  }
}

std::optional<ErrorCode> Transaction::signal(const std::string& name, const std::string& id, std::string payload,
                                             Time now) {
  const auto& known = definition_->signals;
  if (std::find(known.begin(), known.end(), name) == known.end()) return ErrorCode::unknown_signal;
  if (phase != Phase::running || decided) return ErrorCode::closed;
  note(EventKind::signal_received);
  StepState& s = current();
  const auto awaited = std::find(s.awaited.begin(), s.awaited.end(), name);
  if (s.outcome == StepOutcome::open && awaited != s.awaited.end()) {
    consumed_[name] = std::move(payload);
    s.awaited.erase(awaited);
  } else {
    kept_.push_back({name, id, std::move(payload)});
  }
  judge(now);
  return std::nullopt;
}

// ---- going on

void Transaction::go_on(Time now) {
  StepState& s = current();
  const bool failed = s.outcome == StepOutcome::failed;
  const auto& choices = failed ? s.rules->on_failure : s.rules->next;
  const Go* go = s.route.choice == kNoChoice ? nullptr : &choices[s.route.choice].go;
  switch (s.route.kind) {
    case GoKind::follow:
      return follow(step + 1, now);
    case GoKind::step:
      return enter(s.route.step, now);
    case GoKind::end: {
      View view;
      view.own = step;
      if (failed) view.failing = s.failure;
      return finish(go, view);
    }
    case GoKind::compensate:
      return begin_compensation(now);
  }
}

// The event that decides the last join fixes the outcome.
void Transaction::finish(const Go* end, const View& view) {
  output = output_of(end, view);
  complete_when_quiet();
}

// The terminal event waits until every task is settled and every due undo is acknowledged.
void Transaction::complete_when_quiet() {
  bool quiet = true;
  for (const StepState& s : steps_)
    for (const Task& t : s.tasks) quiet &= !t.entered || (t.settled && (!t.undo_due || t.is_undone() || t.given_up));
  if (quiet) {
    note(EventKind::transaction_completed);
    phase = Phase::completed;
  } else if (!decided) {
    note(EventKind::outcome_decided);
  }
  decided = true;
}

}  // namespace dta::model

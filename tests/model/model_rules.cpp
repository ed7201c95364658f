// The rules: what follows from what happened, one function each, in the words of the semantics.
#include <algorithm>
#include <cmath>

#include "schema/json.h"
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

// What templates see: /input and /steps/STEP/TASK/output.
class Transaction::Context : public TemplateContext {
 public:
  explicit Context(const Transaction& t) : t_(t) {}
  std::optional<std::string_view> find(std::string_view pointer) const override {
    if (const auto rest = after(pointer, "/input")) return inside(t_.input_, *rest);
    for (std::size_t s = 0; s < t_.steps_.size(); ++s)
      for (const Task& task : t_.steps_[s])
        if (const auto rest = after(pointer, "/steps/" + t_.rules(s).name + "/" + task.rules->name + "/output"))
          return task.counted ? inside(task.output, *rest) : std::nullopt;
    return std::nullopt;
  }

 private:
  static std::optional<std::string_view> after(std::string_view pointer, const std::string& prefix) {
    if (!pointer.starts_with(prefix)) return std::nullopt;
    const std::string_view rest = pointer.substr(prefix.size());
    return rest.empty() || rest.front() == '/' ? std::optional(rest) : std::nullopt;
  }
  static std::optional<std::string_view> inside(const std::string& json, std::string_view pointer) {
    if (json.empty()) return std::nullopt;
    const auto value = schema::find(JsonValue{json}, pointer);
    return value ? std::optional(value->raw) : std::nullopt;
  }
  const Transaction& t_;
};

// ---- steps

void Transaction::enter(std::size_t index, Time now) {
  step = index;
  entered_at_ = now;
  note(EventKind::step_entered);
  std::optional<TaskRef> unresolved;
  for (std::size_t i = 0; i < current().size(); ++i) {
    Task& t = current()[i];
    t.entered = true;
    t.first_ready = now;
    t.action.ready_at = now;
    t.input = input_;
    if (!t.rules->input || unresolved) continue;
    const auto resolved = resolve(*t.rules->input, Context(*this));
    if (resolved)
      t.input = *resolved;
    else
      unresolved = TaskRef{static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(i), 0};
  }
  if (unresolved) fail_step(*unresolved, "dta.input_unresolved", now);
}

void Transaction::judge(Time now) {
  if (definition_->form == Form::table) return;
  make_undos_ready(now);
  if (phase == Phase::running && steps_.empty()) complete_when_quiet();
  while (phase == Phase::running)
    if (!judge_join(now)) return;
  judge_turn(now);
}

// Semantics section 4. "all": every task that is not optional is done, and every task has settled. Otherwise: enough
// tasks, or enough weight, is done; an optional task counts like any other, but only by being done.
bool Transaction::need_met(std::size_t index, Open open) const {
  const Need& need = rules(index).need;
  std::uint64_t reached = 0;
  for (const Task& t : steps_[index]) {
    const bool done = t.settled ? t.outcome() == Outcome::done : open == Open::supposed_done;
    if (need.kind == Need::Kind::all) {
      if (!done && !(t.settled && t.rules->optional)) return false;
    } else if (done) {
      reached += need.kind == Need::Kind::weight ? t.rules->weight : 1;
    }
  }
  return need.kind == Need::Kind::all || reached >= need.amount;
}

bool Transaction::judge_join(Time now) {
  if (met_[step]) {  // the last one: leftovers may have settled
    complete_when_quiet();
    return false;
  }
  bool all_settled = true;
  for (const Task& t : current()) all_settled &= t.settled;
  if (need_met(step, Open::left_aside)) {
    if (rules(step).leftover == Leftover::drain && !all_settled) return false;
    meet(now);
    return true;
  }
  if (!hopeless(step) || (rules(step).siblings == Siblings::drain && !all_settled)) return false;
  const auto decided_by = *failure;
  fail_step(decided_by.first, decided_by.second, now);
  return true;
}

void Transaction::meet(Time now) {
  note(EventKind::step_met);
  met_[step] = true;
  for (Task& t : current()) t.counted = t.outcome() == Outcome::done;
  if (rules(step).leftover != Leftover::keep) stop_open_tasks(step);
  make_undos_ready(now);
  if (step + 1 < steps_.size())
    enter(step + 1, now);
  else
    complete_when_quiet();
}

// The event that decides the last join fixes the outcome; the terminal event waits until every task is settled and
// every due undo is acknowledged.
void Transaction::complete_when_quiet() {
  bool quiet = true;
  for (const auto& tasks : steps_)
    for (const Task& t : tasks) quiet &= t.settled && (!t.undo_due || t.undone || t.given_up);
  if (quiet) {
    note(EventKind::transaction_completed);
    phase = Phase::completed;
  } else if (!decided) {
    note(EventKind::outcome_decided);
  }
  decided = true;
}

void Transaction::fail_step(TaskRef task, std::string code, Time now) {
  note(EventKind::step_failed);
  failure = std::pair(task, std::move(code));
  stop_open_tasks(step);
  begin_compensation(now);
}

// What decides a failure is the task whose end put the need out of reach.
void Transaction::settle(TaskRef ref, Task& task, const std::string& code) {
  task.settled = true;
  task.action.ready_at.reset();
  if (phase != Phase::running || failure || met_[ref.step] || task.outcome() == Outcome::withdrawn) return;
  if (hopeless(ref.step)) failure = std::pair(ref, code);
}

void Transaction::stop_open_tasks(std::size_t index) {
  for (std::size_t i = 0; i < steps_[index].size(); ++i) {
    Task& t = steps_[index][i];
    const TaskRef ref{static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(i), 0};
    if (t.action.open())
      t.action.hand_outs.back().asked_to_stop = true;
    else if (!t.settled)
      settle(ref, t, t.action.last_error);
  }
}

void Transaction::after_failure(const Found& found, const std::string& code, bool retryable, Time now) {
  found.side->last_error = code;
  const bool undo = found.action == Action::undo;
  const Backoff& rule = rule_for(undo ? found.task->rules->undo->retry : found.task->rules->retry, code);
  const std::uint32_t attempts = found.side->attempts();
  const bool stopped = !undo && (found.hand_out->asked_to_stop || phase != Phase::running);
  if (retryable && !stopped && attempts < rule.max_attempts) {
    double delay = static_cast<double>(rule.first.ms);
    for (std::uint32_t n = 1; n < attempts && delay < static_cast<double>(rule.cap.ms); ++n) delay *= rule.rate;
    delay = std::min(delay, static_cast<double>(rule.cap.ms));
    const auto shortest = static_cast<std::int64_t>(std::floor(delay * (1 - rule.jitter)));
    found.side->ready_at =
        choose_(now + Duration{shortest}, now + Duration{static_cast<std::int64_t>(std::ceil(delay))});
  } else if (undo) {
    found.task->undo_stuck = true;
    raise(found.ref, true);
  } else {
    settle(found.ref, *found.task, code);
  }
}

// ---- compensation

void Transaction::begin_compensation(Time now) {
  note(EventKind::compensation_started);
  phase = Phase::compensating;
  for (std::size_t s = 0; s <= step; ++s) stop_open_tasks(s);
  make_undos_ready(now);
}

void Transaction::raise(TaskRef task, bool undo_failed) {
  note(EventKind::incident_raised);
  incidents.push_back({task, undo_failed, true});
}

void Transaction::judge_turn(Time now) {
  while (phase == Phase::compensating) {
    make_undos_ready(now);
    for (const Task& t : current())
      if (!t.clean()) return;
    note(EventKind::step_undone);
    if (step == 0) {
      note(EventKind::transaction_compensated);
      phase = Phase::compensated;
    } else {
      --step;
    }
  }
}

// Never beside an open lease of its task: only what has settled is undone. In a compensation by turns, everything that
// happened; before it, whatever a met join did not count, unless it says to ignore that.
void Transaction::make_undos_ready(Time now) {
  for (std::size_t s = 0; s < steps_.size(); ++s) {
    const bool turn = phase == Phase::compensating && s == step;
    const bool late = phase == Phase::running && met_[s] && rules(s).late_success == LateSuccess::compensate;
    for (Task& t : steps_[s]) {
      if (t.undo_due || !t.settled || !t.may_have_happened() || !t.rules->undo) continue;
      if (!turn && !(late && !t.counted)) continue;
      t.undo_due = true;
      t.undo.ready_at = now;
    }
  }
}

// ---- table form

const Transition* Transaction::leaving(const std::string& state, const std::string& on) const {
  for (const Transition& t : definition_->transitions)
    if (definition_->states[t.from].name == state && t.on == on) return &t;
  return nullptr;
}

void Transaction::take(const Transition& transition) {
  note(EventKind::transitioned);
  table_state = definition_->states[transition.to].name;
  if (transition.on == "expired") expires_at_ = Time::never();
  end_if_final();
}

void Transaction::end_if_final() {
  for (const schema::State& state : definition_->states) {
    if (state.name != table_state || state.end == StateEnd::none) continue;
    const bool well = state.end == StateEnd::completed;
    note(well ? EventKind::transaction_completed : EventKind::transaction_terminated);
    phase = well ? Phase::completed : Phase::terminated;
  }
}

}  // namespace dta::model

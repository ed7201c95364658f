// From step to step: conditions and branches (semantics section 2), joins met and failed (4), the pivot (5), the end.
#include <algorithm>

#include "schema/json.h"
#include "schema/limits.h"
#include "tests/model/model.h"
#include "tests/model/reading.h"
#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;

namespace {

TaskRef whole(std::size_t step) {
  return {static_cast<std::uint16_t>(step), 0, 0};
}

}  // namespace

void Transaction::follow(std::size_t index, Time now) {
  for (; index < steps_.size(); ++index) {
    if (!rules(index).when || rules(index).when->holds(context())) return enter(index, now);
    steps_[index].skipped = true;
    note(EventKind::step_skipped, std::to_string(index));
  }
  conclude(nullptr, now);
}

void Transaction::enter(std::size_t index, Time now) {
  Step entering = steps_[index];
  const auto lacking = prepare(index, entering, now);
  const schema::Step& definition = rules(index);
  step = index;
  entering.entered = true;
  entering.since = now;
  std::string said = std::to_string(index) + " of " +
                     std::to_string(definition.for_each.empty() ? 0 : entering.instances) +
                     (lacking ? " unresolved" : "");
  for (Task& t : entering.tasks) {
    t.entered = true;
    if (t.skipped) {
      t.settled = true;
      said += " -" + tell(t.ref);
    } else if (lacking || !t.rules->after.empty()) {
      t.blocked = true;
    } else {
      make_ready(t, now);
    }
  }
  // Lengths are told where they were read from data or computed from a time.
  if (!lacking) {
    if (!definition.deadline.pointer.empty()) said += tell("deadline", entering.deadline);
    if (definition.wait_for) {
      const Wait& wait = *definition.wait_for;
      if (wait.until || !wait.until_pointer.empty() || !wait.duration.pointer.empty())
        said += tell("wait", entering.wait);
      if (!wait.deadline.pointer.empty()) said += tell("until", entering.wait_deadline);
    }
    for (const Task& t : entering.tasks)
      if (!t.skipped && t.rules->after.empty() && t.rules->timeouts_from.any()) said += " limits " + tell(t.ref);
  }
  steps_[index] = std::move(entering);
  note(EventKind::step_entered, said);
  if (definition.wait_for)
    for (const std::string& name : definition.wait_for->signals) hear(current(), name);
  if (lacking)
    fail_step(*lacking, now);
  else if (unreachable(current()))
    fail_step({std::nullopt, "dta.need_unreachable", {}, {}}, now);
  else if (wait_end() <= now)
    pass_wait(now);
}

// Everything that is fixed at entry: elements, lengths of time, which tasks are skipped, inputs.
std::optional<Failure> Transaction::prepare(std::size_t index, Step& entering, Time now) const {
  const schema::Step& definition = rules(index);
  const Failure lacking{std::nullopt, "dta.input_unresolved", {}, {}};
  const std::string seen = context();
  if (!definition.for_each.empty()) {
    entering.instances = 0;
    const auto source = schema::find(JsonValue{seen}, definition.for_each);
    if (!source || source->kind() != JsonKind::array) return lacking;
    for (const JsonValue& element : elements(*source)) entering.elements.emplace_back(element.raw);
    if (entering.elements.size() > limits::kTasksPerStepMax ||
        entering.elements.size() * definition.tasks.size() > limits::kTasksMax)
      return Failure{std::nullopt, "dta.too_many_instances", {}, {}};
    entering.instances = entering.elements.size();
  }
  entering.tasks.clear();
  for (std::size_t n = 0; n < entering.instances; ++n)
    for (std::size_t i = 0; i < definition.tasks.size(); ++i) {
      Task& t = entering.tasks.emplace_back();
      t.rules = &definition.tasks[i];
      t.ref = {static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(n)};
      t.timeouts = t.rules->timeouts;
      t.input = definition.for_each.empty() ? input_ : entering.elements[n];
    }
  const auto read = [&](const Length& length, std::optional<Duration>& into) {
    if (!length.pointer.empty())
      into = length_at(seen, length.pointer);
    else if (length.present())
      into = length.fixed;
    return into || !length.present();
  };
  bool times = read(definition.deadline, entering.deadline);
  entering.waited = !definition.wait_for;
  if (definition.wait_for) {
    const Wait& wait = *definition.wait_for;
    times &= read(wait.duration, entering.wait) && read(wait.deadline, entering.wait_deadline);
    const auto until = wait.until_pointer.empty() ? wait.until : time_at(seen, wait.until_pointer);
    if (until)
      entering.wait = std::max(Duration{0}, *until - now);
    else
      times &= wait.until_pointer.empty();
  }
  // A task sees its instance. No task of the step is done yet, so the step as it will be entered is enough to look at.
  std::optional<Failure> first;
  Transaction after = *this;
  after.steps_[index] = entering;
  for (Task& t : entering.tasks) {
    if (!t.rules->after.empty() || first) continue;
    const std::string own = after.context(&t);
    t.skipped = t.rules->when && !t.rules->when->holds(own);
    if (t.skipped) continue;
    const auto input = t.rules->input ? resolve(*t.rules->input, TextContext(own)) : Result<std::string>(t.input);
    if (!input || !read_timeouts(t, own))
      first = Failure{t.ref, "dta.input_unresolved", {}, {}};
    else
      t.input = *input;
  }
  if (times && !first) return std::nullopt;
  for (Task& t : entering.tasks) t.skipped = false;
  return times ? first : lacking;
}

void Transaction::judge(Time now) {
  if (definition_->form == Form::table) return;
  for (bool again = true; again && !ended();) {
    make_undos_ready(now);
    for (Step& s : steps_)
      for (Task& t : s.tasks) {
        const auto waits = [&](const Incident& i) {
          return i.open && i.kind == IncidentKind::pivot_unknown && i.task == t.ref;
        };
        if (t.held && std::none_of(incidents.begin(), incidents.end(), waits))
          raise(IncidentKind::pivot_unknown, t.ref, t.action.last_error);
      }
    again = phase == Phase::compensating ? judge_turn(now) : judge_running(now);
  }
}

// One thing that follows; false: nothing does.
bool Transaction::judge_running(Time now) {
  if (over_) {
    if (ready_followers(now)) return true;
    complete_when_quiet();
    return false;
  }
  if (recovering_) {
    if (ready_followers(now)) return true;
    if (!turn_over()) return false;
    note(EventKind::step_undone, std::to_string(step));
    current().undone = true;
    const Route route = *recovering_;
    recovering_.reset();
    go(route, rules(step).on_failure, now);
    return true;
  }
  if (ready_followers(now)) return true;
  return !current().stuck && judge_join(now);
}

bool Transaction::judge_join(Time now) {
  Step& s = current();
  const bool all_settled = std::all_of(s.tasks.begin(), s.tasks.end(), [](const Task& t) { return t.settled; });
  if (need_met(s, Open::left_aside)) {
    const bool draining = rules(step).leftover == Leftover::drain && !all_settled && !s.deadline_passed;
    if (draining || !s.waited) return false;
    meet(now);
    return true;
  }
  if (!hopeless(s)) return false;
  if (!s.failure) s.failure = Failure{std::nullopt, "dta.need_unreachable", {}, {}};
  if (rules(step).siblings == Siblings::drain && !all_settled) return false;
  fail_step(*s.failure, now);
  return true;
}

// The first entry whose condition holds.
Route Transaction::choose_route(const std::vector<Choice>& choices, GoKind otherwise) const {
  const std::string seen = context();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].when && !choices[i].when->holds(seen)) continue;
    const Go& go = choices[i].go;
    return {static_cast<GoKind>(go.kind), go.step, static_cast<std::uint16_t>(i)};
  }
  return {otherwise, 0, kNoChoice};
}

// `next` sees the step as met. Past a pivot there is no way back: a person must act.
void Transaction::meet(Time now) {
  Transaction met = *this;
  met.current().met = true;
  for (Task& t : met.current().tasks) t.counted = t.outcome() == Outcome::done;
  const Route route = met.choose_route(rules(step).next, GoKind::follow);
  if (route.kind == GoKind::compensate && (passed_ || rules(step).pivot)) {
    const Go& go = rules(step).next[route.choice].go;
    current().stuck = current().stuck_by_next = true;
    current().failure = Failure{std::nullopt, go.code.empty() ? "dta.compensate" : go.code, go.message, {}};
    return raise(IncidentKind::step_failed, whole(step), current().failure->code);
  }
  count_as_met(route, now);
}

void Transaction::count_as_met(Route route, Time now) {
  Step& s = current();
  note(EventKind::step_met, std::to_string(step) + " " + tell(route));
  s.met = true;
  s.stuck = false;
  s.failure.reset();
  for (Task& t : s.tasks) t.counted = t.outcome() == Outcome::done;
  if (rules(step).pivot) {
    passed_ = true;
    cancel_asked_ = false;
  }
  if (rules(step).leftover != Leftover::keep) stop_open_tasks(s);
  make_undos_ready(now);
  go(route, rules(step).next, now);
}

void Transaction::go(Route route, const std::vector<Choice>& choices, Time now) {
  switch (route.kind) {
    case GoKind::follow:
      return follow(step + 1, now);
    case GoKind::step:
      return enter(route.step, now);
    case GoKind::end:
      return conclude(choices[route.choice].go.output ? &*choices[route.choice].go.output : nullptr, now);
    case GoKind::compensate: {
      const std::string& code = choices[route.choice].go.code;
      return begin_compensation(CompensationCause::decided, code.empty() ? "dta.compensate" : code, now);
    }
  }
}

bool Transaction::in_flight() const {
  if (phase != Phase::running || steps_.empty() || passed_) return false;
  const Step& s = current();
  if (!s.entered || s.met || s.failed || !rules(step).pivot) return false;
  return std::any_of(s.tasks.begin(), s.tasks.end(), [](const Task& t) { return !t.action.hand_outs.empty(); });
}

// Section 5: what waited for the pivot takes effect now. Past the pivot only a way on is taken, else a person must act.
void Transaction::fail_step(Failure failure, Time now) {
  const bool waited_for = in_flight();
  const bool cancelled = waited_for && cancel_asked_, expired = waited_for && expires_at_ <= now;
  current().failure = failure;
  Transaction failed = *this;
  failed.current().failed = true;
  for (Task& t : failed.current().tasks) t.counted = t.outcome() == Outcome::done;
  Route route{GoKind::compensate, 0, kNoChoice};
  if (!cancelled && !expired) route = failed.choose_route(rules(step).on_failure, GoKind::compensate);
  if (route.kind == GoKind::compensate && passed_) {
    current().stuck = true;
    return raise(IncidentKind::step_failed, failure.task.value_or(whole(step)), failure.code);
  }
  note(EventKind::step_failed, tell_failure(step, failure.task, failure.code, route));
  current().failed = true;
  stop_open_tasks(current());
  if (cancelled) return begin_compensation(CompensationCause::cancelled, {}, now);
  if (expired) return begin_compensation(CompensationCause::expired, "dta.expired", now);
  if (route.kind != GoKind::compensate) {
    recovering_ = route;
    return;
  }
  const std::string& given = route.choice == kNoChoice ? std::string() : rules(step).on_failure[route.choice].go.code;
  begin_compensation(CompensationCause::step_failed, given.empty() ? failure.code : given, now);
}

// No step comes any more. An output that cannot be resolved is null.
void Transaction::conclude(const Template* given, Time now) {
  static_cast<void>(now);
  const Template* wanted = given != nullptr ? given : definition_->output ? &*definition_->output : nullptr;
  if (wanted != nullptr) {
    const std::string seen = context();
    output = resolve(*wanted, TextContext(seen)).value_or("null");
  }
  over_ = true;
}

// The event that decides the last join fixes the outcome; the terminal event waits until every task is settled and
// every due undo is acknowledged.
void Transaction::complete_when_quiet() {
  bool quiet = true;
  for (const Step& s : steps_)
    for (const Task& t : s.tasks)
      quiet &= !t.entered || (t.settled && (!t.undo_due || t.is_undone() || t.given_up) && (!t.undo_again || t.given_up));
  if (quiet) {
    note(EventKind::transaction_completed);
    phase = Phase::completed;
  } else if (!decided) {
    note(EventKind::outcome_decided);
  }
  decided = true;
}

}  // namespace dta::model

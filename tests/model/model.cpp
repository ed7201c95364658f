// What can be asked of the model, and what can be seen of it, in the words of the semantics. What follows from it is in
// model_flow.cpp (the way through the steps), model_rules.cpp (joins and compensation), model_context.cpp (what data
// decides), model_time.cpp (timers and pauses), model_people.cpp (cancel, terminate, incidents) and model_table.cpp.
#include "tests/model/model.h"

#include <algorithm>

namespace dta::model {

using namespace schema;

namespace {

bool unknown(Ending ending) {
  return ending == Ending::unclear || ending == Ending::timed_out;
}

}  // namespace

std::uint32_t Side::attempts() const {
  std::uint32_t count = 0;
  for (const HandOut& h : hand_outs) count += h.ending != Ending::released;
  return count;
}

// Semantics section 3: done if any attempt was; else unknown if any attempt ended so; else failed if it was ever handed
// out or ran out of time; else withdrawn. What a person said of it goes before.
Outcome Task::outcome() const {
  if (!settled) return Outcome::none;
  if (skipped) return Outcome::skipped;
  if (forced) return *forced;
  bool any_unknown = false;
  for (std::size_t i = forgiven; i < earlier.size(); ++i) any_unknown |= unknown(earlier[i].ending);
  for (const HandOut& h : action.hand_outs) {
    if (h.ending == Ending::done) return Outcome::done;
    any_unknown |= unknown(h.ending);
  }
  if (any_unknown) return Outcome::unknown;
  return !action.hand_outs.empty() || !earlier.empty() || ran_out ? Outcome::failed : Outcome::withdrawn;
}

bool Task::clean() const {
  return settled && (!may_have_happened() || !rules->undo || is_undone() || given_up);
}

Transaction::Transaction(DefinitionPtr definition, Choose choose)
    : definition_(std::move(definition)), choose_(std::move(choose)) {
  for (const Step& s : definition_->steps) {
    steps_.emplace_back();
    steps_.back().rules = &s;
    if (!s.for_each.empty()) continue;
    for (const schema::Task& task : s.tasks) {
      steps_.back().tasks.emplace_back();
      steps_.back().tasks.back().rules = &task;
    }
  }
}

// ---- commands

void Transaction::start(std::string input, Time now) {
  note(EventKind::transaction_started);
  phase = Phase::running;
  input_ = std::move(input);
  if (definition_->expires_after.ms > 0) expires_at_ = now + definition_->expires_after;
  if (definition_->form == Form::table) {
    table_state = definition_->states[definition_->initial].name;
    return end_if_final();
  }
  follow(0, now);
  judge(now);
}

bool Transaction::hand_out(TaskRef ref, Action action, Time now) {
  bool is_ready = false;
  for (const auto& [task, side, from] : ready()) is_ready |= task == ref && side == action && from <= now;
  if (!is_ready) return false;
  note(EventKind::task_leased);
  Task& t = at(ref);
  Side& side = action == Action::undo ? t.undo : t.action;
  side.ready.reset();
  side.hand_outs.push_back({Sequence(log.size()), now, now, Ending::open, false});
  return true;
}

std::optional<ErrorCode> Transaction::report(Sequence lease, const Said& result, Time now) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return ErrorCode::stale_lease;
  take_result(*found, result, now);
  return std::nullopt;
}

void Transaction::take_result(const Found& found, const Said& result, Time now) {
  Task& t = *found.task;
  found.hand_out->ending = result.ending;
  switch (result.ending) {
    case Ending::done:
      note(EventKind::task_completed);
      if (found.action == Action::undo) {
        t.undone = true;
        t.undo_again = false;
        t.undo_found = result.found;
      } else {
        t.output = result.output;
        settle(found.ref, t, {});
        count_late(found.ref, t);
      }
      break;
    case Ending::released:
      note(EventKind::task_released);
      // Only a task that may still be tried waits again.
      if (found.action == Action::perform && found.hand_out->asked_to_stop)
        settle(found.ref, t, t.action.last);
      else
        found.side->ready = Clock{now, result.delay};
      break;
    default:
      note(EventKind::task_failed);
      after_failure(found, Failure{found.ref, true, result.code, result.message, result.details}, result.retryable,
                    now);
  }
  judge(now);
}

// Section 4, leftover keep: they run to their end, successes kept. Any other success after the join is late.
void Transaction::count_late(TaskRef ref, Task& t) {
  t.counted = steps_[ref.step].outcome == StepOutcome::met && rules(ref.step).leftover == Leftover::keep;
}

bool Transaction::report_late(Sequence lease, bool success, Time now) {
  static_cast<void>(now);
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::timed_out) return false;
  note(EventKind::late_result);
  if (success && found->action == Action::perform) happened_after_all(found->ref, *found->task);
  return true;
}

// It changes no outcome, but its undo may have come too early: unless that undo found what it undid.
void Transaction::happened_after_all(TaskRef ref, const Task& t) {
  if (t.is_undone() && t.undo_found != true) raise(IncidentKind::effect_after_undo, ref);
}

std::optional<ErrorCode> Transaction::report_external(TaskRef ref, const Said& result, Time now) {
  if (ref.step >= steps_.size() || ref.task >= rules(ref.step).tasks.size()) return ErrorCode::task_not_found;
  if (!rules(ref.step).tasks[ref.task].external) return ErrorCode::illegal_event;
  if (!exists(ref)) return ErrorCode::task_not_found;
  Task& t = at(ref);
  if (t.action.outside()) {
    take_result({ref, &t, &t.action, &t.action.hand_outs.back(), Action::perform}, result, now);
    return std::nullopt;
  }
  if (!t.settled && !t.held) return ErrorCode::illegal_event;  // its turn has not come
  note(EventKind::late_result);
  if (result.ending == Ending::done) happened_after_all(ref, t);
  return std::nullopt;
}

void Transaction::beat(Sequence lease, Time now) {
  const auto found = find(lease);
  if (found && found->hand_out->ending == Ending::open) found->hand_out->last_beat = now;
}

bool Transaction::keep_detail(Sequence lease) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return false;
  note(EventKind::heartbeat_recorded);
  return true;
}

// ---- what can be seen

bool Transaction::exists(TaskRef ref) const {
  return ref.step < steps_.size() && ref.task < rules(ref.step).tasks.size() &&
         ref.instance * rules(ref.step).tasks.size() + ref.task < steps_[ref.step].tasks.size();
}

const Task& Transaction::task(TaskRef ref) const {
  return steps_[ref.step].tasks[ref.instance * rules(ref.step).tasks.size() + ref.task];
}

Task& Transaction::at(TaskRef ref) {
  return steps_[ref.step].tasks[ref.instance * rules(ref.step).tasks.size() + ref.task];
}

TaskRef Transaction::ref_of(std::size_t index, std::size_t position) const {
  const std::size_t width = std::max<std::size_t>(rules(index).tasks.size(), 1);
  return {static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(position % width),
          static_cast<std::uint32_t>(position / width)};
}

std::optional<Transaction::Found> Transaction::find(Sequence lease) {
  if (lease.value == 0) return std::nullopt;
  for (std::size_t s = 0; s < steps_.size(); ++s)
    for (std::size_t p = 0; p < steps_[s].tasks.size(); ++p) {
      Task& t = steps_[s].tasks[p];
      for (HandOut& h : t.action.hand_outs)
        if (h.lease == lease) return Found{ref_of(s, p), &t, &t.action, &h, Action::perform};
      for (HandOut& h : t.undo.hand_outs)
        if (h.lease == lease) return Found{ref_of(s, p), &t, &t.undo, &h, Action::undo};
      for (HandOut& h : t.earlier)
        if (h.lease == lease) return Found{ref_of(s, p), &t, &t.action, &h, Action::perform};
      for (HandOut& h : t.earlier_undos)
        if (h.lease == lease) return Found{ref_of(s, p), &t, &t.undo, &h, Action::undo};
    }
  return std::nullopt;
}

// Of a step with at_once, the tasks that have been ready longest, as many as may be handed out beside those that are.
std::vector<Transaction::Waiting> Transaction::ready() const {
  std::vector<Waiting> list;
  if (ended() || phase == Phase::none || paused()) return list;
  const auto place = [](const Waiting& w) {
    const TaskRef& ref = std::get<TaskRef>(w);
    return std::tuple(ref.step, ref.instance, ref.task, std::get<Action>(w));
  };
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    std::vector<Waiting> actions;
    std::size_t leased = 0;
    for (std::size_t p = 0; p < steps_[i].tasks.size(); ++p) {
      const Task& t = steps_[i].tasks[p];
      leased += t.action.open();
      if (t.action.ready) actions.emplace_back(ref_of(i, p), Action::perform, due(*t.action.ready));
      if (t.undo.ready) list.emplace_back(ref_of(i, p), Action::undo, due(*t.undo.ready));
    }
    if (rules(i).at_once > 0) {
      std::sort(actions.begin(), actions.end(), [&](const Waiting& a, const Waiting& b) {
        return std::pair(std::get<Time>(a), place(a)) < std::pair(std::get<Time>(b), place(b));
      });
      const std::size_t free = rules(i).at_once > leased ? rules(i).at_once - leased : 0;
      actions.resize(std::min(actions.size(), free));
    }
    list.insert(list.end(), actions.begin(), actions.end());
  }
  std::sort(list.begin(), list.end(), [&](const Waiting& a, const Waiting& b) { return place(a) < place(b); });
  return list;
}

// What the terminal event names. A completed transaction names what its joins left over and would undo, and what is
// left of steps that failed and were led past.
std::vector<TaskRef> Transaction::not_undone() const {
  std::vector<TaskRef> list;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const StepState& s = steps_[i];
    for (std::size_t p = 0; p < s.tasks.size(); ++p) {
      const Task& t = s.tasks[p];
      if (!t.may_have_happened() || t.is_undone()) continue;
      const bool stays = s.outcome == StepOutcome::met && (t.counted || s.rules->late_success == LateSuccess::ignore);
      if (phase != Phase::completed || !stays) list.push_back(ref_of(i, p));
    }
  }
  return list;
}

bool Transaction::pivot_passed() const {
  return std::any_of(steps_.begin(), steps_.end(),
                     [](const StepState& s) { return s.rules->pivot && s.outcome == StepOutcome::met; });
}

bool Transaction::pivot_in_flight() const {
  if (phase != Phase::running || steps_.empty()) return false;
  const StepState& s = current();
  return s.rules->pivot && s.outcome == StepOutcome::open &&
         std::any_of(s.tasks.begin(), s.tasks.end(),
                     [](const Task& t) { return !t.action.hand_outs.empty() || !t.earlier.empty(); });
}

bool Transaction::waits_for_a_person() const {
  return std::any_of(incidents.begin(), incidents.end(), [](const Incident& i) { return i.open; });
}

}  // namespace dta::model

// What can be asked of the model, and what can be seen of it, in the words of the semantics. What follows from it is in
// model_rules.cpp.
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
// out or ran out of time; else withdrawn.
Outcome Task::outcome() const {
  if (!settled) return Outcome::none;
  bool any_unknown = false;
  for (const HandOut& h : action.hand_outs) {
    if (h.ending == Ending::done) return Outcome::done;
    any_unknown |= unknown(h.ending);
  }
  if (any_unknown) return Outcome::unknown;
  return !action.hand_outs.empty() || ran_out ? Outcome::failed : Outcome::withdrawn;
}

bool Task::clean() const {
  return settled && (!may_have_happened() || !rules->undo || undone || given_up);
}

Transaction::Transaction(DefinitionPtr definition, Choose choose)
    : definition_(std::move(definition)), choose_(std::move(choose)) {
  for (const Step& s : definition_->steps) {
    steps_.emplace_back(s.tasks.size());
    for (std::size_t i = 0; i < s.tasks.size(); ++i) steps_.back()[i].rules = &s.tasks[i];
    met_.push_back(false);
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
  if (!steps_.empty()) enter(0, now);
  judge(now);
}

bool Transaction::hand_out(TaskRef ref, Action action, Time now) {
  bool is_ready = false;
  for (const auto& [task, side, at] : ready()) is_ready |= task == ref && side == action && at <= now;
  if (!is_ready) return false;
  note(EventKind::task_leased);
  Task& t = steps_[ref.step][ref.task];
  Side& side = action == Action::undo ? t.undo : t.action;
  side.ready_at.reset();
  side.hand_outs.push_back({Sequence(log.size()), now, now, Ending::open, false});
  return true;
}

std::optional<ErrorCode> Transaction::report(Sequence lease, const Said& result, Time now) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return ErrorCode::stale_lease;
  Task& t = *found->task;
  found->hand_out->ending = result.ending;
  switch (result.ending) {
    case Ending::done:
      note(EventKind::task_completed);
      if (found->action == Action::undo) {
        t.undone = true;
        t.undo_found = result.found;
      } else {
        t.output = result.output;
        t.settled = true;
        // Section 4, leftover keep: they run to their end, successes kept. Any other success after the join is late.
        t.counted = met_[found->ref.step] && rules(found->ref.step).leftover == Leftover::keep;
      }
      break;
    case Ending::released:
      note(EventKind::task_released);
      // Only a task that may still be tried waits again.
      if (found->action == Action::perform && found->hand_out->asked_to_stop)
        settle(found->ref, t, t.action.last_error);
      else
        found->side->ready_at = now + result.delay;
      break;
    default:
      note(EventKind::task_failed);
      after_failure(*found, result.code, result.retryable, now);
  }
  judge(now);
  return std::nullopt;
}

bool Transaction::report_late(Sequence lease, bool success, Time now) {
  static_cast<void>(now);
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::timed_out) return false;
  note(EventKind::late_result);
  const Task& t = *found->task;
  if (success && found->action == Action::perform && t.undone && t.undo_found != true) {
    raise(found->ref, false);
  }
  return true;
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

std::optional<ErrorCode> Transaction::cancel(Time now) {
  if (phase != Phase::running || decided) return ErrorCode::closed;
  if (definition_->form == Form::table) {
    note(EventKind::transaction_terminated);
    phase = Phase::terminated;
    return std::nullopt;
  }
  begin_compensation(now);
  judge(now);
  return std::nullopt;
}

std::optional<ErrorCode> Transaction::terminate() {
  if (ended()) return ErrorCode::closed;
  note(EventKind::transaction_terminated);
  phase = Phase::terminated;
  for (std::size_t s = 0; s < steps_.size(); ++s)
    for (std::size_t i = 0; i < steps_[s].size(); ++i) {
      Task& t = steps_[s][i];
      for (Side* side : {&t.action, &t.undo}) {
        if (side->open()) side->hand_outs.back().ending = Ending::timed_out;
        side->ready_at.reset();
      }
      if (t.entered && !t.settled)
        settle({static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0}, t, t.action.last_error);
    }
  return std::nullopt;
}

// Section 7. An undo that failed is retried, was done by hand or is given up; anything else, and anything after the
// end, can only be accepted.
std::optional<ErrorCode> Transaction::resolve_incident(std::size_t number, IncidentResolution resolution, Time now) {
  if (number == 0 || number > incidents.size()) return ErrorCode::incident_not_found;
  Incident& incident = incidents[number - 1];
  if (!incident.open) return ErrorCode::closed;
  const bool undo_waits = incident.undo_failed && !ended();
  if (undo_waits == (resolution == IncidentResolution::accept)) return ErrorCode::illegal_event;
  note(EventKind::incident_resolved);
  incident.open = false;
  if (!incident.undo_failed) return std::nullopt;
  Task& t = steps_[incident.task.step][incident.task.task];
  t.undo_stuck = false;
  if (resolution == IncidentResolution::retry) t.undo.ready_at = now;
  t.undone = resolution == IncidentResolution::force_done;
  t.given_up = resolution == IncidentResolution::give_up || resolution == IncidentResolution::accept;
  if (!ended()) judge(now);
  return std::nullopt;
}

bool Transaction::waits_for_a_person() const {
  return std::any_of(incidents.begin(), incidents.end(), [](const Incident& i) { return i.open; });
}

std::optional<ErrorCode> Transaction::append(std::optional<Sequence> expected, const std::vector<std::string>& names,
                                             Time now) {
  static_cast<void>(now);
  if (definition_->form != Form::table) return ErrorCode::reserved_kind;
  if (expected && expected->value != log.size()) return ErrorCode::wrong_sequence;
  for (const std::string& name : names)
    if (name.starts_with("dta.") || name.starts_with("$")) return ErrorCode::reserved_kind;
  if (ended() && !names.empty()) return ErrorCode::closed;
  // All or nothing: walk the table first.
  std::string state = table_state;
  std::vector<const Transition*> walk;
  for (const std::string& name : names) {
    walk.push_back(leaving(state, name));
    if (walk.back() == nullptr) return ErrorCode::illegal_event;
    state = definition_->states[walk.back()->to].name;
  }
  for (const Transition* transition : walk) take(*transition);
  return std::nullopt;
}

// ---- timers

void Transaction::tick(Time now) {
  if (phase == Phase::none || ended()) return;
  if (definition_->form == Form::table) {
    expire(now);
    return;
  }
  std::vector<Sequence> open;
  for (const auto& tasks : steps_)
    for (const Task& t : tasks)
      for (const Side* side : {&t.action, &t.undo})
        if (side->open()) open.push_back(side->hand_outs.back().lease);
  std::sort(open.begin(), open.end());
  for (const Sequence lease : open) end_lease(lease, now, true);
  const std::size_t last = step;
  for (std::size_t s = 0; s <= last && s < steps_.size(); ++s)
    for (std::size_t i = 0; i < steps_[s].size(); ++i) {
      const TaskRef ref{static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0};
      if (!run_out(ref, TaskLimit::total, now)) run_out(ref, TaskLimit::queue, now);
    }
  pass_deadline(now);
  expire(now);
}

bool Transaction::end_lease(Sequence lease, Time now, bool beats_known) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return false;
  if (beats_known && lease_end(*found->task, found->action, *found->hand_out) > now) return false;
  const Timeouts& limits =
      found->action == Action::undo ? found->task->rules->undo->timeouts : found->task->rules->timeouts;
  const Duration shortest = limits.heartbeat.ms > 0 ? std::min(limits.heartbeat, limits.attempt) : limits.attempt;
  if (found->hand_out->since + shortest > now) return false;
  note(EventKind::attempt_timed_out);
  found->hand_out->ending = Ending::timed_out;
  after_failure(*found, "dta.timeout", true, now);
  judge(now);
  return true;
}

bool Transaction::run_out(TaskRef ref, TaskLimit limit, Time now) {
  if (phase != Phase::running) return false;
  Task& t = steps_[ref.step][ref.task];
  if (!t.entered || t.settled) return false;
  const Timeouts& limits = t.rules->timeouts;
  if (limit == TaskLimit::queue) {
    if (limits.queue.ms == 0 || !t.action.ready_at || *t.action.ready_at + limits.queue > now) return false;
  } else {
    if (limits.total.ms == 0 || t.first_ready + limits.total > now) return false;
    if (t.action.open() && t.action.hand_outs.back().asked_to_stop) return false;  // it fires once
  }
  note(EventKind::task_timed_out);
  t.ran_out = true;
  t.action.last_error = "dta.timeout";
  if (t.action.open())
    t.action.hand_outs.back().asked_to_stop = true;
  else
    settle(ref, t, "dta.timeout");
  judge(now);
  return true;
}

bool Transaction::pass_deadline(Time now) {
  if (phase != Phase::running || steps_.empty() || met_[step] || rules(step).deadline.ms == 0) return false;
  if (entered_at_ + rules(step).deadline > now) return false;
  // Passed before the need is met: failure, also under drain. Passed while leftovers drain: decided as met.
  if (need_met(step, Open::left_aside))
    meet(now);
  else
    fail_step(TaskRef{static_cast<std::uint16_t>(step), 0, 0}, "dta.deadline", now);
  judge(now);
  return true;
}

bool Transaction::expire(Time now) {
  if (phase != Phase::running || decided || expires_at_ > now) return false;
  if (definition_->form == Form::table) {
    if (const Transition* transition = leaving(table_state, "expired")) {
      take(*transition);
    } else {
      note(EventKind::transaction_terminated);
      phase = Phase::terminated;
    }
    return true;
  }
  begin_compensation(now);
  judge(now);
  return true;
}

// ---- what can be seen

std::optional<Transaction::Found> Transaction::find(Sequence lease) {
  for (std::size_t s = 0; s < steps_.size(); ++s)
    for (std::size_t i = 0; i < steps_[s].size(); ++i) {
      Task& t = steps_[s][i];
      const TaskRef ref{static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0};
      for (HandOut& h : t.action.hand_outs)
        if (h.lease == lease) return Found{ref, &t, &t.action, &h, Action::perform};
      for (HandOut& h : t.undo.hand_outs)
        if (h.lease == lease) return Found{ref, &t, &t.undo, &h, Action::undo};
    }
  return std::nullopt;
}

Time Transaction::lease_end(const Task& task, Action action, const HandOut& h) const {
  const Timeouts& limits = action == Action::undo ? task.rules->undo->timeouts : task.rules->timeouts;
  const Time by_attempt = h.since + limits.attempt;
  return limits.heartbeat.ms == 0 ? by_attempt : std::min(by_attempt, h.last_beat + limits.heartbeat);
}

std::vector<Transaction::Waiting> Transaction::ready() const {
  std::vector<Waiting> list;
  if (ended() || phase == Phase::none || steps_.empty()) return list;
  for (std::size_t s = 0; s < steps_.size(); ++s)
    for (std::size_t i = 0; i < steps_[s].size(); ++i) {
      const Task& t = steps_[s][i];
      const TaskRef ref{static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0};
      if (t.action.ready_at) list.emplace_back(ref, Action::perform, *t.action.ready_at);
      if (t.undo.ready_at) list.emplace_back(ref, Action::undo, *t.undo.ready_at);
    }
  return list;
}

Time Transaction::due() const {
  Time due = Time::never();
  if (ended() || phase == Phase::none) return due;
  for (const auto& tasks : steps_)
    for (const Task& t : tasks) {
      if (t.action.open()) due = std::min(due, lease_end(t, Action::perform, t.action.hand_outs.back()));
      if (t.undo.open()) due = std::min(due, lease_end(t, Action::undo, t.undo.hand_outs.back()));
    }
  if (phase != Phase::running) return due;
  if (!decided) due = std::min(due, expires_at_);
  if (steps_.empty()) return due;
  if (rules(step).deadline.ms > 0 && !met_[step]) due = std::min(due, entered_at_ + rules(step).deadline);
  for (const auto& tasks : steps_)
    for (const Task& t : tasks) {
      const Timeouts& limits = t.rules->timeouts;
      if (limits.queue.ms > 0 && t.action.ready_at) due = std::min(due, *t.action.ready_at + limits.queue);
      const bool stopping = t.action.open() && t.action.hand_outs.back().asked_to_stop;
      if (limits.total.ms > 0 && t.entered && !t.settled && !stopping)
        due = std::min(due, t.first_ready + limits.total);
    }
  return due;
}

// What the terminal event names. A completed transaction names only what its joins left over and would undo.
std::vector<TaskRef> Transaction::not_undone() const {
  std::vector<TaskRef> list;
  for (std::size_t s = 0; s < steps_.size(); ++s)
    for (std::size_t i = 0; i < steps_[s].size(); ++i)
      if (steps_[s][i].may_have_happened() && !steps_[s][i].undone &&
          (phase != Phase::completed || (!steps_[s][i].counted && rules(s).late_success == LateSuccess::compensate)))
        list.push_back({static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0});
  return list;
}

}  // namespace dta::model

// What workers and participants do: begin, take, report. What follows from it is in the other files (model.h names them).
#include "tests/model/model.h"

#include <algorithm>

#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;

Transaction::Transaction(DefinitionPtr definition, Choose choose)
    : definition_(std::move(definition)), choose_(std::move(choose)) {
  for (std::size_t s = 0; s < definition_->steps.size(); ++s) {
    steps_.emplace_back();
    if (!rules(s).for_each.empty()) continue;
    for (std::size_t i = 0; i < rules(s).tasks.size(); ++i) {
      Task& t = steps_.back().tasks.emplace_back();
      t.rules = &rules(s).tasks[i];
      t.ref = {static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(i), 0};
    }
  }
}

void Transaction::note(EventKind kind, std::string said) {
  log.push_back(kind);
  words.push_back(std::move(said));
}

void Transaction::raise(IncidentKind kind, TaskRef task, std::string code) {
  note(EventKind::incident_raised, tell_incident(kind, task, code));
  incidents.push_back({kind, task, std::move(code), true});
}

bool Transaction::has(TaskRef ref) const {
  return ref.step < steps_.size() && ref.task < rules(ref.step).tasks.size() &&
         ref.instance * rules(ref.step).tasks.size() + ref.task < steps_[ref.step].tasks.size();
}

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
  for (const auto& [task, side, at] : ready()) is_ready |= task == ref && side == action && at <= now;
  if (!is_ready) return false;
  Task& t = at(ref);
  const bool undo = action == Action::undo;
  note(EventKind::task_leased, tell(ref) + (undo ? " undo " + std::to_string(t.order) : ""));
  Side& side = undo ? t.undo : t.action;
  side.waiting.reset();
  side.hand_outs.push_back({Sequence(log.size()), now, now, Ending::open, false});
  return true;
}

std::optional<ErrorCode> Transaction::report(Sequence lease, const Said& result, Time now) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return ErrorCode::stale_lease;
  Task& t = *found->task;
  const bool undo = found->action == Action::undo;
  const std::string which = tell(t.ref) + (undo ? " undo" : "");
  found->hand_out->ending = result.ending;
  switch (result.ending) {
    case Ending::done:
      note(EventKind::task_completed, which);
      if (undo) {
        t.undone = true;
        t.undo_again = false;
        t.undo_found = result.found;
        break;
      }
      t.output = result.output;
      settle_as(t, {});
      // Section 4, leftover keep: they run to their end, successes kept. Any other success after the join is late.
      t.counted = steps_[t.ref.step].met && rules(t.ref.step).leftover == Leftover::keep;
      break;
    case Ending::released:
      note(EventKind::task_released, which);
      // Only a task that may still be tried waits again.
      if (!undo && found->hand_out->asked_to_stop)
        settle(t, t.action.last_error);
      else
        found->side->waiting = Backoff{now, result.delay};
      break;
    default:
      note(EventKind::task_failed, which);
      after_failure(*found, result, now);
  }
  judge(now);
  return std::nullopt;
}

// A success that comes after the undo was acknowledged: unless that undo found what it was to undo, the effect stands.
bool Transaction::report_late(Sequence lease, bool success, Time now) {
  static_cast<void>(now);
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::timed_out) return false;
  const Task& t = *found->task;
  note(EventKind::late_result, tell(t.ref) + (found->action == Action::undo ? " undo" : ""));
  if (success && found->action == Action::perform && t.undone && t.undo_found != true)
    raise(IncidentKind::effect_after_undo, t.ref, "dta.effect_after_undo");
  return true;
}

// Participants report tasks by name. All of it is checked before anything is taken.
std::optional<ErrorCode> Transaction::report_external(std::optional<Sequence> expected,
                                                      const std::vector<SaidOutside>& items, Time now) {
  if (expected && expected->value != log.size()) return ErrorCode::wrong_sequence;
  for (const SaidOutside& item : items) {
    if (!has(item.task) || !at(item.task).rules->external) return ErrorCode::task_not_found;
    if (at(item.task).action.hand_outs.empty()) return ErrorCode::illegal_event;
  }
  for (const SaidOutside& item : items) {
    Task& t = at(item.task);
    if (!t.action.open()) {
      note(EventKind::late_result, tell(t.ref));
      if (item.said.ending == Ending::done && t.undone && t.undo_found != true)
        raise(IncidentKind::effect_after_undo, t.ref, "dta.effect_after_undo");
      continue;
    }
    HandOut& h = t.action.hand_outs.back();
    h.ending = item.said.ending;
    if (h.ending == Ending::done) {
      note(EventKind::task_completed, tell(t.ref));
      t.output = item.said.output;
      settle_as(t, {});
      t.counted = steps_[t.ref.step].met && rules(t.ref.step).leftover == Leftover::keep;
    } else {
      note(EventKind::task_failed, tell(t.ref));
      after_failure({&t, &t.action, &h, Action::perform}, item.said, now);
    }
    judge(now);
  }
  return std::nullopt;
}

void Transaction::beat(Sequence lease, Time now) {
  const auto found = find(lease);
  if (found && found->hand_out->ending == Ending::open) found->hand_out->last_beat = now;
}

bool Transaction::keep_detail(Sequence lease) {
  const auto found = find(lease);
  if (!found || found->hand_out->ending != Ending::open) return false;
  note(EventKind::heartbeat_recorded, tell(found->task->ref) + (found->action == Action::undo ? " undo" : ""));
  return true;
}

std::optional<Transaction::Found> Transaction::find(Sequence lease) {
  if (lease.value == 0) return std::nullopt;
  for (Step& s : steps_)
    for (Task& t : s.tasks) {
      for (HandOut& h : t.action.hand_outs)
        if (h.lease == lease) return Found{&t, &t.action, &h, Action::perform};
      for (HandOut& h : t.undo.hand_outs)
        if (h.lease == lease) return Found{&t, &t.undo, &h, Action::undo};
    }
  return std::nullopt;
}

}  // namespace dta::model

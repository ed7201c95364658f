// See settle.h. Pure; runs inside evolve().
#include "engine/settle.h"

#include <algorithm>

#include "engine/join.h"
#include "schema/assert.h"

namespace dta::engine {

void Settler::make_ready(const TaskRef& ref) {
  TaskState& t = task(ref);
  t.first_ready = t.since = t.at = at_;
  t.status = TaskStatus::ready;
  if (!m_.task(ref).external && !m_.task(ref).child) return;
  t.status = m_.task(ref).child ? TaskStatus::child : TaskStatus::outside;
  t.attempt = 1;
  set(TaskBit::requested, ref);
}

void Settler::settle_without_success(const TaskRef& ref, const std::string& code, const std::string& message,
                                     const PayloadAt& details, TaskBit or_else) {
  const TaskBit outcome = has(TaskBit::maybe, ref)       ? TaskBit::unknown
                          : has(TaskBit::requested, ref) ? TaskBit::failed
                                                         : or_else;
  const bool open_pivot = m_.step(ref.step).pivot && !s_.ended() && !s_.bits.test(m_.bit(StepBit::met, ref.step));
  if (outcome == TaskBit::unknown && open_pivot) {
    task(ref).status = TaskStatus::held;
    return;
  }
  settle(ref, outcome, code, message, details);
}

void Settler::settle(const TaskRef& ref, TaskBit outcome, const std::string& code, const std::string& message,
                     const PayloadAt& details) {
  set(outcome, ref);
  set(TaskBit::settled, ref);
  task(ref).status = TaskStatus::settled;
  if (outcome == TaskBit::done || outcome == TaskBit::skipped) return;
  withdraw_followers(ref);
  // The failure that decides is the one that puts the need out of reach, also when siblings drain before it is judged.
  if (outcome == TaskBit::withdrawn || s_.phase != Phase::running || s_.failure.has_step) return;
  const StepView step(m_, s_, ref.step);
  if (ref.step == s_.step && !step.is(StepBit::met) && !reachable(step))
    s_.failure = Failure{true, true, ref, code, message, details};
}

void Settler::note_unreachable(std::size_t index) {
  if (s_.phase != Phase::running || index != s_.step || s_.failure.has_step) return;
  const StepView step(m_, s_, index);
  if (!step.is(StepBit::met) && !reachable(step))
    s_.failure =
        Failure{true, false, TaskRef{static_cast<std::uint16_t>(index), 0, 0}, kNeedUnreachable, kFewerThanNeeded, {}};
}

// They can never come after it now.
void Settler::withdraw_followers(const TaskRef& ref) {
  for (const std::uint16_t follower : m_.task(ref).before) {
    const TaskRef next{ref.step, follower, ref.instance};
    if (task(next).status == TaskStatus::blocked) settle_without_success(next, task(next).error_code, "stopped");
  }
}

void Settler::stop_open_tasks(std::size_t index) {
  const StepView step(m_, s_, index);
  for (std::size_t slot = 0; slot < step.size(); ++slot) {
    const TaskRef ref = step.ref(slot);
    switch (step.task(slot).status) {
      case TaskStatus::outside:
        set(TaskBit::maybe, ref);
        settle_without_success(ref, step.task(slot).error_code, "stopped");
        break;
      case TaskStatus::blocked:  // it may have been handed out before its step was tried again
      case TaskStatus::ready:
        settle_without_success(ref, step.task(slot).error_code, "stopped");
        break;
      case TaskStatus::child:
        task(ref).stopping = true;
        break;
      default:
        break;
    }
  }
  for (Lease& lease : s_.leases)
    if (lease.action == Action::perform && lease.task.step == index) lease.stop_asked = true;
}

void Settler::settle_everything() {
  for (const Lease& lease : s_.leases)
    if (lease.action == Action::perform) {
      set(TaskBit::maybe, lease.task);
      task(lease.task).status = TaskStatus::ready;
    }
  s_.leases.clear();
  for (TaskState& t : s_.tasks) {
    if (t.status == TaskStatus::held) t.status = TaskStatus::ready;
    if (t.status == TaskStatus::child) t.status = TaskStatus::outside;  // it may have acted, whatever becomes of it
    if (t.undo_status == UndoStatus::ready || t.undo_status == UndoStatus::leased || t.undo_status == UndoStatus::child)
      t.undo_status = UndoStatus::idle;
  }
  for (std::size_t step = 0; step < m_.definition().steps.size(); ++step) stop_open_tasks(step);
}

void Settler::consume_signals() {
  const StepView step(m_, s_, s_.step);
  if (!step.rules().wait_for || step.rules().wait_for->signals.empty()) return;
  bool all = true;
  for (const std::string& name : step.rules().wait_for->signals) {
    const auto of_name = [&](std::uint16_t consumer) {
      return std::find_if(s_.signals.begin(), s_.signals.end(),
                          [&](const KeptSignal& s) { return s.name == name && s.step == consumer; });
    };
    if (of_name(s_.step) != s_.signals.end()) continue;
    const auto kept = of_name(KeptSignal::kKept);
    if (kept == s_.signals.end())
      all = false;
    else
      kept->step = s_.step;
  }
  if (all) s_.bits.set(m_.bit(StepBit::waited, s_.step));
}

void Settler::ready_undos(const std::optional<TaskRef>& within) {
  if (s_.form != schema::Form::steps || s_.phase == Phase::none || s_.ended() || m_.definition().steps.empty()) return;
  const std::size_t from = within ? within->step : 0, to = within ? std::min(within->step, s_.step) : s_.step;
  for (std::size_t index = from; index <= to; ++index) {
    const bool led_past = s_.phase == Phase::running && s_.bits.test(m_.bit(StepBit::failed, index));
    const bool turn = index == s_.step && (s_.phase == Phase::compensating || led_past);
    const bool late = s_.phase == Phase::running && m_.leaves(index) && s_.bits.test(m_.bit(StepBit::met, index)) &&
                      m_.step(index).late_success == schema::LateSuccess::compensate;
    if (!turn && !late) continue;
    const StepView step(m_, s_, index);
    if (!within) {
      ready_undos_of(step, 0, step.size(), turn);
    } else if (step.rules().ordered()) {
      const std::size_t first = std::size_t{within->instance} * step.block().tasks;
      ready_undos_of(step, first, first + step.block().tasks, turn);
    } else {
      ready_undos_of(step, step.slot(*within), step.slot(*within) + 1, turn);
    }
  }
}

// Everything that comes after the task, however far, is clean. What was undone was so only when all behind it was.
bool Settler::clean_behind(const StepView& step, std::size_t slot) {
  if (step.rules(slot).before.empty()) return true;
  std::vector<std::size_t> open{slot};
  std::vector<bool> seen(step.block().tasks);
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    for (const std::size_t task : step.rules(at).before) {
      const std::size_t later = step.beside(slot, task);
      if (!step.clean(later)) return false;
      if (seen[task] || step.undone(later)) continue;
      seen[task] = true;
      open.push_back(later);
    }
  }
  return true;
}

void Settler::ready_undos_of(const StepView& step, std::size_t first, std::size_t last, bool counted_too) {
  for (std::size_t slot = first; slot < last; ++slot) {
    if (!step.happened(slot) || (!counted_too && step.has(TaskBit::counted, slot))) continue;
    if (!step.undoable(slot) || step.task(slot).undo_status != UndoStatus::idle) continue;
    if (!clean_behind(step, slot)) continue;
    set(TaskBit::undo_due, step.ref(slot));
    TaskState& t = s_.tasks[step.block().first_task + slot];
    t.undo_status = UndoStatus::ready;
    t.undo_since = t.undo_at = at_;
    if (!step.rules(slot).child) continue;
    t.undo_status = UndoStatus::child;
    set(TaskBit::undo_requested, step.ref(slot));
  }
}

}  // namespace dta::engine

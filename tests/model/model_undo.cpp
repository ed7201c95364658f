// Compensation (semantics section 6), and the undoing of a step that `on_failure` leads past.
#include <algorithm>

#include "tests/model/model.h"
#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;

void Transaction::begin_compensation(CompensationCause cause, const std::string& reason, Time now) {
  static_cast<void>(now);
  note(EventKind::compensation_started,
       std::to_string(static_cast<int>(cause)) + " " + (cause == CompensationCause::cancelled ? "" : reason));
  phase = Phase::compensating;
  recovering_.reset();
  cancel_asked_ = false;
  for (Step& s : steps_)
    if (s.entered) stop_open_tasks(s);
}

// In strict reverse order over the steps on the path. The end waits for every undo that a person ordered again.
bool Transaction::judge_turn(Time now) {
  make_undos_ready(now);
  if (!current().undone) {
    if (!turn_over()) return false;
    note(EventKind::step_undone, std::to_string(step));
    current().undone = true;
  }
  for (std::size_t s = step; s-- > 0;)
    if (steps_[s].entered && !steps_[s].undone) {
      step = s;
      return true;
    }
  for (const Step& s : steps_)
    for (const Task& t : s.tasks)
      if (t.undo_again && !t.given_up) return false;
  note(EventKind::transaction_compensated);
  phase = Phase::compensated;
  return false;
}

bool Transaction::turn_over() const {
  return std::all_of(current().tasks.begin(), current().tasks.end(), [](const Task& t) { return t.clean(); });
}

// Everything that comes after the task, however far, is clean.
bool Transaction::clean_behind(const Step& s, const Task& task) const {
  const std::size_t first = task.ref.instance * rules(task.ref.step).tasks.size();
  return std::all_of(task.rules->before.begin(), task.rules->before.end(), [&](std::uint16_t place) {
    const Task& behind = s.tasks[first + place];
    return behind.clean() && clean_behind(s, behind);
  });
}

// Never beside an open lease of its task: only what has settled is undone. In a compensation by turns, everything that
// happened, and so when the failed step is led past; at any time whatever a met join did not count, unless it says to
// ignore that. Inside a step against the order of its tasks.
void Transaction::make_undos_ready(Time now) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    Step& s = steps_[i];
    const bool turn = i == step && (phase == Phase::compensating || (phase == Phase::running && recovering_));
    const bool late = phase == Phase::running && s.met && rules(i).late_success == LateSuccess::compensate;
    for (Task& t : s.tasks) {
      if (t.undo_due || !t.settled || !t.may_have_happened() || !t.rules->undo) continue;
      if (!turn && !(late && !t.counted)) continue;
      if (!clean_behind(s, t)) continue;
      t.undo_due = true;
      t.undo.waiting = Backoff{now, Duration{0}};
    }
  }
}

// What the terminal event names. A completed transaction names what failed steps left, and of met joins what was not
// counted and would be undone.
std::vector<TaskRef> Transaction::not_undone() const {
  std::vector<TaskRef> list;
  for (std::size_t i = 0; i < steps_.size(); ++i)
    for (const Task& t : steps_[i].tasks) {
      const bool stands = phase == Phase::completed && steps_[i].met &&
                          (t.counted || rules(i).late_success == LateSuccess::ignore);
      if (t.may_have_happened() && !t.is_undone() && !stands) list.push_back(t.ref);
    }
  return list;
}

}  // namespace dta::model

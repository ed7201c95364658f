// What is due next, read off the state alone: the same answer after a crash as before it, so there is no outbox. Pure.
#include "engine/pending.h"

#include <algorithm>

namespace dta::engine {

using namespace schema;

namespace {

// The steps in which something may be open: the current one, and those before it that may leave something behind.
template <class Visit>
void for_each_live_step(const Machine& m, const State& s, Visit&& visit) {
  for (std::size_t index = 0; index <= s.step; ++index)
    if (index == s.step || m.leaves(index)) visit(index);
}

// Calls visit(time, what) for every timer that runs.
template <class Visit>
void for_each_timer(const Machine& m, const State& s, const std::vector<Beat>& beats, Visit&& visit) {
  if (s.ended() || s.phase == Phase::none) return;
  for (const Lease& lease : s.leases)
    visit(lease_until(lease, beats), [&] {
      return std::string(lease.action == Action::undo ? "lease of undo " : "lease of ") + m.step(lease.task.step).name +
             "/" + m.task(lease.task).name;
    });
  if (s.phase != Phase::running) return;
  if (s.expires_at != Time::never() && !s.outcome_decided)
    visit(s.expires_at, [] { return std::string("expiry of the transaction"); });
  if (s.form != Form::steps || m.definition().steps.empty()) return;
  const Step& current = m.step(s.step);
  if (current.deadline.ms > 0 && !s.bits.test(m.bit(StepBit::met, s.step)))
    visit(s.entered_at[s.step] + current.deadline, [&] { return "deadline of step " + current.name; });
  for_each_live_step(m, s, [&](std::size_t index) {
    const Step& step = m.step(index);
    // Looked up once for all tasks: a step may hold ten thousand, and as many leases.
    const std::vector<bool> stopping = asked_to_stop(m, s, index);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      const TaskState& t = s.tasks[step.first_task + i];
      const Timeouts& limits = step.tasks[i].timeouts;
      if (t.status == TaskStatus::ready && limits.queue.ms > 0)
        visit(t.at + limits.queue, [&] { return "queue timeout of " + step.name + "/" + step.tasks[i].name; });
      if (limits.total.ms == 0 || (t.status != TaskStatus::ready && t.status != TaskStatus::leased)) continue;
      if (!stopping[i])
        visit(t.first_ready + limits.total, [&] { return "total timeout of " + step.name + "/" + step.tasks[i].name; });
    }
  });
}

}  // namespace

Pending pending(const Machine& m, const State& s, const std::vector<Beat>& beats) {
  Pending result;
  if (s.ended() || s.phase == Phase::none) return result;
  for_each_timer(m, s, beats, [&](Time at, auto&&) { result.due = std::min(result.due, at); });
  if (s.form != Form::steps || m.definition().steps.empty()) return result;
  for_each_live_step(m, s, [&](std::size_t index) {
    const Step& step = m.step(index);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      const TaskState& t = s.tasks[step.first_task + i];
      if (t.status == TaskStatus::ready) result.ready.push_back(Ready{m.ref(index, i), Action::perform, t.at});
      if (t.undo_status == UndoStatus::ready) result.ready.push_back(Ready{m.ref(index, i), Action::undo, t.undo_at});
    }
  });
  return result;
}

std::vector<std::string> describe(const Machine& m, const State& s, const Pending& p) {
  std::vector<std::string> lines;
  for (const Ready& ready : p.ready)
    lines.push_back(std::string(ready.action == Action::undo ? "undo " : "task ") + m.step(ready.task.step).name + "/" +
                    m.task(ready.task).name + " may be handed out on queue " + queue_of(m, ready.task, ready.action) +
                    " from " + format_time(ready.at));
  for_each_timer(m, s, {}, [&](Time at, auto&& what) { lines.push_back(what() + " at " + format_time(at)); });
  return lines;
}

std::vector<bool> asked_to_stop(const Machine& m, const State& s, std::size_t step) {
  std::vector<bool> stopping(m.step(step).tasks.size());
  for (const Lease& lease : s.leases)
    if (lease.stop_asked && lease.task.step == step) stopping[lease.task.task] = true;
  return stopping;
}

const std::string& queue_of(const Machine& m, const TaskRef& task, Action action) {
  return action == Action::undo ? m.task(task).undo->queue : m.task(task).queue;
}

}  // namespace dta::engine

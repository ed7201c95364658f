// What is due next, read off the state alone: the same answer after a crash as before it, so there is no outbox. Pure.
#include "engine/pending.h"

#include <algorithm>
#include <span>

#include "engine/clocks.h"

namespace dta::engine {

using namespace schema;

namespace {

// How many of a kind describe() lists. A step of ten thousand would say as much again at each of its events.
constexpr std::size_t kShownMax = 100;

// The steps in which something may be open: the current one, and those before it that may leave something behind, or in
// which an undo was ordered again.
template <class Visit>
void for_each_live_step(const Machine& m, const State& s, Visit&& visit) {
  // Only where there was an incident a person has ordered anything.
  const bool all = !s.incidents.empty() &&
                   std::any_of(s.tasks.begin(), s.tasks.end(), [](const TaskState& t) { return t.undo_again; });
  for (std::size_t index = 0; index < m.definition().steps.size(); ++index)
    if (index == s.step || (index < s.step && m.leaves(index)) || all) visit(StepView(m, s, index));
}

std::string name_of(const Machine& m, const TaskRef& ref) {
  std::string name = m.step(ref.step).name + "/" + m.task(ref).name;
  if (!m.step(ref.step).for_each.empty()) name += "/" + std::to_string(ref.instance);
  return name;
}

// Calls visit(time, what) for every timer that runs.
template <class Visit>
void for_each_timer(const Machine& m, const State& s, const Beats& beats, const Clocks& clocks, Visit&& visit) {
  if (s.ended() || s.phase == Phase::none) return;
  const auto timer = [&](Time at, auto&& what) {
    if (at != Time::never()) visit(at, what);
  };
  for (const Lease& lease : s.leases)
    timer(lease_until(lease, beats), [&] {
      return std::string(lease.action == Action::undo ? "lease of undo " : "lease of ") + name_of(m, lease.task);
    });
  if (s.phase != Phase::running) return;
  timer(clocks.expiry(), [] { return std::string("expiry of the transaction"); });
  if (s.form != Form::steps || m.definition().steps.empty()) return;
  timer(clocks.join_deadline(), [&] { return "deadline of step " + m.step(s.step).name; });
  timer(clocks.wait(), [&] { return "wait of step " + m.step(s.step).name; });
  timer(clocks.wait_deadline(), [&] { return "deadline of the wait of step " + m.step(s.step).name; });
  for_each_live_step(m, s, [&](const StepView& step) {
    if (std::none_of(step.rules().tasks.begin(), step.rules().tasks.end(), [](const Task& t) {
          return t.timeouts.queue.ms > 0 || t.timeouts.total.ms > 0 || t.timeouts_from.any();
        }))
      return;
    // Looked up once for all tasks: a step may hold ten thousand, and as many leases.
    const std::vector<bool> stopping = clocks.asked_to_stop(step);
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskState& t = step.task(slot);
      if (t.status == TaskStatus::ready)
        timer(clocks.queue(step.ref(slot), t), [&] { return "queue timeout of " + name_of(m, step.ref(slot)); });
      if (stopping[slot]) continue;
      if (t.status == TaskStatus::ready || t.status == TaskStatus::leased || t.status == TaskStatus::outside ||
          (t.status == TaskStatus::child && !t.stopping))
        timer(clocks.total(step.ref(slot), t), [&] { return "total timeout of " + name_of(m, step.ref(slot)); });
    }
  });
}

// Of the step's ready tasks those that may be handed out beside the ones that are: the earliest first.
std::vector<Ready> bounded(std::vector<Ready> ready, const State& s, const StepView& step) {
  const auto leased = static_cast<std::size_t>(std::count_if(s.leases.begin(), s.leases.end(), [&](const Lease& lease) {
    return lease.action == Action::perform && lease.task.step == step.index();
  }));
  const std::size_t room = leased < step.rules().at_once ? step.rules().at_once - leased : 0;
  if (ready.size() <= room) return ready;
  std::stable_sort(ready.begin(), ready.end(), [](const Ready& a, const Ready& b) { return a.at < b.at; });
  ready.resize(room);
  return ready;
}

std::vector<ChildWish> children(const Machine& m, const State& s) {
  std::vector<ChildWish> wishes;
  for (std::size_t index = 0; index < m.definition().steps.size(); ++index) {
    const StepView step(m, s, index);
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskState& t = step.task(slot);
      if (t.status == TaskStatus::child)
        wishes.push_back({step.ref(slot), t.stopping ? ChildWish::Kind::stop : ChildWish::Kind::run});
      if (t.undo_status == UndoStatus::child) wishes.push_back({step.ref(slot), ChildWish::Kind::undo});
    }
  }
  return wishes;
}

}  // namespace

Pending pending(const Machine& m, const State& s, const Beats& beats, const Settings* settings) {
  Pending result;
  if (s.ended() || s.phase == Phase::none) return result;
  const Clocks clocks(m, s, settings);
  for_each_timer(m, s, beats, clocks, [&](Time at, auto&&) { result.due = std::min(result.due, at); });
  if (s.form != Form::steps || m.definition().steps.empty()) return result;
  if (m.has_children()) result.children = children(m, s);
  if (s.paused) return result;  // of definitions and queues the partition takes care
  // What is settled and not to be undone is passed by, unless a person may have ordered an undo again.
  const bool ordered_again = !s.incidents.empty();
  for_each_live_step(m, s, [&](const StepView& step) {
    const auto open = [&](std::size_t slot, std::size_t n) {
      const std::uint64_t closed = step.bits(TaskBit::settled, slot, n) &
                                   (~step.bits(TaskBit::undo_due, slot, n) | step.bits(TaskBit::undone, slot, n));
      const std::uint64_t all = n == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
      return ordered_again ? all : all & ~closed;
    };
    const bool bound = step.rules().at_once > 0;
    std::vector<Ready> tasks, undos;
    step.find(open, [&](std::size_t slot) {
      const TaskState& t = step.task(slot);
      const TaskRef ref = step.ref(slot);
      if (t.status == TaskStatus::ready)
        (bound ? tasks : result.ready).push_back(Ready{ref, Action::perform, clocks.ready(ref, t)});
      if (t.undo_status == UndoStatus::ready)
        (bound ? undos : result.ready).push_back(Ready{ref, Action::undo, clocks.undo_ready(ref, t)});
      return false;
    });
    if (!bound) return;
    tasks = bounded(std::move(tasks), s, step);
    tasks.insert(tasks.end(), undos.begin(), undos.end());
    const auto earlier = [&](const Ready& a, const Ready& b) { return step.slot(a.task) < step.slot(b.task); };
    if (!std::is_sorted(tasks.begin(), tasks.end(), earlier)) std::stable_sort(tasks.begin(), tasks.end(), earlier);
    result.ready.insert(result.ready.end(), tasks.begin(), tasks.end());
  });
  return result;
}

std::vector<std::string> describe(const Machine& m, const State& s, const Pending& p, const Settings* settings) {
  std::vector<std::string> lines;
  const std::size_t shown = std::min(p.ready.size(), kShownMax);
  for (const Ready& ready : std::span(p.ready).first(shown))
    lines.push_back(std::string(ready.action == Action::undo ? "undo " : "task ") + name_of(m, ready.task) +
                    " may be handed out on queue " + queue_of(m, ready.task, ready.action) + " from " +
                    format_time(ready.at));
  if (shown < p.ready.size())
    lines.push_back("and " + std::to_string(p.ready.size() - shown) + " more that may be handed out");
  const std::size_t before = lines.size();
  std::size_t timers = 0;
  for_each_timer(m, s, {}, Clocks(m, s, settings), [&](Time at, auto&& what) {
    if (++timers <= kShownMax) lines.push_back(what() + " at " + format_time(at));
  });
  if (lines.size() - before < timers)
    lines.push_back("and " + std::to_string(timers - (lines.size() - before)) + " more timers");
  return lines;
}

bool entered_any(const Machine& m, const State& s) {
  for (std::size_t index = 0; index < m.definition().steps.size(); ++index)
    if (s.bits.test(m.bit(StepBit::entered, index))) return true;
  return false;
}

bool undoable_child(const Machine& m, const State& s) {
  return s.form == Form::steps && !s.bits.test(m.bit(TransactionBit::pivoted));
}

std::vector<TaskRef> begun_children(const Machine& m, const State& s) {
  std::vector<TaskRef> begun;
  for (std::size_t index = 0; index < m.definition().steps.size(); ++index) {
    const StepView step(m, s, index);
    for (std::size_t slot = 0; slot < step.size(); ++slot)
      if (step.rules(slot).child && step.has(TaskBit::requested, slot)) begun.push_back(step.ref(slot));
  }
  return begun;
}

std::string child_id(const Machine& m, const State& s, const TaskRef& task) {
  return s.id + "/" + m.step(task.step).name + "/" + m.task(task).name + "/" + std::to_string(task.instance) + "/" +
         std::to_string(s.tasks[m.flat(s, task)].generation);
}

const std::string& queue_of(const Machine& m, const TaskRef& task, Action action) {
  return action == Action::undo ? m.task(task).undo->queue : m.task(task).queue;
}

}  // namespace dta::engine

// warnings: what is legal in a definition, but surprises people when it matters. Pure; any thread.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "schema/definition_parse.h"

namespace dta::schema {
namespace {

// A rule that an earlier one hides, and a heartbeat that can never be what ends the lease.
void warn_of_settings(const std::string& at, const Retry& retry, const Timeouts& timeouts, std::vector<Fault>& found) {
  std::unordered_set<std::string> earlier;
  for (std::size_t i = 0; i < retry.by_error.size(); ++i) {
    const std::string rule = fmt::format("{}/retry/by_error/{}/errors", at, i);
    for (std::size_t j = 0; j < retry.by_error[i].errors.size(); ++j) {
      const std::string& code = retry.by_error[i].errors[j];
      if (!earlier.insert(code).second)
        found.push_back({child_pointer(rule, j),
                         fmt::format("an earlier rule is already for {}, this one is never used for it", shown(code))});
    }
  }
  if (timeouts.heartbeat >= timeouts.attempt)
    found.push_back(
        {at + "/timeouts/heartbeat", "the heartbeat is no shorter than the attempt, so it never ends a lease"});
  if (timeouts.total.ms != 0 && timeouts.total < timeouts.attempt)
    found.push_back(
        {at + "/timeouts/total", "the total is shorter than one attempt: it may end a task that still works"});
}

bool goes_back(const Choice& choice) {
  return choice.go.kind == Go::Kind::compensate;
}

// Whether something may fail, or compensate, once this step is met.
bool later_may_fail(const Definition& d, std::size_t step) {
  const auto may_fail = [](const Step& s) {
    return !s.tasks.empty() || s.wait_for || std::ranges::any_of(s.next, goes_back);
  };
  return std::ranges::any_of(d.steps[step].next, goes_back) ||
         std::any_of(d.steps.begin() + static_cast<std::ptrdiff_t>(step) + 1, d.steps.end(), may_fail);
}

// Whether a task that is done may have to be undone: not the only one of a step after which nothing can fail, and not
// once a pivot is passed, from where nothing goes back.
bool may_be_undone(const Definition& d, std::size_t step, bool before_pivot) {
  const Step& s = d.steps[step];
  const bool beside = s.tasks.size() > 1 || !s.for_each.empty() || s.wait_for;
  return before_pivot && (beside || (!s.pivot && later_may_fail(d, step)));
}

void warn_of_task(const Task& task, const std::string& at, std::vector<Fault>& found) {
  Timeouts timeouts = task.timeouts;
  // An attempt whose length comes from data cannot be compared.
  if (!task.timeouts_from.attempt.empty()) timeouts.heartbeat = timeouts.total = Duration{0};
  warn_of_settings(at, task.retry, timeouts, found);
  if (task.undo) warn_of_settings(at + "/undo", task.undo->retry, task.undo->timeouts, found);
  if (task.optional && !task.before.empty())
    found.push_back({at + "/optional", "other tasks come after this optional one: when it fails they are withdrawn"});
  if (task.external && task.timeouts.total.ms == 0 && task.timeouts_from.total.empty())
    found.push_back({at, "an external task without a `total` timeout is waited for without end"});
}

void warn_of_steps(const Definition& d, std::vector<Fault>& found);

// What a child past its pivot has done, its parent cannot take back.
void warn_of_child(const Task& task, bool in_pivot, const std::string& at, std::vector<Fault>& found) {
  if (!task.child || !task.child->in_place) return;
  const std::string inside = at + "/transaction";
  std::vector<Fault> own;
  warn_of_steps(*task.child->in_place, own);
  for (Fault& fault : own) found.push_back({inside + fault.pointer, std::move(fault.message)});
  const auto& steps = task.child->in_place->steps;
  if (!in_pivot && std::ranges::any_of(steps, [](const Step& s) { return s.pivot; }))
    found.push_back({inside, "a pivot inside a step that is none: once it is passed, this transaction cannot undo it"});
}

void warn_of_step(const Definition& d, std::size_t i, bool before_pivot, std::vector<Fault>& found) {
  const Step& step = d.steps[i];
  const std::string at = fmt::format("/steps/{}", i);
  if (step.wait_for && !step.wait_for->signals.empty() && !step.wait_for->deadline.present())
    found.push_back({at + "/wait_for", d.expires_after.ms == 0
                                           ? "the wait has no deadline, and the transaction never expires"
                                           : "the wait has no deadline: only the transaction's expiry ends it"});
  for (std::size_t j = 0; j < step.tasks.size(); ++j) {
    const std::string task_at = fmt::format("{}/tasks/{}", at, j);
    if (!step.tasks[j].undo && !step.tasks[j].child && may_be_undone(d, i, before_pivot))
      found.push_back({task_at, "the task has no undo: once done it cannot be undone"});
    warn_of_task(step.tasks[j], task_at, found);
    warn_of_child(step.tasks[j], step.pivot, task_at, found);
  }
  if (d.expires_after.ms != 0 && step.deadline.fixed > d.expires_after)
    found.push_back({at + "/join/deadline", "the transaction expires before this deadline"});
  if (d.expires_after.ms != 0 && step.wait_for && step.wait_for->deadline.fixed > d.expires_after)
    found.push_back({at + "/wait_for/deadline", "the transaction expires before this deadline"});
  for (std::size_t j = 0; j < step.on_failure.size(); ++j)
    if (!before_pivot && goes_back(step.on_failure[j]))
      found.push_back({fmt::format("{}/on_failure/{}/go", at, j),
                       "every path here has passed a pivot: instead of compensating, an incident is raised"});
}

void warn_of_steps(const Definition& d, std::vector<Fault>& found) {
  const auto entered = entries(d.steps);
  for (std::size_t i = 0; i < d.steps.size(); ++i) warn_of_step(d, i, entered[i][0], found);
}

// States to be reached from `start` by `next`, which gives the states one step away.
std::vector<bool> spread(std::vector<std::uint16_t> start, const std::vector<std::vector<std::uint16_t>>& next) {
  std::vector<bool> reached(next.size());
  for (const std::uint16_t s : start) reached[s] = true;
  while (!start.empty()) {
    const std::uint16_t at = start.back();
    start.pop_back();
    for (const std::uint16_t to : next[at]) {
      if (reached[to]) continue;
      reached[to] = true;
      start.push_back(to);
    }
  }
  return reached;
}

void warn_of_table(const Definition& d, std::vector<Fault>& found) {
  std::vector<std::vector<std::uint16_t>> forward(d.states.size()), backward(d.states.size());
  for (const Transition& row : d.transitions) {
    forward[row.from].push_back(row.to);
    backward[row.to].push_back(row.from);
  }
  std::vector<std::uint16_t> ends;
  for (std::uint16_t i = 0; i < d.states.size(); ++i)
    if (d.states[i].end != StateEnd::none) ends.push_back(i);
  const bool open_ended = ends.empty();
  if (open_ended)
    found.push_back({"/ends", d.expires_after.ms == 0 ? "no state is an end: a transaction stays open for ever"
                                                      : "no state is an end: a transaction only expires"});
  const auto reached = spread({d.initial}, forward);
  const auto ending = spread(ends, backward);
  std::vector<bool> told(d.states.size());
  // Each state is told of where a transition names it first; every state but a lone initial one has such a place.
  const auto tell = [&](std::uint16_t s, const std::string& at) {
    if (told[s]) return;
    told[s] = true;
    const std::string name = shown(d.states[s].name);
    if (!reached[s]) found.push_back({at, fmt::format("state {} cannot be reached from `initial`", name)});
    if (!ending[s] && !open_ended) {
      found.push_back(
          {at, d.expires_after.ms == 0
                   ? fmt::format("no end can be reached from state {}: a transaction there stays open for ever", name)
                   : fmt::format("no end can be reached from state {}: a transaction there only expires", name)});
    }
  };
  for (std::size_t i = 0; i < d.transitions.size(); ++i) {
    tell(d.transitions[i].from, fmt::format("/transitions/{}/from", i));
    tell(d.transitions[i].to, fmt::format("/transitions/{}/to", i));
  }
}

}  // namespace

std::vector<Fault> warnings(const Definition& definition) {
  std::vector<Fault> found;
  if (definition.form == Form::steps) {
    warn_of_steps(definition, found);
  } else {
    warn_of_table(definition, found);
  }
  return found;
}

}  // namespace dta::schema

// warnings: what is legal in a definition, but surprises people when it matters. Pure; any thread.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "schema/definition.h"
#include "schema/definition_reader.h"

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

// Nothing can fail beside or after the only task of the last step, so that one needs no undo.
bool others_may_fail(const Definition& d, std::size_t step) {
  return d.steps[step].tasks.size() > 1 || d.steps[step].first_task + 1 < d.task_count;
}

void warn_of_steps(const Definition& d, std::vector<Fault>& found) {
  for (std::size_t i = 0; i < d.steps.size(); ++i) {
    for (std::size_t j = 0; j < d.steps[i].tasks.size(); ++j) {
      const Task& task = d.steps[i].tasks[j];
      const std::string at = fmt::format("/steps/{}/tasks/{}", i, j);
      if (!task.undo && others_may_fail(d, i))
        found.push_back({at, "the task has no undo: once done it cannot be undone"});
      warn_of_settings(at, task.retry, task.timeouts, found);
      if (task.undo) warn_of_settings(at + "/undo", task.undo->retry, task.undo->timeouts, found);
    }
    if (d.expires_after.ms != 0 && d.steps[i].deadline.fixed > d.expires_after)
      found.push_back({fmt::format("/steps/{}/join/deadline", i), "the transaction expires before this deadline"});
  }
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

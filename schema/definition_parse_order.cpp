// The order of tasks inside a step: what `after` says, closed over all its consequences, and the cycles in it. No
// recursion: a chain may be as long as a step has tasks.
#include <fmt/format.h>

#include <algorithm>

#include "schema/definition_parse.h"

namespace dta::schema {

bool Step::ordered() const {
  return std::ranges::any_of(tasks, [](const Task& task) { return !task.after.empty(); });
}

TaskOrder::TaskOrder(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) index_.emplace(names[i], static_cast<std::uint16_t>(i));
}

std::optional<std::uint16_t> TaskOrder::find(const std::string& name) const {
  const auto it = index_.find(name);
  if (it == index_.end()) return std::nullopt;
  return it->second;
}

bool TaskOrder::is_before(std::uint16_t earlier, std::size_t task) const {
  if (cyclic_) return true;
  return !rows_.empty() && (rows_[task * words_ + earlier / 64] >> (earlier % 64) & 1) != 0;
}

void TaskOrder::close(std::vector<Task>& tasks, const std::vector<std::string>& at, FaultList& faults) {
  std::vector<std::uint32_t> left(tasks.size());  // how many tasks before this one are not yet in order
  std::vector<std::uint16_t> ready;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    for (const std::uint16_t earlier : tasks[i].after)
      tasks[earlier].before.push_back(static_cast<std::uint16_t>(i));  // ascending, since i rises
    left[i] = static_cast<std::uint32_t>(tasks[i].after.size());
    if (left[i] == 0) ready.push_back(static_cast<std::uint16_t>(i));
  }
  if (ready.size() == tasks.size()) return;  // nothing comes after anything
  words_ = (tasks.size() + 63) / 64;
  rows_.resize(tasks.size() * words_);
  for (std::size_t done = 0; done < ready.size(); ++done) {
    const std::size_t task = ready[done];
    for (const std::uint16_t later : tasks[task].before) {
      for (std::size_t w = 0; w < words_; ++w) rows_[later * words_ + w] |= rows_[task * words_ + w];
      rows_[later * words_ + task / 64] |= std::uint64_t{1} << (task % 64);
      if (--left[later] == 0) ready.push_back(later);
    }
  }
  cyclic_ = ready.size() != tasks.size();
  if (cyclic_) tell_cycles(tasks, left, at, faults);
}

// Every task that is left has one before it that is left as well, so walking back from it must meet itself. A walk that
// meets an earlier walk has found a cycle that was told already, or one that shares a task with it.
void TaskOrder::tell_cycles(const std::vector<Task>& tasks, const std::vector<std::uint32_t>& left,
                            const std::vector<std::string>& at, FaultList& faults) {
  std::vector<std::size_t> walk(tasks.size());  // the number of the walk that saw the task, from 1
  for (std::size_t start = 0; start < tasks.size(); ++start) {
    if (left[start] == 0 || walk[start] != 0) continue;
    std::vector<std::size_t> path;
    std::size_t task = start;
    while (walk[task] == 0) {
      walk[task] = start + 1;
      path.push_back(task);
      task = *std::ranges::find_if(tasks[task].after, [&](std::uint16_t earlier) { return left[earlier] != 0; });
    }
    if (walk[task] != start + 1) continue;
    std::string names;
    const auto first = std::ranges::find(path, task);
    for (auto it = first; it != path.end(); ++it) names += shown(tasks[*it].name) + " after ";
    faults.add(at[task] + "/after",
               fmt::format("the tasks wait for each other: {}{}; drop one of these", names, shown(tasks[task].name)));
  }
}

}  // namespace dta::schema

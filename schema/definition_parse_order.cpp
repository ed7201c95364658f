// The order of tasks inside a step: what `after` says, closed over all its consequences, and the cycles in it. No
// recursion: a chain may be as long as a step has tasks.
#include <fmt/format.h>

#include <algorithm>

#include "schema/definition_parse.h"

namespace dta::schema {
namespace {

constexpr std::ptrdiff_t kNamesShown = 20;  // of one cycle

}  // namespace

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

// Depth first along `after`: one that leads back to a task on the current path closes a cycle.
void TaskOrder::tell_cycles(const std::vector<Task>& tasks, const std::vector<std::uint32_t>& left,
                            const std::vector<std::string>& at, FaultList& faults) {
  enum class Mark : std::uint8_t { fresh, on_path, finished };
  struct Frame {
    std::uint16_t task;
    std::size_t next = 0;
  };
  std::vector<Mark> marks(tasks.size());
  const auto tell = [&](const std::vector<Frame>& path, std::uint16_t again) {
    const auto first = std::ranges::find(path, again, &Frame::task);
    std::string names;
    for (auto it = first; it != path.end() && it - first < kNamesShown; ++it)
      names += shown(tasks[it->task].name) + " after ";
    if (path.end() - first > kNamesShown) names += "… after ";
    faults.add(at[again] + "/after",
               fmt::format("the tasks wait for each other: {}{}; drop one of these", names, shown(tasks[again].name)));
  };
  for (std::size_t start = 0; start < tasks.size(); ++start) {
    if (left[start] == 0 || marks[start] != Mark::fresh) continue;
    std::vector<Frame> path{{static_cast<std::uint16_t>(start)}};
    marks[start] = Mark::on_path;
    while (!path.empty()) {
      Frame& top = path.back();
      const auto& after = tasks[top.task].after;
      if (top.next == after.size()) {
        marks[top.task] = Mark::finished;
        path.pop_back();
        continue;
      }
      const std::uint16_t earlier = after[top.next++];
      if (left[earlier] == 0) continue;
      if (marks[earlier] == Mark::on_path) {
        tell(path, earlier);
      } else if (marks[earlier] == Mark::fresh) {
        marks[earlier] = Mark::on_path;
        path.push_back({earlier});
      }
    }
  }
}

}  // namespace dta::schema

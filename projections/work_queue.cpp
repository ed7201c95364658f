// Queues of what is ready, and a heap of what will be (work_queue.h). Partition thread.
#include "projections/work_queue.h"

namespace dta::projections {

void WorkQueue::add(const std::string& queue, const WorkItem& item, schema::Time now) {
  const auto [it, fresh] = queues_.try_emplace(queue);
  if (item.at <= now)
    it->second.push_back(item);
  else
    later_.push(Later{item, &it->first});  // keys of an unordered_map never move
}

std::vector<std::string> WorkQueue::advance(schema::Time now) {
  std::vector<std::string> gained;
  while (!later_.empty() && later_.top().item.at <= now) {
    const Later& top = later_.top();
    queues_[*top.queue].push_back(top.item);
    if (gained.empty() || gained.back() != *top.queue) gained.push_back(*top.queue);
    later_.pop();
  }
  return gained;
}

std::optional<WorkItem> WorkQueue::take(const std::string& queue) {
  const auto it = queues_.find(queue);
  if (it == queues_.end() || it->second.empty()) return std::nullopt;
  const WorkItem item = it->second.front();
  it->second.pop_front();
  return item;
}

bool WorkQueue::has(const std::string& queue) const {
  const auto it = queues_.find(queue);
  return it != queues_.end() && !it->second.empty();
}

schema::Time WorkQueue::next_ready() const {
  return later_.empty() ? schema::Time::never() : later_.top().item.at;
}

std::vector<WorkQueue::Depth> WorkQueue::depths() const {
  std::vector<Depth> list;
  for (const auto& [name, items] : queues_)
    list.push_back(Depth{name, items.size(), items.empty() ? schema::Time{} : items.front().at});
  return list;
}

}  // namespace dta::projections

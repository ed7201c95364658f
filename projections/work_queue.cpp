// Queues of what is ready, and what will be (work_queue.h). Partition thread.
#include "projections/work_queue.h"

#include <algorithm>
#include <tuple>

namespace dta::projections {

bool WorkQueue::Older::operator()(const WorkItem& a, const WorkItem& b) const {
  return std::tie(a.at, a.number, a.task, a.action) < std::tie(b.at, b.number, b.task, b.action);
}

std::uint16_t WorkQueue::band_of(const WorkItem& item, const Rank& rank) {
  return static_cast<std::uint16_t>((item.action == engine::Action::undo ? 0 : 256) + (255 - rank.priority));
}

void WorkQueue::insert(Queue& queue, const Rank& rank, const WorkItem& item) {
  Lane& lane = queue.bands[band_of(item, rank)].lanes[rank.definition];
  lane.insert(lane.end(), item);  // nearly always the newest
  ++queue.items;
}

void WorkQueue::add(const std::string& queue, const Rank& rank, const WorkItem& item, schema::Time now) {
  auto& [name, place] = *queues_.try_emplace(queue).first;
  auto known = definitions_.find(rank.definition);
  if (known == definitions_.end()) known = definitions_.emplace(rank.definition).first;
  const Rank kept{rank.priority, *known};
  if (item.at <= now)
    insert(place, kept, item);
  else
    later_.emplace(item, Later{&name, kept});
}

bool WorkQueue::remove(const std::string& queue, const Rank& rank, const WorkItem& item) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return false;
  Queue& place = found->second;
  if (const auto band = place.bands.find(band_of(item, rank)); band != place.bands.end()) {
    const auto lane = band->second.lanes.find(rank.definition);
    if (lane != band->second.lanes.end() && lane->second.erase(item) != 0) {
      --place.items;
      if (lane->second.empty()) band->second.lanes.erase(lane);
      if (band->second.lanes.empty()) place.bands.erase(band);
      return true;
    }
  }
  return later_.erase(item) != 0;
}

std::vector<std::string> WorkQueue::advance(schema::Time now) {
  std::vector<std::string> gained;
  while (!later_.empty() && later_.begin()->first.at <= now) {
    const auto& [item, later] = *later_.begin();
    insert(queues_.at(*later.queue), later.rank, item);
    if (std::find(gained.begin(), gained.end(), *later.queue) == gained.end()) gained.push_back(*later.queue);
    later_.erase(later_.begin());
  }
  return gained;
}

std::map<std::string_view, WorkQueue::Lane>::const_iterator WorkQueue::turn_of(const Band& band) const {
  auto lane = band.lanes.upper_bound(band.last_turn);
  for (std::size_t tried = 0; tried < band.lanes.size(); ++tried, ++lane) {
    if (lane == band.lanes.end()) lane = band.lanes.begin();
    if (held_.empty() || !held_.contains(lane->first)) return lane;
  }
  return band.lanes.end();
}

std::optional<WorkItem> WorkQueue::take(const std::string& queue) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return std::nullopt;
  for (auto& [order, band] : found->second.bands) {
    const auto turn = turn_of(band);
    if (turn == band.lanes.end()) continue;
    const auto lane = band.lanes.find(turn->first);
    const WorkItem item = *lane->second.begin();
    band.last_turn = lane->first;
    remove(queue, Rank{static_cast<std::uint8_t>(255 - order % 256), lane->first}, item);
    return item;
  }
  return std::nullopt;
}

bool WorkQueue::has(const std::string& queue) const {
  const auto found = queues_.find(queue);
  if (found == queues_.end() || found->second.items == 0) return false;
  if (held_.empty()) return true;
  const auto& bands = found->second.bands;
  return std::any_of(bands.begin(), bands.end(),
                     [this](const auto& band) { return turn_of(band.second) != band.second.lanes.end(); });
}

schema::Time WorkQueue::next_ready() const {
  return later_.empty() ? schema::Time::never() : later_.begin()->first.at;
}

std::size_t WorkQueue::depth(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.items;
}

std::vector<WorkQueue::Depth> WorkQueue::depths() const {
  std::vector<Depth> list;
  for (const auto& [name, queue] : queues_) {
    schema::Time oldest = schema::Time::never();
    for (const auto& [order, band] : queue.bands)
      for (const auto& [definition, lane] : band.lanes) oldest = std::min(oldest, lane.begin()->at);
    list.push_back(Depth{name, queue.items, queue.items == 0 ? schema::Time{} : oldest});
  }
  return list;
}

}  // namespace dta::projections

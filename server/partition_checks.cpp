// What the partition says of itself: its gauges, and whether its working set is what the log says. Partition's thread.
#include <algorithm>
#include <tuple>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

void Partition::export_gauges(Time now) {
  metrics_.open_running.Set(static_cast<double>(running_));
  metrics_.open_compensating.Set(static_cast<double>(compensating_));
  metrics_.attention.Set(static_cast<double>(attention_));
  metrics_.open_leases.Set(static_cast<double>(open_leases_));
  metrics_.waiting_polls.Set(static_cast<double>(polls_.size()));
  metrics_.durable_position.Set(static_cast<double>(durable_.value));
  for (const projections::WorkQueue::Depth& depth : work_.depths()) {
    metrics_.queue_ready(depth.queue).Set(static_cast<double>(depth.items));
    const double age = depth.items == 0 ? 0 : static_cast<double>((now - depth.oldest).ms) / 1000;
    metrics_.queue_oldest_seconds(depth.queue).Set(std::max(0.0, age));
  }
  for (const auto& [queue, use] : use_) metrics_.queue_leased(queue).Set(static_cast<double>(use.leased));
}

namespace {

// The items of a transaction stand in the work queue as they are pending, in whatever order.
bool same_items(std::vector<engine::Ready> queued, std::vector<engine::Ready> pending) {
  const auto before = [](const engine::Ready& a, const engine::Ready& b) {
    return std::tie(a.task, a.action, a.at) < std::tie(b.task, b.action, b.at);
  };
  std::sort(queued.begin(), queued.end(), before);
  std::sort(pending.begin(), pending.end(), before);
  return queued == pending;
}

}  // namespace

std::vector<std::string> Partition::compare_with_log() const {
  DTA_ASSERT(!away_ && !has_batch());
  std::vector<std::string> differences;
  auto rebuilt = recover(*reader_);
  if (!rebuilt) return {"the log cannot be folded: " + rebuilt.error().message};
  std::size_t open = 0;
  for (const auto& [number, entry] : entries_) open += !entry->state.ended();
  if (open != rebuilt->open.size())
    differences.push_back(std::to_string(open) + " transactions are open in memory, " +
                          std::to_string(rebuilt->open.size()) + " in the log");
  for (const auto& other : rebuilt->open) {
    const auto it = entries_.find(other->number);
    const std::string name = "transaction '" + other->state.id + "'";
    if (it == entries_.end()) {
      differences.push_back(name + " is open in the log but not in memory");
      continue;
    }
    const Entry& entry = *it->second;
    if (!(entry.state == other->state)) differences.push_back(name + " differs from its own history");
    if (entry.chain != other->chain) differences.push_back(name + " has another chain value in memory");
    if (entry.directory_key != other->directory_key)
      differences.push_back(name + " stands at another place in the directory");
  }
  if (queues_ != rebuilt->queues) differences.push_back("the settings of a queue differ from their history");
  if (definitions_.all_settings() != rebuilt->definitions.all_settings() ||
      definitions_.all_reserved() != rebuilt->definitions.all_reserved())
    differences.push_back("what is said of a definition differs from its history");
  std::map<std::string, std::size_t> leased;
  for (const auto& [number, entry] : entries_) {
    for (const engine::Lease& lease : entry->state.leases)
      ++leased[engine::queue_of(*entry->machine, lease.task, lease.action)];
    if (!same_items(entry->queued, pending(*entry).ready))
      differences.push_back("transaction '" + entry->state.id + "' has other work in the queues than is pending");
  }
  for (const auto& [queue, use] : use_)
    if (use.leased != leased[queue]) differences.push_back("queue '" + queue + "' counts other leases than are open");
  const auto check_row = [&](const storage::DirectoryEntry& found) {
    const auto row = projections::decode_row(found.row);
    const auto number = projections::number_of_key(found.key);
    if (!row || !number) {
      differences.push_back("a row of the directory cannot be read");
      return true;
    }
    auto entry = load_entry(*reader_, rebuilt->definitions, *number);
    if (!entry || !(projections::row_of((*entry)->state) == *row) || (*entry)->directory_key != found.key)
      differences.push_back("the directory's row of '" + row->id + "' does not follow from its history");
    return true;
  };
  if (const Status status = reader_->directory("", "", check_row); !status)
    differences.push_back(status.error().message);
  return differences;
}

}  // namespace dta::server

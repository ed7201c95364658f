// What a queue may hand out: its pause, how many of its leases may be open, and its rate; and who is served when there
// is room again. Partition's thread.
//
// Open leases are counted from the log, so a restart keeps them. The rate's bucket is not: it is full after a restart.
#include <algorithm>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

bool Partition::may_hand_out(const std::string& queue, Time now) {
  if (queues_.empty()) return true;  // the usual case costs nothing
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return true;
  const QueueChanged& said = found->second.said;
  if (said.paused) {
    metrics_.held_by_pause.Increment();
    return false;
  }
  const QueueUse& use = use_[queue];
  if (said.concurrency != 0 && use.leased >= said.concurrency) {
    metrics_.held_by_concurrency.Increment();
    return false;
  }
  if (use.bucket && !use.bucket->has(now)) {
    metrics_.held_by_rate.Increment();
    throttled_[queue] = use.bucket->next(now);
    return false;
  }
  return true;
}

void Partition::count_hand_out(const std::string& queue, Time now) {
  QueueUse& use = use_[queue];
  ++use.leased;
  if (use.bucket) use.bucket->take(now);
}

void Partition::count_ended_lease(const std::string& queue) {
  QueueUse& use = use_[queue];
  DTA_ASSERT(use.leased > 0);
  --use.leased;
  if (queues_.empty()) return;
  const auto found = queues_.find(queue);
  if (found != queues_.end() && found->second.said.concurrency != 0) freed_.insert(queue);
}

void Partition::limit_rate(const std::string& queue, const QueueRate& rate, Time now) {
  if (rate.per_1000s == 0) {
    const auto found = use_.find(queue);
    if (found != use_.end()) found->second.bucket.reset();
    return;
  }
  auto& bucket = use_[queue].bucket;
  if (bucket)
    bucket->change(rate.per_1000s, rate.burst, now);
  else
    bucket.emplace(rate.per_1000s, rate.burst, now);
}

void Partition::serve(const std::string& queue, Time now) {
  while (work_.has(queue)) {
    PollState* poll = waiting_poll(queue);
    if (poll == nullptr || fill(*poll, now) == 0) return;
  }
}

void Partition::serve_all(Time now) {
  std::vector<std::string> waited_on;
  for (const auto& [queue, polls] : polls_by_queue_) waited_on.push_back(queue);
  std::sort(waited_on.begin(), waited_on.end());  // the same order in every run
  for (const std::string& queue : waited_on) serve(queue, now);
}

void Partition::serve_freed(Time now) {
  for (const std::string& queue : std::exchange(freed_, {})) serve(queue, now);
}

void Partition::serve_throttled(Time now) {
  if (next_token() > now) return;
  std::vector<std::string> due;
  for (const auto& [queue, at] : throttled_)
    if (at <= now) due.push_back(queue);
  for (const std::string& queue : due) {
    throttled_.erase(queue);  // it comes back when something still has to wait
    serve(queue, now);
  }
}

Time Partition::next_token() const {
  Time next = Time::never();
  for (const auto& [queue, at] : throttled_) next = std::min(next, at);
  return next;
}

}  // namespace dta::server

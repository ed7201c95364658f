// Work that is ready, by queue, in the order in which it became ready; and work in backoff, by the time it becomes
// ready. This is how the log drives workers and compensations: items come from engine::pending() after every record.
//
// An item is a hint: whoever takes it checks it against the state, so that nothing has to be searched and removed when
// a task is withdrawn. An item is queued at most once: its owner keeps a flag beside the state. Owned by the
// partition's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/pending.h"
#include "schema/ids.h"

namespace dta::projections {

struct WorkItem {
  schema::TransactionNumber number;
  engine::TaskRef task;
  engine::Action action = engine::Action::perform;
  schema::Time at;  // ready from here on
  bool operator==(const WorkItem&) const = default;
};

class WorkQueue {
 public:
  // Items whose time has come join the end of their queue; the others wait for theirs.
  void add(const std::string& queue, const WorkItem& item, schema::Time now);

  // Moves what became ready by now to its queue; returns the names of the queues that gained something.
  std::vector<std::string> advance(schema::Time now);

  // The oldest item of the queue, removed.
  std::optional<WorkItem> take(const std::string& queue);
  bool has(const std::string& queue) const;

  schema::Time next_ready() const;  // of the items in backoff; never when there are none

  struct Depth {
    std::string queue;
    std::size_t items = 0;
    schema::Time oldest;
  };
  std::vector<Depth> depths() const;

 private:
  struct Later {
    WorkItem item;
    const std::string* queue;
    bool operator>(const Later& other) const { return item.at > other.item.at; }
  };

  std::unordered_map<std::string, std::deque<WorkItem>> queues_;
  std::priority_queue<Later, std::vector<Later>, std::greater<>> later_;
};

}  // namespace dta::projections

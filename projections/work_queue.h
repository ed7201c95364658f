// Work that is ready, by queue, in the order in which it is to be handed out; and work in backoff, by the time it
// becomes ready. This is how the log drives workers and compensations: items come from engine::pending() after every
// record, and leave again when it lists them no longer.
//
// Order inside a queue: undos before tasks, since a compensation waits for them and they are bounded by what was done;
// then higher priority first; then the definitions take turns, one item each, so that a flood of one does not keep the
// others waiting; then, inside a definition, what became ready first. The order follows from the items alone, not from
// when they were added, but for whose turn it is: a restart keeps it.
//
// Items of a held definition keep their places and are passed over. Owned by the partition's thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
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

// What an item's transaction says of its place in a queue; it never changes.
struct Rank {
  std::uint8_t priority = 0;    // higher first
  std::string_view definition;  // its name
};

class WorkQueue {
 public:
  // Items whose time has come join their queue; the others wait for theirs. An item is in here at most once.
  void add(const std::string& queue, const Rank& rank, const WorkItem& item, schema::Time now);
  // Takes out what is ready no longer, wherever it stands; false when it is not here (it was taken).
  bool remove(const std::string& queue, const Rank& rank, const WorkItem& item);

  // Moves what became ready by now to its queue; returns the names of the queues that gained something.
  std::vector<std::string> advance(schema::Time now);

  // The next item of the queue, removed.
  std::optional<WorkItem> take(const std::string& queue);
  bool has(const std::string& queue) const;  // whether take() would give something

  // While a definition is held none of its items is taken.
  void hold(const std::string& definition) { held_.insert(definition); }
  void release(const std::string& definition) { held_.erase(definition); }

  schema::Time next_ready() const;  // of the items in backoff; never when there are none

  struct Depth {
    std::string queue;
    std::size_t items = 0;  // those of held definitions too
    schema::Time oldest;
  };
  std::vector<Depth> depths() const;
  std::size_t depth(const std::string& queue) const;

 private:
  // Oldest first; what stands behind the time only makes the order total.
  struct Older {
    bool operator()(const WorkItem& a, const WorkItem& b) const;
  };
  using Lane = std::set<WorkItem, Older>;  // never empty while it stands in a band
  // Items of one action and priority: a lane for each definition, and which had the last turn.
  struct Band {
    std::map<std::string_view, Lane> lanes;  // names lie in definitions_
    std::string_view last_turn;
  };
  struct Queue {
    std::map<std::uint16_t, Band> bands;  // in the order in which they are served
    std::size_t items = 0;
  };
  struct Later {
    const std::string* queue = nullptr;
    Rank rank;
  };

  static std::uint16_t band_of(const WorkItem& item, const Rank& rank);
  std::map<std::string_view, Lane>::const_iterator turn_of(const Band& band) const;  // end: all are held
  void insert(Queue& queue, const Rank& rank, const WorkItem& item);

  std::unordered_map<std::string, Queue> queues_;  // keys never move
  std::map<WorkItem, Later, Older> later_;
  std::set<std::string, std::less<>> definitions_;  // every name ever seen: those that are published
  std::set<std::string, std::less<>> held_;
};

}  // namespace dta::projections

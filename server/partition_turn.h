// What partition*.cpp share and nobody else sees: one record being made, and one poll that waits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "schema/assert.h"
#include "server/partition.h"

namespace dta::server {

// One record under construction: the events that one command made for one transaction, and those of the hand-outs that
// follow from it in the same write.
struct Partition::Turn {
  explicit Turn(Entry& e) : entry(e), first(e.state.sequence.next()) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  ~Turn() { DTA_ASSERT(events.empty()); }  // sealed, or nothing happened

  Entry& entry;
  const schema::Sequence first;
  std::vector<schema::Event> events;
};

struct Partition::PollState {
  PollId id = 0;
  Poll poll;
  std::function<bool()> alive;
  FinishPoll finish;
  std::vector<HandOut> handed;
  schema::Position position;  // what the answer depends on
  Ends::iterator end;

  bool wants_more() const { return handed.size() < poll.max && (!alive || alive()); }
};

// Callers' ids hold no "/".
inline bool is_child(const Entry& entry) {
  return entry.state.id.find('/') != std::string::npos;
}

template <class Reply>
void Partition::answer(schema::Position position, ReplyTo<Reply> reply, Result<Reply> result) {
  if (!result) metrics_.refused(result.error().code);
  if (position <= durable_) {
    reply(std::move(result));
    return;
  }
  after(position, [reply = std::move(reply), result = std::move(result)](const Error* failed) mutable {
    if (failed != nullptr)
      reply(tl::unexpected<Error>(*failed));
    else
      reply(std::move(result));
  });
}

}  // namespace dta::server

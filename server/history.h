// Pages read from the log for histories, replays and the stream of everything. Each source is called on the reading
// thread until its page says `end`; between calls it keeps plain values only, so it may be dropped on any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/http_server.h"

namespace dta::server {

// Events of one transaction, one JSON object a line. With `follow` the pages go on until the transaction has ended.
struct HistoryRange {
  schema::Sequence from{1};
  std::uint64_t limit = UINT64_MAX;  // events
  bool follow = false;
};
PageSource history_pages(std::string id, HistoryRange range);

// Every event of every transaction in order of position; the last line holds the cursor to go on from.
struct EventsCursor {
  schema::Position position;  // the last record that was read
  std::uint32_t events = 0;   // read of the record after it
};
std::string to_text(const EventsCursor& cursor);
std::optional<EventsCursor> parse_events_cursor(std::string_view text);

struct EventsRange {
  EventsCursor after;
  std::uint64_t limit = 1000;  // events
  schema::Duration wait;       // for the first one
};
PageSource events_pages(EventsRange range);

}  // namespace dta::server

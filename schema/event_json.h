// Events as people and programs see them in histories: one JSON object an event (docs/events.md), with names instead of
// indices and payloads spliced in raw.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "schema/definition.h"
#include "schema/event.h"

namespace dta::schema {

// Gives the bytes of a payload of the event being written; nothing when it was erased (written as {"erased":true,...}).
using PayloadLookup = std::function<std::optional<std::string>(const PayloadRef&)>;

struct EventJsonContext {
  const Definition* definition = nullptr;                 // null only for events of reserved transactions
  Position position;                                      // none: the field is left out
  std::string_view transaction;                           // written as "transaction" when not empty
  std::function<std::string(Sequence lease)> token = {};  // how a lease is named; left out when empty
  PayloadLookup payload = {};                             // when empty, payloads are described by size and sha256 only
};

// Appends {"sequence":…,"recorded_at":…,"kind":…,…} without a line end.
void append_event_json(std::string& out, const RecordedEvent& event, const EventJsonContext& context);

}  // namespace dta::schema

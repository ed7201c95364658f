// Events to bytes and back: the only door to the generated FlatBuffers code of events.fbs. Encoding never fails;
// decoding verifies first (aligned copy, file identifier "DTAE", verifier, kinds and ranges) and upcasts what older
// releases wrote.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/event.h"

namespace dta::schema {

// One record's events. Deterministic: the same events give the same bytes.
std::string encode_events(std::span<const Event> events);

// Error log_damaged when the bytes are not what encode_events (of this or an older release) could have written.
Result<std::vector<Event>> decode_events(std::string_view bytes);

}  // namespace dta::schema

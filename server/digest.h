// The digest by which a repeated start is recognised: over what the caller asked for, not over how it was spelled.
// Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "schema/event.h"
#include "schema/hash.h"
#include "schema/json.h"

namespace dta::server {

// SHA-256 over definition name, input and attributes. Input counts as canonical JSON (no input differs from null);
// attributes count as a set of pairs. Version and wait_ms are not part of it, nor are headers: a caller's tracing gives
// every retry a traceparent of its own.
schema::Hash start_digest(std::string_view definition, std::optional<schema::JsonValue> input,
                          std::vector<schema::Attribute> attributes);

}  // namespace dta::server

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

// SHA-256 over definition name, input, attributes and headers. Input counts as canonical JSON (no input differs from
// null); attributes and headers count as sets of pairs. Version and wait_ms are not part of it.
schema::Hash start_digest(std::string_view definition, std::optional<schema::JsonValue> input,
                          std::vector<schema::Attribute> attributes, std::vector<schema::Attribute> headers);

}  // namespace dta::server

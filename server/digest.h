// The digests by which repeated requests are recognised: over what the caller asked for, not over how it was spelled.
// They are on disk beside the ids, so what goes into them never changes. Pure.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/event.h"
#include "schema/hash.h"
#include "schema/json.h"

namespace dta::server {

// SHA-256 over definition name, input and attributes. Input counts as canonical JSON (no input differs from null);
// attributes count as a set of pairs. Version, wait_ms and priority are not part of it, nor are headers: a caller's
// tracing gives every retry a traceparent of its own.
schema::Hash start_digest(std::string_view definition, std::optional<schema::JsonValue> input,
                          std::vector<schema::Attribute> attributes);

// SHA-256 over the parts, each behind its length.
schema::Hash digest_of(std::initializer_list<std::string_view> parts);

// A part that stands for a payload: the digest of its canonical JSON. `payload` is checked JSON, or empty for none,
// which differs from null.
std::string content_of(std::string_view payload);

}  // namespace dta::server

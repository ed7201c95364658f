// JSON at the edge, RFC 8259 strictly: what comes in is checked whole (UTF-8, depth, grammar) and then read as raw
// spans, so that payloads stay the caller's bytes: 1.0 stays 1.0, big integers stay whole. No DOM type is seen outside
// json.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/hash.h"

namespace dta::schema {

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

// A raw span of one JSON value inside checked text, without white space around it. The text must outlive it.
struct JsonValue {
  std::string_view raw;

  JsonKind kind() const;                      // raw must not be empty
  std::optional<std::string> string() const;  // decoded; nothing when it is no string
  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer() const;  // nothing when not a number written as an integer, or out of range
  std::optional<double> number() const;
};

struct JsonMember {
  std::string name;  // decoded
  JsonValue value;
};

// Checks the whole text and gives its root. malformed_json names the byte offset; too_large when it is deeper than
// limits::kJsonDepthMax.
Result<JsonValue> check_json(std::string_view text);

// Members of an object / elements of an array, in order. The value must come from checked text.
std::vector<JsonMember> members(JsonValue object);
std::vector<JsonValue> elements(JsonValue array);

// The value at an RFC 6901 pointer, as the raw bytes it was written with; a name that occurs twice counts with its
// last.
std::optional<JsonValue> find(JsonValue root, std::string_view pointer);

// Whether the text is a pointer: "" or "/" followed by tokens with only ~0 and ~1 as escapes.
bool is_pointer(std::string_view text);

// `text` as a JSON string with quotes.
std::string quote(std::string_view text);
void append_quoted(std::string& out, std::string_view text);

// Digest of the value's meaning, not of its bytes: members sorted by name, strings decoded, numbers as coefficient and
// exponent and never expanded (1.0, 1 and 10e-1 are equal; 1e1000000000 costs nothing).
Hash canonical_digest(JsonValue value);

}  // namespace dta::schema

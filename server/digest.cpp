// The start digest (digest.h). Every variable part stands behind its length, so that no two requests share one text.
#include "server/digest.h"

#include <algorithm>

namespace dta::server {
namespace {

void append_part(std::string& out, std::string_view part) {
  const std::uint64_t size = part.size();
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  out += part;
}

void append_set(std::string& out, std::vector<schema::Attribute>& pairs) {
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  append_part(out, std::to_string(pairs.size()));
  for (const schema::Attribute& pair : pairs) {
    append_part(out, pair.key);
    append_part(out, pair.value);
  }
}

}  // namespace

schema::Hash digest_of(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(std::to_string(part.size())).append(":").append(part);
  return schema::sha256(text);
}

std::string content_of(std::string_view payload) {
  const schema::Hash digest = payload.empty() ? schema::Hash{} : schema::canonical_digest(schema::JsonValue{payload});
  return std::string(reinterpret_cast<const char*>(digest.data()), digest.size());
}

schema::Hash start_digest(std::string_view definition, std::optional<schema::JsonValue> input,
                          std::vector<schema::Attribute> attributes) {
  std::string text;
  append_part(text, "dta.start.1");
  append_part(text, definition);
  const schema::Hash digest = input ? schema::canonical_digest(*input) : schema::Hash{};
  append_part(text, std::string_view(reinterpret_cast<const char*>(digest.data()), input ? digest.size() : 0));
  append_set(text, attributes);
  return schema::sha256(text);
}

}  // namespace dta::server

// Keys that carry the caller's bytes, and keys in words.
#include "storage/keys.h"

#include <fmt/format.h>

#include <span>

#include "schema/assert.h"
#include "schema/hash.h"

namespace dta::storage {
namespace {

std::string with_kind(KeyKind kind, std::size_t bytes) {
  std::string key;
  key.reserve(1 + bytes);
  key.push_back(static_cast<char>(kind));
  return key;
}

std::string hex(std::string_view bytes) {
  return schema::to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

std::string id_key(std::string_view callers_id) {
  return with_kind(KeyKind::id, callers_id.size()).append(callers_id);
}

std::string request_key(schema::TransactionNumber number, std::string_view request_id) {
  std::string key = with_kind(KeyKind::request, 8 + request_id.size());
  append_u64(key, number.value);
  return key.append(request_id);
}

std::string directory_key(std::string_view key) {
  return with_kind(KeyKind::directory, key.size()).append(key);
}

std::string definition_key(std::string_view name, std::uint32_t version) {
  DTA_ASSERT(name.find('\0') == std::string_view::npos);  // a zero byte ends the name, so that names sort as text
  std::string key = with_kind(KeyKind::definition, name.size() + 5).append(name);
  key.push_back('\0');
  append_u32(key, version);
  return key;
}

std::string describe_key(std::string_view key) {
  if (key.empty()) return "beginning";
  if (key.size() == 1) return fmt::format("first key of kind {}", hex(key));
  const char* at = key.data() + 1;
  switch (static_cast<KeyKind>(key.front())) {
    case KeyKind::meta:
      return fmt::format("metadata {}", hex(key.substr(1)));
    case KeyKind::record:
      if (key.size() != kRecordKeyBytes) break;
      return fmt::format("record of transaction {} from sequence {}", get_u64(at), get_u64(at + 8));
    case KeyKind::position:
      if (key.size() != kPositionKeyBytes) break;
      return fmt::format("position entry {}", get_u64(at));
    case KeyKind::payload:
      if (key.size() != kPayloadKeyBytes) break;
      return fmt::format("payload {} of transaction {}, sequence {}", get_u32(at + 16), get_u64(at), get_u64(at + 8));
    case KeyKind::id:
      return fmt::format("id \"{}\"", key.substr(1));
    case KeyKind::request:
      if (key.size() < 9) break;
      return fmt::format("request \"{}\" of transaction {}", key.substr(9), get_u64(at));
    case KeyKind::open:
      if (key.size() != kOpenKeyBytes) break;
      return fmt::format("open mark of transaction {}", get_u64(at));
    case KeyKind::directory:
      return fmt::format("directory row {}", hex(key.substr(1)));
    case KeyKind::definition:
      if (key.size() < 6) break;
      return fmt::format("definition \"{}\" version {}", key.substr(1, key.size() - 6),
                         get_u32(key.data() + key.size() - 4));
    case KeyKind::chunk:
      if (key.size() != kChunkKeyBytes) break;
      return fmt::format("chunk {} of the checkpoint at position {}", get_u32(at + 8), get_u64(at));
    case KeyKind::seal:
      if (key.size() != kSealKeyBytes) break;
      return fmt::format("seal of the checkpoint at position {}", get_u64(at));
  }
  return fmt::format("unknown key {}", hex(key));
}

}  // namespace dta::storage

// The keys of the log: one byte that says the kind, then big-endian integers or the caller's bytes. Kinds touch the
// disk: their numbers are explicit and never reused (docs/log_format.md lists them all, the reserved ones too). Pure
// functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/ids.h"
#include "storage/big_endian.h"

namespace dta::storage {

enum class KeyKind : std::uint8_t {
  meta = 0x01,        // one byte that says which -> see MetaKey
  record = 0x10,      // number, first sequence -> record frame
  position = 0x11,    // last position of a batch -> position entry
  payload = 0x12,     // number, sequence, index (u32) -> the caller's bytes
  id = 0x13,          // caller's id -> number
  request = 0x14,     // number, request id -> first sequence, digest
  open = 0x15,        // number -> nothing
  directory = 0x16,   // the caller's key -> the caller's row
  definition = 0x17,  // name, 0x00, version (u32) -> number, sequence
  chunk = 0x18,       // checkpoint position, chunk number (u32) -> the caller's bytes
  seal = 0x19,        // checkpoint position -> chunk count, bytes, checksum
  // 0x1a is reserved for the skip entries that a purge leaves.
};

enum class MetaKey : std::uint8_t {
  format = 0x01,     // u64: version of everything in here
  fence = 0x02,      // u64: fence of the last opening
  stand = 0x03,      // u64: end of the log when something else than a batch was written
  open_from = 0x04,  // u64: no transaction below this number is open
};

// A key of fixed width, built without touching the heap.
class ShortKey {
 public:
  explicit ShortKey(KeyKind kind) : size_(1) { bytes_[0] = static_cast<char>(kind); }
  ShortKey& u8(std::uint8_t value) {
    bytes_[size_++] = static_cast<char>(value);
    return *this;
  }
  ShortKey& u32(std::uint32_t value) {
    put_u32(bytes_.data() + size_, value);
    size_ += 4;
    return *this;
  }
  ShortKey& u64(std::uint64_t value) {
    put_u64(bytes_.data() + size_, value);
    size_ += 8;
    return *this;
  }
  operator std::string_view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 24> bytes_;
  std::size_t size_;
};

inline ShortKey meta_key(MetaKey which) {
  return ShortKey(KeyKind::meta).u8(static_cast<std::uint8_t>(which));
}
inline ShortKey record_key(schema::TransactionNumber number, schema::Sequence first) {
  return ShortKey(KeyKind::record).u64(number.value).u64(first.value);
}
inline ShortKey position_key(schema::Position last) {
  return ShortKey(KeyKind::position).u64(last.value);
}
inline ShortKey payload_key(schema::TransactionNumber number, schema::Sequence sequence, std::uint32_t index) {
  return ShortKey(KeyKind::payload).u64(number.value).u64(sequence.value).u32(index);
}
inline ShortKey open_key(schema::TransactionNumber number) {
  return ShortKey(KeyKind::open).u64(number.value);
}
inline ShortKey chunk_key(schema::Position position, std::uint32_t chunk) {
  return ShortKey(KeyKind::chunk).u64(position.value).u32(chunk);
}
inline ShortKey seal_key(schema::Position position) {
  return ShortKey(KeyKind::seal).u64(position.value);
}

std::string id_key(std::string_view callers_id);
std::string request_key(schema::TransactionNumber number, std::string_view request_id);
std::string directory_key(std::string_view key);
std::string definition_key(std::string_view name, std::uint32_t version);

// The first key of a kind, and the first key after all keys of that kind.
inline ShortKey kind_begin(KeyKind kind) {
  return ShortKey(kind);
}
inline ShortKey kind_end(KeyKind kind) {
  return ShortKey(static_cast<KeyKind>(static_cast<std::uint8_t>(kind) + 1));
}
inline bool is_kind(std::string_view key, KeyKind kind) {
  return !key.empty() && key.front() == static_cast<char>(kind);
}

inline constexpr std::size_t kRecordKeyBytes = 17, kPositionKeyBytes = 9, kPayloadKeyBytes = 21, kOpenKeyBytes = 9,
                             kChunkKeyBytes = 13, kSealKeyBytes = 9;

// A key in words, for messages: "record of transaction 7 from sequence 3".
std::string describe_key(std::string_view key);

}  // namespace dta::storage

// Encoding and checking of position entries; the layout stands in position_entry.h.
#include "storage/position_entry.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <cstring>

#include "schema/assert.h"
#include "storage/big_endian.h"

namespace dta::storage {
namespace {
constexpr std::size_t kHeaderBytes = 56;
}

Hash batch_digest(const Hash& previous, Position first, Position last, std::string_view chains) {
  std::array<char, 48> head;
  std::memcpy(head.data(), previous.data(), previous.size());
  put_u64(put_u64(head.data() + 32, first.value), last.value);
  const std::array<std::string_view, 2> parts{std::string_view(head.data(), head.size()), chains};
  return schema::sha256_of(parts);
}

void encode_position_entry(const PositionEntry& entry, std::string& value) {
  DTA_ASSERT(entry.records.size() == entry.last.value - entry.first.value + 1);
  value.assign(8, '\0');
  append_u64(value, entry.first.value);
  append_u64(value, entry.last_number.value);
  value.append(reinterpret_cast<const char*>(entry.digest.data()), entry.digest.size());
  for (const RecordPlace& place : entry.records) {
    append_varint(value, place.number.value);
    append_varint(value, place.first_sequence.value);
  }
  put_u64(value.data(), XXH3_64bits_withSeed(value.data() + 8, value.size() - 8, entry.last.value));
}

Result<PositionEntry> decode_position_entry(Position last, std::string_view value) {
  const auto damaged = [&](std::string_view what) {
    return schema::refuse(schema::ErrorCode::log_damaged, fmt::format("The position entry {} {}.", last.value, what));
  };
  if (value.size() < kHeaderBytes) return damaged("is shorter than its header");
  if (get_u64(value.data()) != XXH3_64bits_withSeed(value.data() + 8, value.size() - 8, last.value))
    return damaged("does not match its checksum");
  PositionEntry entry;
  entry.last = last;
  entry.first = Position(get_u64(value.data() + 8));
  entry.last_number = TransactionNumber(get_u64(value.data() + 16));
  std::memcpy(entry.digest.data(), value.data() + 24, entry.digest.size());
  if (!entry.first || entry.first > last) return damaged("names an impossible first position");
  std::string_view rest = value.substr(kHeaderBytes);
  while (!rest.empty()) {
    RecordPlace place;
    if (!take_varint(rest, place.number.value) || !take_varint(rest, place.first_sequence.value))
      return damaged("is cut short");
    entry.records.push_back(place);
  }
  if (entry.records.size() != last.value - entry.first.value + 1)
    return damaged(fmt::format("lists {} records for the positions {} to {}", entry.records.size(), entry.first.value,
                               last.value));
  return entry;
}

}  // namespace dta::storage

// Encoding and checking of record frames; the layout stands in record_frame.h.
#include "storage/record_frame.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <array>
#include <cstring>

#include "storage/big_endian.h"
#include "storage/keys.h"

namespace dta::storage {
namespace {

constexpr std::size_t kChainOffset = 56, kFieldsOffset = 8, kFieldsBytes = kChainOffset - kFieldsOffset;

void put_fields(const Record& record, char* at) {
  at = put_u32(at, kFrameFormat);
  at = put_u32(at, record.event_count);
  at = put_u64(at, record.position.value);
  at = put_u64(at, record.first_sequence.value);
  at = put_u64(at, static_cast<std::uint64_t>(record.recorded_at.ms));
  at = put_u32(at, record.definition_version);
  at = put_u32(at, record.epoch);
  put_u64(at, record.fence.value);
}

Hash chain_over(const Hash& previous, TransactionNumber number, std::string_view fields, std::string_view events) {
  // One buffer for everything of fixed size: fewer calls into the digest.
  std::array<char, 32 + 8 + kFieldsBytes> head;
  std::memcpy(head.data(), previous.data(), previous.size());
  put_u64(head.data() + 32, number.value);
  std::memcpy(head.data() + 40, fields.data(), fields.size());
  const std::array<std::string_view, 2> parts{std::string_view(head.data(), head.size()), events};
  return schema::sha256_of(parts);
}

}  // namespace

Hash chain_of(const Record& record, const Hash& previous_chain) {
  std::array<char, kFieldsBytes> fields;
  put_fields(record, fields.data());
  return chain_over(previous_chain, record.number, {fields.data(), fields.size()}, record.events);
}

Hash encode_frame(const Record& record, const Hash& previous_chain, std::string& frame) {
  frame.resize(kFrameHeaderBytes);
  put_fields(record, frame.data() + kFieldsOffset);
  const Hash chain = chain_over(previous_chain, record.number,
                                std::string_view(frame).substr(kFieldsOffset, kFieldsBytes), record.events);
  std::memcpy(frame.data() + kChainOffset, chain.data(), chain.size());
  frame.append(record.events);
  put_u64(frame.data(), XXH3_64bits_withSeed(frame.data() + 8, frame.size() - 8, record.number.value));
  return chain;
}

Result<Record> decode_frame(TransactionNumber number, Sequence first_sequence, std::string&& value) {
  const auto damaged = [&](std::string_view what) {
    return schema::refuse(schema::ErrorCode::log_damaged,
                          fmt::format("The {} {}.", describe_key(record_key(number, first_sequence)), what));
  };
  if (value.size() < kFrameHeaderBytes) return damaged("is shorter than its header");
  const char* at = value.data();
  if (get_u64(at) != XXH3_64bits_withSeed(at + 8, value.size() - 8, number.value))
    return damaged("does not match its checksum");
  if (get_u32(at + 8) != kFrameFormat) return damaged(fmt::format("has format {}, not 1", get_u32(at + 8)));
  Record record;
  record.number = number;
  record.event_count = get_u32(at + 12);
  record.position = Position(get_u64(at + 16));
  record.first_sequence = Sequence(get_u64(at + 24));
  record.recorded_at = Time{static_cast<std::int64_t>(get_u64(at + 32))};
  record.definition_version = get_u32(at + 40);
  record.epoch = get_u32(at + 44);
  record.fence = Fence(get_u64(at + 48));
  std::memcpy(record.chain.data(), at + kChainOffset, record.chain.size());
  if (record.first_sequence != first_sequence)
    return damaged(fmt::format("says that it begins at sequence {}", record.first_sequence.value));
  if (record.event_count == 0) return damaged("says that it holds no event");
  value.erase(0, kFrameHeaderBytes);
  record.events = std::move(value);
  return record;
}

}  // namespace dta::storage

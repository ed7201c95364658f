// One record as it stands in the log: a fixed header of 88 bytes, then the events. All integers are big-endian.
//
//    0  u64  checksum: XXH3-64 of everything after it, seeded with the transaction number, so that a frame under a
//            foreign key does not verify
//    8  u32  format (1)
//   12  u32  event count
//   16  u64  position
//   24  u64  first sequence
//   32  i64  recorded-at, milliseconds since the Unix epoch
//   40  u32  definition version
//   44  u32  epoch
//   48  u64  fence
//   56  32   chain: SHA-256(previous chain, transaction number, bytes 8 to 55, events)
//   88       events
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "storage/log.h"

namespace dta::storage {

inline constexpr std::size_t kFrameHeaderBytes = 88;
inline constexpr std::uint32_t kFrameFormat = 1;

// Writes the frame of `record` into `frame` (its old content goes) and returns the record's chain value.
// `record.chain` is not looked at.
Hash encode_frame(const Record& record, const Hash& previous_chain, std::string& frame);

// Takes the value's bytes over, so that the events are not copied. Checks size, checksum, format and that the header
// says the sequence of the key. Error: log_damaged, naming the key.
Result<Record> decode_frame(TransactionNumber number, Sequence first_sequence, std::string&& value);

// The chain value that `record` must carry after `previous_chain`.
Hash chain_of(const Record& record, const Hash& previous_chain);

}  // namespace dta::storage

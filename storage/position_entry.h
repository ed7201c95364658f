// The position index: one entry a batch, under the position of the batch's last record. It lists the batch's records in
// order and carries the running digest over all batches so far, which HEAD repeats. Integers are big-endian.
//
//    0  u64  checksum: XXH3-64 of everything after it, seeded with the last position
//    8  u64  first position; the entry before this one ends right before it
//   16  u64  highest transaction number used so far
//   24  32   digest: SHA-256(digest of the entry before, first position, last position, chain values of the records)
//   56       for each record: transaction number and first sequence, as varints
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/log.h"

namespace dta::storage {

struct RecordPlace {
  TransactionNumber number;
  Sequence first_sequence;
  bool operator==(const RecordPlace&) const = default;
};

struct PositionEntry {
  Position first, last;
  TransactionNumber last_number;
  Hash digest{};
  std::vector<RecordPlace> records;
  bool operator==(const PositionEntry&) const = default;
};

// `chains` are the chain values of the batch's records, one after the other.
Hash batch_digest(const Hash& previous, Position first, Position last, std::string_view chains);

void encode_position_entry(const PositionEntry& entry, std::string& value);
// Error: log_damaged, naming the position.
Result<PositionEntry> decode_position_entry(Position last, std::string_view value);

}  // namespace dta::storage

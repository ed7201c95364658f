// Proof of a whole log, read only: every record's checksum and chain, every position, every payload against the digest
// the caller extracts, HEAD against the end. This is `dta log verify`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/leveldb_log.h"
#include "storage/log.h"

namespace dta::storage {

// A payload that an event names; storage cannot look into events, so the caller tells.
struct PayloadName {
  Sequence sequence;
  std::uint32_t index = 0;
  std::uint32_t size = 0;
  Hash digest{};
};

struct VerifyReport {
  std::uint64_t transactions = 0, records = 0, events = 0, payloads = 0, bytes = 0;
  Position end, head;
  std::vector<std::string> findings;  // empty: clean. Each names the key or position and what is wrong.
  std::vector<std::string> notes;     // what is no damage but worth knowing: the torn tail of an unacknowledged write
};

// `payloads_of` decodes a record's events (error: a finding) and names their payloads. `progress` is called now and
// then with the position reached. The directory must not be open in another process.
schema::Result<VerifyReport> verify_leveldb_log(
    const std::string& directory, const std::function<Result<std::vector<PayloadName>>(const Record&)>& payloads_of,
    const std::function<void(Position)>& progress, const LevelDbOptions& options = {});

}  // namespace dta::storage

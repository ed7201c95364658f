// What a Batch is made of; seen by this folder's logs only. Owned by the Batch, moved through threads with it.
#pragma once

#include <leveldb/write_batch.h>

#include <string>
#include <vector>

#include "storage/log.h"
#include "storage/position_entry.h"

namespace dta::storage {

struct Batch::Rep {
  leveldb::WriteBatch puts;  // everything but the position entry, which needs the digest of the batch before
  Position first;
  Fence fence;
  std::vector<RecordPlace> records;  // in order of position
  std::string chains;                // their chain values, one after the other
  TransactionNumber highest_number;  // of the records; none when empty
  TransactionNumber lowest_opened;   // of mark_open; none without one
  std::uint64_t closed = 0;          // calls of mark_closed
  std::string scratch;               // the frame under construction
};

}  // namespace dta::storage

// From a log to a working set: the newest checkpoint, and everything after it folded by the same evolve() that runs
// live. Also how a single transaction that is not in memory is loaded, and how a checkpoint is made.
#pragma once

#include <memory>
#include <vector>

#include "server/entry.h"
#include "storage/log.h"

namespace dta::server {

struct Recovered {
  std::vector<std::unique_ptr<Entry>> open;  // in order of number
  DefinitionShelf definitions;
  QueueShelf queues;
  schema::TransactionNumber last_number;
  schema::Position end;
  std::uint64_t records = 0;  // folded
};

Result<Recovered> recover(const storage::Reader& reader);
Result<DefinitionShelf> read_definitions(const storage::Reader& reader);
Result<QueueShelf> read_queues(const storage::Reader& reader);

// Folds one transaction; `until` none: whole. Error log_damaged when its events do not follow the definition.
Result<std::unique_ptr<Entry>> load_entry(const storage::Reader& reader, const DefinitionShelf& definitions,
                                          schema::TransactionNumber number, schema::Sequence until = {});

// The chunks of a checkpoint of everything `reader` sees, folded from the previous checkpoint and the records after it.
Result<std::vector<std::string>> checkpoint_chunks(const storage::Reader& reader);

}  // namespace dta::server

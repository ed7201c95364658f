// The key-value seam over LevelDB, set up so that no damage is passed over. Owned by the log; the thread rules of
// key_value.h.
#pragma once

#include <memory>
#include <string>

#include "storage/key_value.h"
#include "storage/leveldb_log.h"

namespace leveldb {
class Status;
}

namespace dta::storage {

// Opens LevelDB itself. Errors: log_locked, log_damaged, storage_fault.
Result<std::unique_ptr<Store>> open_leveldb_store(const std::string& directory, const LevelDbOptions& options);

// A status of LevelDB in the project's words: damage is log_damaged, anything else storage_fault. `doing` is what was
// under way, e.g. "Opening the log in /var/lib/dta".
Status from_leveldb(const leveldb::Status& status, std::string_view doing);
// Whether the status says that somebody else holds the lock file.
bool says_locked(const leveldb::Status& status);

}  // namespace dta::storage

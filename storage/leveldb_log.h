// The log on disk: LevelDB for records and everything that commits with them, a HEAD file that proves at start-up that
// nothing acknowledged is missing, and a fence so that no older process can write any more.
#pragma once

#include <memory>
#include <string>

#include "storage/log.h"

namespace leveldb {
class Env;
}

namespace dta::storage {

class Disk;

struct LevelDbOptions {
  leveldb::Env* env = nullptr;  // the default Env when null; tests hand in a fault-injecting one
  Disk* disk = nullptr;         // where HEAD lies (disk.h); the real disk when null; goes together with `env`
  std::size_t write_buffer_bytes = 16u << 20;
  std::size_t block_cache_bytes = 64u << 20;
  bool create_if_missing = true;
};

// Opens (or creates) the log in `directory` and proves it: what follows the newest checkpoint is read, checksummed and
// chained, and compared with HEAD. Errors: log_locked (another process has it), log_damaged (names file, key or
// position and says what to do), storage_fault (the disk said no).
schema::Result<std::unique_ptr<Log>> open_leveldb_log(const std::string& directory, const LevelDbOptions& options = {});

}  // namespace dta::storage

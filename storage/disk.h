// What LevelDB's Env cannot do and HEAD needs: write bytes in place, and sync a directory. The real disk is one
// implementation, the fault-injecting one of tests/storage the other. A BlockFile belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "storage/log.h"

namespace dta::storage {

class BlockFile {
 public:
  virtual ~BlockFile() = default;
  virtual Status write_at(std::uint64_t offset, std::string_view bytes) = 0;  // not yet durable
  virtual Status sync() = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // Opens the file, or creates an empty one; its name is durable after sync_directory.
  virtual Result<std::unique_ptr<BlockFile>> open_blocks(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
};

// The operating system's. It has no state, so there is only one; it is never destroyed.
Disk& real_disk();

}  // namespace dta::storage

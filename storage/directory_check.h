// The look into a log's directory before LevelDB opens it. LevelDB drops a tail that looks torn and then deletes the
// files it came from; so whether such a tail may be dropped is decided here, while nothing has been changed. Called
// under LevelDB's lock, by the thread that opens.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "storage/disk.h"
#include "storage/head.h"

namespace leveldb {
class Env;
class FileLock;
}  // namespace leveldb

namespace dta::storage {

struct DirectoryState {
  bool fresh = false;            // LevelDB has nothing here yet
  std::optional<HeadSlot> head;  // what HEAD says; nothing when absent or both slots are bad
  std::size_t head_newest_slot = kHeadSlots - 1;
  bool head_exists = false;
  std::uint64_t bytes_to_cut = 0;
  std::vector<std::string> notes;
  struct Cut {
    std::string file;  // name inside the directory
    std::size_t keep = 0;
    std::string what;
  };
  std::vector<Cut> cuts;  // torn tails beyond HEAD, still in place
};

// LevelDB's lock, held while the directory is looked at. LevelDB takes it again itself; a process that comes between
// the two makes LevelDB's opening fail, and what it changed was proved by itself.
class DirectoryLock {
 public:
  explicit DirectoryLock(leveldb::Env& env) : env_(env) {}
  ~DirectoryLock() { release(); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  Status take(const std::string& directory);  // log_locked when somebody has it
  void release();

 private:
  leveldb::Env& env_;
  leveldb::FileLock* lock_ = nullptr;
};

inline constexpr const char* kHeadFileName = "HEAD";

// Reads only. Errors: log_damaged (names file and offset), storage_fault.
Result<DirectoryState> check_directory(leveldb::Env& env, const std::string& directory);

// Cuts off what check_directory found torn; what is cut is kept beside as "cut-<file>-<offset>".
Status cut_torn_tails(leveldb::Env& env, Disk& disk, const std::string& directory, DirectoryState& state);

}  // namespace dta::storage

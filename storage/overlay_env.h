// An Env through which files can only be read: whatever is written, renamed or removed happens in memory and is gone
// with the object. LevelDB rewrites files whenever it opens a directory; over this, a damaged log can be looked at
// without being changed. One mutex, because LevelDB's background thread writes too.
#pragma once

#include <leveldb/env.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "storage/disk.h"

namespace dta::storage {

class OverlayEnv final : public leveldb::EnvWrapper, public Disk {
 public:
  explicit OverlayEnv(leveldb::Env& base) : EnvWrapper(&base) {}

  leveldb::Status NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** file) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& directory, std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string& path) override;
  leveldb::Status RemoveDir(const std::string& path) override;
  leveldb::Status GetFileSize(const std::string& path, std::uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;

  Result<std::unique_ptr<BlockFile>> open_blocks(const std::string& path) override;  // always refused
  Status sync_directory(const std::string& path) override;

 private:
  using Bytes = std::shared_ptr<std::string>;
  Bytes in_memory(const std::string& path) const;

  mutable std::mutex mutex_;
  std::map<std::string, Bytes> files_;  // written here
  std::set<std::string> removed_;       // hidden from below
};

}  // namespace dta::storage

// A disk in memory that misbehaves on demand: it forgets what was not synced, fails the n-th operation, or cuts a write
// short. It is LevelDB's Env and the Disk of HEAD at once, so that both see the same faults.
//
// What it assumes of a file system, as ext4, xfs and btrfs keep it: directory changes become durable in order; syncing
// a file also makes its own creation durable, with every directory change before that; syncing the directory makes all
// of them durable. LevelDB syncs the directory whenever it syncs a manifest. Owned by the test; LevelDB's background
// thread uses it too, so one mutex guards everything.
#pragma once

#include <leveldb/env.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/disk.h"

namespace dta::storage {

class FaultDisk final : public leveldb::EnvWrapper, public Disk {
 public:
  using Files = std::map<std::string, std::string>;  // path to content

  FaultDisk() : EnvWrapper(leveldb::Env::Default()) {}
  // A disk on which everything is durable already.
  explicit FaultDisk(const Files& files);

  // Operations that change something, counted from the start: appends, syncs, creations, renames, removals.
  std::uint64_t operations() const;
  // From operation `n` on (counted as above) everything that changes something fails. If the n-th is an append, its
  // first half is written.
  void die_at(std::uint64_t n);
  // Operation `n` alone fails.
  void fail_once_at(std::uint64_t n);
  // The machine stops and starts again: what was not synced is lost, but for a random part of it. With `reordered`, the
  // parts of a file that survive need not be its first ones: what is between is zeros, as after lost pages.
  enum class Loss { everything, random_prefix, reordered };
  void power_loss(Loss loss, std::uint64_t seed);
  // The process ends and starts again: nothing written is lost.
  void restart();

  Files files() const;  // as a process sees them now

  leveldb::Status NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) override;
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** file) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** file) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& directory, std::vector<std::string>* names) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string& path) override;
  leveldb::Status GetFileSize(const std::string& path, std::uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;

  Result<std::unique_ptr<BlockFile>> open_blocks(const std::string& path) override;
  Status sync_directory(const std::string& path) override;

  // A file of this disk; seen by its handles only.
  struct Write {
    std::size_t offset = 0;
    std::string bytes;
  };
  struct File {
    std::string bytes;            // as a process sees it
    std::string durable;          // as a power loss leaves it at least
    std::vector<Write> unsynced;  // in order
  };
  leveldb::Status write(const std::shared_ptr<File>& file, std::size_t offset, std::string_view bytes);
  leveldb::Status append(const std::shared_ptr<File>& file, std::string_view bytes);
  leveldb::Status sync(const std::shared_ptr<File>& file, const std::string& path);
  std::string read(const File& file, std::uint64_t offset, std::size_t size) const;

 private:
  struct NameChange {
    std::string path;
    std::shared_ptr<File> file;  // null: removed
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;

  bool next_operation_fails();
  void set_name(const std::string& path, std::shared_ptr<File> file);
  void make_names_durable(std::size_t count);

  mutable std::mutex mutex_;
  Names names_, durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::set<std::string> locks_;
  std::uint64_t operations_ = 0, die_at_ = UINT64_MAX, fail_once_at_ = UINT64_MAX;
};

}  // namespace dta::storage

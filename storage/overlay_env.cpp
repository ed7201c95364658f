// Writes in memory over files that are only read.
#include "storage/overlay_env.h"

#include <algorithm>
#include <cstring>

namespace dta::storage {
namespace {

// A file is read only after its writer is done with it, as LevelDB does; so its bytes need no lock of their own.
class MemorySequentialFile final : public leveldb::SequentialFile {
 public:
  explicit MemorySequentialFile(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Read(std::size_t size, leveldb::Slice* result, char*) override {
    const std::size_t from = std::min(offset_, bytes_->size());
    *result = {bytes_->data() + from, std::min(size, bytes_->size() - from)};
    offset_ = from + result->size();
    return {};
  }
  leveldb::Status Skip(std::uint64_t size) override {
    offset_ += size;
    return {};
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
  std::size_t offset_ = 0;
};

class MemoryRandomAccessFile final : public leveldb::RandomAccessFile {
 public:
  explicit MemoryRandomAccessFile(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Read(std::uint64_t offset, std::size_t size, leveldb::Slice* result, char*) const override {
    const std::size_t from = std::min<std::size_t>(offset, bytes_->size());
    *result = {bytes_->data() + from, std::min(size, bytes_->size() - from)};
    return {};
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
};

class MemoryWritableFile final : public leveldb::WritableFile {
 public:
  explicit MemoryWritableFile(std::shared_ptr<std::string> bytes) : bytes_(std::move(bytes)) {}
  leveldb::Status Append(const leveldb::Slice& data) override {
    bytes_->append(data.data(), data.size());
    return {};
  }
  leveldb::Status Close() override { return {}; }
  leveldb::Status Flush() override { return {}; }
  leveldb::Status Sync() override { return {}; }

 private:
  const std::shared_ptr<std::string> bytes_;
};

}  // namespace

OverlayEnv::Bytes OverlayEnv::in_memory(const std::string& path) const {
  const std::lock_guard guard(mutex_);
  const auto found = files_.find(path);
  return found == files_.end() ? nullptr : found->second;
}

leveldb::Status OverlayEnv::NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) {
  *file = nullptr;
  if (Bytes bytes = in_memory(path)) {
    *file = new MemorySequentialFile(std::move(bytes));
    return {};
  }
  return FileExists(path) ? target()->NewSequentialFile(path, file) : leveldb::Status::NotFound(path);
}

leveldb::Status OverlayEnv::NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) {
  *file = nullptr;
  if (Bytes bytes = in_memory(path)) {
    *file = new MemoryRandomAccessFile(std::move(bytes));
    return {};
  }
  return FileExists(path) ? target()->NewRandomAccessFile(path, file) : leveldb::Status::NotFound(path);
}

leveldb::Status OverlayEnv::NewWritableFile(const std::string& path, leveldb::WritableFile** file) {
  const std::lock_guard guard(mutex_);
  const Bytes bytes = std::make_shared<std::string>();
  files_[path] = bytes;
  *file = new MemoryWritableFile(bytes);
  return {};
}

leveldb::Status OverlayEnv::NewAppendableFile(const std::string& path, leveldb::WritableFile** file) {
  *file = nullptr;
  return leveldb::Status::NotSupported(path, "nothing appends to an existing file");
}

bool OverlayEnv::FileExists(const std::string& path) {
  {
    const std::lock_guard guard(mutex_);
    if (files_.contains(path)) return true;
    if (removed_.contains(path)) return false;
  }
  return target()->FileExists(path);
}

leveldb::Status OverlayEnv::GetChildren(const std::string& directory, std::vector<std::string>* names) {
  leveldb::Status status = target()->GetChildren(directory, names);
  const std::lock_guard guard(mutex_);
  std::erase_if(*names, [&](const std::string& name) { return removed_.contains(directory + "/" + name); });
  for (const auto& [path, bytes] : files_) {
    if (!path.starts_with(directory + "/")) continue;
    const std::string name = path.substr(directory.size() + 1);
    if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
  }
  return status;
}

leveldb::Status OverlayEnv::RemoveFile(const std::string& path) {
  const std::lock_guard guard(mutex_);
  files_.erase(path);
  removed_.insert(path);
  return {};
}

leveldb::Status OverlayEnv::CreateDir(const std::string&) {
  return {};
}
leveldb::Status OverlayEnv::RemoveDir(const std::string&) {
  return {};
}

leveldb::Status OverlayEnv::GetFileSize(const std::string& path, std::uint64_t* size) {
  if (const Bytes bytes = in_memory(path)) {
    *size = bytes->size();
    return {};
  }
  return FileExists(path) ? target()->GetFileSize(path, size) : leveldb::Status::NotFound(path);
}

leveldb::Status OverlayEnv::RenameFile(const std::string& from, const std::string& to) {
  // Only files that were written here are ever renamed.
  const std::lock_guard guard(mutex_);
  const auto found = files_.find(from);
  if (found == files_.end()) return leveldb::Status::NotSupported(from, "this file can only be read");
  files_[to] = found->second;
  files_.erase(from);
  removed_.insert(from);
  return {};
}

Result<std::unique_ptr<BlockFile>> OverlayEnv::open_blocks(const std::string& path) {
  return schema::refuse(schema::ErrorCode::storage_fault, path + " can only be read.");
}

Status OverlayEnv::sync_directory(const std::string&) {
  return {};
}

}  // namespace dta::storage

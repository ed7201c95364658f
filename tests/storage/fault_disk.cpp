// The disk that misbehaves; what it promises stands in fault_disk.h.
#include "tests/storage/fault_disk.h"

#include <algorithm>
#include <cstring>

namespace dta::storage {
namespace {

leveldb::Status injected() {
  return leveldb::Status::IOError("injected fault");
}

class Sequential final : public leveldb::SequentialFile {
 public:
  Sequential(const FaultDisk& disk, std::shared_ptr<FaultDisk::File> file) : disk_(disk), file_(std::move(file)) {}
  leveldb::Status Read(std::size_t size, leveldb::Slice* result, char* scratch) override {
    const std::string bytes = disk_.read(*file_, offset_, size);
    std::memcpy(scratch, bytes.data(), bytes.size());
    *result = {scratch, bytes.size()};
    offset_ += bytes.size();
    return {};
  }
  leveldb::Status Skip(std::uint64_t size) override {
    offset_ += size;
    return {};
  }

 private:
  const FaultDisk& disk_;
  const std::shared_ptr<FaultDisk::File> file_;
  std::uint64_t offset_ = 0;
};

class RandomAccess final : public leveldb::RandomAccessFile {
 public:
  RandomAccess(const FaultDisk& disk, std::shared_ptr<FaultDisk::File> file) : disk_(disk), file_(std::move(file)) {}
  leveldb::Status Read(std::uint64_t offset, std::size_t size, leveldb::Slice* result, char* scratch) const override {
    const std::string bytes = disk_.read(*file_, offset, size);
    std::memcpy(scratch, bytes.data(), bytes.size());
    *result = {scratch, bytes.size()};
    return {};
  }

 private:
  const FaultDisk& disk_;
  const std::shared_ptr<FaultDisk::File> file_;
};

class Writable final : public leveldb::WritableFile {
 public:
  Writable(FaultDisk& disk, std::shared_ptr<FaultDisk::File> file, std::string path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
  leveldb::Status Append(const leveldb::Slice& data) override {
    return disk_.append(file_, {data.data(), data.size()});
  }
  leveldb::Status Close() override { return {}; }
  leveldb::Status Flush() override { return {}; }
  leveldb::Status Sync() override { return disk_.sync(file_, path_); }

 private:
  FaultDisk& disk_;
  const std::shared_ptr<FaultDisk::File> file_;
  const std::string path_;
};

Status as_fault(const leveldb::Status& status) {
  if (status.ok()) return {};
  return schema::refuse(schema::ErrorCode::storage_fault, status.ToString());
}

class Blocks final : public BlockFile {
 public:
  Blocks(FaultDisk& disk, std::shared_ptr<FaultDisk::File> file, std::string path)
      : disk_(disk), file_(std::move(file)), path_(std::move(path)) {}
  Status write_at(std::uint64_t offset, std::string_view bytes) override {
    return as_fault(disk_.write(file_, offset, bytes));
  }
  Status sync() override { return as_fault(disk_.sync(file_, path_)); }

 private:
  FaultDisk& disk_;
  const std::shared_ptr<FaultDisk::File> file_;
  const std::string path_;
};

struct Lock final : leveldb::FileLock {
  explicit Lock(std::string p) : path(std::move(p)) {}
  std::string path;
};

void apply(std::string& to, std::size_t offset, std::string_view bytes) {
  if (to.size() < offset + bytes.size()) to.resize(offset + bytes.size());
  std::memcpy(to.data() + offset, bytes.data(), bytes.size());
}

}  // namespace

FaultDisk::FaultDisk(const Files& files) : FaultDisk() {
  for (const auto& [path, bytes] : files) names_[path] = std::make_shared<File>(File{bytes, bytes, {}});
  durable_names_ = names_;
}

std::uint64_t FaultDisk::operations() const {
  const std::lock_guard guard(mutex_);
  return operations_;
}

void FaultDisk::die_at(std::uint64_t n) {
  const std::lock_guard guard(mutex_);
  die_at_ = n;
}

void FaultDisk::fail_once_at(std::uint64_t n) {
  const std::lock_guard guard(mutex_);
  fail_once_at_ = n;
}

void FaultDisk::power_loss(Loss loss, std::uint64_t seed) {
  const std::lock_guard guard(mutex_);
  std::mt19937_64 random(seed);
  const auto up_to = [&random](std::size_t most) { return static_cast<std::size_t>(random() % (most + 1)); };
  if (loss != Loss::everything) make_names_durable(up_to(unsynced_names_.size()));
  for (const auto& [path, file] : durable_names_) {
    std::vector<Write>& writes = file->unsynced;
    if (loss == Loss::random_prefix) {
      writes.resize(up_to(writes.size()));
      if (!writes.empty()) writes.back().bytes.resize(up_to(writes.back().bytes.size()));
      for (const Write& write : writes) apply(file->durable, write.offset, write.bytes);
    } else if (loss == Loss::reordered) {
      for (const Write& write : writes)
        if (random() % 2 == 0) apply(file->durable, write.offset, write.bytes);
    }
    writes.clear();
    file->bytes = file->durable;
  }
  unsynced_names_.clear();
  names_ = durable_names_;
  locks_.clear();
  die_at_ = fail_once_at_ = UINT64_MAX;
}

void FaultDisk::restart() {
  const std::lock_guard guard(mutex_);
  locks_.clear();
  die_at_ = fail_once_at_ = UINT64_MAX;
}

FaultDisk::Files FaultDisk::files() const {
  const std::lock_guard guard(mutex_);
  Files files;
  for (const auto& [path, file] : names_) files[path] = file->bytes;
  return files;
}

bool FaultDisk::next_operation_fails() {
  const std::uint64_t operation = ++operations_;
  return operation >= die_at_ || operation == fail_once_at_;
}

void FaultDisk::set_name(const std::string& path, std::shared_ptr<File> file) {
  unsynced_names_.push_back({path, file});
  if (file)
    names_[path] = std::move(file);
  else
    names_.erase(path);
}

void FaultDisk::make_names_durable(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const NameChange& change = unsynced_names_[i];
    if (change.file)
      durable_names_[change.path] = change.file;
    else
      durable_names_.erase(change.path);
  }
  unsynced_names_.erase(unsynced_names_.begin(), unsynced_names_.begin() + static_cast<std::ptrdiff_t>(count));
}

leveldb::Status FaultDisk::write(const std::shared_ptr<File>& file, std::size_t offset, std::string_view bytes) {
  const std::lock_guard guard(mutex_);
  const bool fails = next_operation_fails();
  if (fails) bytes = operations_ == die_at_ ? bytes.substr(0, bytes.size() / 2) : std::string_view();
  if (!bytes.empty()) {
    apply(file->bytes, offset, bytes);
    file->unsynced.push_back({offset, std::string(bytes)});
  }
  return fails ? injected() : leveldb::Status::OK();
}

leveldb::Status FaultDisk::append(const std::shared_ptr<File>& file, std::string_view bytes) {
  std::size_t offset = 0;
  {
    const std::lock_guard guard(mutex_);
    offset = file->bytes.size();
  }
  return write(file, offset, bytes);
}

leveldb::Status FaultDisk::sync(const std::shared_ptr<File>& file, const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (next_operation_fails()) return injected();
  if (path.find("/MANIFEST-") != std::string::npos) make_names_durable(unsynced_names_.size());
  for (std::size_t i = unsynced_names_.size(); i-- > 0;) {
    if (unsynced_names_[i].file != file) continue;
    make_names_durable(i + 1);
    break;
  }
  for (const Write& write : file->unsynced) apply(file->durable, write.offset, write.bytes);
  file->unsynced.clear();
  return {};
}

std::string FaultDisk::read(const File& file, std::uint64_t offset, std::size_t size) const {
  const std::lock_guard guard(mutex_);
  return offset < file.bytes.size() ? file.bytes.substr(offset, size) : std::string();
}

leveldb::Status FaultDisk::NewSequentialFile(const std::string& path, leveldb::SequentialFile** file) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  *file = found == names_.end() ? nullptr : new Sequential(*this, found->second);
  return *file != nullptr ? leveldb::Status::OK() : leveldb::Status::NotFound(path);
}

leveldb::Status FaultDisk::NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** file) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  *file = found == names_.end() ? nullptr : new RandomAccess(*this, found->second);
  return *file != nullptr ? leveldb::Status::OK() : leveldb::Status::NotFound(path);
}

leveldb::Status FaultDisk::NewWritableFile(const std::string& path, leveldb::WritableFile** file) {
  const std::lock_guard guard(mutex_);
  *file = nullptr;
  if (next_operation_fails()) return injected();
  auto created = std::make_shared<File>();
  set_name(path, created);
  *file = new Writable(*this, std::move(created), path);
  return {};
}

leveldb::Status FaultDisk::NewAppendableFile(const std::string& path, leveldb::WritableFile** file) {
  *file = nullptr;
  return leveldb::Status::NotSupported(path, "nothing appends to an existing file");
}

bool FaultDisk::FileExists(const std::string& path) {
  const std::lock_guard guard(mutex_);
  return names_.contains(path);
}

leveldb::Status FaultDisk::GetChildren(const std::string& directory, std::vector<std::string>* names) {
  const std::lock_guard guard(mutex_);
  names->clear();
  for (const auto& [path, file] : names_)
    if (path.starts_with(directory + "/")) names->push_back(path.substr(directory.size() + 1));
  return {};
}

leveldb::Status FaultDisk::RemoveFile(const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (next_operation_fails()) return injected();
  if (!names_.contains(path)) return leveldb::Status::NotFound(path);
  set_name(path, nullptr);
  return {};
}

leveldb::Status FaultDisk::CreateDir(const std::string&) {
  return {};
}

leveldb::Status FaultDisk::GetFileSize(const std::string& path, std::uint64_t* size) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) return leveldb::Status::NotFound(path);
  *size = found->second->bytes.size();
  return {};
}

leveldb::Status FaultDisk::RenameFile(const std::string& from, const std::string& to) {
  const std::lock_guard guard(mutex_);
  if (next_operation_fails()) return injected();
  const auto found = names_.find(from);
  if (found == names_.end()) return leveldb::Status::NotFound(from);
  const std::shared_ptr<File> file = found->second;
  // One change in the journal would be exact; the file under both names in between is the harsher reading.
  set_name(to, file);
  set_name(from, nullptr);
  return {};
}

leveldb::Status FaultDisk::LockFile(const std::string& path, leveldb::FileLock** lock) {
  const std::lock_guard guard(mutex_);
  *lock = nullptr;
  if (!locks_.insert(path).second) return leveldb::Status::IOError("lock " + path, "already held");
  *lock = new Lock(path);
  return {};
}

leveldb::Status FaultDisk::UnlockFile(leveldb::FileLock* lock) {
  const std::lock_guard guard(mutex_);
  auto* held = static_cast<Lock*>(lock);
  locks_.erase(held->path);
  delete held;
  return {};
}

Result<std::unique_ptr<BlockFile>> FaultDisk::open_blocks(const std::string& path) {
  const std::lock_guard guard(mutex_);
  const auto found = names_.find(path);
  if (found != names_.end()) return std::make_unique<Blocks>(*this, found->second, path);
  if (next_operation_fails()) return tl::unexpected(as_fault(injected()).error());
  auto created = std::make_shared<File>();
  set_name(path, created);
  return std::make_unique<Blocks>(*this, std::move(created), path);
}

Status FaultDisk::sync_directory(const std::string&) {
  const std::lock_guard guard(mutex_);
  if (next_operation_fails()) return as_fault(injected());
  make_names_durable(unsynced_names_.size());
  return {};
}

}  // namespace dta::storage

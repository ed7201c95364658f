// MemoryLog: the key-value seam over an ordered map in memory. Every key keeps the versions that a living view may
// still read, so views are consistent and cost nothing to make. One mutex guards the disk: views are read from any
// thread.
#include <leveldb/write_batch.h>

#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "storage/key_value.h"
#include "storage/memory_log.h"
#include "storage/store_log.h"

namespace dta::storage {

class MemoryDisk {
 public:
  struct Version {
    std::uint64_t at = 0;              // the write that made it
    std::optional<std::string> value;  // nothing: deleted
  };

  bool lock() {
    const std::lock_guard guard(mutex_);
    return !std::exchange(locked_, true);
  }
  void unlock() {
    const std::lock_guard guard(mutex_);
    locked_ = false;
  }
  std::uint64_t begin_view() {
    const std::lock_guard guard(mutex_);
    views_.insert(now_);
    return now_;
  }
  void end_view(std::uint64_t at) {
    const std::lock_guard guard(mutex_);
    views_.erase(views_.find(at));
  }

  void apply(const leveldb::WriteBatch& puts);
  bool get(std::uint64_t at, std::string_view key, std::string& value) const;
  // The first key >= `key` (or > it), and the last key < `key`, that exist at `at`. False: there is none.
  bool first_from(std::uint64_t at, std::string_view key, bool after, std::string& found, std::string& value) const;
  bool last_before(std::uint64_t at, std::string_view key, std::string& found, std::string& value) const;

 private:
  using Versions = std::vector<Version>;

  static const std::string* visible(const Versions& versions, std::uint64_t at) {
    for (auto version = versions.rbegin(); version != versions.rend(); ++version)
      if (version->at <= at) return version->value ? &*version->value : nullptr;
    return nullptr;
  }

  mutable std::mutex mutex_;
  bool locked_ = false;
  std::uint64_t now_ = 0;
  std::multiset<std::uint64_t> views_;
  std::map<std::string, Versions, std::less<>> keys_;
  std::vector<std::string> deleted_;  // keys to drop once no view is left
};

namespace {

struct Applier final : leveldb::WriteBatch::Handler {
  void Put(const leveldb::Slice& key, const leveldb::Slice& value) override { put(key, value.ToString()); }
  void Delete(const leveldb::Slice& key) override { put(key, std::nullopt); }
  std::function<void(const leveldb::Slice&, std::optional<std::string>)> put;
};

}  // namespace

void MemoryDisk::apply(const leveldb::WriteBatch& puts) {
  const std::lock_guard guard(mutex_);
  ++now_;
  if (views_.empty()) {
    for (const std::string& key : deleted_) {
      const auto place = keys_.find(key);
      if (place != keys_.end() && !place->second.back().value) keys_.erase(place);
    }
    deleted_.clear();
  }
  Applier applier;
  applier.put = [this](const leveldb::Slice& key, std::optional<std::string> value) {
    if (!value) deleted_.push_back(key.ToString());
    Versions& versions = keys_[key.ToString()];
    if (views_.empty()) versions.clear();
    versions.push_back({now_, std::move(value)});
  };
  puts.Iterate(&applier);
}

bool MemoryDisk::get(std::uint64_t at, std::string_view key, std::string& value) const {
  const std::lock_guard guard(mutex_);
  const auto place = keys_.find(key);
  const std::string* found = place == keys_.end() ? nullptr : visible(place->second, at);
  if (found != nullptr) value = *found;
  return found != nullptr;
}

bool MemoryDisk::first_from(std::uint64_t at, std::string_view key, bool after, std::string& found,
                            std::string& value) const {
  const std::lock_guard guard(mutex_);
  for (auto place = after ? keys_.upper_bound(key) : keys_.lower_bound(key); place != keys_.end(); ++place) {
    if (const std::string* content = visible(place->second, at)) {
      found = place->first;
      value = *content;
      return true;
    }
  }
  return false;
}

bool MemoryDisk::last_before(std::uint64_t at, std::string_view key, std::string& found, std::string& value) const {
  const std::lock_guard guard(mutex_);
  for (auto place = keys_.lower_bound(key); place != keys_.begin();) {
    --place;
    if (const std::string* content = visible(place->second, at)) {
      found = place->first;
      value = *content;
      return true;
    }
  }
  return false;
}

namespace {

class MemoryCursor final : public Cursor {
 public:
  MemoryCursor(const MemoryDisk& disk, std::uint64_t at) : disk_(disk), at_(at) {}

  void seek(std::string_view key) override { valid_ = disk_.first_from(at_, std::string(key), false, key_, value_); }
  void seek_before(std::string_view key) override { valid_ = disk_.last_before(at_, std::string(key), key_, value_); }
  void next() override { valid_ = disk_.first_from(at_, std::string(key_), true, key_, value_); }
  bool valid() const override { return valid_; }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  Status status() const override { return {}; }

 private:
  const MemoryDisk& disk_;
  const std::uint64_t at_;
  bool valid_ = false;
  std::string key_, value_;
};

class MemoryView final : public View {
 public:
  explicit MemoryView(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)), at_(disk_->begin_view()) {}
  ~MemoryView() override { disk_->end_view(at_); }
  MemoryView(const MemoryView&) = delete;
  MemoryView& operator=(const MemoryView&) = delete;

  Result<bool> get(std::string_view key, std::string& value) const override { return disk_->get(at_, key, value); }
  std::unique_ptr<Cursor> cursor() const override { return std::make_unique<MemoryCursor>(*disk_, at_); }

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  const std::uint64_t at_;
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}
  ~MemoryStore() override { disk_->unlock(); }
  MemoryStore(const MemoryStore&) = delete;
  MemoryStore& operator=(const MemoryStore&) = delete;

  Status write(leveldb::WriteBatch& puts) override {
    disk_->apply(puts);
    return {};
  }
  std::unique_ptr<View> view() const override { return std::make_unique<MemoryView>(disk_); }

 private:
  const std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace

std::shared_ptr<MemoryDisk> make_memory_disk() {
  return std::make_shared<MemoryDisk>();
}

schema::Result<std::unique_ptr<Log>> open_memory_log(std::shared_ptr<MemoryDisk> disk) {
  if (!disk->lock()) return schema::refuse(schema::ErrorCode::log_locked, "Another log object has this disk open.");
  return open_store_log(std::make_unique<MemoryStore>(std::move(disk)), std::nullopt, {});
}

}  // namespace dta::storage

// LevelDB under the key-value seam.
#include "storage/leveldb_store.h"

#include <fmt/format.h>
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include "storage/keys.h"

namespace dta::storage {
namespace {

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

// LevelDB's own chatter is not kept: what matters is in statuses, and a text file beside the log grows without bound.
class SilentLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

leveldb::ReadOptions read_options(const leveldb::Snapshot* snapshot) {
  leveldb::ReadOptions options;
  options.verify_checksums = true;
  options.snapshot = snapshot;
  return options;
}

class LevelDbCursor final : public Cursor {
 public:
  explicit LevelDbCursor(std::unique_ptr<leveldb::Iterator> iterator) : iterator_(std::move(iterator)) {}

  void seek(std::string_view key) override {
    sought_.assign(key);
    iterator_->Seek(slice(key));
  }
  void seek_before(std::string_view key) override {
    sought_.assign(key);
    iterator_->Seek(slice(key));
    if (iterator_->Valid())
      iterator_->Prev();
    else if (iterator_->status().ok())
      iterator_->SeekToLast();
  }
  void next() override { iterator_->Next(); }
  bool valid() const override { return iterator_->Valid() && iterator_->status().ok(); }
  std::string_view key() const override { return {iterator_->key().data(), iterator_->key().size()}; }
  std::string_view value() const override { return {iterator_->value().data(), iterator_->value().size()}; }
  Status status() const override {
    if (iterator_->status().ok()) return {};
    return from_leveldb(iterator_->status(), fmt::format("Reading on from the {}", describe_key(sought_)));
  }

 private:
  const std::unique_ptr<leveldb::Iterator> iterator_;
  std::string sought_;  // LevelDB does not say where a damaged block lies; this is the nearest that is known
};

class LevelDbView final : public View {
 public:
  explicit LevelDbView(leveldb::DB& db) : db_(db), snapshot_(db.GetSnapshot()) {}
  ~LevelDbView() override { db_.ReleaseSnapshot(snapshot_); }
  LevelDbView(const LevelDbView&) = delete;
  LevelDbView& operator=(const LevelDbView&) = delete;

  Result<bool> get(std::string_view key, std::string& value) const override {
    const leveldb::Status status = db_.Get(read_options(snapshot_), slice(key), &value);
    if (status.ok()) return true;
    if (status.IsNotFound()) return false;
    return tl::unexpected(from_leveldb(status, fmt::format("Reading the {}", describe_key(key))).error());
  }
  std::unique_ptr<Cursor> cursor() const override {
    return std::make_unique<LevelDbCursor>(
        std::unique_ptr<leveldb::Iterator>(db_.NewIterator(read_options(snapshot_))));
  }

 private:
  leveldb::DB& db_;
  const leveldb::Snapshot* const snapshot_;
};

class LevelDbStore final : public Store {
 public:
  explicit LevelDbStore(const LevelDbOptions& options)
      : filter_(leveldb::NewBloomFilterPolicy(10)), cache_(leveldb::NewLRUCache(options.block_cache_bytes)) {}

  Status open(const std::string& directory, const LevelDbOptions& from) {
    leveldb::Options options;
    if (from.env != nullptr) options.env = from.env;
    options.create_if_missing = from.create_if_missing;
    options.paranoid_checks = true;  // by default a damaged block of the log is dropped without a word
    options.reuse_logs = false;      // every opening starts a log file of its own: nothing is appended to a torn tail
    options.write_buffer_size = from.write_buffer_bytes;
    options.max_file_size = 8u << 20;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    options.compression = leveldb::kSnappyCompression;
    options.info_log = &logger_;
    leveldb::DB* db = nullptr;
    const leveldb::Status status = leveldb::DB::Open(options, directory, &db);
    db_.reset(db);
    if (says_locked(status))
      return schema::refuse(schema::ErrorCode::log_locked,
                            fmt::format("Another process has the log in {} open.", directory));
    return from_leveldb(status, fmt::format("Opening the log in {}", directory));
  }

  Status write(leveldb::WriteBatch& puts) override {
    leveldb::WriteOptions options;
    options.sync = true;
    return from_leveldb(db_->Write(options, &puts), "Writing to the log");
  }
  std::unique_ptr<View> view() const override { return std::make_unique<LevelDbView>(*db_); }

 private:
  SilentLogger logger_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;
  const std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::DB> db_;  // last: it uses what stands above
};

}  // namespace

bool says_locked(const leveldb::Status& status) {
  return status.IsIOError() && status.ToString().starts_with("IO error: lock ");
}

Status from_leveldb(const leveldb::Status& status, std::string_view doing) {
  if (status.ok()) return {};
  const bool damage = status.IsCorruption() || status.IsInvalidArgument();
  return schema::refuse(damage ? schema::ErrorCode::log_damaged : schema::ErrorCode::storage_fault,
                        fmt::format("{} failed: {}.", doing, status.ToString()));
}

Result<std::unique_ptr<Store>> open_leveldb_store(const std::string& directory, const LevelDbOptions& options) {
  auto store = std::make_unique<LevelDbStore>(options);
  if (Status ok = store->open(directory, options); !ok) return tl::unexpected(ok.error());
  return store;
}

}  // namespace dta::storage

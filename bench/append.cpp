// `append`: what the log's framing, chaining and HEAD cost on top of LevelDB. Both sides write the same number of puts
// of the same size, synced, in the same batches; they take turns in short slices, so that a noisy neighbour hits both
// alike.
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/workloads.h"
#include "storage/leveldb_log.h"
#include "storage/log.h"

namespace dta::bench {
namespace {

using Clock = std::chrono::steady_clock;

// About what one append of a saga holds: a completion and the lease of the next task.
constexpr std::size_t kEventBytes = 180;
constexpr std::uint64_t kLiveTransactions = 128;

double since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// Our side: records for a set of live transactions, round robin, chained.
class LogSide {
 public:
  explicit LogSide(std::unique_ptr<storage::Log> log)
      : log_(std::move(log)), chains_(kLiveTransactions), next_(kLiveTransactions, 1) {}

  // Appends one batch; returns the bytes of its keys and values, 0 after a failure.
  std::size_t append(std::size_t records) {
    storage::Batch batch(log_->end().next(), log_->fence());
    for (std::size_t i = 0; i < records; ++i) {
      const std::uint64_t live = turn_++ % kLiveTransactions;
      storage::Record record;
      record.number = storage::TransactionNumber(live + 1);
      record.first_sequence = storage::Sequence(next_[live]);
      record.event_count = 2;
      record.recorded_at = storage::Time{static_cast<std::int64_t>(turn_)};
      record.definition_version = 1;
      record.epoch = 1;
      record.events = events_;
      record.events[turn_ % kEventBytes] = static_cast<char>(turn_);
      next_[live] += 2;
      chains_[live] = batch.add_record(std::move(record), chains_[live]);
    }
    const std::size_t bytes = batch.bytes();
    return log_->append(batch) ? bytes : 0;
  }

 private:
  std::unique_ptr<storage::Log> log_;
  std::vector<storage::Hash> chains_;
  std::vector<std::uint64_t> next_;
  std::string events_ = std::string(kEventBytes, 'e');
  std::uint64_t turn_ = 0;
};

void put_big_endian(char* to, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) *to++ = static_cast<char>(value >> shift);
}

// The other side: the same bytes in the same number of puts, and nothing else.
class BareSide {
 public:
  explicit BareSide(std::unique_ptr<leveldb::DB> db) : db_(std::move(db)) {}

  bool append(std::size_t records, std::size_t bytes) {
    constexpr std::size_t kKeyBytes = 17;
    const std::size_t puts = records + 1;  // the position index has one entry a batch
    const std::string value(std::max<std::size_t>(bytes / puts, kKeyBytes + 1) - kKeyBytes, 'v');
    leveldb::WriteBatch batch;
    for (std::size_t i = 0; i < puts; ++i) {
      char key[kKeyBytes] = {'r'};
      put_big_endian(key + 1, turn_ % kLiveTransactions);
      put_big_endian(key + 9, turn_);
      ++turn_;
      batch.Put(leveldb::Slice(key, kKeyBytes), value);
    }
    leveldb::WriteOptions synced;
    synced.sync = true;
    return db_->Write(synced, &batch).ok();
  }

 private:
  std::unique_ptr<leveldb::DB> db_;
  std::uint64_t turn_ = 0;
};

std::unique_ptr<leveldb::DB> open_bare(const std::string& folder) {
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = true;
  options.write_buffer_size = storage::LevelDbOptions{}.write_buffer_bytes;
  leveldb::DB* db = nullptr;
  if (!leveldb::DB::Open(options, folder, &db).ok()) return nullptr;
  return std::unique_ptr<leveldb::DB>(db);
}

int measure(const Options& options, std::size_t records, int repetition) {
  const std::string ours = options.folder + "/log", bare = options.folder + "/bare";
  auto log = storage::open_leveldb_log(ours);
  if (!log) {
    std::fprintf(stderr, "dta_bench: %s\n", log.error().message.c_str());
    return 1;
  }
  auto db = open_bare(bare);
  if (!db) return 1;
  LogSide left(std::move(*log));
  BareSide right(std::move(db));

  double left_seconds = 0, right_seconds = 0;
  std::uint64_t left_records = 0, right_records = 0;
  std::size_t bytes = left.append(records);
  const double slice = options.seconds / 20;
  bool ok = bytes != 0 && right.append(records, bytes);
  while (ok && left_seconds + right_seconds < 2 * options.seconds) {
    auto began = Clock::now();
    do {
      bytes = left.append(records);
      ok = ok && bytes != 0;
      left_records += records;
    } while (ok && since(began) < slice);
    left_seconds += since(began);
    began = Clock::now();
    do {
      ok = ok && right.append(records, bytes);
      right_records += records;
    } while (ok && since(began) < slice);
    right_seconds += since(began);
  }
  if (!ok) {
    std::fprintf(stderr, "dta_bench: a write failed\n");
    return 1;
  }
  const double left_rate = static_cast<double>(left_records) / left_seconds;
  const double right_rate = static_cast<double>(right_records) / right_seconds;
  std::printf(
      "{\"workload\":\"append\",\"batch\":%zu,\"repetition\":%d,\"records_s\":%.0f,\"batches_s\":%.0f,\"bare_records_"
      "s\":%.0f,"
      "\"share_of_bare\":%.3f,\"bytes_per_record\":%.0f}\n",
      records, repetition, left_rate, left_rate / static_cast<double>(records), right_rate, left_rate / right_rate,
      static_cast<double>(bytes) / static_cast<double>(records));
  std::fflush(stdout);
  return 0;
}

}  // namespace

int run_append(const Options& options) {
  for (const std::size_t records : {1u, 16u, 64u, 256u}) {
    for (int repetition = 1; repetition <= options.repetitions; ++repetition) {
      const int code = measure(options, records, repetition);
      std::error_code ignored;
      std::filesystem::remove_all(options.folder + "/log", ignored);
      std::filesystem::remove_all(options.folder + "/bare", ignored);
      if (code != 0) return code;
    }
  }
  return 0;
}

}  // namespace dta::bench

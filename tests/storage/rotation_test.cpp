// Logs that outgrow LevelDB's memtable: several log files, tables and manifest edits, written by its background thread
// while batches go on. The faults hit at random operations there, by seed.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "storage/leveldb_log.h"
#include "storage/memory_log.h"
#include "storage/verify.h"
#include "tests/storage/fault_disk.h"
#include "tests/storage/workbench.h"

namespace dta::storage {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kPayloadBytes = 6000;

LevelDbOptions on(FaultDisk& disk) {
  LevelDbOptions options;
  options.env = &disk;
  options.disk = &disk;
  options.write_buffer_bytes = 64u << 10;  // the least that LevelDB takes: a new log file every ten transactions
  options.block_cache_bytes = 64u << 10;
  return options;
}

Result<std::unique_ptr<Log>> open_on(FaultDisk& disk) {
  return open_leveldb_log("/log", on(disk));
}

Result<std::vector<PayloadName>> payloads_named(const Record& record) {
  if (record.first_sequence != Sequence(1)) return {};
  const std::string payload = payload_of(record.number.value, kPayloadBytes);
  return std::vector<PayloadName>{
      {Sequence(1), 0, static_cast<std::uint32_t>(payload.size()), schema::sha256(payload)}};
}

// Appends until something fails or `upto` is reached; returns the last acknowledged position.
Position live(FaultDisk& disk, std::uint64_t from, std::uint64_t upto) {
  auto log = open_on(disk);
  if (!log) return {};
  Writer writer(**log);
  for (std::uint64_t number = from; number <= upto; ++number)
    if (!writer.append_everything(number, kPayloadBytes)) break;
  return (*log)->end();
}

TEST(Rotation, ALogOfManyFilesVerifiesAndReopens) {
  FaultDisk disk;
  const Position end = live(disk, 1, 80);
  std::size_t tables = 0;
  for (const auto& [path, bytes] : disk.files()) tables += path.ends_with(".ldb") ? 1 : 0;
  EXPECT_GT(tables, 1u);
  disk.restart();
  const auto report = verify_leveldb_log("/log", payloads_named, [](Position) {}, on(disk));
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_THAT(report->findings, IsEmpty());
  EXPECT_EQ(report->payloads, 80u);
  auto log = open_on(disk);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ((*log)->end(), end);
  EXPECT_EQ((*log)->open_report().records_proved, end.value);
}

TEST(Rotation, PowerLossAtRandomOperationsLosesNothingAcknowledged) {
  FaultDisk counted;
  live(counted, 1, 60);
  const std::uint64_t all = counted.operations();
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    FaultDisk disk;
    Position acknowledged;
    // Three lives, each cut short by a power loss; what one leaves, the next goes on with.
    for (std::uint64_t life = 0; life < 3; ++life) {
      disk.die_at(disk.operations() + 1 + random() % all);
      acknowledged = std::max(acknowledged, live(disk, 1 + life * 100, 60 + life * 100));
      const auto loss = static_cast<FaultDisk::Loss>(random() % 3);
      disk.power_loss(loss, seed);
      auto log = open_on(disk);
      ASSERT_TRUE(log) << "seed " << seed << " life " << life << ": " << log.error().message;
      ASSERT_GE((*log)->end(), acknowledged) << "seed " << seed << " life " << life;
      const auto records = records_in(*(*log)->snapshot());
      ASSERT_EQ(records.size(), (*log)->end().value) << "seed " << seed << ": " << records.back();
      acknowledged = (*log)->end();
    }
    const auto report = verify_leveldb_log("/log", payloads_named, [](Position) {}, on(disk));
    ASSERT_TRUE(report) << "seed " << seed << ": " << report.error().message;
    ASSERT_THAT(report->findings, IsEmpty()) << "seed " << seed;
  }
}

class LostEdit : public testing::Test {
 protected:
  void SetUp() override {
    FaultDisk disk;
    live(disk, 1, 60);
    files_ = disk.files();
    for (const auto& [path, bytes] : files_)
      if (path.find("MANIFEST") != std::string::npos) manifest_ = path;
    const std::string& bytes = files_[manifest_];
    for (std::size_t at = 0; at + 7 <= bytes.size();) {
      last_ = at;
      at += 7 + static_cast<std::uint8_t>(bytes[at + 4]) + 256u * static_cast<std::uint8_t>(bytes[at + 5]);
    }
    ASSERT_GT(last_, 0u);
  }

  // LevelDB would open with the state before that edit, and delete the tables that only the edit names.
  void expect_refused_untouched(FaultDisk::Files files) {
    FaultDisk disk(files);
    const auto log = open_on(disk);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, schema::ErrorCode::log_damaged);
    EXPECT_THAT(log.error().message, HasSubstr("/log"));
    EXPECT_EQ(disk.files(), files);
  }

  // LevelDB's background thread may have left files that are no longer needed: without them the content is the same.
  bool refused_or_the_same(FaultDisk::Files files) {
    FaultDisk disk(files);
    const auto log = open_on(disk);
    if (!log) {
      EXPECT_EQ(log.error().code, schema::ErrorCode::log_damaged);
      EXPECT_THAT(log.error().message, HasSubstr("/log"));
      EXPECT_EQ(disk.files(), files);
      return true;
    }
    FaultDisk sound(files_);
    EXPECT_EQ(records_in(*(*log)->snapshot()), records_in(*open_on(sound).value()->snapshot()));
    return false;
  }

  FaultDisk::Files files_;
  std::string manifest_;
  std::size_t last_ = 0;
};

TEST_F(LostEdit, AWrongLengthInTheManifestIsRefused) {
  for (int bit = 0; bit < 16; ++bit) {
    FaultDisk::Files files = files_;
    char& byte = files[manifest_][last_ + 4 + static_cast<std::size_t>(bit / 8)];
    byte = static_cast<char>(byte ^ (1 << bit % 8));
    expect_refused_untouched(std::move(files));
  }
}

TEST_F(LostEdit, AFlipInTheLastEditNeverShortensTheLog) {
  std::size_t refused = 0;
  for (std::size_t offset = last_; offset < files_[manifest_].size(); ++offset) {
    FaultDisk::Files files = files_;
    files[manifest_][offset] = static_cast<char>(files[manifest_][offset] ^ 0x20);
    refused += refused_or_the_same(std::move(files)) ? 1 : 0;
  }
  EXPECT_GT(refused, 0u);
}

TEST_F(LostEdit, ALostLogFileOrTableIsRefusedUnlessItWasNotNeeded) {
  std::size_t refused = 0;
  for (const auto& [path, bytes] : files_) {
    if (!path.ends_with(".log") && !path.ends_with(".ldb")) continue;
    FaultDisk::Files files = files_;
    files.erase(path);
    refused += refused_or_the_same(std::move(files)) ? 1 : 0;
  }
  EXPECT_GT(refused, 0u);
}

TEST(Threads, ACheckpointMayBeWrittenBesideAppendsAndReads) {
  for (const bool in_memory : {true, false}) {
    FaultDisk disk;
    auto log = in_memory ? open_memory_log(make_memory_disk()).value() : open_on(disk).value();
    Writer writer(*log);
    ASSERT_TRUE(writer.append_everything(1, 1000));
    std::thread beside([&log] {
      for (int i = 0; i < 20; ++i) {
        const auto reader = log->snapshot();
        const Position position = reader->end();
        EXPECT_EQ(records_in(*reader).size(), position.value);
        int chunk = 0;
        EXPECT_TRUE(log->write_checkpoint(position, [&]() -> std::optional<std::string> {
          return chunk++ < 3 ? std::optional<std::string>(std::string(2000, 'c')) : std::nullopt;
        }));
      }
    });
    for (std::uint64_t number = 2; number <= 60; ++number) EXPECT_TRUE(writer.append_everything(number, 1000));
    beside.join();
    const auto lines = content_of(*log->snapshot());
    EXPECT_THAT(lines.back(), HasSubstr("checkpoint"));
    if (in_memory) continue;
    log.reset();
    disk.restart();
    log = open_on(disk).value();
    EXPECT_EQ(content_of(*log->snapshot()), lines);
  }
}

}  // namespace
}  // namespace dta::storage

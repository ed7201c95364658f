// Crashes: power loss, the death of the process, and a failed operation, at every single operation of a log's life.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/leveldb_log.h"
#include "tests/storage/fault_disk.h"
#include "tests/storage/workbench.h"

namespace dta::storage {
namespace {

Result<std::unique_ptr<Log>> open_on(FaultDisk& disk) {
  LevelDbOptions options;
  options.env = &disk;
  options.disk = &disk;
  options.write_buffer_bytes = 1u << 20;
  options.block_cache_bytes = 64u << 10;
  return open_leveldb_log("/log", options);
}

// One life of a log: opens, appends, checkpoints; stops at the first error. Returns how many records were acknowledged.
struct Life {
  std::uint64_t acknowledged = 0;
  std::vector<std::string> records;  // everything appended, acknowledged or not
  bool opened = false;
};

Life live(FaultDisk& disk, std::uint64_t first_number) {
  Life life;
  auto opened = open_on(disk);
  if (!opened) return life;
  life.opened = true;
  Log& log = **opened;
  life.acknowledged = log.end().value;
  Writer writer(log);
  for (std::uint64_t number = first_number; number < first_number + 6; ++number) {
    if (!writer.append_everything(number, 500)) {
      // Poisoned: nothing more is taken, whatever the disk does now.
      Batch next = writer.batch();
      writer.add(next, number + 1);
      EXPECT_EQ(log.append(next).error().code, schema::ErrorCode::storage_fault);
      return life;
    }
    life.acknowledged = log.end().value;
    if (number % 3 == 0) {
      int chunk = 0;
      if (!log.write_checkpoint(log.end(), [&]() -> std::optional<std::string> {
            return chunk++ < 2 ? std::optional<std::string>(std::string(300, 'c')) : std::nullopt;
          }))
        return life;
    }
  }
  static_cast<void>(log.close());  // a clean stop that fails is a crash
  return life;
}

std::vector<std::string> whole_life(std::uint64_t lives) {
  FaultDisk disk;
  for (std::uint64_t i = 0; i < lives; ++i) live(disk, 1 + i * 10);
  return records_in(*open_on(disk).value()->snapshot());
}

// The log's records without what differs between lives by nature: fences, and chains that cover them.
std::string without_fence(const std::string& line) {
  const std::size_t fence = line.find(" fence "), events = line.find(" events ");
  return fence == std::string::npos ? line : line.substr(0, fence) + line.substr(events);
}

class PowerLoss : public testing::TestWithParam<FaultDisk::Loss> {};

TEST_P(PowerLoss, AtEveryOperationLeavesAPrefixWithEverythingAcknowledged) {
  FaultDisk counted;
  live(counted, 1);
  const std::uint64_t first_life = counted.operations();
  live(counted, 11);
  const std::uint64_t all = counted.operations();
  const std::vector<std::string> expected = whole_life(2);
  std::size_t shorter = 0, cut = 0;
  for (std::uint64_t at = 1; at <= all; ++at) {
    for (std::uint64_t seed = 0; seed < (GetParam() == FaultDisk::Loss::everything ? 1u : 4u); ++seed) {
      FaultDisk disk;
      disk.die_at(at);
      Life life = live(disk, 1);
      if (at > first_life) life = live(disk, 11);
      disk.power_loss(GetParam(), at * 1000 + seed);
      auto log = open_on(disk);
      ASSERT_TRUE(log) << "operation " << at << " seed " << seed << ": " << log.error().message;
      const std::vector<std::string> records = records_in(*(*log)->snapshot());
      ASSERT_GE(records.size(), life.acknowledged) << "operation " << at << " seed " << seed;
      ASSERT_LE(records.size(), expected.size());
      for (std::size_t i = 0; i < records.size(); ++i)
        ASSERT_EQ(without_fence(records[i]), without_fence(expected[i])) << "operation " << at << " seed " << seed;
      shorter += records.size() < expected.size() ? 1 : 0;
      cut += (*log)->open_report().bytes_cut > 0 ? 1 : 0;
      const Result<std::optional<Checkpoint>> checkpoint = (*log)->snapshot()->checkpoint();
      ASSERT_TRUE(checkpoint);
      if (*checkpoint) {
        ASSERT_EQ((*checkpoint)->chunks.size(), 2u);
      }
      // What was opened goes on.
      Writer writer(**log);
      ASSERT_TRUE(writer.append_everything(50));
    }
  }
  std::cout << fmt::format("{} operations, {} logs were shorter than the whole, {} had a torn tail cut off\n", all,
                           shorter, cut);
  EXPECT_GT(shorter, 0u);
}

INSTANTIATE_TEST_SUITE_P(Losing, PowerLoss,
                         testing::Values(FaultDisk::Loss::everything, FaultDisk::Loss::random_prefix,
                                         FaultDisk::Loss::reordered),
                         [](const auto& param_info) {
                           return param_info.param == FaultDisk::Loss::everything      ? "AllThatWasNotSynced"
                                  : param_info.param == FaultDisk::Loss::random_prefix ? "ARandomPart"
                                                                                       : "PagesOutOfOrder";
                         });

TEST(ProcessDeath, AtEveryOperationLosesNothingAcknowledged) {
  FaultDisk counted;
  live(counted, 1);
  const std::uint64_t all = counted.operations();
  const std::vector<std::string> expected = whole_life(1);
  for (std::uint64_t at = 1; at <= all; ++at) {
    FaultDisk disk;
    disk.die_at(at);
    const Life life = live(disk, 1);
    disk.restart();
    auto log = open_on(disk);
    ASSERT_TRUE(log) << "operation " << at << ": " << log.error().message;
    const std::vector<std::string> records = records_in(*(*log)->snapshot());
    ASSERT_GE(records.size(), life.acknowledged) << "operation " << at;
    for (std::size_t i = 0; i < records.size(); ++i)
      ASSERT_EQ(without_fence(records[i]), without_fence(expected[i])) << "operation " << at;
    // At most one batch lies beyond HEAD after the process died; the largest batch here has three records.
    ASSERT_LE((*log)->end().value - (*log)->open_report().head.value, 3u);
  }
}

TEST(ProcessDeath, OneFailedOperationPoisonsUntilReopened) {
  FaultDisk counted;
  live(counted, 1);
  for (std::uint64_t at = 1; at <= counted.operations(); ++at) {
    FaultDisk disk;
    disk.fail_once_at(at);
    const Life life = live(disk, 1);
    disk.restart();
    auto log = open_on(disk);
    ASSERT_TRUE(log) << "operation " << at << ": " << log.error().message;
    ASSERT_GE((*log)->end().value, life.acknowledged) << "operation " << at;
  }
}

}  // namespace
}  // namespace dta::storage

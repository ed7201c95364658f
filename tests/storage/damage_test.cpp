// Damage: every byte of every file flipped, files cut short or lost. Opening and verifying either say so, naming the
// place, or read exactly what was written; nothing is ever silently shorter. Power loss at every operation, too.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/head.h"
#include "storage/leveldb_log.h"
#include "storage/verify.h"
#include "tests/storage/fault_disk.h"
#include "tests/storage/workbench.h"

namespace dta::storage {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

LevelDbOptions on(FaultDisk& disk) {
  LevelDbOptions options;
  options.env = &disk;
  options.disk = &disk;
  options.write_buffer_bytes = 1u << 20;
  options.block_cache_bytes = 64u << 10;
  return options;
}

Result<std::unique_ptr<Log>> open_on(FaultDisk& disk) {
  return open_leveldb_log("/log", on(disk));
}

// What the workbench's records name: the first record of each transaction has one payload.
Result<std::vector<PayloadName>> payloads_named(const Record& record) {
  if (record.first_sequence != Sequence(1)) return {};
  const std::string payload = payload_of(record.number.value, 30);
  return std::vector<PayloadName>{
      {Sequence(1), 0, static_cast<std::uint32_t>(payload.size()), schema::sha256(payload)}};
}

Result<VerifyReport> verify_on(FaultDisk& disk) {
  return verify_leveldb_log("/log", payloads_named, [](Position) {}, on(disk));
}

struct Left {
  FaultDisk::Files files;
  std::vector<std::string> content;
};

// A log with tables, a checkpoint and a log file of LevelDB that holds acknowledged batches.
enum class End { clean, crash };
Left make_log(End end) {
  FaultDisk disk;
  Left left;
  std::map<std::uint64_t, Writer::Stand> stands;
  for (const std::uint64_t upto : {4u, 9u}) {
    auto log = open_on(disk).value();
    Writer writer(*log);
    writer.stands = stands;
    for (std::uint64_t number = upto - 3; number <= upto; ++number) EXPECT_TRUE(writer.append_everything(number));
    if (upto == 9) {
      EXPECT_TRUE(writer.append_everything(10));
      bool given = false;
      EXPECT_TRUE(log->write_checkpoint(Position(3), [&]() -> std::optional<std::string> {
        return std::exchange(given, true) ? std::nullopt : std::optional<std::string>("folded states");
      }));
      EXPECT_TRUE(writer.append_everything(11));
    }
    stands = writer.stands;
    left.content = content_of(*log->snapshot());
    if (upto == 4 || end == End::clean) {
      EXPECT_TRUE(log->close());
    }
    log.reset();
    disk.restart();
  }
  left.files = disk.files();
  return left;
}

// "named" needs a message that says where; "identical" compares everything a reader can read.
enum class Outcome { named, identical, silent };

Outcome outcome_of(FaultDisk& disk, const std::vector<std::string>& expected, std::string& what) {
  const auto verified = verify_on(disk);
  const bool found = verified && !verified->findings.empty();
  auto log = open_on(disk);
  if (!log) {
    what = log.error().message;
    return what.find("/log") != std::string::npos ? Outcome::named : Outcome::silent;
  }
  const std::vector<std::string> content = content_of(*(*log)->snapshot());
  if (content == expected) return Outcome::identical;
  if (!content.empty() && content.back().starts_with("error")) {
    what = content.back();
    return Outcome::named;
  }
  what = found ? verified->findings.front() : "the content differs and nothing was said";
  // Cut off and said so: a tail beyond HEAD, which nobody was told about. Records are acknowledged here, so they must
  // all be there even then.
  const auto& report = (*log)->open_report();
  if (report.bytes_cut > 0 && !report.notes.empty() && content.size() <= expected.size()) {
    const auto count = [](const std::vector<std::string>& lines) {
      return std::count_if(lines.begin(), lines.end(),
                           [](const std::string& line) { return line.starts_with("record "); });
    };
    if (count(content) == count(expected)) return Outcome::named;
  }
  return found ? Outcome::named : Outcome::silent;
}

class EveryByte : public testing::TestWithParam<End> {};

TEST_P(EveryByte, FlippedIsNamedOrReadsTheSame) {
  const Left left = make_log(GetParam());
  std::size_t named = 0, identical = 0;
  for (const auto& [path, bytes] : left.files) {
    std::size_t named_here = 0, identical_here = 0;
    for (std::size_t offset = 0; offset < bytes.size(); ++offset) {
      for (const int mask : {0xff, 1 << (offset % 8)}) {
        FaultDisk::Files files = left.files;
        files[path][offset] = static_cast<char>(files[path][offset] ^ mask);
        FaultDisk disk(files);
        std::string what;
        switch (outcome_of(disk, left.content, what)) {
          case Outcome::named:
            ++named_here;
            break;
          case Outcome::identical:
            ++identical_here;
            break;
          case Outcome::silent:
            ADD_FAILURE() << path << " offset " << offset << " mask " << mask << ": " << what;
        }
      }
    }
    std::cout << fmt::format("{:24} {:6} bytes: {:6} flips named, {:6} read the same\n", path, bytes.size(), named_here,
                             identical_here);
    named += named_here;
    identical += identical_here;
  }
  std::cout << fmt::format("all files: {} flips named, {} read the same, 0 silent\n", named, identical);
  EXPECT_GT(named, 0u);
  EXPECT_GT(identical, 0u);
}

TEST_P(EveryByte, AndEveryShorterFileIsNamedOrReadsTheSame) {
  const Left left = make_log(GetParam());
  for (const auto& [path, bytes] : left.files) {
    for (std::size_t size = 0; size < bytes.size(); size += path.ends_with("HEAD") ? 64 : 1) {
      FaultDisk::Files files = left.files;
      files[path].resize(size);
      FaultDisk disk(files);
      std::string what;
      if (outcome_of(disk, left.content, what) == Outcome::silent)
        ADD_FAILURE() << path << " cut to " << size << ": " << what;
    }
    FaultDisk::Files files = left.files;
    files.erase(path);
    FaultDisk disk(files);
    std::string what;
    if (outcome_of(disk, left.content, what) == Outcome::silent) ADD_FAILURE() << path << " lost: " << what;
  }
}

INSTANTIATE_TEST_SUITE_P(Logs, EveryByte, testing::Values(End::clean, End::crash), [](const auto& param_info) {
  return param_info.param == End::clean ? "OfAClosedLog" : "OfALogLeftByACrash";
});

TEST(Damage, AFlippedLengthByteDoesNotLoseAcknowledgedBatches) {
  // The last piece of LevelDB's log looks torn when its length is too large; the file must not be touched either.
  Left left = make_log(End::crash);
  std::string path;
  for (const auto& [name, bytes] : left.files)
    if (name.ends_with(".log") && !bytes.empty()) path = name;
  std::string& bytes = left.files[path];
  std::size_t last = 0;
  for (std::size_t at = 0; at + 7 <= bytes.size();) {
    last = at;
    at += 7 + static_cast<std::uint8_t>(bytes[at + 4]) + 256u * static_cast<std::uint8_t>(bytes[at + 5]);
  }
  bytes[last + 5] = static_cast<char>(bytes[last + 5] ^ 0x40);
  FaultDisk disk(left.files);
  const auto log = open_on(disk);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, schema::ErrorCode::log_damaged);
  EXPECT_THAT(log.error().message, HasSubstr(path));
  EXPECT_THAT(log.error().message, HasSubstr("length"));
  FaultDisk::Files after = disk.files();
  EXPECT_EQ(after, left.files);
}

TEST(Damage, ALogThatEndsBeforeHeadIsRefusedAndLeftAsItIs) {
  Left left = make_log(End::crash);
  std::string path;
  for (const auto& [name, bytes] : left.files)
    if (name.ends_with(".log") && !bytes.empty()) path = name;
  std::string& bytes = left.files[path];
  bytes.resize(bytes.size() - 3);
  FaultDisk disk(left.files);
  const auto log = open_on(disk);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, schema::ErrorCode::log_damaged);
  EXPECT_THAT(log.error().message, HasSubstr("HEAD"));
  EXPECT_EQ(disk.files(), left.files);
}

TEST(Damage, OneBadHeadSlotIsNamedAndMended) {
  for (const std::size_t slot : {0u, 1u}) {
    Left left = make_log(End::clean);
    left.files["/log/HEAD"][slot * kHeadBlockBytes + 20] ^= 1;
    FaultDisk disk(left.files);
    {
      const auto log = open_on(disk);
      ASSERT_TRUE(log) << log.error().message;
      ASSERT_EQ((*log)->open_report().notes.size(), 1u);
      EXPECT_THAT((*log)->open_report().notes[0], HasSubstr(fmt::format("Slot {} of HEAD", slot)));
    }
    const auto again = open_on(disk);
    ASSERT_TRUE(again);
    EXPECT_THAT((*again)->open_report().notes, IsEmpty());
  }
}

TEST(Damage, WithoutAGoodHeadANonEmptyLogIsRefused) {
  Left left = make_log(End::clean);
  FaultDisk::Files both_bad = left.files, absent = left.files;
  both_bad["/log/HEAD"][0] ^= 1;
  both_bad["/log/HEAD"][kHeadBlockBytes] ^= 1;
  absent.erase("/log/HEAD");
  for (const FaultDisk::Files& files : {both_bad, absent}) {
    FaultDisk disk(files);
    const auto log = open_on(disk);
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code, schema::ErrorCode::log_damaged);
    EXPECT_THAT(log.error().message, HasSubstr("/log/HEAD"));
  }
}

TEST(Damage, AHeadOfAnotherLogIsRefused) {
  FaultDisk other;
  {
    auto log = open_on(other).value();
    Writer writer(*log);
    Batch batch = writer.batch();
    for (int i = 0; i < 3; ++i) writer.add(batch, 99, 5);
    ASSERT_TRUE(log->append(batch));
    ASSERT_TRUE(log->close());
  }
  Left left = make_log(End::clean);
  left.files["/log/HEAD"] = other.files()["/log/HEAD"];
  FaultDisk disk(left.files);
  const auto log = open_on(disk);
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().message, HasSubstr("HEAD"));
}

TEST(Damage, GarbageBehindHeadIsCutOffAndKept) {
  Left left = make_log(End::crash);
  std::string path;
  for (const auto& [name, bytes] : left.files)
    if (name.ends_with(".log") && !bytes.empty()) path = name;
  const std::size_t sound = left.files[path].size();
  const std::string garbage = std::string(5, '\x07') + std::string(50, '\x01') + std::string(400, 'g');
  left.files[path] += garbage;
  FaultDisk disk(left.files);
  const auto log = open_on(disk);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(content_of(*(*log)->snapshot()), left.content);
  EXPECT_EQ((*log)->open_report().bytes_cut, garbage.size());
  ASSERT_EQ((*log)->open_report().notes.size(), 1u);
  EXPECT_EQ(disk.files()[fmt::format("/log/cut-{}-{}", path.substr(5), sound)], garbage);
}

TEST(Verify, FindsNothingInASoundLogAndChangesNothing) {
  for (const End end : {End::clean, End::crash}) {
    const Left left = make_log(end);
    FaultDisk disk(left.files);
    const auto report = verify_on(disk);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(report->findings, IsEmpty());
    EXPECT_EQ(report->transactions, 10u);
    EXPECT_EQ(report->payloads, 10u);
    EXPECT_EQ(report->end, report->head);
    EXPECT_EQ(report->records, report->end.value);
    EXPECT_EQ(disk.files(), left.files);
  }
}

TEST(Verify, NamesAPayloadThatNoEventNamesAndOneThatIsMissing) {
  FaultDisk disk;
  {
    auto log = open_on(disk).value();
    Writer writer(*log);
    Batch batch = writer.batch();
    writer.add(batch, 1);
    writer.add(batch, 2);
    batch.put_payload(TransactionNumber(1), Sequence(1), 0, payload_of(1, 30) + "x");
    batch.put_payload(TransactionNumber(2), Sequence(1), 7, "nobody's");
    ASSERT_TRUE(log->append(batch));
    ASSERT_TRUE(log->close());
  }
  const auto report = verify_on(disk);
  ASSERT_TRUE(report);
  EXPECT_THAT(report->findings,
              testing::UnorderedElementsAre(
                  HasSubstr("payload 0 of transaction 1, sequence 1 is not the one"),
                  HasSubstr("payload 0 of transaction 2, sequence 1 is named by an event but missing"),
                  HasSubstr("payload 7 of transaction 2, sequence 1 is named by no event")));
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

// Damage: every byte of every file flipped, files cut short or lost. Opening and verifying either say so, naming the
// place, or read exactly what was written; nothing is ever silently shorter.
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

// A file, a position, or a key in words.
bool names_a_place(const std::string& message) {
  for (const std::string_view place : {"/log/", "position ", "transaction ", "key of kind "})
    if (message.find(place) != std::string::npos) return true;
  return false;
}

Outcome outcome_of(FaultDisk& disk, const std::vector<std::string>& expected, std::string& what) {
  const auto verified = verify_on(disk);
  const bool found = verified && !verified->findings.empty();
  auto log = open_on(disk);
  if (!log) {
    what = log.error().message;
    return names_a_place(what) ? Outcome::named : Outcome::silent;
  }
  const std::vector<std::string> content = content_of(*(*log)->snapshot());
  // A bad HEAD slot is named, and the content is whole: the stronger answer counts.
  if (content == expected) return (*log)->open_report().notes.empty() ? Outcome::identical : Outcome::named;
  if (!content.empty() && content.back().starts_with("error")) {
    what = content.back();
    return names_a_place(what) ? Outcome::named : Outcome::silent;
  }
  what = found ? verified->findings.front() : "the content differs and nothing was said";
  if (found && !names_a_place(what)) return Outcome::silent;
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

}  // namespace
}  // namespace dta::storage

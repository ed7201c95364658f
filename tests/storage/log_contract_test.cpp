// The contract of log.h, run by every log: in memory, LevelDB on the real disk, LevelDB on the fault-injecting one.
//
// Size: the contract in one place: every log runs all of it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/leveldb_log.h"
#include "storage/memory_log.h"
#include "tests/storage/fault_disk.h"
#include "tests/storage/workbench.h"

namespace dta::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

enum class Kind { memory, leveldb, faulty };

class LogContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { open(); }

  Result<std::unique_ptr<Log>> try_open() {
    switch (GetParam()) {
      case Kind::memory:
        return open_memory_log(memory_);
      case Kind::leveldb:
        return open_leveldb_log(directory_.path() + "/log");
      case Kind::faulty: {
        LevelDbOptions options;
        options.env = &faulty_;
        options.disk = &faulty_;
        return open_leveldb_log("/log", options);
      }
    }
    return {};
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
    const auto stands = writer_ ? writer_->stands : decltype(writer_->stands){};
    writer_.emplace(*log_);
    writer_->stands = stands;
  }
  void crash() { log_.reset(); }
  std::vector<std::string> content() const { return content_of(*log_->snapshot()); }

  TemporaryDirectory directory_;
  std::shared_ptr<MemoryDisk> memory_ = make_memory_disk();
  FaultDisk faulty_;
  std::unique_ptr<Log> log_;
  std::optional<Writer> writer_;
};

Record read_first(const Reader& reader, Position from) {
  Record found;
  EXPECT_TRUE(reader.records_from(from, [&](const Record& record) {
    found = record;
    return false;
  }));
  return found;
}

TEST_P(LogContract, AnEmptyLogHasNothing) {
  const auto reader = log_->snapshot();
  EXPECT_EQ(reader->end(), Position{});
  EXPECT_EQ(log_->end(), Position{});
  EXPECT_EQ(reader->last_number().value(), TransactionNumber{});
  EXPECT_EQ(reader->find_id("nobody").value(), std::nullopt);
  EXPECT_EQ(reader->find_request(TransactionNumber(1), "r").value(), std::nullopt);
  EXPECT_EQ(reader->payload(TransactionNumber(1), Sequence(1), 0).value(), std::nullopt);
  EXPECT_FALSE(reader->checkpoint().value());
  EXPECT_THAT(records_in(*reader), IsEmpty());
  EXPECT_EQ(log_->open_report().end, Position{});
}

TEST_P(LogContract, ReadsBackWhatWasAppended) {
  Batch batch = writer_->batch();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.last_position(), Position(0));
  Record record;
  record.number = TransactionNumber(7);
  record.first_sequence = Sequence(1);
  record.event_count = 3;
  record.recorded_at = Time{-5};
  record.definition_version = 12;
  record.epoch = 2;
  record.events = std::string("\0binary\xff", 8);
  const Hash chain = batch.add_record(record, Hash{});
  EXPECT_EQ(batch.record_count(), 1u);
  EXPECT_GT(batch.bytes(), record.events.size());
  ASSERT_TRUE(log_->append(batch));
  record.position = Position(1);
  record.fence = log_->fence();
  record.chain = chain;
  EXPECT_EQ(read_first(*log_->snapshot(), Position(1)), record);
  EXPECT_EQ(log_->end(), Position(1));
  EXPECT_EQ(log_->snapshot()->last_number().value(), TransactionNumber(7));
}

TEST_P(LogContract, PositionsGoOnFromBatchToBatchAndAnyCanBeReadFrom) {
  for (int round = 0; round < 5; ++round) {
    Batch batch = writer_->batch();
    for (std::uint64_t number = 1; number <= 7; ++number) writer_->add(batch, number, 2);
    ASSERT_TRUE(log_->append(batch));
  }
  const auto reader = log_->snapshot();
  ASSERT_EQ(reader->end(), Position(35));
  for (std::uint64_t from = 1; from <= 36; ++from) {
    std::uint64_t expected = from;
    ASSERT_TRUE(reader->records_from(Position(from), [&](const Record& record) {
      EXPECT_EQ(record.position, Position(expected));
      EXPECT_EQ(record.number, TransactionNumber((expected - 1) % 7 + 1));
      ++expected;
      return true;
    }));
    EXPECT_EQ(expected, 36u);
  }
}

TEST_P(LogContract, ReadsATransactionFromTheRecordThatHoldsASequence) {
  for (const std::uint32_t count : {3u, 1u, 2u}) {
    Batch batch = writer_->batch();
    writer_->add(batch, 4, count);
    writer_->add(batch, 5, 1);
    ASSERT_TRUE(log_->append(batch));
  }
  const auto firsts = [&](std::uint64_t from) {
    std::vector<std::uint64_t> found;
    EXPECT_TRUE(log_->snapshot()->records_of(TransactionNumber(4), Sequence(from), [&](const Record& record) {
      EXPECT_EQ(record.number, TransactionNumber(4));
      found.push_back(record.first_sequence.value);
      return true;
    }));
    return found;
  };
  EXPECT_THAT(firsts(0), ElementsAre(1, 4, 5));
  EXPECT_THAT(firsts(1), ElementsAre(1, 4, 5));
  EXPECT_THAT(firsts(3), ElementsAre(1, 4, 5));
  EXPECT_THAT(firsts(4), ElementsAre(4, 5));
  EXPECT_THAT(firsts(6), ElementsAre(5));
  EXPECT_THAT(firsts(7), IsEmpty());
  EXPECT_THAT(firsts(UINT64_MAX), IsEmpty());
}

TEST_P(LogContract, ChainsEachRecordToTheOneBefore) {
  Batch batch = writer_->batch();
  writer_->add(batch, 1);
  const Hash first = writer_->stands[1].chain;
  writer_->add(batch, 1);
  const Hash second = writer_->stands[1].chain;
  ASSERT_TRUE(log_->append(batch));
  EXPECT_NE(first, Hash{});
  EXPECT_NE(first, second);
  EXPECT_EQ(read_first(*log_->snapshot(), Position(2)).chain, second);
}

TEST_P(LogContract, FindsIdsRequestsAndPayloads) {
  const TransactionNumber number(1);
  Batch batch = writer_->batch();
  writer_->add(batch, 1);
  for (const char* id : {"order-1", "$queue/b", "$queue/a", "$queua"}) batch.bind_id(id, number);
  batch.put_request(number, "req", {Sequence(1), schema::sha256("body")});
  batch.put_payload(number, Sequence(1), 0, "");
  batch.put_payload(number, Sequence(1), 1, "one");
  ASSERT_TRUE(log_->append(batch));
  const auto reader = log_->snapshot();
  EXPECT_EQ(reader->find_id("order-1").value(), number);
  EXPECT_EQ(reader->find_id("order-").value(), std::nullopt);
  EXPECT_EQ(reader->find_id("order-10").value(), std::nullopt);
  const auto ids_from = [&](std::string_view prefix, std::size_t most = 9) {
    std::vector<std::string> found;
    EXPECT_TRUE(reader->ids(prefix, [&](std::string_view id, TransactionNumber of) {
      found.push_back(std::string(id) + " " + std::to_string(of.value));
      return found.size() < most;
    }));
    return found;
  };
  EXPECT_EQ(ids_from("$queue/"), (std::vector<std::string>{"$queue/a 1", "$queue/b 1"}));
  EXPECT_EQ(ids_from("", 1), std::vector<std::string>{"$queua 1"});
  EXPECT_EQ(ids_from("order-1"), std::vector<std::string>{"order-1 1"});
  EXPECT_TRUE(ids_from("p").empty());
  const RequestEntry entry{Sequence(1), schema::sha256("body")};
  EXPECT_EQ(reader->find_request(number, "req").value(), entry);
  EXPECT_EQ(reader->find_request(TransactionNumber(2), "req").value(), std::nullopt);
  EXPECT_EQ(reader->payload(number, Sequence(1), 0).value(), std::nullopt);
  EXPECT_EQ(reader->payload(number, Sequence(1), 1).value(), "one");
}

std::vector<std::uint64_t> open_in(const Log& log) {
  std::vector<std::uint64_t> found;
  EXPECT_TRUE(log.snapshot()->open_transactions([&](TransactionNumber number) {
    found.push_back(number.value);
    return true;
  }));
  return found;
}

TEST_P(LogContract, ListsOpenTransactionsAlsoBehindTheLowWaterMark) {
  // Enough closings that the mark moves, several times; one transaction is opened again below it.
  for (std::uint64_t round = 0; round < 5; ++round) {
    Batch batch = writer_->batch();
    for (std::uint64_t i = 1; i <= 3000; ++i) {
      const std::uint64_t number = round * 3000 + i;
      if (i == 1) writer_->add(batch, number);
      batch.mark_open(TransactionNumber(number));
      if (round > 0) batch.mark_closed(TransactionNumber(number - 3000));
    }
    ASSERT_TRUE(log_->append(batch));
  }
  ASSERT_EQ(open_in(*log_).size(), 3000u);
  EXPECT_EQ(open_in(*log_).front(), 12001u);
  Batch batch = writer_->batch();
  writer_->add(batch, 1);
  batch.mark_open(TransactionNumber(5));
  ASSERT_TRUE(log_->append(batch));
  EXPECT_EQ(open_in(*log_).front(), 5u);
  EXPECT_EQ(open_in(*log_).size(), 3001u);
  crash();
  open();
  EXPECT_EQ(open_in(*log_).front(), 5u);
  EXPECT_EQ(open_in(*log_).size(), 3001u);
}

TEST_P(LogContract, PagesThroughTheDirectory) {
  Batch batch = writer_->batch();
  writer_->add(batch, 1);
  for (const char* key : {"a/1", "a/2", "a/3", "b/1", "b/2"}) batch.put_directory(key, std::string("row ") + key);
  batch.erase_directory("a/2");
  ASSERT_TRUE(log_->append(batch));
  const auto keys = [&](std::string_view prefix, std::string_view after, std::size_t most) {
    std::vector<std::string> found;
    EXPECT_TRUE(log_->snapshot()->directory(prefix, after, [&](const DirectoryEntry& entry) {
      EXPECT_EQ(entry.row, "row " + entry.key);
      found.push_back(entry.key);
      return found.size() < most;
    }));
    return found;
  };
  EXPECT_THAT(keys("", "", 9), ElementsAre("a/1", "a/3", "b/1", "b/2"));
  EXPECT_THAT(keys("a/", "", 9), ElementsAre("a/1", "a/3"));
  EXPECT_THAT(keys("a/", "a/1", 9), ElementsAre("a/3"));
  EXPECT_THAT(keys("a/", "a/2", 9), ElementsAre("a/3"));
  EXPECT_THAT(keys("b/", "a/1", 1), ElementsAre("b/1"));
  EXPECT_THAT(keys("a/", "a/3", 9), IsEmpty());
  EXPECT_THAT(keys("c/", "", 9), IsEmpty());
}

TEST_P(LogContract, ListsDefinitions) {
  Batch batch = writer_->batch();
  writer_->add(batch, 1);
  batch.put_definition("order", 10, TransactionNumber(1), Sequence(1));
  batch.put_definition("order", 2, TransactionNumber(1), Sequence(4));
  batch.put_definition("loan", 1, TransactionNumber(9), Sequence(2));
  ASSERT_TRUE(log_->append(batch));
  std::vector<std::string> found;
  ASSERT_TRUE(log_->snapshot()->definitions([&](const DefinitionEntry& entry) {
    found.push_back(fmt::format("{} {} {} {}", entry.name, entry.version, entry.number.value, entry.sequence.value));
    return true;
  }));
  EXPECT_THAT(found, ElementsAre("loan 1 9 2", "order 2 1 4", "order 10 1 1"));
}

TEST_P(LogContract, ASnapshotDoesNotSeeWhatFollows) {
  ASSERT_TRUE(writer_->append_everything(1));
  const auto before = log_->snapshot();
  const auto lines = content_of(*before);
  ASSERT_TRUE(writer_->append_everything(2));
  ASSERT_TRUE(writer_->append_everything(3));
  EXPECT_EQ(content_of(*before), lines);
  EXPECT_NE(content(), lines);
}

TEST_P(LogContract, ReopenedItHoldsTheSame) {
  for (std::uint64_t number = 1; number <= 6; ++number) ASSERT_TRUE(writer_->append_everything(number));
  const auto lines = content();
  ASSERT_TRUE(log_->close());
  crash();
  open();
  EXPECT_EQ(content(), lines);
  EXPECT_EQ(log_->open_report().records_proved, log_->end().value);
  EXPECT_EQ(log_->open_report().head, log_->end());
  EXPECT_THAT(log_->open_report().notes, IsEmpty());
  ASSERT_TRUE(writer_->append_everything(7));
  const auto more = content();
  crash();
  open();
  EXPECT_EQ(content(), more);
  EXPECT_THAT(log_->open_report().notes, IsEmpty());
}

TEST_P(LogContract, TheFenceRisesWithEveryOpening) {
  EXPECT_EQ(log_->fence(), Fence(1));
  crash();
  open();
  EXPECT_EQ(log_->fence(), Fence(2));
  ASSERT_TRUE(log_->close());
  crash();
  open();
  EXPECT_EQ(log_->fence(), Fence(3));
}

TEST_P(LogContract, IsLockedWhileOpen) {
  const auto second = try_open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, schema::ErrorCode::log_locked);
  ASSERT_TRUE(writer_->append_everything(1));
}

TEST_P(LogContract, RefusesAWrongPositionAndThenEverything) {
  for (const std::uint64_t wrong : {2u, 5u}) {
    Batch batch(Position(wrong), log_->fence());
    writer_->stands.clear();
    writer_->add(batch, 1);
    const Status refused = log_->append(batch);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, schema::ErrorCode::storage_fault);
  }
  Batch right = writer_->batch();
  writer_->stands.clear();
  writer_->add(right, 1);
  EXPECT_FALSE(log_->append(right));
  EXPECT_FALSE(log_->write_checkpoint(Position(0), [] { return std::nullopt; }));
  EXPECT_FALSE(log_->close());
  crash();
  open();
  EXPECT_EQ(log_->end(), Position{});
  writer_->stands.clear();
  EXPECT_TRUE(writer_->append_everything(1));
}

TEST_P(LogContract, RefusesAnotherFence) {
  Batch batch(Position(1), Fence(log_->fence().value - 1));
  writer_->add(batch, 1);
  EXPECT_EQ(log_->append(batch).error().code, schema::ErrorCode::storage_fault);
}

TEST_P(LogContract, WritesBatchesWithoutRecords) {
  ASSERT_TRUE(writer_->append_everything(1));
  const Position end = log_->end();
  Batch nothing = writer_->batch();
  ASSERT_TRUE(log_->append(nothing));
  Batch row = writer_->batch();
  row.put_directory("x", "y");
  ASSERT_TRUE(log_->append(row));
  EXPECT_EQ(log_->end(), end);
  crash();
  open();
  EXPECT_EQ(log_->end(), end);
  int rows = 0;
  ASSERT_TRUE(log_->snapshot()->directory("x", "", [&](const DirectoryEntry&) { return ++rows > 0; }));
  EXPECT_EQ(rows, 1);
}

std::function<std::optional<std::string>()> chunks(std::vector<std::string> list) {
  return [list = std::move(list), next = std::size_t{0}]() mutable -> std::optional<std::string> {
    if (next == list.size()) return std::nullopt;
    return list[next++];
  };
}

TEST_P(LogContract, SealsACheckpointAndForgetsTheOneBefore) {
  ASSERT_TRUE(writer_->append_everything(1));
  ASSERT_TRUE(writer_->append_everything(2));
  ASSERT_TRUE(log_->write_checkpoint(Position(1), chunks({"one", "", "two"})));
  auto found = log_->snapshot()->checkpoint().value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->position, Position(1));
  EXPECT_THAT(found->chunks, ElementsAre("one", "", "two"));
  ASSERT_TRUE(log_->write_checkpoint(Position(3), chunks({"three"})));
  found = log_->snapshot()->checkpoint().value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->position, Position(3));
  EXPECT_THAT(found->chunks, ElementsAre("three"));
  ASSERT_TRUE(writer_->append_everything(3));
  const auto lines = content();
  crash();
  open();
  EXPECT_EQ(content(), lines);
  // Whole batches are proved: the checkpoint lies inside the second one, which begins at position 2.
  EXPECT_EQ(log_->open_report().records_proved, log_->end().value - 1);
}

TEST_P(LogContract, TakesAnEmptyCheckpointAndRefusesOneAheadOfTheLog) {
  ASSERT_TRUE(writer_->append_everything(1));
  EXPECT_EQ(log_->write_checkpoint(Position(2), chunks({"early"})).error().code, schema::ErrorCode::storage_fault);
  ASSERT_TRUE(log_->write_checkpoint(Position(1), chunks({})));
  EXPECT_THAT(log_->snapshot()->checkpoint().value()->chunks, IsEmpty());
  crash();
  open();
  EXPECT_EQ(log_->open_report().records_proved, 0u);
  EXPECT_TRUE(writer_->append_everything(2));
}

INSTANTIATE_TEST_SUITE_P(AllLogs, LogContract, testing::Values(Kind::memory, Kind::leveldb, Kind::faulty),
                         [](const auto& param_info) {
                           return param_info.param == Kind::memory    ? "Memory"
                                  : param_info.param == Kind::leveldb ? "LevelDb"
                                                                      : "FaultyDisk";
                         });

}  // namespace
}  // namespace dta::storage

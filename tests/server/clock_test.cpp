// The time line of a server and of its log: a wall clock that was set back between two runs must not hold anything up.
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <string>

#include "server/partition_thread.h"
#include "storage/leveldb_log.h"

namespace dta::server {
namespace {

constexpr Duration kHour{3'600'000};

TEST(WallClock, NeverStandsBeforeTheTimeItWasGiven) {
  WallClock clock;
  const Time later = clock.now() + kHour;
  clock.not_before(later);
  EXPECT_GE(clock.now(), later);
  EXPECT_LE(clock.drift().ms, 0);
  clock.not_before(Time{later.ms - kHour.ms});
  EXPECT_GE(clock.now(), later);
}

// A log whose writer's clock was an hour ahead of ours.
Time write_ahead(const std::string& directory) {
  auto log = storage::open_leveldb_log(directory);
  EXPECT_TRUE(log);
  const Time later = WallClock().now() + kHour;
  Metrics metrics;
  auto partition = Partition::open([&] { return (*log)->snapshot(); }, (*log)->fence(), {}, metrics, later);
  EXPECT_TRUE(partition);
  auto definition =
      schema::parse_definition(R"({"name":"d","version":1,"steps":[{"name":"s","tasks":[{"name":"t","queue":"q"}]}]})");
  EXPECT_TRUE(definition);
  (*partition)->handle(PublishRequest{*definition, [](auto) {}}, later);
  StartRequest start;
  start.id = "t-1";
  start.definition = "d";
  start.reply = [](auto) {};
  (*partition)->handle(std::move(start), later);
  auto batch = (*partition)->take_batch(later);
  EXPECT_TRUE((*log)->append(batch));
  (*partition)->committed((*log)->end(), later);
  partition->reset();
  EXPECT_TRUE((*log)->close());
  return later;
}

TEST(PartitionThread, HandsOutWhatALogFromALaterTimeHoldsReady) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "dta_clock_test";
  std::filesystem::remove_all(directory);
  const Time later = write_ahead(directory.string());
  Options options;
  options.data = directory.string();
  Metrics metrics;
  Logger logger([](std::string_view) {}, [] { return Time{}; });
  auto partition = PartitionThread::start(options, metrics, logger);
  ASSERT_TRUE(partition) << partition.error().message;
  EXPECT_GE((*partition)->clock().now(), later);
  std::promise<Result<LeaseReply>> answered;
  LeaseRequest poll;
  poll.poll.queues = {"q"};
  poll.poll.worker = "w";
  poll.poll.max = 1;
  poll.reply = [&](Result<LeaseReply> reply) { answered.set_value(std::move(reply)); };
  (*partition)->submit(std::move(poll), 0);
  const auto reply = answered.get_future().get();
  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->tasks.size(), 1u);
  EXPECT_EQ(reply->tasks[0].transaction, "t-1");
  (*partition)->stop();
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace dta::server

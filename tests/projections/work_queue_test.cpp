// Ready work by queue, first come first served; work in backoff comes when its time has come, never before.
#include "projections/work_queue.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace dta::projections {
namespace {

using schema::Time;

WorkItem item(std::uint64_t number, std::int64_t at = 0, engine::Action action = engine::Action::perform) {
  return {schema::TransactionNumber(number), {0, 0, 0}, action, Time{at}};
}

std::vector<std::uint64_t> take_all(WorkQueue& work, const std::string& queue) {
  std::vector<std::uint64_t> numbers;
  while (const auto taken = work.take(queue)) numbers.push_back(taken->number.value);
  return numbers;
}

TEST(WorkQueue, GivesItemsInTheOrderTheyCame) {
  WorkQueue work;
  for (std::uint64_t n : {3, 1, 2}) work.add("q", item(n), Time{5});
  EXPECT_TRUE(work.has("q"));
  EXPECT_EQ(take_all(work, "q"), (std::vector<std::uint64_t>{3, 1, 2}));
  EXPECT_FALSE(work.has("q"));
  EXPECT_FALSE(work.take("q")) << "an item is taken once";
}

TEST(WorkQueue, KeepsQueuesApart) {
  WorkQueue work;
  work.add("a", item(1), Time{0});
  work.add("b", item(2, 0, engine::Action::undo), Time{0});
  EXPECT_FALSE(work.take("c"));
  EXPECT_FALSE(work.has("c"));
  EXPECT_EQ(work.take("b"), item(2, 0, engine::Action::undo));
  EXPECT_EQ(work.take("a"), item(1));
}

TEST(WorkQueue, HoldsBackWhatIsNotReadyYet) {
  WorkQueue work;
  work.add("q", item(1, 20), Time{10});
  work.add("q", item(2, 15), Time{10});
  work.add("r", item(3, 12), Time{10});
  work.add("q", item(4, 10), Time{10});
  EXPECT_EQ(work.next_ready(), Time{12});
  EXPECT_EQ(take_all(work, "q"), std::vector<std::uint64_t>{4}) << "ready at its very time";
  EXPECT_TRUE(work.advance(Time{11}).empty()) << "never early";
  EXPECT_EQ(work.advance(Time{12}), std::vector<std::string>{"r"});
  EXPECT_EQ(work.advance(Time{20}), std::vector<std::string>{"q"}) << "a queue that gains two is named once";
  EXPECT_EQ(take_all(work, "q"), (std::vector<std::uint64_t>{2, 1})) << "in the order of their times";
  EXPECT_EQ(take_all(work, "r"), std::vector<std::uint64_t>{3});
  EXPECT_EQ(work.next_ready(), Time::never());
}

TEST(WorkQueue, ItemsWithOneTimeAllComeOnce) {
  WorkQueue work;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t n = 1; n <= 100; ++n) {
    work.add("q", item(n, 50), Time{0});
    expected.push_back(n);
  }
  EXPECT_EQ(work.advance(Time{50}), std::vector<std::string>{"q"});
  std::vector<std::uint64_t> taken = take_all(work, "q");
  std::sort(taken.begin(), taken.end());
  EXPECT_EQ(taken, expected);
}

TEST(WorkQueue, TellsHowDeepQueuesAreAndHowLongTheOldestWaits) {
  WorkQueue work;
  work.add("a", item(1, 3), Time{5});
  work.add("a", item(2, 4), Time{5});
  work.add("b", item(3, 9), Time{5});
  auto depths = work.depths();
  std::sort(depths.begin(), depths.end(), [](const auto& x, const auto& y) { return x.queue < y.queue; });
  ASSERT_EQ(depths.size(), 2u);
  EXPECT_EQ(depths[0].items, 2u);
  EXPECT_EQ(depths[0].oldest, Time{3});
  EXPECT_EQ(depths[1].items, 0u) << "what is in backoff is not waiting for a worker";
}

TEST(WorkQueue, ManyQueuesMayGrowWhileWorkIsInBackoff) {
  WorkQueue work;
  for (std::uint64_t n = 1; n <= 2000; ++n)
    work.add("q" + std::to_string(n), item(n, static_cast<std::int64_t>(1 + n % 7)), Time{0});
  std::size_t gained = 0;
  for (std::int64_t now = 1; now <= 7; ++now) gained += work.advance(Time{now}).size();
  EXPECT_EQ(gained, 2000u);
  for (std::uint64_t n = 1; n <= 2000; ++n)
    EXPECT_EQ(take_all(work, "q" + std::to_string(n)), std::vector<std::uint64_t>{n});
}

}  // namespace
}  // namespace dta::projections

// One entry a transaction, the earliest first; compared with a plain map over random changes.
#include "projections/deadlines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace dta::projections {
namespace {

using schema::Time;
using schema::TransactionNumber;

TransactionNumber number(std::uint64_t n) {
  return TransactionNumber(n);
}

TEST(Deadlines, HoldsNothingAtFirst) {
  const Deadlines deadlines;
  EXPECT_EQ(deadlines.next(), Time::never());
  EXPECT_TRUE(deadlines.due(Time::never(), 10).empty());
  EXPECT_EQ(deadlines.size(), 0u);
}

TEST(Deadlines, GivesWhatIsDueEarliestFirstAndNotMoreThanAsked) {
  Deadlines deadlines;
  deadlines.set(number(1), Time{30});
  deadlines.set(number(2), Time{10});
  deadlines.set(number(3), Time{20});
  EXPECT_EQ(deadlines.next(), Time{10});
  EXPECT_TRUE(deadlines.due(Time{9}, 10).empty()) << "never early";
  EXPECT_EQ(deadlines.due(Time{10}, 10), std::vector{number(2)}) << "due at its very time";
  EXPECT_EQ(deadlines.due(Time{30}, 10), (std::vector{number(2), number(3), number(1)}));
  EXPECT_EQ(deadlines.due(Time{30}, 2), (std::vector{number(2), number(3)}));
  EXPECT_TRUE(deadlines.due(Time{30}, 0).empty());
  EXPECT_EQ(deadlines.size(), 3u) << "entries stay until they are set again";
}

TEST(Deadlines, HoldsOneEntryATransaction) {
  Deadlines deadlines;
  deadlines.set(number(1), Time{30});
  deadlines.set(number(1), Time{10});
  deadlines.set(number(1), Time{20});
  deadlines.set(number(1), Time{20});
  EXPECT_EQ(deadlines.size(), 1u);
  EXPECT_EQ(deadlines.next(), Time{20});
  EXPECT_TRUE(deadlines.due(Time{10}, 10).empty());
}

TEST(Deadlines, ForgetsWhatIsNeverDue) {
  Deadlines deadlines;
  deadlines.set(number(1), Time::never());
  EXPECT_EQ(deadlines.size(), 0u);
  deadlines.set(number(1), Time{5});
  deadlines.set(number(2), Time{6});
  deadlines.set(number(1), Time::never());
  EXPECT_EQ(deadlines.size(), 1u);
  EXPECT_EQ(deadlines.next(), Time{6});
}

TEST(Deadlines, KeepsEqualTimesInOrderOfNumber) {
  Deadlines deadlines;
  for (std::uint64_t n : {5, 3, 9, 1}) deadlines.set(number(n), Time{7});
  EXPECT_EQ(deadlines.due(Time{7}, 10), (std::vector{number(1), number(3), number(5), number(9)}));
}

TEST(Deadlines, EqualsAPlainMapOverRandomChanges) {
  std::mt19937_64 random(20'261);
  Deadlines deadlines;
  std::map<TransactionNumber, Time> plain;
  for (int i = 0; i < 20'000; ++i) {
    const TransactionNumber n = number(1 + random() % 50);
    const Time due = random() % 5 == 0 ? Time::never() : Time{static_cast<std::int64_t>(random() % 100)};
    deadlines.set(n, due);
    if (due == Time::never())
      plain.erase(n);
    else
      plain[n] = due;
    ASSERT_EQ(deadlines.size(), plain.size());
    const Time now{static_cast<std::int64_t>(random() % 100)};
    std::vector<std::pair<Time, TransactionNumber>> expected;
    Time next = Time::never();
    for (const auto& [key, at] : plain) {
      next = std::min(next, at);
      if (at <= now) expected.emplace_back(at, key);
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(deadlines.next(), next);
    const auto due_now = deadlines.due(now, 1000);
    ASSERT_EQ(due_now.size(), expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) ASSERT_EQ(due_now[k], expected[k].second);
  }
}

}  // namespace
}  // namespace dta::projections

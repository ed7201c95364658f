// A rate as a bucket: never more than the burst plus what the time gave, and nothing lost to rounding.
// Conformance: K5.
#include "projections/token_bucket.h"

#include <gtest/gtest.h>

#include <random>

namespace dta::projections {
namespace {

using schema::Duration;
using schema::Time;

int take_all(TokenBucket& bucket, Time now) {
  int taken = 0;
  for (; bucket.has(now); ++taken) bucket.take(now);
  return taken;
}

TEST(TokenBucket, BeginsFullAndFillsEvenly) {
  TokenBucket bucket(10'000, 3, Time{1000});  // ten a second
  EXPECT_EQ(bucket.next(Time{1000}), Time{1000});
  EXPECT_EQ(take_all(bucket, Time{1000}), 3);
  EXPECT_EQ(bucket.next(Time{1000}), Time{1100});
  EXPECT_FALSE(bucket.has(Time{1099}));
  EXPECT_EQ(take_all(bucket, Time{1100}), 1);
  EXPECT_EQ(take_all(bucket, Time{1350}), 2);
  EXPECT_EQ(bucket.next(Time{1350}), Time{1400}) << "the half that was left counts";
  EXPECT_EQ(take_all(bucket, Time{100'000'000'000'000}), 3) << "never more than the burst";
}

TEST(TokenBucket, KnowsSlowAndFastRates) {
  TokenBucket slow(1, 1, Time{0});  // one in a thousand seconds
  EXPECT_EQ(take_all(slow, Time{0}), 1);
  EXPECT_EQ(slow.next(Time{0}), Time{1'000'000});
  EXPECT_FALSE(slow.has(Time{999'999}));
  EXPECT_TRUE(slow.has(Time{1'000'000}));
  TokenBucket fast(1'000'000'000, 1'000'000, Time{0});
  for (int i = 0; i < 1'000'000; ++i) fast.take(Time{0});
  EXPECT_EQ(fast.next(Time{0}), Time{1}) << "the clock counts milliseconds";
  EXPECT_EQ(take_all(fast, Time{1}), 1000);
}

TEST(TokenBucket, TakesWhatItHoldsIntoAnotherLimit) {
  TokenBucket bucket(1000, 10, Time{0});
  for (int i = 0; i < 4; ++i) bucket.take(Time{0});
  bucket.change(1000, 4, Time{0});
  EXPECT_EQ(take_all(bucket, Time{0}), 4) << "six, of which four fit";
  bucket.change(1'000'000, 100, Time{0});
  EXPECT_FALSE(bucket.has(Time{0})) << "a higher limit is no gift";
  EXPECT_EQ(take_all(bucket, Time{5}), 5);
}

TEST(TokenBucket, AClockThatStandsOrStepsBackGivesNothing) {
  TokenBucket bucket(1000, 1, Time{5000});
  bucket.take(Time{5000});
  EXPECT_FALSE(bucket.has(Time{4000}));
  EXPECT_EQ(bucket.next(Time{4000}), Time{6000});
  EXPECT_TRUE(bucket.has(Time{6000}));
}

// However it is asked: over any stretch of time at most burst + rate * time, and whoever takes at next() loses nothing.
TEST(TokenBucket, KeepsItsRateToTheMillisecond) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::uint64_t rate = 1 + random() % 50'000;
    const auto burst = static_cast<std::uint32_t>(1 + random() % 20);
    TokenBucket bucket(rate, burst, Time{0});
    std::uint64_t taken = 0;
    Time now{0};
    for (int step = 0; step < 500; ++step) {
      now = random() % 2 == 0 ? bucket.next(now) : now + Duration{static_cast<std::int64_t>(random() % 200)};
      if (bucket.has(now)) {
        bucket.take(now);
        ++taken;
      }
      EXPECT_LE(taken * 1'000'000, burst * 1'000'000ull + static_cast<std::uint64_t>(now.ms) * rate);
    }
    TokenBucket greedy(rate, burst + 1, Time{0});  // a bucket of one is full, and loses, between two milliseconds
    std::uint64_t all = 0;
    for (now = Time{0}; now < Time{1'000'000}; now = greedy.next(now))
      all += static_cast<std::uint64_t>(take_all(greedy, now));
    EXPECT_GE(all + 1, burst + 1 + rate) << "a thousand seconds give the rate";
  }
}

}  // namespace
}  // namespace dta::projections

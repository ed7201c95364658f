// Delays between attempts: exact without jitter, capped before jitter, always inside their bounds.
#include "engine/backoff.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

namespace dta::engine {
namespace {

using schema::Backoff;
using schema::Duration;

constexpr std::uint64_t kNoDraw = 0, kFullDraw = std::numeric_limits<std::uint64_t>::max();

TEST(Backoff, GrowsByItsRateAndIsExactWithoutJitter) {
  const Backoff rule{10, Duration{200}, 2.0, Duration{10'000}, 0.0};
  const std::int64_t expected[] = {200, 400, 800, 1600, 3200, 6400, 10'000, 10'000};
  for (std::uint32_t attempt = 1; attempt <= 8; ++attempt)
    for (std::uint64_t draw : {kNoDraw, kFullDraw, std::uint64_t{0x123456789abcdef}})
      EXPECT_EQ(delay_after(rule, attempt, draw).ms, expected[attempt - 1]) << attempt;
}

TEST(Backoff, RoundsToWholeMilliseconds) {
  const Backoff rule{10, Duration{100}, 1.5, Duration{10'000}, 0.0};
  EXPECT_EQ(delay_after(rule, 2, 0).ms, 150);
  EXPECT_EQ(delay_after(rule, 3, 0).ms, 225);
  EXPECT_EQ(delay_after(rule, 4, 0).ms, 338);  // 337.5
}

TEST(Backoff, IsCappedBeforeJitter) {
  const Backoff rule{10, Duration{1000}, 10.0, Duration{5000}, 0.5};
  // 10,000 capped is 5,000, drawn down to a half at most: never 5,000 because a jittered 10,000 was cut.
  EXPECT_EQ(delay_after(rule, 2, kNoDraw).ms, 5000);
  EXPECT_EQ(delay_after(rule, 2, kFullDraw).ms, 2500);
  EXPECT_EQ(delay_after(rule, 2, std::uint64_t{1} << 63).ms, 3750);
}

TEST(Backoff, StaysBetweenItsBoundsForAnyDraw) {
  const Backoff rule{10, Duration{1000}, 2.0, Duration{60'000}, 0.2};
  std::set<std::int64_t> seen;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const std::int64_t ms = delay_after(rule, 3, draw_for("t-1", i)).ms;
    ASSERT_GE(ms, 3200);
    ASSERT_LE(ms, 4000);
    seen.insert(ms);
  }
  EXPECT_GT(seen.size(), 700u) << "draws spread over the whole range";
  EXPECT_LT(*seen.begin(), 3210);
  EXPECT_GT(*seen.rbegin(), 3990);
}

TEST(Backoff, WithFullJitterMayBeNothing) {
  const Backoff rule{10, Duration{1000}, 1.0, Duration{1000}, 1.0};
  EXPECT_EQ(delay_after(rule, 1, kFullDraw).ms, 0);
  EXPECT_EQ(delay_after(rule, 1, kNoDraw).ms, 1000);
}

TEST(Backoff, NeverOverflows) {
  const Backoff rule{Backoff::kUnlimited, Duration{1000}, 10.0, Duration{300'000}, 0.0};
  for (std::uint32_t attempt : {100u, 1000u, 100'000u, 4'000'000'000u})
    EXPECT_EQ(delay_after(rule, attempt, 0).ms, 300'000);
  const Backoff steep{Backoff::kUnlimited, Duration{1}, std::numeric_limits<double>::max(), Duration{7}, 0.0};
  EXPECT_EQ(delay_after(steep, 3, 0).ms, 7);
}

TEST(Backoff, NothingGrownStaysNothing) {
  const Backoff rule{Backoff::kUnlimited, Duration{0}, 10.0, Duration{300'000}, 0.2};
  for (std::uint32_t attempt : {1u, 300u, 400u, 100'000u})
    EXPECT_EQ(delay_after(rule, attempt, kFullDraw).ms, 0) << attempt;
}

TEST(Backoff, TakesTheFirstRuleThatNamesTheError) {
  schema::Retry retry;
  retry.backoff.max_attempts = 3;
  retry.by_error = {{{"busy", "locked"}, Backoff{5, Duration{1}, 1, Duration{1}, 0}},
                    {{"locked", "fatal"}, Backoff{7, Duration{1}, 1, Duration{1}, 0}}};
  EXPECT_EQ(rule_for(retry, "busy").max_attempts, 5u);
  EXPECT_EQ(rule_for(retry, "locked").max_attempts, 5u);
  EXPECT_EQ(rule_for(retry, "fatal").max_attempts, 7u);
  EXPECT_EQ(rule_for(retry, "bus").max_attempts, 3u);
  EXPECT_EQ(rule_for(retry, "").max_attempts, 3u);
}

TEST(Backoff, DrawsDifferByTransactionAndPlace) {
  std::set<std::uint64_t> draws;
  for (const char* id : {"a", "b", "ab", "ba"})
    for (std::uint64_t sequence = 0; sequence < 1000; ++sequence) draws.insert(draw_for(id, sequence));
  EXPECT_EQ(draws.size(), 4000u);
  EXPECT_EQ(draw_for("a", 1), draw_for("a", 1));
}

}  // namespace
}  // namespace dta::engine

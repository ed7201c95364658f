// Engine and model on many random transactions, and the definitions that these are drawn from.
//
// DTA_SEED=n runs one seed and tells every command, DTA_SEEDS=n that many.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "tests/model/side_by_side.h"

namespace dta::model {
namespace {

using namespace schema;

constexpr std::uint64_t kSeeds = 10'000, kEnough = 2000;

TEST(RandomDefinition, IsAlwaysOneThatPublishingAccepts) {
  std::size_t conditions = 0, branches = 0, orders = 0, fan_outs = 0, external = 0, waits = 0, pivots = 0,
              from_data = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Chance chance(seed);
    const std::string text = random_steps(chance, "d");
    const auto definition = parse_definition(text);
    ASSERT_TRUE(definition) << "seed " << seed << ": " << definition.error().message << "\n" << text;
    for (const Step& step : (*definition)->steps) {
      conditions += step.when.has_value();
      branches += !step.next.empty() + !step.on_failure.empty();
      orders += step.ordered();
      fan_outs += !step.for_each.empty();
      waits += step.wait_for.has_value();
      pivots += step.pivot;
      for (const schema::Task& task : step.tasks) {
        conditions += task.when.has_value();
        external += task.external;
        from_data += task.timeouts_from.any();
      }
    }
  }
  for (const std::size_t times : {conditions, branches, orders, fan_outs, external, waits, pivots, from_data})
    EXPECT_GT(times, 300u);
}

TEST(Model, AgreesWithTheEngineAfterEveryCommand) {
  const char* one = std::getenv("DTA_SEED");
  const char* many = std::getenv("DTA_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 10) : kSeeds;
  Seen seen;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    Chance chance(seed);
    const std::string text = chance.one_in(8) ? random_table(chance, "d") : random_steps(chance, "d");
    SCOPED_TRACE("DTA_SEED=" + std::to_string(seed) + " model_test\n" + text);
    SideBySide both(text, chance.draw());
    both.run(20 + chance.below(100));
    both.count(seen);
    if (HasFailure() || one != nullptr) std::cerr << both.story();
  }
  if (count < kEnough || HasFailure()) return;
  // The comparison is worth something only when it reaches everything.
  for (const Phase end : {Phase::completed, Phase::compensated, Phase::terminated})
    EXPECT_GT(seen.ends[static_cast<std::size_t>(end)], count / 50) << static_cast<int>(end);
  EXPECT_GT(seen.waiting, count / 100);
  for (std::size_t i = 0; i < seen.resolutions.size(); ++i)
    EXPECT_GT(seen.resolutions[i], 0u) << to_string(static_cast<IncidentResolution>(i));
  for (std::size_t i = 0; i < seen.incidents.size(); ++i)
    EXPECT_GT(seen.incidents[i], 0u) << to_string(static_cast<IncidentKind>(i));
  for (std::size_t kind = 1; kind <= static_cast<std::size_t>(EventKind::transaction_resumed); ++kind)
    if (const auto k = static_cast<EventKind>(kind); k != EventKind::definition_published) {
      EXPECT_GT(seen.events[k], 0u) << to_string(k);
    }
  for (const ErrorCode code :
       {ErrorCode::closed, ErrorCode::past_pivot, ErrorCode::stale_lease, ErrorCode::illegal_event,
        ErrorCode::unknown_signal, ErrorCode::incident_not_found, ErrorCode::task_not_found})
    EXPECT_GT(seen.refusals[code], 0u) << static_cast<int>(code);
}

}  // namespace
}  // namespace dta::model

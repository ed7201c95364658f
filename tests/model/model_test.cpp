// The engine held against the model over random definitions and commands (side_by_side.h).
//
// DTA_SEED=n runs one seed, DTA_SEEDS=n that many, from DTA_FROM on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tests/model/side_by_side.h"

namespace dta::model {
namespace {

using namespace schema;

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Model, AgreesWithTheEngineAfterEveryCommand) {
  const bool one = std::getenv("DTA_SEED") != nullptr;
  const std::uint64_t first = number("DTA_SEED", number("DTA_FROM", 1));
  const std::uint64_t count = one ? 1 : number("DTA_SEEDS", 3000);
  std::map<Phase, std::size_t> ends;
  std::map<EventKind, std::size_t> kinds;
  std::map<IncidentKind, std::size_t> incidents;
  std::array<std::size_t, 5> resolved{};
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    Chance chance(seed);
    const std::string text = chance.one_in(8) ? random_table(chance, "d") : random_steps(chance, "d");
    SCOPED_TRACE("DTA_SEED=" + std::to_string(seed) + " model_test\n" + text);
    SideBySide both(text, chance.draw());
    both.run(20 + chance.below(80));
    ++ends[both.model().phase];
    for (const EventKind kind : both.model().log) ++kinds[kind];
    for (const Incident& incident : both.model().incidents) ++incidents[incident.kind];
    for (std::size_t i = 0; i < resolved.size(); ++i) resolved[i] += both.resolved[i];
  }
  if (one || HasFailure() || count < 3000) return;
  // The comparison is worth something only when it reaches every end and every rule.
  for (const Phase end : {Phase::completed, Phase::compensated, Phase::terminated})
    EXPECT_GT(ends[end], count / 50) << static_cast<int>(end);
  for (const EventKind kind :
       {EventKind::step_skipped, EventKind::task_ready, EventKind::task_skipped, EventKind::signal_received,
        EventKind::wait_ended, EventKind::cancel_requested, EventKind::transaction_paused,
        EventKind::transaction_resumed, EventKind::late_result, EventKind::step_undone, EventKind::outcome_decided})
    EXPECT_GT(kinds[kind], count / 100) << to_string(kind);
  for (const IncidentKind kind :
       {IncidentKind::undo_failed, IncidentKind::effect_after_undo, IncidentKind::pivot_unknown,
        IncidentKind::step_failed, IncidentKind::expired})
    EXPECT_GT(incidents[kind], count / 300) << to_string(kind);
  for (const std::size_t times : resolved) EXPECT_GT(times, 0u);
}

}  // namespace
}  // namespace dta::model

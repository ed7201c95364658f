// The simulator's own parts: the data it makes up for a definition, that a seed is exact, that a failing history gets
// shorter and is told in the language of the scenarios.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "schema/json.h"
#include "simulation/data.h"
#include "simulation/scenario.h"
#include "simulation/seeds.h"
#include "simulation/world.h"
#include "tests/scenarios/depth.h"
#include "tests/scenarios/runner.h"

namespace dta::simulation {
namespace {

using namespace schema;

constexpr const char* kOrder = R"({ "name": "order", "version": 1, "steps": [
  { "name": "reserve", "tasks": [
      { "name": "stock", "queue": "q0", "undo": { "queue": "u0" }, "timeouts": { "attempt": "/input/patience" } },
      { "name": "card", "external": true, "undo": { "queue": "u0" }, "timeouts": { "total": "8s" } } ],
    "on_failure": [ { "when": { "==": [ { "var": "steps.reserve.error.code" }, "card_refused" ] }, "go": "invoice" } ] },
  { "name": "pack", "for_each": "/steps/reserve/stock/output/parcels", "when": { ">": [ { "var": "input.total" }, 10 ] },
    "tasks": [ { "name": "label", "queue": "q1", "undo": { "queue": "u1" }, "input": { "to": "/item/street" } } ] },
  { "name": "approve", "wait_for": { "signal": "decision", "deadline": "5s" } },
  { "name": "invoice", "when": false, "tasks": [ { "name": "bill", "queue": "q1" } ] } ] })";

DefinitionPtr order() {
  auto definition = parse_definition(kOrder);
  EXPECT_TRUE(definition) << definition.error().message;
  return *definition;
}

Simulator simulator_of(const DefinitionPtr& definition) {
  return {[definition](std::uint64_t seed) { return make_plan(seed, definition, ""); }, make_memory_disk, {}};
}

TEST(Data, HasWhatPointersAndConditionsRead) {
  const Data data(order());
  std::set<bool> above;
  std::set<JsonKind> streets;
  int lengths = 0, arrays = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Chance chance(seed);
    const std::string input = data.input(chance), output = data.output("reserve", "stock", chance);
    ASSERT_TRUE(check_json(input)) << input;
    if (const auto total = find(JsonValue{input}, "/total"))
      if (const auto number = total->integer()) above.insert(*number > 10);
    if (const auto patience = find(JsonValue{input}, "/patience"))
      lengths += patience->integer() || parse_duration(patience->string().value_or("")) ? 1 : 0;
    if (output.empty()) continue;
    ASSERT_TRUE(check_json(output)) << output;
    const auto parcels = find(JsonValue{output}, "/parcels");
    arrays += parcels && parcels->kind() == JsonKind::array ? 1 : 0;
    if (const auto street = find(JsonValue{output}, "/parcels/0/street")) streets.insert(street->kind());
  }
  EXPECT_EQ(above, (std::set<bool>{false, true}));
  EXPECT_GT(lengths, 200);
  EXPECT_GT(arrays, 200);
  EXPECT_GT(streets.size(), 1u);
  EXPECT_THAT(data.codes(), testing::Contains("card_refused"));
}

TEST(Data, IsTheSameForTheSameChance) {
  const Data data(order());
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Chance one(seed), other(seed);
    EXPECT_EQ(data.input(one), data.input(other));
  }
}

std::string history_of(std::uint64_t seed) {
  const DefinitionPtr definition = order();
  const Plan plan = make_plan(seed, definition, "");
  server::Metrics metrics;
  Coverage coverage;
  World world(plan, make_memory_disk(), {}, metrics, coverage, World::Telling::silent);
  world.run();
  EXPECT_THAT(world.failures(), testing::IsEmpty()) << "seed " << seed;
  return scenario_of(plan, world.host(), "");
}

TEST(Seed, IsTheSameHistoryEveryTime) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(history_of(seed), history_of(seed));
}

TEST(ScenarioOfASeed, IsUnderstoodByTheRunnerOfScenarios) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const scenarios::Script script = scenarios::read_script(history_of(seed));
    const auto depth = scenarios::make_memory_depth();
    for (const std::string& output : scenarios::run(script, *depth)) {
      // A timer that fires later here than there gives a lease another name, or none.
      const bool other_lease = output.find("no hand-out was called") != std::string::npos;
      EXPECT_TRUE(other_lease || output.find("script error") == std::string::npos) << "seed " << seed << ": " << output;
    }
  }
}

// A judge that will not have any step fail: the simulator takes the rest away.
class NoFailure : public Judge {
 public:
  explicit NoFailure(PayloadOf payload) : payload_(std::move(payload)) {}

  std::optional<std::string> run(const Events& events) override {
    for (const Logged& logged : events)
      std::visit(
          [&]<class E>(const E& e) {
            if constexpr (std::is_same_v<E, TransactionStarted>)
              if (e.input.present()) input_ = payload_(logged.event.sequence, e.input.index);
            if constexpr (requires { e.not_undone; })
              for (const NotUndone& n : e.not_undone) left_.push_back(n.task);
          },
          logged.event.event);
    return has<StepFailed>(events) ? std::optional<std::string>("a step has failed") : std::nullopt;
  }
  std::vector<TaskRef> not_undone() const override { return left_; }
  std::string input(const TaskRef&) const override { return input_; }

 private:
  const PayloadOf payload_;
  std::string input_;
  std::vector<TaskRef> left_;
};

TEST(AFailingSeed, IsFoundAndMadeShorter) {
  const DefinitionPtr definition = *parse_definition(
      R"({"name":"one","version":1,"steps":[{"name":"s","tasks":[{"name":"t","queue":"q","retry":{"max_attempts":1}}]}]})");
  Simulator simulator = simulator_of(definition);
  simulator.make_judge = [](const DefinitionPtr&, const PayloadOf& payload) {
    return std::make_unique<NoFailure>(payload);
  };
  const Found found = run_seeds(simulator, {1, 60, 2, false}, [](std::uint64_t, std::uint64_t) {});
  EXPECT_EQ(found.ran, 60u);
  ASSERT_FALSE(found.failing.empty());
  EXPECT_NE(found.failing.begin()->second.find("a step has failed"), std::string::npos);
  const std::uint64_t seed = found.failing.begin()->first;
  const auto shortest = shortest_history(simulator, simulator.make_plan(seed));
  ASSERT_NE(shortest, nullptr);
  EXPECT_LT(shortest->plan.moves.size(), shortest->moves_before / 2);
  EXPECT_THAT(shortest->scenario, testing::HasSubstr("start t"));
  EXPECT_THAT(shortest->scenario, testing::HasSubstr("step_failed s"));
  simulator.make_judge = {};
  EXPECT_EQ(shortest_history(simulator, simulator.make_plan(seed)), nullptr);
}

TEST(Coverage, IsTheSameAfterItsLinesWereRead) {
  Coverage one, other;
  one.events["step_met"] = 3;
  one.transitions["running step_met"] = 3;
  one.places["done s/t"] = 7;
  one.routes["met follow"] = 2;
  for (const std::string& line : one.lines()) EXPECT_TRUE(other.read(line)) << line;
  EXPECT_EQ(other.lines(), one.lines());
  EXPECT_FALSE(other.read("nonsense"));
}

}  // namespace
}  // namespace dta::simulation

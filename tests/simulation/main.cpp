// dta_simulation: one seed is one history of the real partition in a world of faults, over random definitions.
//
//   dta_simulation --seeds N [--from SEED] [--log memory|leveldb] [--jobs N] [--first-failure] [--no-shrink]
//   dta_simulation --shrink SEED [--log ...]     the shortest history of that seed that still fails: a scenario, a list
//   dta_simulation --tell SEED [--log ...]       the whole history of that seed
//   dta_simulation --definitions SEED            the definitions that the seed draws
//   dta_simulation --definition FILE ...         histories of this one instead
//
// Prints what was covered, "failing SEED: why" for each failing seed, the shortest histories of the first ones, and as
// its last line "seeds N, failures M"; the exit code is 1 when M is not 0.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>

#include "simulation/seeds.h"
#include "tests/simulation/lossy_leveldb.h"
#include "tests/simulation/model_judge.h"
#include "tests/simulation/random_language.h"

namespace dta::simulation {
namespace {

constexpr std::size_t kFailuresNamed = 20, kFailuresShrunk = 3;

Plan make_random_plan(std::uint64_t seed, bool leveldb) {
  Chance chance(seed * 2 + (leveldb ? 1 : 0));
  std::vector<schema::DefinitionPtr> definitions;
  const std::size_t with_steps = 1 + chance.below(2);
  for (std::size_t i = 0; i < with_steps; ++i)
    definitions.push_back(random_language(chance, "steps" + std::to_string(i)));
  definitions.push_back(random_table(chance, "table"));
  std::vector<std::size_t> transactions;
  for (std::size_t i = 0; i < 5; ++i) transactions.push_back(i % with_steps);
  for (std::size_t i = 0; i < 2; ++i) transactions.push_back(with_steps);
  return make_plan(seed, std::move(definitions), std::move(transactions), chance);
}

bool show_shortest(const Simulator& simulator, std::uint64_t seed, const std::string& log) {
  const auto shortest = shortest_history(simulator, simulator.make_plan(seed));
  if (!shortest) {
    fmt::print("seed {} does not fail\n", seed);
    return false;
  }
  fmt::print("seed {}: {} of {} moves are enough; rerun: dta_simulation --shrink {} --log {}\n", seed,
             shortest->plan.moves.size(), shortest->moves_before, seed, log);
  fmt::print("\n# What its log tells, as a scenario:\n{}\n# And every move, faults too:\n", shortest->scenario);
  tell(simulator, shortest->plan);
  return true;
}

int run(const Simulator& simulator, const Seeds& seeds, const std::string& log, bool shrink) {
  // For the progress line alone: nothing that is decided here depends on it.
  const auto began = std::chrono::steady_clock::now();
  const auto progress = [&](std::uint64_t done, std::uint64_t failures) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    fmt::print(stderr, "\rsimulate: {} of {} seeds, {} failures, {:.0f} a second ", done, seeds.count, failures,
               static_cast<double>(done) / seconds);
  };
  const Found found = run_seeds(simulator, seeds, progress);
  fmt::print(stderr, "\n");
  for (const std::string& line : found.coverage.lines()) fmt::print("{}\n", line);
  std::size_t named = 0;
  for (const auto& [seed, why] : found.failing)
    if (++named <= kFailuresNamed) fmt::print("failing {}: {}\n", seed, why);
  std::size_t shrunk = 0;
  for (const auto& [seed, why] : found.failing)
    if (shrink && ++shrunk <= kFailuresShrunk) show_shortest(simulator, seed, log);
  fmt::print("seeds {}, failures {}\n", found.ran, found.failing.size());
  return found.failing.empty() ? 0 : 1;
}

}  // namespace
}  // namespace dta::simulation

int main(int argc, char** argv) {
  using namespace dta::simulation;
  CLI::App app("Runs random histories of the partition in a world of faults.");
  Seeds seeds;
  seeds.jobs = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t seed = 0;
  std::string log = "memory", file;
  bool no_shrink = false;
  app.add_option("--seeds", seeds.count);
  app.add_option("--from", seeds.from);
  app.add_option("--jobs", seeds.jobs);
  app.add_flag("--first-failure", seeds.to_first_failure, "stop there");
  app.add_flag("--no-shrink", no_shrink);
  app.add_option("--log", log)->check(CLI::IsMember({"memory", "leveldb"}));
  const auto* shrinks = app.add_option("--shrink", seed);
  const auto* tells = app.add_option("--tell", seed);
  const auto* definitions = app.add_option("--definitions", seed);
  app.add_option("--definition", file)->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  const bool leveldb = log == "leveldb";
  dta::schema::DefinitionPtr given;
  if (!file.empty()) {
    std::ifstream in(file);
    auto parsed = dta::schema::parse_definition(std::string(std::istreambuf_iterator<char>(in), {}));
    if (!parsed) {
      fmt::print(stderr, "{}: {}\n", file, parsed.error().message);
      for (const auto& fault : parsed.error().faults) fmt::print(stderr, "  {}: {}\n", fault.pointer, fault.message);
      return 2;
    }
    given = *parsed;
  }
  const Simulator simulator{
      [&](std::uint64_t s) { return given ? make_plan(s, given, "") : make_random_plan(s, leveldb); },
      leveldb ? make_lossy_leveldb : make_memory_disk, judge_by_model};
  if (*definitions) {
    for (const auto& definition : simulator.make_plan(seed).definitions) fmt::print("{}\n", definition->text);
    return 0;
  }
  if (*shrinks) return show_shortest(simulator, seed, log) ? 1 : 0;
  if (*tells) return tell(simulator, simulator.make_plan(seed)) ? 1 : 0;
  return run(simulator, seeds, log, !no_shrink);
}

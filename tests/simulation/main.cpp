// dta_simulation: one seed is one history of the real partition in a world of faults.
//
//   dta_simulation --seeds N [--from SEED] [--log memory|leveldb] [--stride K] [--first-failure]
//                                                seeds SEED, SEED+K, ...; the first failing one ends it if asked
//   dta_simulation --shrink SEED [--log ...]       the shortest history of that seed that still fails, as a list
//   dta_simulation --tell SEED [--log ...]         the whole history of that seed
//
// Prints "failing SEED: why" for each failing seed, "event KIND N", "transition PHASE KIND N" and "end PHASE N" for
// what was covered, and as its last line "seeds N, failures M". A broken assertion ends the process; "died at SEED"
// says where.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>

#include "tests/simulation/world.h"

namespace dta::simulation {
namespace {

volatile std::uint64_t running_seed = 0;

extern "C" void tell_seed(int) {
  char text[64];
  std::uint64_t seed = running_seed;
  char digits[24];
  int n = 0;
  do digits[n++] = static_cast<char>('0' + seed % 10);
  while ((seed /= 10) != 0);
  std::size_t size = 0;
  std::memcpy(text, "died at ", 8);
  for (size = 8; n > 0;) text[size++] = digits[--n];
  text[size++] = '\n';
  static_cast<void>(!::write(STDOUT_FILENO, text, size));
  ::_exit(3);
}

std::vector<std::string> run(const Plan& plan, Coverage& coverage, bool tell) {
  static server::Metrics metrics;
  World world(plan, metrics, coverage, tell);
  world.run();
  return world.failures();
}

int run_many(std::uint64_t from, std::uint64_t count, std::uint64_t stride, bool leveldb, bool to_first_failure) {
  Coverage coverage;
  std::uint64_t failures = 0;
  for (std::uint64_t i = 0; i < count && !(to_first_failure && failures > 0); ++i) {
    running_seed = from + i * stride;
    const auto found = run(make_plan(running_seed, leveldb), coverage, false);
    if (!found.empty()) {
      ++failures;
      fmt::print("failing {}: {}\n", std::uint64_t{running_seed}, found.front());
    }
    if ((i + 1) % 1000 == 0) fmt::print("progress {}\n", i + 1);
    if (!found.empty() || (i + 1) % 1000 == 0) std::fflush(stdout);
  }
  for (const auto& [kind, times] : coverage.events) fmt::print("event {} {}\n", kind, times);
  for (const auto& [transition, times] : coverage.transitions) fmt::print("transition {} {}\n", transition, times);
  for (const auto& [phase, times] : coverage.ends) fmt::print("end {} {}\n", phase, times);
  fmt::print("seeds {}, failures {}\n", count, failures);
  return failures == 0 ? 0 : 1;
}

// In a process of its own, so that a broken assertion is a failure like any other.
bool fails(const Plan& plan) {
  const pid_t child = ::fork();
  if (child == 0) {
    static_cast<void>(!::freopen("/dev/null", "w", stdout));
    static_cast<void>(!::freopen("/dev/null", "w", stderr));
    Coverage coverage;
    ::_exit(run(plan, coverage, false).empty() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

// Takes parts of the history out, halves first, single moves last, as long as it still fails.
Plan shrink(Plan plan) {
  for (std::size_t part = plan.moves.size() / 2; part > 0;) {
    bool shorter = false;
    for (std::size_t at = 0; at < plan.moves.size();) {
      Plan less = plan;
      const std::size_t end = std::min(at + part, less.moves.size());
      less.moves.erase(less.moves.begin() + static_cast<std::ptrdiff_t>(at),
                       less.moves.begin() + static_cast<std::ptrdiff_t>(end));
      if (fails(less)) {
        plan = std::move(less);
        shorter = true;
      } else {
        at += part;
      }
    }
    if (part > 1 || !shorter) part /= 2;
  }
  return plan;
}

int tell(const Plan& plan) {
  Coverage coverage;
  running_seed = plan.seed;
  return run(plan, coverage, true).empty() ? 0 : 1;
}

}  // namespace
}  // namespace dta::simulation

int main(int argc, char** argv) {
  using namespace dta::simulation;
  CLI::App app("Runs random histories of the partition in a world of faults.");
  std::uint64_t seeds = 1000, from = 1, stride = 1, shrink_seed = 0, tell_seed_of = 0;
  std::string log = "memory";
  bool first_failure = false;
  app.add_option("--seeds", seeds);
  app.add_option("--from", from);
  app.add_option("--stride", stride);
  app.add_flag("--first-failure", first_failure, "stop there");
  app.add_option("--log", log)->check(CLI::IsMember({"memory", "leveldb"}));
  const auto* shrinks = app.add_option("--shrink", shrink_seed);
  const auto* tells = app.add_option("--tell", tell_seed_of);
  CLI11_PARSE(app, argc, argv);
  const bool leveldb = log == "leveldb";
  if (*shrinks) {
    const Plan whole = make_plan(shrink_seed, leveldb);
    if (!fails(whole)) {
      fmt::print("seed {} does not fail\n", shrink_seed);
      return 0;
    }
    const Plan shortest = shrink(whole);
    fmt::print("seed {}: {} of {} moves are enough; rerun: dta_simulation --shrink {} --log {}\n", shrink_seed,
               shortest.moves.size(), whole.moves.size(), shrink_seed, log);
    std::fflush(stdout);
    return tell(shortest);
  }
  ::signal(SIGABRT, tell_seed);
  ::signal(SIGSEGV, tell_seed);
  if (*tells) return tell(make_plan(tell_seed_of, leveldb));
  return run_many(from, seeds, stride, leveldb, first_failure);
}

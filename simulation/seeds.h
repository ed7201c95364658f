// Many seeds on all cores, each share of them in a process of its own, so that a broken assertion is a failure like any
// other; and the shortest history of a failing seed. The caller's process must not have started threads.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "simulation/coverage.h"
#include "simulation/disk.h"
#include "simulation/plan.h"

namespace dta::simulation {

struct Simulator {
  std::function<Plan(std::uint64_t seed)> make_plan;
  std::function<std::unique_ptr<Disk>()> make_disk;
  MakeJudge make_judge;  // may be empty
};

struct Seeds {
  std::uint64_t from = 1, count = 1000;
  unsigned jobs = 1;
  bool to_first_failure = false;
};

struct Found {
  Coverage coverage;
  std::uint64_t ran = 0;
  std::map<std::uint64_t, std::string> failing;  // what was wrong, by seed
};

// `progress` hears a few times a second how many seeds have run and how many of them have failed.
Found run_seeds(const Simulator& simulator, const Seeds& seeds,
                const std::function<void(std::uint64_t, std::uint64_t)>& progress);

struct Shortest {
  Plan plan;
  std::size_t moves_before = 0;
  std::string scenario;  // what its log tells, in the language of the scenarios
};

// Takes parts of the history out, halves first, single moves last, as long as it still fails. Nothing: it does not
// fail.
std::unique_ptr<Shortest> shortest_history(const Simulator& simulator, Plan plan);

// Prints every move as it is made. Whether it failed.
bool tell(const Simulator& simulator, const Plan& plan);

}  // namespace dta::simulation

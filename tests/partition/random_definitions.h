// Definitions drawn from a seed: steps with every kind of timeout, retry and template, and tables. Every transaction of
// them ends once workers cooperate: undos are retried without end. Pure.
#pragma once

#include <random>
#include <string>
#include <vector>

namespace dta::partition {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t bound) {
  return static_cast<std::size_t>(random() % bound);
}
inline bool one_in(Random& random, std::size_t n) {
  return below(random, n) == 0;
}

inline constexpr const char* kRandomQueues[] = {"q0", "q1", "q2", "u0", "u1"};

std::string random_steps(Random& random, const std::string& name);
std::string random_table(Random& random, const std::string& name);

}  // namespace dta::partition

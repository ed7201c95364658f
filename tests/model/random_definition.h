// Definitions drawn from a seed, over the whole language that this release runs: steps with every join, retry, timeout
// and template, and tables with and without cycles and expiry. Lengths of time are few, so that timers often fall
// together. Names are s0, s1 ... and t0, t1 ...; queues are those of kQueues. Pure.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace dta::model {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t draw() { return engine_(); }
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(engine_() % bound); }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class List>
  const auto& of(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  std::mt19937_64 engine_;
};

inline constexpr const char* kQueues[] = {"q0", "q1", "u0", "u1"};

std::string random_steps(Chance& chance, const std::string& name);
std::string random_table(Chance& chance, const std::string& name);

}  // namespace dta::model

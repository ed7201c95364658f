// Random numbers from a seed, the same on every machine. Values; any one thread.
#pragma once

#include <cstdint>
#include <iterator>
#include <random>
#include <string_view>

namespace dta::simulation {

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

// A chance of its own for whatever has a name, so that what one thing draws does not depend on what happened before.
inline Chance chance_for(std::uint64_t seed, std::string_view name) {
  std::uint64_t mixed = seed ^ 0xcbf29ce484222325u;
  for (const char c : name) mixed = (mixed ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return Chance(mixed);
}

}  // namespace dta::simulation

// Joins: what a step needs, counted over the machine's masks (semantics section 4). Pure functions of the bits, shared
// by decide (which judges) and evolve (which notes the failure that made a need unreachable).
#pragma once

#include <cstdint>

#include "engine/machine.h"

namespace dta::engine {

enum class Verdict : std::uint8_t { open, met, failed };

// Whether the need can still be met by the tasks that are done or open.
bool reachable(const Machine& machine, const BitSet& bits, std::size_t step);
// Whether the need is met by the tasks that are done, open ones left aside.
bool enough(const Machine& machine, const BitSet& bits, std::size_t step);
// The join's verdict now, with `siblings` and `leftover` heeded. Deadlines are judged elsewhere.
Verdict judge_join(const Machine& machine, const BitSet& bits, std::size_t step);

}  // namespace dta::engine

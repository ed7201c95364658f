// The life-cycle table: for every event, which bits it requires, forbids and sets. Validation of an append is mask
// arithmetic over these; decide() checks every event it makes against them, and the events that clients append are
// refused by them. A mask is the short list of its bit numbers, so it costs the same at any width.
#pragma once

#include <boost/container/small_vector.hpp>

#include "engine/machine.h"
#include "schema/error.h"
#include "schema/event.h"

namespace dta::engine {

using Mask = boost::container::small_vector<std::uint32_t, 6>;

struct Masks {
  Mask requires_all;
  Mask forbids_any;
  Mask sets;
  Mask clears;  // only the current state of a cyclic table
};

// The row of this event; the state tells where the blocks of fan-outs stand, and which step the path has reached.
// `sets` holds what the event itself says; what follows for other tasks (withdrawn when their step fails) is set by
// evolve.
Masks masks_of(const Machine& machine, const State& state, const schema::Event& event);

bool legal(const BitSet& bits, const Masks& masks);
void apply(BitSet& bits, const Masks& masks);

}  // namespace dta::engine

// The one way a state changes. evolve() is total over legal histories: it decides nothing, reads no payload and no
// clock. An event that the life-cycle table does not allow is a bug of the caller and ends the process; check() tells
// beforehand.
#pragma once

#include "engine/machine.h"
#include "engine/transaction.h"
#include "schema/error.h"
#include "schema/event.h"

namespace dta::engine {

// Applies one event. event.sequence must be state.sequence + 1.
void evolve(const Machine& machine, State& state, const schema::RecordedEvent& event);

// Whether evolve would take it: for logs of unknown origin. Error illegal_event names what is wrong.
schema::Status check(const Machine& machine, const State& state, const schema::RecordedEvent& event);

}  // namespace dta::engine

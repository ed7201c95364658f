// Names of phases, and what lists show of a state. Pure.
#include "engine/transaction.h"

#include <algorithm>

#include "schema/assert.h"

namespace dta::engine {

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::none:
      return "none";
    case Phase::running:
      return "running";
    case Phase::compensating:
      return "compensating";
    case Phase::completed:
      return "completed";
    case Phase::compensated:
      return "compensated";
    case Phase::terminated:
      return "terminated";
  }
  DTA_ASSERT(false);
}

bool State::attention() const {
  return std::any_of(incidents.begin(), incidents.end(), [](const Incident& incident) { return incident.open; });
}

const Lease* State::lease(Sequence wanted) const {
  const auto it = std::find_if(leases.begin(), leases.end(), [&](const Lease& l) { return l.sequence == wanted; });
  return it == leases.end() ? nullptr : &*it;
}

bool fits(const State& state, const Incident& incident, schema::IncidentResolution resolution) {
  const bool undo_waits = incident.kind == schema::IncidentKind::undo_failed && !state.ended();
  return undo_waits != (resolution == schema::IncidentResolution::accept);
}

std::string_view outcome(const State& state) {
  DTA_ASSERT(state.outcome_decided);
  return to_string(state.ended() ? state.phase : Phase::completed);
}

std::string_view status(const State& state) {
  if (state.attention()) return "attention";
  if (state.paused && !state.ended()) return "paused";
  return to_string(state.phase);
}

}  // namespace dta::engine

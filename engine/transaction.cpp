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
  const auto it = std::lower_bound(leases.begin(), leases.end(), wanted,
                                   [](const Lease& l, Sequence bound) { return l.sequence < bound; });
  return it == leases.end() || it->sequence != wanted ? nullptr : &*it;
}

bool State::held(std::size_t wanted) const {
  return std::any_of(incidents.begin(), incidents.end(), [&](const Incident& incident) {
    return incident.open && incident.kind == schema::IncidentKind::step_failed && incident.task.step == wanted;
  });
}

bool fits(const State& state, const Incident& incident, schema::IncidentResolution resolution) {
  using schema::IncidentKind;
  using R = schema::IncidentResolution;
  if (state.ended()) return resolution == R::accept;
  switch (incident.kind) {
    case IncidentKind::undo_failed:
      return resolution == R::retry || resolution == R::force_done || resolution == R::give_up;
    case IncidentKind::effect_after_undo:
      return resolution == R::accept || resolution == R::retry;
    case IncidentKind::pivot_unknown:
      return resolution == R::retry || resolution == R::force_done || resolution == R::force_failed;
    case IncidentKind::step_failed:
      return resolution == R::retry || resolution == R::force_done;
    case IncidentKind::expired:
      return resolution == R::accept;
  }
  return false;
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

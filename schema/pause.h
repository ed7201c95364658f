// When a queue or a definition was paused: half-open intervals in order, the last of them open-ended while it still is.
// Folded from queue_changed and definition_changed; timers count without them (docs/decisions/0013). Pure.
#pragma once

#include <vector>

#include "schema/time.h"

namespace dta::schema {

struct Pause {
  Time from;
  Time to = Time::never();  // no longer paused from here on
  bool operator==(const Pause&) const = default;
};
using Pauses = std::vector<Pause>;

inline bool is_paused(const Pauses& pauses) {
  return !pauses.empty() && pauses.back().to == Time::never();
}

// What an event of time `at` says; that it stays as it is changes nothing.
inline void note_pause(Pauses& pauses, bool paused, Time at) {
  if (paused == is_paused(pauses)) return;
  if (paused)
    pauses.push_back(Pause{at});
  else
    pauses.back().to = at;
}

}  // namespace dta::schema

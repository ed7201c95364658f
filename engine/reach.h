// How far an event reaches into the tasks. What one task or attempt does concerns its own instance: itself and those
// that come before or after it. Whoever looks for what an event made possible looks there, and not at ten thousand
// others.
#pragma once

#include <optional>

#include "schema/event.h"

namespace dta::engine {

// The task that the event is about, when it changes tasks of no other instance, and no step; nothing: it may change
// any.
std::optional<schema::TaskRef> confined_to(const schema::Event& event);

}  // namespace dta::engine

// Definitions drawn from a seed over the whole language: conditions, routes, waits, fan-outs, order inside a step,
// external tasks, pivots, lengths from data. Lengths of time are few, so that timers often fall together. What the
// check of a definition refuses is drawn again. Pure.
#pragma once

#include <string>

#include "schema/definition.h"
#include "simulation/chance.h"

namespace dta::simulation {

// With steps, and a table with or without cycles and expiry.
schema::DefinitionPtr random_language(Chance& chance, const std::string& name);
schema::DefinitionPtr random_table(Chance& chance, const std::string& name);

}  // namespace dta::simulation

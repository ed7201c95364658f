// Rules of waits, pauses and the pivot that anybody can check who reads a history: no state, no second engine. Pure.
#pragma once

#include <optional>
#include <string>

#include "simulation/past.h"

namespace dta::simulation {

// The first event that breaks one of them, as a sentence.
std::optional<std::string> broken_rule(const Events& events, const schema::Definition& definition);

}  // namespace dta::simulation

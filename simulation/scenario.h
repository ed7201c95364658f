// A history as a script in the language of the scenarios (tests/scenarios/runner.h): the log names the cause of every
// record, so the commands are read off it, and what happened stands beside them as comments. What left nothing in the
// log (a crash, a lost message) is not there. Pure.
#pragma once

#include <string>
#include <vector>

#include "simulation/host.h"
#include "simulation/plan.h"

namespace dta::simulation {

// Of one transaction, or of all when `id` is empty.
std::string scenario_of(const Plan& plan, const Host& host, const std::string& id);

}  // namespace dta::simulation

// The reference model as the judge of a simulated log: every event must be what the rules do.
#pragma once

#include "simulation/judge.h"

namespace dta::simulation {

std::unique_ptr<Judge> judge_by_model(const schema::DefinitionPtr& definition, PayloadOf payload);

}  // namespace dta::simulation

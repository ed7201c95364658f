// Events as scenarios show them: one line each, names instead of places, times since the script began.
#pragma once

#include <string>

#include "engine/pending.h"
#include "tests/scenarios/depth.h"

namespace dta::scenarios {

std::string event_text(const Happened& happened);
// "+5s" since kBegin, or "never".
std::string time_text(Time t);
std::string task_text(const schema::Definition& definition, const schema::TaskRef& task);
// The lines of `show`: where the transaction stands.
std::vector<std::string> state_text(const engine::Machine& machine, const engine::State& state);

}  // namespace dta::scenarios

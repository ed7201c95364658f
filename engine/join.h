// Joins: what a step needs, counted over the machine's masks (semantics section 4). Pure functions of the state's bits,
// shared by decide (which judges) and evolve (which notes the failure that made a need unreachable).
//
// Skipped tasks are as if they were not there. "all" counts every other task; the other needs count only tasks that no
// task comes after.
#pragma once

#include <cstdint>

#include "engine/step_view.h"

namespace dta::engine {

enum class Verdict : std::uint8_t { open, met, failed };

// Whether the need can still be met by the tasks that are done or open.
bool reachable(const StepView& step);
// Whether the need is met by the tasks that are done, open ones left aside.
bool enough(const StepView& step);
// The join's verdict now, with `siblings` and `leftover` heeded. Deadlines are judged elsewhere.
Verdict judge_join(const StepView& step);

}  // namespace dta::engine

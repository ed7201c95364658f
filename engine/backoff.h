// Retry delays (semantics section 2): first * rate^(n-1), capped, then drawn from [d * (1 - jitter), d].
#pragma once

#include <cstdint>

#include "schema/definition.h"
#include "schema/time.h"

namespace dta::engine {

// The rule for a failure with this code: the first by_error rule that names it, else the general one.
const schema::Backoff& rule_for(const schema::Retry& retry, std::string_view error_code);

// Delay before the attempt that follows attempt `attempt` (from 1). `draw` is any number; the same one gives the same
// delay.
schema::Duration delay_after(const schema::Backoff& rule, std::uint32_t attempt, std::uint64_t draw);

// A well-mixed number from an id and a place, so that jitter needs no source of chance (splitmix64's finisher over
// FNV-1a).
std::uint64_t draw_for(std::string_view transaction_id, std::uint64_t sequence);

}  // namespace dta::engine

// A state to bytes and back, for checkpoints. The first byte is the format; an unknown one reads as nothing, and the
// checkpoint that holds it is ignored: everything can be folded from the log again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/transaction.h"

namespace dta::engine {

std::string encode_state(const State& state);
std::optional<State> decode_state(std::string_view bytes);

}  // namespace dta::engine

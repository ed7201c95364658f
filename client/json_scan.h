// The grammar of JSON as functions over a cursor, for json.cpp alone. `check_*` proves text it does not trust; `skip_*`
// runs over text that was proved before. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dta::client {

inline constexpr int kJsonDepthMax = 128;

inline bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The index after any white space from `at` on.
std::size_t skip_space(std::string_view text, std::size_t at);
// The index after the value that begins at `at`; text must have been checked.
std::size_t skip_value(std::string_view text, std::size_t at);
// The index after the value that begins at `at`, or npos when there is no valid one.
std::size_t check_value(std::string_view text, std::size_t at, int depth);
// Characters of a checked string, given with its quotes.
std::string decode_string(std::string_view quoted);
// Bytes of the UTF-8 sequence at `at`; 0 when it is not well-formed (RFC 3629: no surrogates, no overlong forms).
std::size_t utf8_length(std::string_view text, std::size_t at);

}  // namespace dta::client

// DTA_ASSERT is for what cannot happen; it is always on. It prints the expression and ends the process: a log that is
// not written to is better than one written to by code that no longer knows what it does.
#pragma once

namespace dta::schema {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define DTA_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::dta::schema::assertion_failed(#expression, __FILE__, __LINE__))

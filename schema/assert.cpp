// What a broken DTA_ASSERT does: one line on standard error, then the process ends. Any thread.
#include "schema/assert.h"

#include <cstdio>
#include <cstdlib>

namespace dta::schema {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr,
               "dta: a rule that must always hold was broken: %s (%s:%d); stopping before anything is written\n",
               expression, file, line);
  std::abort();
}

}  // namespace dta::schema

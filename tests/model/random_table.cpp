// Tables with and without cycles and expiry. See random_definition.h.
#include "tests/model/random_definition.h"

#include <fmt/format.h>

namespace dta::model {

std::string random_table(Chance& chance, const std::string& name) {
  // a -> b -> c, to the end from each, and back to a when cycles are allowed.
  const bool cycles = chance.one_in(2), named = chance.one_in(2);
  return fmt::format(
      "{{\"name\":\"{}\",\"version\":1,\"initial\":\"a\",\"cycles\":{}{},\"transitions\":["
      "{{\"from\":\"a\",\"on\":\"go\",\"to\":\"b\"}},{{\"from\":\"b\",\"on\":\"go\",\"to\":\"c\"}},{}{}"
      "{{\"from\":\"a\",\"on\":\"end\",\"to\":\"d\"}},{{\"from\":\"b\",\"on\":\"end\",\"to\":\"d\"}},"
      "{{\"from\":\"c\",\"on\":\"end\",\"to\":\"d\"}}],\"ends\":{{\"d\":\"{}\"}}}}",
      name, cycles, chance.one_in(3) ? "" : fmt::format(",\"expires_after\":\"{}\"", chance.of(kLengths)),
      cycles ? "{\"from\":\"c\",\"on\":\"go\",\"to\":\"a\"}," : "",
      named ? "{\"from\":\"b\",\"on\":\"expired\",\"to\":\"c\"}," : "", chance.one_in(3) ? "terminated" : "completed");
}

}  // namespace dta::model

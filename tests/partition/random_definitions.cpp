// See random_definitions.h.
#include "tests/partition/random_definitions.h"

#include <fmt/format.h>

namespace dta::partition {
namespace {

std::string duration(Random& random) {
  constexpr const char* kLengths[] = {"1s", "3s", "7s", "15s", "40s"};
  return kLengths[below(random, 5)];
}

std::string timeouts(Random& random, bool undo) {
  std::string members = fmt::format("\"attempt\":\"{}\"", duration(random));
  if (one_in(random, 2)) members += fmt::format(",\"heartbeat\":\"{}\"", duration(random));
  if (!undo && one_in(random, 4)) members += fmt::format(",\"queue\":\"{}\"", duration(random));
  if (!undo && one_in(random, 4)) members += fmt::format(",\"total\":\"{}\"", duration(random));
  return "{" + members + "}";
}

std::string task(Random& random, std::size_t step, std::size_t index, const std::vector<std::size_t>& widths) {
  std::string text = fmt::format(
      "{{\"name\":\"t{}\",\"queue\":\"q{}\",\"timeouts\":{},\"retry\":{{\"max_attempts\":{},\"first\":\"500ms\","
      "\"cap\":\"3s\"}}",
      index, below(random, 3), timeouts(random, false), below(random, 4));
  if (!one_in(random, 4))
    text +=
        fmt::format(",\"undo\":{{\"queue\":\"u{}\",\"timeouts\":{},\"retry\":{{\"first\":\"500ms\",\"cap\":\"3s\"}}}}",
                    below(random, 2), timeouts(random, true));
  if (step > 0 && one_in(random, 2)) {
    const std::size_t from = below(random, step);
    const std::string output = fmt::format("\"/steps/s{}/t{}/output\"", from, below(random, widths[from]));
    text += one_in(random, 6)
                ? ",\"input\":{\"missing\":\"/input/nowhere\"}"
                : ",\"input\":{\"n\":\"/input/n\",\"before\":{\"$first\":[" + output + ",{\"$literal\":null}]}}";
  }
  if (one_in(random, 6)) text += ",\"optional\":true";
  if (one_in(random, 4)) text += fmt::format(",\"weight\":{}", 1 + below(random, 3));
  return text + "}";
}

std::string join(Random& random, std::size_t tasks) {
  constexpr const char* kLeftover[] = {"cancel", "drain", "keep"};
  std::string text = one_in(random, 3) ? "\"siblings\":\"drain\"" : "\"siblings\":\"cancel\"";
  if (one_in(random, 2))
    text += fmt::format(",\"need\":{{\"{}\":{}}}", one_in(random, 2) ? "at_least" : "weight", 1 + below(random, tasks));
  text += fmt::format(",\"leftover\":\"{}\"", kLeftover[below(random, 3)]);
  if (one_in(random, 4)) text += ",\"late_success\":\"ignore\"";
  if (one_in(random, 4)) text += fmt::format(",\"deadline\":\"{}\"", duration(random));
  return text;
}

}  // namespace

std::string random_steps(Random& random, const std::string& name) {
  std::vector<std::size_t> widths(1 + below(random, 3));
  for (std::size_t& width : widths) width = 1 + below(random, 3);
  std::string steps;
  for (std::size_t s = 0; s < widths.size(); ++s) {
    std::string tasks;
    for (std::size_t t = 0; t < widths[s]; ++t) tasks += (t == 0 ? "" : ",") + task(random, s, t, widths);
    steps += fmt::format("{}{{\"name\":\"s{}\",\"join\":{{{}}},\"tasks\":[{}]}}", s == 0 ? "" : ",", s,
                         join(random, widths[s]), tasks);
  }
  return fmt::format("{{\"name\":\"{}\",\"version\":1{},\"steps\":[{}],\"output\":\"/input\"}}", name,
                     one_in(random, 3) ? ",\"expires_after\":\"60s\"" : "", steps);
}

std::string random_table(Random& random, const std::string& name) {
  // a -> b -> c and back when cycles are allowed; every state leads to the end.
  const bool cycles = one_in(random, 2);
  return fmt::format(
      "{{\"name\":\"{}\",\"version\":1,\"initial\":\"a\",\"cycles\":{},\"expires_after\":\"{}\",\"transitions\":["
      "{{\"from\":\"a\",\"on\":\"go\",\"to\":\"b\"}},{{\"from\":\"b\",\"on\":\"go\",\"to\":\"c\"}},{}"
      "{{\"from\":\"a\",\"on\":\"end\",\"to\":\"d\"}},{{\"from\":\"b\",\"on\":\"end\",\"to\":\"d\"}},{{\"from\":\"c\","
      "\"on\":\"end\",\"to\":\"d\"}}],"
      "\"ends\":{{\"d\":\"completed\"}}}}",
      name, cycles, one_in(random, 2) ? "30s" : "10m", cycles ? "{\"from\":\"c\",\"on\":\"go\",\"to\":\"a\"}," : "");
}

}  // namespace dta::partition

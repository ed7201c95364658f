// See random_definition.h. Everything optional is left out now and then, so that defaults are drawn as well.
#include "tests/model/random_definition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dta::model {
namespace {

constexpr const char* kLengths[] = {"2s", "3s", "5s", "8s", "20s"};

std::string retry(Chance& chance, bool undo) {
  std::string text = fmt::format("\"first\":\"{}\",\"rate\":{},\"jitter\":{},\"cap\":\"4s\"",
                                 chance.of(std::vector{"0ms", "1s", "700ms"}), chance.of(std::vector{"1", "2", "1.7"}),
                                 chance.one_in(2) ? "0" : "0.4");
  if (undo ? chance.one_in(5) : !chance.one_in(4))
    text += fmt::format(",\"max_attempts\":{}", (undo ? 1 : 0) + chance.below(4));
  if (chance.one_in(3))
    text += fmt::format(
        ",\"by_error\":[{{\"errors\":[\"busy\",\"dta.timeout\"],\"max_attempts\":{}}},"
        "{{\"errors\":[\"fatal\"],\"max_attempts\":1}}]",
        undo ? 50 : 1 + chance.below(4));
  return "{" + text + "}";
}

std::string timeouts(Chance& chance, bool undo) {
  std::string text = fmt::format("\"attempt\":\"{}\"", chance.of(kLengths));
  if (chance.one_in(3)) text += fmt::format(",\"heartbeat\":\"{}\"", chance.of(kLengths));
  if (!undo && chance.one_in(4)) text += fmt::format(",\"queue\":\"{}\"", chance.of(kLengths));
  if (!undo && chance.one_in(4)) text += fmt::format(",\"total\":\"{}\"", chance.of(kLengths));
  return "{" + text + "}";
}

std::string input(Chance& chance, std::size_t step, const std::vector<std::size_t>& widths) {
  const auto output = [&] {
    const std::size_t from = chance.below(step);
    return widths[from] == 0 ? std::string("/input")
                             : fmt::format("/steps/s{}/t{}/output", from, chance.below(widths[from]));
  };
  if (step == 0)
    return chance.one_in(40) ? "\"/input/nowhere\"" : "{\"n\":{\"$first\":[\"/input/n\",{\"$literal\":\"/0\"}]}}";
  switch (chance.below(8)) {
    case 0:
      return "\"" + output() + "\"";  // resolves only if that worker gave an output
    case 1:
      return "{\"$merge\":[{\"a\":1},{\"b\":{\"$first\":[\"" + output() + "\",null]}}]}";
    default:
      return "{\"n\":{\"$first\":[\"/input/n\",0]},\"of\":[{\"$first\":[\"" + output() + "/r\",null]}]}";
  }
}

std::string task(Chance& chance, std::size_t step, std::size_t index, const std::vector<std::size_t>& widths) {
  std::string text = fmt::format("{{\"name\":\"t{}\",\"queue\":\"q{}\"", index, chance.below(2));
  if (!chance.one_in(8)) text += ",\"timeouts\":" + timeouts(chance, false);
  if (!chance.one_in(8)) text += ",\"retry\":" + retry(chance, false);
  if (!chance.one_in(5))
    text += fmt::format(",\"undo\":{{\"queue\":\"u{}\",\"timeouts\":{},\"retry\":{}}}", chance.below(2),
                        timeouts(chance, true), retry(chance, true));
  if (chance.one_in(3)) text += ",\"input\":" + input(chance, step, widths);
  if (chance.one_in(5)) text += ",\"optional\":true";
  if (chance.one_in(3)) text += fmt::format(",\"weight\":{}", 1 + chance.below(3));
  return text + "}";
}

// Members of a join; a need only as high as `tasks` reach.
std::string join(Chance& chance, std::size_t tasks) {
  std::vector<std::string> members;
  if (tasks > 0 && chance.one_in(2)) {
    const std::size_t amount = 1 + chance.below(tasks);
    members.push_back(chance.one_in(3)   ? std::string("\"need\":\"any\"")
                      : chance.one_in(2) ? fmt::format("\"need\":{{\"at_least\":{}}}", amount)
                                         : fmt::format("\"need\":{{\"weight\":{}}}", amount));
  }
  if (chance.one_in(2)) members.push_back(fmt::format("\"siblings\":\"{}\"", chance.one_in(3) ? "cancel" : "drain"));
  if (!chance.one_in(3))
    members.push_back(fmt::format("\"leftover\":\"{}\"", chance.of(std::vector{"cancel", "drain", "keep"})));
  if (chance.one_in(3)) members.push_back("\"late_success\":\"ignore\"");
  if (chance.one_in(5)) members.push_back(fmt::format("\"deadline\":\"{}\"", chance.of(kLengths)));
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

}  // namespace

std::string random_steps(Chance& chance, const std::string& name) {
  std::vector<std::size_t> widths(chance.one_in(30) ? 0 : 1 + chance.below(4));
  for (std::size_t& width : widths) width = chance.one_in(10) ? 0 : 1 + chance.below(3);
  std::string steps;
  for (std::size_t s = 0; s < widths.size(); ++s) {
    std::string tasks;
    for (std::size_t t = 0; t < widths[s]; ++t) tasks += (t == 0 ? "" : ",") + task(chance, s, t, widths);
    steps += fmt::format("{}{{\"name\":\"s{}\",\"join\":{},\"tasks\":[{}]}}", s == 0 ? "" : ",", s,
                         join(chance, widths[s]), tasks);
  }
  const bool can_name = !widths.empty() && widths[0] > 0;
  return fmt::format("{{\"name\":\"{}\",\"version\":1{},\"steps\":[{}]{}}}", name,
                     chance.one_in(4) ? fmt::format(",\"expires_after\":\"{}\"", chance.of(kLengths)) : "", steps,
                     chance.one_in(2) && can_name ? ",\"output\":[\"/input\",\"/steps/s0/t0/output\"]" : "");
}

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

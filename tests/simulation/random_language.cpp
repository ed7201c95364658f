// See random_language.h. Everything optional is left out now and then, so that defaults are drawn as well.
#include "tests/simulation/random_language.h"

#include <fmt/format.h>

#include <array>

#include "schema/assert.h"

namespace dta::simulation {
namespace {

constexpr std::array kLengths{"2s", "3s", "5s", "8s", "20s"};
constexpr std::array kSignals{"go", "ok"};
constexpr std::array kCodes{"busy", "fatal", "refused", "dta.timeout", "dta.input_unresolved"};

struct Drawn {
  std::size_t tasks = 0;
  bool spread = false, pivot = false;
};

class Draw {
 public:
  // A plain one has nothing but steps, tasks and joins: what most people write is to be met often.
  Draw(Chance& chance, std::string name) : c_(chance), name_(std::move(name)), plain_(chance.one_in(4)) {}

  std::string text() {
    steps_.resize(1 + c_.below(5));
    std::string steps;
    for (std::size_t i = 0; i < steps_.size(); ++i) steps += (i == 0 ? "" : ",") + step(i);
    return fmt::format(R"({{"name":"{}","version":1{},"steps":[{}]{}}})", name_,
                       c_.one_in(4) ? member("expires_after", length()) : "", steps,
                       c_.one_in(2) ? R"(,"output":{"in":"/input","of":)" + first_of(read(steps_.size())) + "}" : "");
  }

 private:
  static std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text); }
  static std::string member(std::string_view name, const std::string& value) {
    return fmt::format(",\"{}\":{}", name, value);
  }
  bool more(std::size_t n) { return !plain_ && c_.one_in(n); }
  std::string length() { return quoted(c_.of(kLengths)); }
  // Now and then from the data.
  std::string any_length() { return more(6) ? quoted(fmt::format("/input/d{}", c_.below(2))) : length(); }
  static std::string first_of(const std::string& pointer) {
    return fmt::format(R"({{"$first":["{}",null]}})", pointer);
  }

  // A pointer to something that a step before `index` may have left.
  std::string read(std::size_t index) {
    if (index == 0 || c_.one_in(4)) return fmt::format("/input/n{}", c_.below(2));
    const std::size_t s = c_.below(index);
    switch (c_.below(5)) {
      case 0:
        return fmt::format("/steps/s{}/outcome", s);
      case 1:
        return fmt::format("/steps/s{}/error/code", s);
      default:
        return steps_[s].tasks == 0
                   ? std::string("/input/n0")
                   : fmt::format("/steps/s{}/t{}/output{}", s, c_.below(steps_[s].tasks), steps_[s].spread ? "" : "/v");
    }
  }
  std::string condition(std::size_t index) {
    std::string path = read(index).substr(1);
    for (char& ch : path)
      if (ch == '/') ch = '.';
    const std::string var = fmt::format(R"({{"var":"{}"}})", path);
    if (path.ends_with(".code")) return fmt::format(R"({{"==":[{},"{}"]}})", var, c_.of(kCodes));
    if (path.ends_with(".outcome")) return fmt::format(R"({{"==":[{},"{}"]}})", var, c_.one_in(2) ? "met" : "failed");
    switch (c_.below(5)) {
      case 0:
        return fmt::format(R"({{"<":[{},{}]}})", var, 1 + c_.below(9));
      case 1:
        return fmt::format(R"({{"!":{}}})", var);
      case 2:
        return fmt::format(R"({{"missing":["{}"]}})", path);
      case 3:
        return fmt::format(R"({{"or":[{0},{{"==":[{0},3]}}]}})", var);
      default:
        return fmt::format(R"({{">=":[{},{}]}})", var, 1 + c_.below(5));
    }
  }

  std::string retry(bool undo) {
    std::string text =
        fmt::format(R"("first":"{}","rate":{},"jitter":{},"cap":"4s")", c_.of(std::array{"0ms", "1s", "700ms"}),
                    c_.of(std::array{"1", "2", "1.7"}), c_.one_in(2) ? "0" : "0.4");
    if (undo ? c_.one_in(5) : !c_.one_in(4))
      text += member("max_attempts", std::to_string((undo ? 1 : 0) + c_.below(4)));
    if (c_.one_in(3))
      text += fmt::format(R"(,"by_error":[{{"errors":["busy","dta.timeout"],"max_attempts":{}}}])",
                          undo ? 50 : 1 + c_.below(4));
    return "{" + text + "}";
  }

  std::string task(std::size_t s, std::size_t t) {
    const bool external = more(5);
    std::string text = fmt::format(R"("name":"t{}")", t);
    text += external ? std::string(R"(,"external":true)") : fmt::format(R"(,"queue":"q{}")", c_.below(2));
    std::string after;
    for (std::size_t before = 0; before < t; ++before)
      if (more(3)) after += fmt::format("{}\"t{}\"", after.empty() ? "" : ",", before);
    if (!after.empty()) text += member("after", "[" + after + "]");
    if (more(6)) text += member("when", condition(s));
    if (c_.one_in(6)) text += R"(,"optional":true)";
    if (c_.one_in(4)) text += member("weight", std::to_string(1 + c_.below(3)));
    std::string timeouts = external ? "" : R"("attempt":)" + any_length();
    if (external && c_.one_in(2)) timeouts = R"("total":)" + any_length();
    if (!external && c_.one_in(3)) timeouts += member("heartbeat", length());
    if (!external && c_.one_in(4)) timeouts += member("queue", any_length());
    if (!external && c_.one_in(4)) timeouts += member("total", any_length());
    if (!timeouts.empty()) text += member("timeouts", "{" + timeouts + "}");
    if (!external && !c_.one_in(6)) text += member("retry", retry(false));
    if (!c_.one_in(5))
      text += fmt::format(R"(,"undo":{{"queue":"u{}","timeouts":{{"attempt":{}}},"retry":{}}})", c_.below(2), length(),
                          retry(true));
    if (c_.one_in(3)) {
      std::string input = R"("n":)" + first_of(read(s));
      if (steps_[s].spread) input += R"(,"item":"/item","no":"/index")";
      if (!after.empty() && c_.one_in(2)) input += R"(,"of":"/tasks/)" + after.substr(1, 2) + R"(/output/v")";
      if (c_.one_in(12)) input += R"(,"needed":"/input/n1")";
      text += member("input", "{" + input + "}");
    }
    return "{" + text + "}";
  }

  std::string join(std::size_t tasks, bool spread, bool pivot) {
    std::string text;
    const auto add = [&](std::string_view name, const std::string& value) {
      text += (text.empty() ? "" : ",") + fmt::format("\"{}\":{}", name, value);
    };
    if (tasks > 0 && c_.one_in(2)) {
      const std::size_t amount = 1 + c_.below(tasks);
      switch (c_.below(4)) {
        case 0:
          add("need", "\"any\"");
          break;
        case 1:
          add("need", fmt::format(R"({{"at_least":{}}})", amount));
          break;
        case 2:
          add("need", spread ? std::string(R"({"share":0.4})") : fmt::format(R"({{"weight":{}}})", amount));
          break;
        default:
          add("need", fmt::format(R"({{"share":{}}})", c_.of(std::array{"0.3", "0.5", "1"})));
      }
    }
    if (!pivot && c_.one_in(2)) add("siblings", c_.one_in(3) ? "\"cancel\"" : "\"drain\"");
    if (!c_.one_in(3)) add("leftover", quoted(c_.of(std::array{"cancel", "drain", "keep"})));
    if (c_.one_in(3)) add("late_success", "\"ignore\"");
    if (c_.one_in(5)) add("deadline", any_length());
    return "{" + text + "}";
  }

  std::string wait() {
    std::string text;
    switch (c_.below(4)) {
      case 0:
        return fmt::format(R"({{"duration":{}}})", any_length());
      case 1:
        return R"({"until":"/input/at"})";
      case 2:
        text = R"("signals":["go","ok"])";
        break;
      default:
        text = fmt::format(R"("signal":"{}")", c_.of(kSignals));
    }
    if (c_.one_in(2)) text += member("deadline", any_length());
    if (text.find("deadline") != std::string::npos && c_.one_in(2)) text += R"(,"on_deadline":"continue")";
    return "{" + text + "}";
  }

  std::string way(std::size_t s) {
    if (s + 1 < steps_.size() && c_.one_in(2))
      return fmt::format(R"("go":"s{}")", s + 1 + c_.below(steps_.size() - s - 1));
    if (c_.one_in(3)) return R"("go":"compensate","error":{"code":"said_no"})";
    if (c_.one_in(2)) return R"("go":"end","output":{"by":)" + first_of(read(s)) + "}";
    return c_.one_in(3) ? R"("go":"compensate")" : R"("go":"end")";
  }
  std::string choices(std::size_t s, bool failure) {
    std::string list;
    for (std::size_t i = 0, n = 1 + c_.below(2); i < n; ++i) {
      std::string when = condition(s);
      if (failure && c_.one_in(2))
        when = fmt::format(R"({{"==":[{{"var":"steps.s{}.error.code"}},"{}"]}})", s, c_.of(kCodes));
      if (!failure && c_.one_in(3)) when = fmt::format(R"({{"==":[{{"var":"signals.{}"}},3]}})", c_.of(kSignals));
      list += fmt::format("{}{{\"when\":{},{}}}", i == 0 ? "" : ",", when, way(s));
    }
    if (failure && c_.one_in(4)) list += ",{" + way(s) + "}";
    return "[" + list + "]";
  }

  std::string step(std::size_t s) {
    Drawn& drawn = steps_[s];
    drawn = {c_.one_in(8) ? 0 : 1 + c_.below(3), false, more(6)};
    drawn.spread = drawn.tasks > 0 && more(5);
    std::string text = fmt::format(R"("name":"s{}")", s);
    if (more(4)) text += member("when", c_.one_in(6) ? "false" : condition(s));
    if (drawn.spread) text += member("for_each", quoted(fmt::format("/input/l{}", c_.below(2))));
    if (drawn.spread && c_.one_in(2)) text += member("at_once", std::to_string(1 + c_.below(2)));
    if (drawn.pivot) text += R"(,"pivot":true)";
    if (more(6)) text += member("wait_for", wait());
    text += member("join", join(drawn.tasks, drawn.spread, drawn.pivot));
    std::string tasks;
    for (std::size_t t = 0; t < drawn.tasks; ++t) tasks += (t == 0 ? "" : ",") + task(s, t);
    text += member("tasks", "[" + tasks + "]");
    if (more(4)) text += member("next", choices(s, false));
    if (more(3)) text += member("on_failure", choices(s, true));
    return "{" + text + "}";
  }

  Chance& c_;
  const std::string name_;
  const bool plain_;
  std::vector<Drawn> steps_;
};

}  // namespace

schema::DefinitionPtr random_language(Chance& chance, const std::string& name) {
  std::string why;
  for (int tries = 0; tries < 200; ++tries) {
    auto definition = schema::parse_definition(Draw(chance, name).text());
    if (definition) return std::move(*definition);
    for (const schema::Fault& fault : definition.error().faults) why = fault.pointer + " " + fault.message;
  }
  schema::assertion_failed(why.c_str(), __FILE__, __LINE__);
}

schema::DefinitionPtr random_table(Chance& chance, const std::string& name) {
  // a -> b -> c, to the end from each, and back to a when cycles are allowed.
  const bool cycles = chance.one_in(2);
  const std::string text =
      fmt::format(R"({{"name":"{}","version":1,"initial":"a","cycles":{}{},"transitions":[)"
                  R"({{"from":"a","on":"go","to":"b"}},{{"from":"b","on":"go","to":"c"}},{}{})"
                  R"({{"from":"a","on":"end","to":"d"}},{{"from":"b","on":"end","to":"d"}},)"
                  R"({{"from":"c","on":"end","to":"d"}}],"ends":{{"d":"{}"}}}})",
                  name, cycles, chance.one_in(3) ? "" : fmt::format(R"(,"expires_after":"{}")", chance.of(kLengths)),
                  cycles ? R"({"from":"c","on":"go","to":"a"},)" : "",
                  chance.one_in(2) ? R"({"from":"b","on":"expired","to":"c"},)" : "",
                  chance.one_in(3) ? "terminated" : "completed");
  auto definition = schema::parse_definition(text);
  DTA_ASSERT(definition.has_value());
  return std::move(*definition);
}

}  // namespace dta::simulation

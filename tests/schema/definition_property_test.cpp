// Random definitions: written in full and parsed again they are equal; damaged ones never do more than be refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "schema/definition.h"
#include "schema/json.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

class RandomDefinition {
 public:
  explicit RandomDefinition(unsigned seed) : random_(seed) {}

  std::string next() { return random_() % 3 == 0 ? table() : steps(); }

 private:
  std::size_t below(std::size_t n) { return random_() % n; }
  bool coin() { return below(2) == 0; }
  std::string length(std::int64_t least = 0) {
    return "\"" + std::to_string(least + static_cast<std::int64_t>(below(100'000))) + (coin() ? "ms\"" : "s\"");
  }
  // Each field is there or not.
  std::string maybe(const std::string& field) { return coin() ? field : std::string(); }

  std::string backoff() {
    std::string out = maybe(R"("max_attempts":)" + std::to_string(below(30)) + ",");
    out += maybe(R"("rate":)" + std::to_string(1 + below(5)) + "." + std::to_string(below(100)) + ",");
    out += maybe(R"("jitter":0.)" + std::to_string(below(1000)) + ",");
    if (coin()) {
      const auto first = below(100'000);
      out += R"("first":")" + std::to_string(first) + "ms\",";
      out += maybe(R"("cap":")" + std::to_string(first + below(100'000)) + "ms\",");
    }
    return out;
  }
  static std::string closed(std::string members) {
    if (members.ends_with(',')) members.pop_back();
    return "{" + members + "}";
  }
  std::string retry() {
    std::string out = backoff(), rules;
    for (auto n = below(3); n > 0; --n) {
      // A rule keeps the `cap` around it, so it may not raise `first` above it without a cap of its own.
      rules += (rules.empty() ? "" : ",") +
               closed(R"("errors":["e)" + std::to_string(n) + R"(","f"],"max_attempts":)" + std::to_string(n));
    }
    return closed(out + R"("by_error":[)" + rules + "]");
  }

  std::string literal() {
    static const char* const kLiterals[] = {
        "null", "1.50", "\"text\"", "{ \"a\" : [1] }", "\"\\u0041\"", "12345678901234567890", "[]", "{}"};
    return kLiterals[below(std::size(kLiterals))];
  }
  // What may be read grows from step to step, and inside a task by what it comes after.
  std::string pointer() {
    switch (below(6)) {
      case 0:
        if (!signals_.empty()) return "\"/signals/" + signals_[below(signals_.size())] + "/x\"";
        break;
      case 1:
        if (!earlier_.empty()) return "\"/tasks/" + earlier_ + "/output\"";
        break;
      case 2:
        if (element_) return coin() ? R"("/item/x")" : R"("/index")";
        break;
      case 3:
        if (!steps_.empty())
          return "\"/steps/" + steps_[below(steps_.size())] + (coin() ? "/outcome\"" : "/error/code\"");
        break;
      case 4:
        return coin() ? "\"/input\"" : "\"\\/input/a~1b/0\"";
      default:
        break;
    }
    if (tasks_.empty()) return "\"/input\"";
    return "\"/steps/" + tasks_[below(tasks_.size())] + "/output" + (coin() ? "/x\"" : "\"");
  }
  // One that reads something, so that it is neither always nor never true.
  std::string condition() {
    std::string path = pointer();
    path = path.substr(2, path.size() - 3);  // without quotes and the first slash
    if (path.starts_with("/") || path.find('~') != std::string::npos) path = "input";
    std::ranges::replace(path, '/', '.');
    const std::string variable = R"({"var":")" + path + "\"}";
    switch (below(4)) {
      case 0:
        return R"({ ">" : [)" + variable + ", 1.50]}";
      case 1:
        return R"({"missing":[")" + path + R"(","input.\u0061"]})";
      case 2:
        return R"({"some":[)" + variable + R"(,{"==":[{"var":"of.the.element"},"x"]}]})";
      default:
        return variable;
    }
  }
  std::string when() { return maybe(R"("when":)" + condition() + ","); }
  std::string length_or_pointer(std::int64_t least = 0) { return coin() ? length(least) : pointer(); }
  std::string make_template(int depth) {
    switch (below(depth > 0 ? 8 : 3)) {
      case 0:
        return literal();
      case 1:
        return R"({"$literal":)" + std::string(coin() ? "\"/not/a/pointer\"" : "{\"$x\":[\"/input\", 1]}") + "}";
      case 2:
      case 3:
        return pointer();
      case 4:
        return "[" + make_template(depth - 1) + ", " + make_template(depth - 1) + "]";
      case 5:
        return R"({"$merge":[)" + pointer() + ",{\"m\":" + make_template(depth - 1) + "}]}";
      case 6:
        return R"({"$first":[)" + make_template(depth - 1) + "," + make_template(depth - 1) + "]}";
      default:
        return R"({"o":)" + make_template(depth - 1) + R"(,"p\"\u00e4/":)" + make_template(depth - 1) + "}";
    }
  }

  // Each comes after some of those before it.
  std::string task(std::size_t index) {
    std::string out = R"("name":"t)" + std::to_string(index) + "\",", after;
    earlier_.clear();
    for (std::size_t i = 0; i < index; ++i)
      if (below(3) == 0) {
        earlier_ = "t" + std::to_string(i);
        after = "\"" + earlier_ + "\"" + (after.empty() ? "" : ",") + after;
      }
    followed_ = followed_ || !after.empty();
    out += coin() || !after.empty() ? R"("after":[)" + after + "]," : "";
    const bool external = below(5) == 0;
    out += external ? R"("external":true,)" : R"("queue":"q ä",)" + maybe(R"("external":false,)");
    out += when();
    out += maybe(R"("optional":true,)") + maybe(R"("weight":)" + std::to_string(1 + below(9)) + ",");
    out += maybe(R"("input":)" + make_template(3) + ",");
    if (coin()) {
      std::string undo = R"("queue":"u",)" + maybe(R"("retry":)" + retry() + ",");
      undo += maybe(R"("timeouts":)" +
                    closed(maybe(R"("attempt":)" + length(1) + ",") + maybe(R"("heartbeat":)" + length())) + ",");
      out += R"("undo":)" + closed(undo) + ",";
    }
    std::string timeouts = maybe(R"("total":)" + length_or_pointer() + ",");
    if (!external) {
      out += maybe(R"("retry":)" + retry() + ",");
      for (const char* field : {"queue", "heartbeat"})
        timeouts += maybe("\"" + std::string(field) + "\":" + length_or_pointer() + ",");
      timeouts += maybe(R"("attempt":)" + length_or_pointer(1));
    }
    return closed(out + maybe(R"("timeouts":)" + closed(timeouts)));
  }

  // One that the step's tasks can reach: of tasks in order, one counts at least.
  std::string need(std::size_t tasks) {
    if (followed_) tasks = 1;
    switch (tasks == 0 ? 0 : below(5)) {
      case 0:
        return maybe(R"("need":"all",)");
      case 1:
        return R"("need":"any",)";
      case 2:
        return R"("need":{"at_least":)" + std::to_string(1 + below(tasks)) + "},";
      case 3:
        return R"("need":{"share":0.)" + std::to_string(1 + below(999)) + "},";
      default:
        return R"("need":{"weight":)" + std::to_string(1 + below(tasks)) + "},";
    }
  }
  std::string leftover() {
    static const char* const kWords[] = {"", R"("leftover":"cancel",)", R"("leftover":"drain",)",
                                         R"("leftover":"keep",)"};
    return kWords[below(std::size(kWords))];
  }

  std::string wait() {
    switch (below(4)) {
      case 0:
        return R"({"duration":)" + length_or_pointer(1) + "}";
      case 1:
        return R"({"until":)" + (coin() ? R"("2027-05-06T07:08:09.125+02:00")" : pointer()) + "}";
      case 2:
        waits_for_ = {"s" + std::to_string(below(3))};
        return closed(R"("signal":")" + waits_for_[0] + "\"," + maybe(R"("deadline":)" + length_or_pointer()));
      default:
        waits_for_ = {"a" + std::to_string(below(9)), "b"};
        return closed(R"("signals":[")" + waits_for_[0] + R"(","b"],)" +
                      maybe(R"("deadline":)" + length_or_pointer() + R"(,"on_deadline":)" +
                            (coin() ? "\"fail\"" : "\"continue\"")));
    }
  }

  // Conditional ones, then perhaps one that always matches, unless that would leave the next step without a way in.
  std::string choices(std::size_t own, std::size_t count, bool may_decide) {
    std::string all;
    for (auto n = below(3); n > 0; --n)
      all += (all.empty() ? "" : ",") + closed(R"("when":)" + condition() + "," + go(own, count));
    if (may_decide && coin()) all += (all.empty() ? "" : ",") + closed(go(own, count));
    return "[" + all + "]";
  }
  std::string go(std::size_t own, std::size_t count) {
    if (own + 1 < count && coin()) return R"("go":"s)" + std::to_string(own + 1 + below(count - own - 1)) + "\"";
    if (pivot_ || coin()) return R"("go":"end",)" + maybe(R"("output":)" + make_template(2));
    return R"("go":"compensate",)" +
           maybe(R"("error":)" + closed(R"("code":"no \"ä\"",)" + maybe(R"("message":"m\n")")));
  }

  std::string step(std::size_t own, std::size_t count) {
    const std::string name = "s" + std::to_string(own);
    std::string out = R"("name":")" + name + "\"," + when();
    const auto task_count = below(5);
    const bool fans_out = task_count > 0 && below(4) == 0;
    if (fans_out) out += R"("for_each":)" + pointer() + "," + maybe(R"("at_once":)" + std::to_string(below(99)) + ",");
    waits_for_.clear();
    if (below(3) == 0) out += R"("wait_for":)" + wait() + ",";
    const bool pivot = below(6) == 0;
    out += pivot ? R"("pivot":true,)" : maybe(R"("pivot":false,)");
    pivot_ = pivot_ || pivot;  // from the first pivot on, nothing here compensates
    const std::string deadline = maybe(R"("deadline":)" + length_or_pointer());
    element_ = fans_out;
    followed_ = false;
    std::string tasks;
    for (std::size_t j = 0; j < task_count; ++j) tasks += (j == 0 ? "" : ",") + task(j);
    element_ = false;
    earlier_.clear();
    out += maybe(R"("join":)" +
                 closed(need(task_count) + maybe(R"("siblings":"drain",)") + leftover() +
                        maybe(R"("late_success":"ignore",)") + deadline) +
                 ",");
    for (std::size_t j = 0; j < task_count; ++j) tasks_.push_back(name + "/t" + std::to_string(j));
    steps_.push_back(name);
    signals_.insert(signals_.end(), waits_for_.begin(), waits_for_.end());
    out += maybe(R"("next":)" + choices(own, count, own + 1 == count) + ",");
    out += maybe(R"("on_failure":)" + choices(own, count, true) + ",");
    return closed(out + R"("tasks":[)" + tasks + "]");
  }

  std::string steps() {
    std::string all;
    const auto count = below(6);
    for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ",") + step(i, count);
    return closed(R"("name":"d","version":7,)" + maybe(R"("expires_after":)" + length() + ",") + R"("steps":[)" + all +
                  "]," + maybe(R"("output":)" + make_template(3)));
  }

  // States n0, n1 … with transitions to higher ones only, so that every one but the last is left and reached.
  std::string table() {
    const auto count = 2 + below(6);
    std::string rows;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      rows += (i == 0 ? "" : ",") + row(i, "next", i + 1);
      if (coin()) rows += "," + row(i, "skip \\\"x\\\"", i + 1 + below(count - i - 1));
    }
    return closed(R"("name":"t","version":1,"initial":"n 0",)" + maybe(R"("cycles":true,)") + R"("transitions":[)" +
                  rows + R"(],"ends":{"n )" + std::to_string(count - 1) + R"(":")" +
                  (coin() ? "completed" : "terminated") + R"("},)" + maybe(R"("expires_after":)" + length()));
  }
  static std::string row(std::size_t from, const std::string& on, std::size_t to) {
    return R"({"from":"n )" + std::to_string(from) + R"(","on":")" + on + R"(","to":"n )" + std::to_string(to) + "\"}";
  }

  std::mt19937 random_;
  // Of the steps so far: "step/task", names, and signals they wait for.
  std::vector<std::string> tasks_, steps_, signals_;
  std::vector<std::string> waits_for_;  // of the step being made
  std::string earlier_;                 // a task before the one being made; empty: none
  bool element_ = false, followed_ = false, pivot_ = false;
};

void expect_equal(const Definition& a, const Definition& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.version, b.version);
  EXPECT_EQ(a.form, b.form);
  EXPECT_EQ(a.expires_after, b.expires_after);
  EXPECT_EQ(a.steps, b.steps);
  EXPECT_EQ(a.task_count, b.task_count);
  EXPECT_EQ(a.output, b.output);
  EXPECT_EQ(a.signals, b.signals);
  EXPECT_EQ(a.states, b.states);
  EXPECT_EQ(a.initial, b.initial);
  EXPECT_EQ(a.cycles, b.cycles);
  EXPECT_EQ(a.transitions, b.transitions);
}

TEST(DefinitionProperties, FullTextParsesToAnEqualDefinition) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    const std::string text = RandomDefinition(seed).next();
    const auto first = parse_definition(text);
    ASSERT_TRUE(first) << first.error().message << "\n" << text;
    const std::string full = full_text(**first);
    const auto second = parse_definition(full);
    ASSERT_TRUE(second) << second.error().message << "\n" << full;
    expect_equal(**first, **second);
    EXPECT_EQ(full_text(**second), full);
    warnings(**first);
  }
}

TEST(DefinitionProperties, DamagedTextsAreRefusedOrParse) {
  std::size_t refused = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = RandomDefinition(seed % 97).next();
    // Swap two stretches of the text: often still JSON, seldom still a definition.
    for (int hits = 1 + static_cast<int>(random() % 2); hits > 0; --hits) {
      const auto from = random() % text.size(), size = 1 + random() % 12, to = random() % text.size();
      text.replace(to, size, text.substr(from, size));
    }
    const auto parsed = parse_definition(text);
    if (parsed) {
      EXPECT_TRUE(parse_definition(full_text(**parsed))) << seed;
      continue;
    }
    ++refused;
    EXPECT_FALSE(parsed.error().message.empty());
    if (parsed.error().code != ErrorCode::invalid_definition) continue;
    // Every fault points into the text, or at a field missing from an object that is there.
    const auto root = check_json(text).value();
    for (const Fault& fault : parsed.error().faults) {
      const std::string parent = fault.pointer.substr(0, fault.pointer.rfind('/'));
      EXPECT_TRUE(is_pointer(fault.pointer) && find(root, fault.pointer.empty() ? "" : parent))
          << "seed " << seed << ": " << fault.pointer << "\n"
          << text;
    }
  }
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace dta::schema

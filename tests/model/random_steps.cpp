// See random_definition.h: steps over the whole language. What is drawn is mostly legal; what the parser refuses (a step
// that no path enters, a pointer to what cannot exist) is drawn again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "schema/definition.h"
#include "schema/json.h"
#include "tests/model/random_definition.h"
#include "tests/model/random_parts.h"

namespace dta::model {
namespace {

struct StepPlan {
  std::vector<std::vector<std::size_t>> after;  // by task
  std::vector<bool> external;
  bool for_each = false, pivot = false;
  std::vector<std::string> signals;  // it waits for
  std::size_t width() const { return after.size(); }
};

class Rich {
 public:
  Rich(Chance& chance, std::string name) : chance_(chance), name_(std::move(name)) {}

  std::string draw() {
    plan();
    std::vector<std::string> steps;
    for (std::size_t s = 0; s < plan_.size(); ++s) steps.push_back(step(s));
    std::vector<std::string> members{fmt::format("\"name\":\"{}\",\"version\":1", name_),
                                     fmt::format("\"steps\":[{}]", fmt::join(steps, ","))};
    if (chance_.one_in(4)) members.push_back(fmt::format("\"expires_after\":\"{}\"", chance_.of(kLengths)));
    if (chance_.one_in(2)) members.push_back("\"output\":" + output(plan_.size()));
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

 private:
  void plan() {
    plan_.assign(1 + chance_.below(5), {});
    const std::size_t pivot = chance_.one_in(2) ? chance_.below(plan_.size()) : plan_.size();
    for (std::size_t s = 0; s < plan_.size(); ++s) {
      StepPlan& p = plan_[s];
      p.pivot = s == pivot || chance_.one_in(20);
      p.for_each = chance_.one_in(5);
      p.after.resize(chance_.one_in(8) ? 0 : 1 + chance_.below(3));
      const bool ordered = chance_.one_in(3);
      for (std::size_t t = 0; t < p.width(); ++t) {
        p.external.push_back(chance_.one_in(8));
        for (std::size_t before = 0; ordered && before < t; ++before)
          if (chance_.one_in(2)) p.after[t].push_back(before);
      }
      if (chance_.one_in(5)) p.signals.push_back(chance_.of(kSignals));
      if (!p.signals.empty() && chance_.one_in(3)) p.signals = {"a", "b"};
    }
  }

  // ---- what may be read

  std::string output_of(std::size_t before, const char* slash) {
    const std::size_t s = chance_.below(before);
    if (plan_[s].width() == 0) return {};
    return fmt::format("steps{0}s{1}{0}t{2}{0}output", slash, s, chance_.below(plan_[s].width()));
  }

  // A condition over the steps before `before`; inside a task over more.
  std::string condition(std::size_t before, std::size_t own, std::size_t task) {
    const bool inside = own < plan_.size();
    for (;;) switch (chance_.below(inside ? 11 : 8)) {
        case 0:
        case 1:
          return fmt::format("{{\"{}\":[{{\"var\":\"input.n\"}},{}]}}", chance_.one_in(2) ? ">" : "<=",
                             chance_.below(6));
        case 2:
          if (before == 0) continue;
          return fmt::format("{{\"==\":[{{\"var\":\"steps.s{}.outcome\"}},\"{}\"]}}", chance_.below(before),
                             chance_.of(std::vector{"met", "failed", "skipped"}));
        case 3:
          if (before == 0) continue;
          return fmt::format("{{\"==\":[{{\"var\":\"steps.s{}.error.code\"}},\"{}\"]}}", chance_.below(before),
                             chance_.of(std::vector{"fatal", "busy", "dta.timeout", "dta.deadline"}));
        case 4:
        case 5:
          if (const std::string path = before == 0 ? "" : output_of(before, "."); !path.empty())
            return chance_.one_in(3) ? fmt::format("{{\"!\":[{{\"var\":\"{}\"}}]}}", path)
                                     : fmt::format("{{\">\":[{{\"var\":\"{}.r\"}},{}]}}", path, chance_.below(9));
          continue;
        case 6:
          for (std::size_t s = 0; s < before; ++s)
            if (!plan_[s].signals.empty())
              return fmt::format("{{\"==\":[{{\"var\":\"signals.{}.r\"}},{}]}}", plan_[s].signals[0],
                                 chance_.below(3));
          continue;
        case 7:
          if (chance_.one_in(3)) return chance_.one_in(3) ? "false" : "true";
          continue;
        case 8:
          if (plan_[own].for_each)
            return chance_.one_in(2) ? "{\"<\":[{\"var\":\"index\"},1]}" : "{\"var\":\"item.k\"}";
          continue;
        default:
          if (!plan_[own].after[task].empty())
            return fmt::format("{{\">\":[{{\"var\":\"tasks.t{}.output.r\"}},{}]}}",
                               chance_.of(plan_[own].after[task]), chance_.below(9));
          continue;
      }
  }

  std::string output(std::size_t before) {
    std::string path = before == 0 ? "" : output_of(before, "/");
    if (path.empty()) return "{\"n\":{\"$first\":[\"/input/n\",0]}}";
    if (chance_.one_in(3)) return "\"/" + path + "\"";
    return "[{\"$first\":[\"/" + path + "\",null]}]";
  }

  std::string input(std::size_t own, std::size_t task) {
    std::vector<std::string> members{"\"n\":{\"$first\":[\"/input/n\",0]}"};
    if (own > 0) members.push_back("\"of\":" + output(own));
    if (plan_[own].for_each) members.push_back("\"item\":\"/item\",\"index\":\"/index\"");
    for (const std::size_t before : plan_[own].after[task])
      members.push_back(fmt::format("\"t{0}\":{1}\"/tasks/t{0}/output{2}", before,
                                    chance_.one_in(4) ? "" : "{\"$first\":[", "\""));
    // Close what was opened: a task that was skipped or gave nothing has no output.
    for (std::string& member : members)
      if (member.find("/tasks/") != std::string::npos && member.find("$first") != std::string::npos)
        member += ",null]}";
    for (std::size_t s = 0; s < own; ++s)
      for (const std::string& name : plan_[s].signals)
        members.push_back(fmt::format("\"said_{0}_{1}\":{{\"$first\":[\"/signals/{0}\",null]}}", name, s));
    if (chance_.one_in(30)) members.emplace_back("\"lost\":\"/input/nowhere\"");
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

  // ---- parts

  std::string length() {
    return chance_.one_in(6) ? "\"/input/len\"" : fmt::format("\"{}\"", chance_.of(kLengths));
  }

  std::string task(std::size_t s, std::size_t t) {
    const StepPlan& p = plan_[s];
    std::vector<std::string> members{fmt::format("\"name\":\"t{}\"", t)};
    if (p.external[t]) {
      members.emplace_back("\"external\":true");
      if (chance_.one_in(2)) members.push_back("\"timeouts\":{\"total\":" + length() + "}");
    } else {
      members.push_back(fmt::format("\"queue\":\"q{}\"", chance_.below(2)));
      if (chance_.one_in(5))
        members.push_back(fmt::format("\"timeouts\":{{\"{}\":\"/input/len\"}}",
                                      chance_.of(std::vector{"attempt", "queue", "total", "heartbeat"})));
      else if (!chance_.one_in(4))
        members.push_back("\"timeouts\":" + random_timeouts(chance_, false));
      if (!chance_.one_in(6)) members.push_back("\"retry\":" + random_retry(chance_, false));
    }
    if (!chance_.one_in(4))
      members.push_back(fmt::format("\"undo\":{{\"queue\":\"u{}\",\"timeouts\":{},\"retry\":{}}}", chance_.below(2),
                                    random_timeouts(chance_, true), random_retry(chance_, true)));
    if (!p.after[t].empty()) {
      std::vector<std::string> names;
      for (const std::size_t before : p.after[t]) names.push_back(fmt::format("\"t{}\"", before));
      members.push_back(fmt::format("\"after\":[{}]", fmt::join(names, ",")));
    }
    if (chance_.one_in(4)) members.push_back("\"when\":" + condition(s, s, t));
    if (chance_.one_in(2)) members.push_back("\"input\":" + input(s, t));
    if (chance_.one_in(6)) members.emplace_back("\"optional\":true");
    if (chance_.one_in(4)) members.push_back(fmt::format("\"weight\":{}", 1 + chance_.below(3)));
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

  std::string join(const StepPlan& p) {
    std::vector<std::string> members;
    if (p.width() > 0 && chance_.one_in(2))
      switch (chance_.below(4)) {
        case 0:
          members.emplace_back("\"need\":\"any\"");
          break;
        case 1:
          members.push_back(fmt::format("\"need\":{{\"at_least\":{}}}", 1 + chance_.below(2)));
          break;
        case 2:
          members.push_back(fmt::format("\"need\":{{\"weight\":{}}}", 1 + chance_.below(3)));
          break;
        default:
          members.push_back(
              fmt::format("\"need\":{{\"share\":{}}}", chance_.of(std::vector{"0.1", "0.4", "0.5", "0.7", "1"})));
      }
    if (!p.pivot && chance_.one_in(2))
      members.push_back(fmt::format("\"siblings\":\"{}\"", chance_.one_in(3) ? "cancel" : "drain"));
    if (!chance_.one_in(3))
      members.push_back(fmt::format("\"leftover\":\"{}\"", chance_.of(std::vector{"cancel", "drain", "keep"})));
    if (chance_.one_in(3)) members.emplace_back("\"late_success\":\"ignore\"");
    if (chance_.one_in(4)) members.push_back("\"deadline\":" + length());
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

  std::string wait(const StepPlan& p) {
    if (!p.signals.empty()) {
      std::string text = p.signals.size() == 1 && chance_.one_in(2)
                             ? fmt::format("\"signal\":\"{}\"", p.signals[0])
                             : fmt::format("\"signals\":[\"{}\"]", fmt::join(p.signals, "\",\""));
      if (chance_.one_in(2)) {
        text += ",\"deadline\":" + length();
        if (chance_.one_in(2)) text += ",\"on_deadline\":\"continue\"";
      }
      return "{" + text + "}";
    }
    switch (chance_.below(4)) {
      case 0:
        return "{\"until\":\"/input/at\"}";
      case 1:
        return chance_.one_in(2) ? "{\"until\":\"1970-01-01T00:16:45Z\"}" : "{\"until\":\"1970-01-01T00:00:00Z\"}";
      default:
        return "{\"duration\":" + length() + "}";
    }
  }

  enum class Of { next, on_failure };
  std::string choices(std::size_t s, Of list_of) {
    const bool failure = list_of == Of::on_failure;
    std::vector<std::string> list;
    for (std::size_t n = 1 + chance_.below(2); n > 0; --n) {
      std::vector<std::string> members;
      const bool always = n == 1 && chance_.one_in(failure ? 2 : 5);
      if (!always) members.push_back("\"when\":" + condition(s + 1, plan_.size(), 0));
      if (s + 1 < plan_.size() && !chance_.one_in(3)) {
        members.push_back(fmt::format("\"go\":\"s{}\"", s + 1 + chance_.below(plan_.size() - s - 1)));
      } else if (chance_.one_in(2)) {
        members.emplace_back("\"go\":\"end\"");
        if (chance_.one_in(2)) members.push_back("\"output\":" + output(s + 1));
      } else {
        members.emplace_back("\"go\":\"compensate\"");
        if (chance_.one_in(2)) members.emplace_back("\"error\":{\"code\":\"no\",\"message\":\"not so\"}");
      }
      list.push_back(fmt::format("{{{}}}", fmt::join(members, ",")));
    }
    return fmt::format("[{}]", fmt::join(list, ","));
  }

  std::string step(std::size_t s) {
    const StepPlan& p = plan_[s];
    std::vector<std::string> tasks, members{fmt::format("\"name\":\"s{}\"", s)};
    for (std::size_t t = 0; t < p.width(); ++t) tasks.push_back(task(s, t));
    if (chance_.one_in(4)) members.push_back("\"when\":" + condition(s, plan_.size(), 0));
    if (p.pivot) members.emplace_back("\"pivot\":true");
    if (p.for_each) {
      const std::string path = s > 0 && chance_.one_in(4) ? output_of(s, "/") : "";
      members.push_back(fmt::format("\"for_each\":\"/{}\"", path.empty() ? "input/list" : path));
      if (chance_.one_in(2)) members.push_back(fmt::format("\"at_once\":{}", 1 + chance_.below(2)));
    }
    if (!p.signals.empty() || chance_.one_in(7)) members.push_back("\"wait_for\":" + wait(p));
    members.push_back("\"join\":" + join(p));
    if (chance_.one_in(4)) members.push_back("\"next\":" + choices(s, Of::next));
    if (chance_.one_in(3)) members.push_back("\"on_failure\":" + choices(s, Of::on_failure));
    members.push_back(fmt::format("\"tasks\":[{}]", fmt::join(tasks, ",")));
    return fmt::format("{{{}}}", fmt::join(members, ","));
  }

  Chance& chance_;
  const std::string name_;
  std::vector<StepPlan> plan_;
};

}  // namespace

std::string random_steps(Chance& chance, const std::string& name) {
  if (chance.one_in(4)) return random_plain_steps(chance, name);
  for (std::size_t n = 0; n < 50; ++n) {
    std::string text = Rich(chance, name).draw();
    if (schema::parse_definition(text)) return text;
  }
  return random_plain_steps(chance, name);
}

std::string random_input(Chance& chance, schema::Time now) {
  if (chance.one_in(12)) return {};
  std::vector<std::string> members;
  if (!chance.one_in(12)) members.push_back(fmt::format("\"n\":{}", chance.below(6)));
  if (!chance.one_in(8)) {
    std::vector<std::string> items;
    for (std::size_t n = chance.below(4); n > 0; --n)
      items.push_back(fmt::format("{{\"k\":{}}}", chance.one_in(3) ? "null" : "1"));
    members.push_back(fmt::format("\"list\":[{}]", fmt::join(items, ",")));
  } else if (chance.one_in(2)) {
    members.emplace_back("\"list\":{\"no\":\"array\"}");
  }
  if (!chance.one_in(8))
    members.push_back(fmt::format("\"len\":{}", chance.of(std::vector{"\"2s\"", "\"5s\"", "3000", "\"soon\""})));
  if (!chance.one_in(8))
    members.push_back(fmt::format(
        "\"at\":{}", schema::quote(schema::format_time(now + schema::Duration{(static_cast<std::int64_t>(
                                                                  chance.below(5)) - 1) * 2000}))));
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

}  // namespace dta::model

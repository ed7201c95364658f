// See random_definition.h. Everything optional is left out now and then, so that defaults are drawn as well. A step is
// drawn after all that stand before it, and only what those allow is drawn: that is how every text obeys the rules of
// publishing.
#include "tests/model/random_definition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

namespace dta::model {
namespace {

using Texts = std::vector<std::string>;
std::string object(const Texts& members) {
  return fmt::format("{{{}}}", fmt::join(members, ","));
}
std::string array(const Texts& elements) {
  return fmt::format("[{}]", fmt::join(elements, ","));
}

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

// Which parts of the language a definition uses. Few at a time, so that each is seen without the others.
struct Flavour {
  bool conditions = false, branches = false, order = false, spread = false, external = false, waits = false,
       pivot = false, data = false;
};

// What a place may read, as what stands between the separators of a pointer or a variable.
struct Readable {
  std::vector<Texts> paths;
  bool element = false;
};

class Draw {
 public:
  Draw(Chance& chance, const Flavour& flavour) : chance_(chance), with_(flavour) {}

  std::string definition(const std::string& name) {
    steps_.resize(chance_.one_in(30) ? 0 : 1 + chance_.below(with_.branches ? 5 : 4));
    Texts texts;
    for (std::size_t s = 0; s < steps_.size(); ++s) texts.push_back(step(s));
    Texts members{"\"name\":\"" + name + "\"", "\"version\":1"};
    if (chance_.one_in(4)) members.push_back(fmt::format("\"expires_after\":\"{}\"", chance_.of(kLengths)));
    members.push_back("\"steps\":" + array(texts));
    if (chance_.one_in(2)) members.push_back("\"output\":" + output(steps_.size()));
    return object(members);
  }

 private:
  struct Step {
    std::size_t tasks = 0;
    bool spread = false, pivot = false;
    std::vector<std::size_t> signals;           // that it waits for
    std::array<bool, 2> entered{}, followed{};  // [a pivot was passed]: it may be
    bool reached() const { return entered[0] || entered[1] || followed[0] || followed[1]; }
  };

  // ---- what can be read

  // Of the transaction and the steps before `end`.
  Readable before(std::size_t end) const {
    Readable all{{{"input"}, {"input", "n"}, {"input", "flag"}, {"input", "text"}, {"input", "list"}}, false};
    for (std::size_t s = 0; s < end; ++s) {
      const std::string step = fmt::format("s{}", s);
      all.paths.push_back({"steps", step, "outcome"});
      all.paths.push_back({"steps", step, "error", "code"});
      for (std::size_t t = 0; t < steps_[s].tasks; ++t) {
        Texts path{"steps", step, fmt::format("t{}", t), "output"};
        all.paths.push_back(path);
        path.push_back(steps_[s].spread ? "0" : "n");
        all.paths.push_back(path);
        path.back() = steps_[s].spread ? "1" : "flag";
        all.paths.push_back(path);
      }
      for (const std::size_t signal : steps_[s].signals)
        for (const char* field : {"n", "flag"}) all.paths.push_back({"signals", kSignals[signal], field});
    }
    return all;
  }
  Readable inside(std::size_t step, const std::vector<std::size_t>& earlier) const {
    Readable all = before(step);
    for (const std::size_t task : earlier)
      for (const char* field : {"n", "flag"}) all.paths.push_back({"tasks", fmt::format("t{}", task), "output", field});
    all.element = steps_[step].spread;
    if (all.element) {
      all.paths.push_back({"index"});
      all.paths.push_back({"item"});
      all.paths.push_back({"item", "n"});
    }
    return all;
  }
  // The nearer the more often: what stands last was added last.
  const Texts& path(const Readable& from) {
    const std::size_t size = from.paths.size();
    return chance_.one_in(2) ? chance_.of(from.paths)
                             : from.paths[size - 1 - chance_.below(std::min<std::size_t>(size, 8))];
  }
  std::string pointer(const Readable& from) { return fmt::format("\"/{}\"", fmt::join(path(from), "/")); }
  std::string variable(const Readable& from) { return fmt::format("{{\"var\":\"{}\"}}", fmt::join(path(from), ".")); }

  // ---- conditions and templates

  std::string condition(const Readable& from) {
    const auto var = [&] { return variable(from); };
    switch (chance_.below(10)) {
      case 0:
        return fmt::format("{{\">\":[{},{}]}}", var(), chance_.below(4));
      case 1:
        return fmt::format("{{\"<\":[{},{}]}}", var(), 1 + chance_.below(4));
      case 2:
        return fmt::format("{{\"in\":[{},[\"met\",\"failed\",\"busy\",\"dta.deadline\",1]]}}", var());
      case 3:
        return fmt::format("{{\"!\":[{}]}}", var());
      case 4:
        return fmt::format("{{\"missing\":[\"{}\"]}}", fmt::join(path(from), "."));
      case 5:
        return fmt::format("{{\"{}\":[{},{}]}}", chance_.one_in(2) ? "and" : "or", var(), var());
      case 6:
        return fmt::format("{{\"==\":[{},{}]}}", var(), chance_.of(std::vector{"1", "\"met\"", "null", "\"failed\""}));
      default:
        return var();
    }
  }
  // The code of the failure that decided, most often.
  std::string failure_condition(std::size_t step) {
    if (chance_.one_in(3)) return condition(before(step + 1));
    return fmt::format("{{\"==\":[{{\"var\":\"steps.s{}.error.code\"}},\"{}\"]}}", step,
                       chance_.of(std::vector{"busy", "fatal", "other", "dta.deadline", "dta.timeout"}));
  }

  std::string input(const Readable& from) {
    switch (chance_.below(9)) {
      case 0:
        return chance_.one_in(6) ? "\"/input/nowhere\"" : pointer(from);
      case 1:
        return fmt::format("{{\"$merge\":[{{\"a\":1}},{{\"b\":{{\"$first\":[{},null]}}}}]}}", pointer(from));
      case 2:
        return "{\"n\":{\"$first\":[\"/input/n\",{\"$literal\":\"/0\"}]}}";
      default:
        return fmt::format("{{\"n\":{{\"$first\":[\"/input/n\",0]}},\"of\":[{{\"$first\":[{},null]}}]}}",
                           pointer(from));
    }
  }
  std::string output(std::size_t end) {
    const Readable from = before(end);
    return chance_.one_in(3) ? "[\"/input\"," + pointer(from) + "]"
                             : fmt::format("{{\"of\":{{\"$first\":[{},null]}}}}", pointer(from));
  }
  // Fixed, or a pointer to one where the flavour reads such from data.
  std::string length(bool element) {
    if (!with_.data || chance_.one_in(2)) return fmt::format("\"{}\"", chance_.of(kLengths));
    return element && chance_.one_in(3) ? "\"/item/len\"" : "\"/input/len\"";
  }

  // ---- tasks

  std::string timeouts(bool undo, bool external, bool element) {
    Texts members;
    const auto some = [&](const char* name) {
      return fmt::format("\"{}\":{}", name, undo ? fmt::format("\"{}\"", chance_.of(kLengths)) : length(element));
    };
    if (!external) members.push_back(some("attempt"));
    if (!external && chance_.one_in(3)) members.push_back(some("heartbeat"));
    if (!external && !undo && chance_.one_in(4)) members.push_back(some("queue"));
    if (!undo && chance_.one_in(external ? 2 : 4)) members.push_back(some("total"));
    return object(members);
  }

  std::string task(std::size_t step, std::size_t index, const std::vector<std::size_t>& after,
                   const std::vector<std::size_t>& earlier) {
    const Readable from = inside(step, earlier);
    Texts members{fmt::format("\"name\":\"t{}\"", index)};
    const bool external = with_.external && chance_.one_in(3);
    members.push_back(external ? std::string("\"external\":true") : fmt::format("\"queue\":\"q{}\"", chance_.below(2)));
    if (!after.empty()) members.push_back(fmt::format("\"after\":[\"t{}\"]", fmt::join(after, "\",\"t")));
    if (with_.conditions && chance_.one_in(4))
      members.push_back("\"when\":" + (chance_.one_in(8) ? std::string("false") : condition(from)));
    if (!chance_.one_in(8)) members.push_back("\"timeouts\":" + timeouts(false, external, from.element));
    if (!external && !chance_.one_in(8)) members.push_back("\"retry\":" + retry(chance_, false));
    if (!chance_.one_in(5))
      members.push_back(fmt::format("\"undo\":{{\"queue\":\"u{}\",\"timeouts\":{},\"retry\":{}}}", chance_.below(2),
                                    timeouts(true, false, false), retry(chance_, true)));
    if (chance_.one_in(3)) members.push_back("\"input\":" + input(from));
    if (chance_.one_in(5)) members.push_back("\"optional\":true");
    if (chance_.one_in(3)) {
      weights_.push_back(1 + chance_.below(3));
      members.push_back(fmt::format("\"weight\":{}", weights_.back()));
    } else {
      weights_.push_back(1);
    }
    return object(members);
  }

  // Tasks come after ones with lower numbers; `followed` tells which have one after them.
  std::string tasks(std::size_t step, std::vector<bool>& followed) {
    const std::size_t count = steps_[step].tasks;
    std::vector<std::vector<std::size_t>> after(count), earlier(count);
    Texts texts;
    weights_.clear();
    for (std::size_t t = 0; t < count; ++t) {
      std::vector<bool> all(count);
      for (std::size_t e = 0; with_.order && e < t; ++e) {
        if (!chance_.one_in(2)) continue;
        after[t].push_back(e);
        followed[e] = true;
        all[e] = true;
        for (const std::size_t further : earlier[e]) all[further] = true;
      }
      for (std::size_t e = 0; e < count; ++e)
        if (all[e]) earlier[t].push_back(e);
      texts.push_back(task(step, t, after[t], earlier[t]));
    }
    return array(texts);
  }

  // ---- steps

  // A need only as high as the tasks reach that no other comes after; under a for_each any, since nobody knows before.
  std::string join(std::size_t step, const std::vector<bool>& followed) {
    std::size_t tasks = 0, weight = 0;
    for (std::size_t t = 0; t < followed.size(); ++t)
      if (!followed[t]) {
        ++tasks;
        weight += weights_[t];
      }
    Texts members;
    if (tasks > 0 && chance_.one_in(2)) {
      if (steps_[step].spread) tasks = weight = 4;
      switch (chance_.below(4)) {
        case 0:
          members.push_back("\"need\":\"any\"");
          break;
        case 1:
          members.push_back(fmt::format("\"need\":{{\"at_least\":{}}}", 1 + chance_.below(tasks)));
          break;
        case 2:
          members.push_back(fmt::format("\"need\":{{\"weight\":{}}}", 1 + chance_.below(weight)));
          break;
        default:
          members.push_back(
              fmt::format("\"need\":{{\"share\":{}}}", chance_.of(std::vector{"0.3", "0.5", "0.9", "1"})));
      }
    }
    if (chance_.one_in(2))
      members.push_back(
          fmt::format("\"siblings\":\"{}\"", !steps_[step].pivot && chance_.one_in(3) ? "cancel" : "drain"));
    if (!chance_.one_in(3))
      members.push_back(fmt::format("\"leftover\":\"{}\"", chance_.of(std::vector{"cancel", "drain", "keep"})));
    if (chance_.one_in(3)) members.push_back("\"late_success\":\"ignore\"");
    if (chance_.one_in(5)) members.push_back("\"deadline\":" + length(false));
    return object(members);
  }

  std::string wait(std::size_t step) {
    switch (chance_.below(6)) {
      case 0:
        return "{\"duration\":" + length(false) + "}";
      case 1:
        return with_.data && !chance_.one_in(4) ? "{\"until\":\"/input/at\"}" : "{\"until\":\"1970-01-01T00:16:45Z\"}";
      default:
        break;
    }
    auto& signals = steps_[step].signals;
    for (std::size_t g = 0; g < std::size(kSignals); ++g)
      if (chance_.one_in(2)) signals.push_back(g);
    if (signals.empty()) signals.push_back(chance_.below(std::size(kSignals)));
    Texts names;
    for (const std::size_t g : signals) names.push_back(fmt::format("\"{}\"", kSignals[g]));
    Texts members{names.size() == 1 ? "\"signal\":" + names[0] : "\"signals\":" + array(names)};
    if (chance_.one_in(2)) {
      members.push_back("\"deadline\":" + length(false));
      if (chance_.one_in(2))
        members.push_back(chance_.one_in(3) ? "\"on_deadline\":\"fail\"" : "\"on_deadline\":\"continue\"");
    }
    return object(members);
  }

  // One entry; `target` is a later step that it may enter, or none.
  std::string choice(std::size_t step, const std::string& when, bool may_compensate, std::array<bool, 2> passed) {
    Texts members;
    if (!when.empty()) members.push_back("\"when\":" + when);
    const std::size_t later = steps_.size() - 1 - step;
    if (later > 0 && !chance_.one_in(4)) {
      const std::size_t target = step + 1 + chance_.below(later);
      members.push_back(fmt::format("\"go\":\"s{}\"", target));
      if (when != "false")
        for (const std::size_t p : {0u, 1u}) steps_[target].entered[p] = steps_[target].entered[p] || passed[p];
    } else if (may_compensate && chance_.one_in(2)) {
      members.push_back("\"go\":\"compensate\"");
      if (chance_.one_in(2)) members.push_back("\"error\":{\"code\":\"enough\",\"message\":\"as the data says\"}");
    } else {
      members.push_back("\"go\":\"end\"");
      if (chance_.one_in(2)) members.push_back("\"output\":" + output(step + 1));
    }
    return object(members);
  }

  // An entry that always matches stands last. In `next` there is one only where the following step can be entered in
  // another way.
  std::string choices(std::size_t step, bool on_failure, std::array<bool, 2> passed, bool& always) {
    Texts entries;
    const bool may_compensate = on_failure || passed[0];
    for (std::size_t n = chance_.below(3); n > 0; --n) {
      const std::string when = chance_.one_in(12) ? "false"
                               : on_failure       ? failure_condition(step)
                                                  : condition(before(step + 1));
      entries.push_back(choice(step, when, may_compensate, passed));
    }
    const bool last = step + 1 == steps_.size();
    always = chance_.one_in(2) && (on_failure || last || steps_[step + 1].reached());
    if (always) entries.push_back(choice(step, chance_.one_in(6) ? "true" : "", may_compensate, passed));
    return array(entries);
  }

  std::string step(std::size_t s) {
    Step& step = steps_[s];
    if (s == 0) step.followed[0] = true;
    step.tasks = chance_.one_in(10) ? 0 : 1 + chance_.below(with_.order ? 4 : 3);
    step.spread = with_.spread && step.tasks > 0 && chance_.one_in(2);
    step.pivot = with_.pivot && chance_.one_in(2);
    Texts members{fmt::format("\"name\":\"s{}\"", s)};
    const bool by_go = step.entered[0] || step.entered[1];
    bool skips = false, follows = true;
    if (by_go && chance_.one_in(2)) {
      members.push_back("\"when\":false");
      skips = true;
      follows = false;
    } else if (with_.conditions && chance_.one_in(3)) {
      members.push_back("\"when\":" + condition(before(s)));
      skips = true;
    }
    for (const std::size_t p : {0u, 1u}) {
      if (skips && step.followed[p] && s + 1 < steps_.size()) steps_[s + 1].followed[p] = true;
      step.entered[p] = step.entered[p] || (follows && step.followed[p]);
    }
    if (step.spread) {
      const bool output = s > 0 && chance_.one_in(3) && steps_[s - 1].tasks > 0;
      members.push_back(output ? fmt::format("\"for_each\":\"/steps/s{}/t0/output{}\"", s - 1,
                                             steps_[s - 1].spread || chance_.one_in(4) ? "" : "/list")
                               : "\"for_each\":\"/input/list\"");
      if (chance_.one_in(2)) members.push_back(fmt::format("\"at_once\":{}", chance_.below(4)));
    }
    if (step.pivot) members.push_back("\"pivot\":true");
    std::vector<bool> followed(step.tasks);
    const std::string all_tasks = tasks(s, followed);
    members.push_back("\"join\":" + join(s, followed));
    members.push_back("\"tasks\":" + all_tasks);
    if (with_.waits && chance_.one_in(2)) members.push_back("\"wait_for\":" + wait(s));
    std::array<bool, 2> after = step.entered;
    if (step.pivot) after = {false, true};
    bool always = false;
    if (with_.branches && chance_.one_in(2)) members.push_back("\"next\":" + choices(s, false, after, always));
    if (!always && s + 1 < steps_.size())
      for (const std::size_t p : {0u, 1u}) steps_[s + 1].followed[p] = steps_[s + 1].followed[p] || after[p];
    if (with_.branches && chance_.one_in(2))
      members.push_back("\"on_failure\":" + choices(s, true, step.entered, always));
    return object(members);
  }

  Chance& chance_;
  const Flavour with_;
  std::vector<Step> steps_;
  std::vector<std::size_t> weights_;  // of the tasks of the step being drawn
};

}  // namespace

std::string random_plain_steps(Chance& chance, const std::string& name) {
  return Draw(chance, {}).definition(name);
}

std::string random_steps(Chance& chance, const std::string& name) {
  if (chance.one_in(2)) return random_plain_steps(chance, name);
  Flavour with;
  const std::size_t rare = 2 + chance.below(3);
  for (bool* part : {&with.conditions, &with.branches, &with.order, &with.spread, &with.external, &with.waits,
                     &with.pivot, &with.data})
    *part = chance.one_in(rare);
  return Draw(chance, with).definition(name);
}

}  // namespace dta::model

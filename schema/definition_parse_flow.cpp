// Where a transaction goes on after a step, and what a step waits for. Branches lead forward only, so one pass over the
// steps finds which of them can be entered, and whether without having passed a pivot.
#include <fmt/format.h>

#include <algorithm>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 4> kChoiceFields{"when", "go", "output", "error"};
constexpr std::array<Names, 2> kErrorFields{"code", "message"};
constexpr std::array<Names, 6> kWaitFields{"signal", "signals", "until", "duration", "deadline", "on_deadline"};
constexpr Fields kChoice{"an entry of `next` or `on_failure`", kChoiceFields, {}};
constexpr Fields kError{"an `error`", kErrorFields, {}};
constexpr Fields kWait{"`wait_for`", kWaitFields, {}};
constexpr std::size_t kSignalsMax = 100;  // of one step

void parse_error(JsonValue value, const std::string& at, Go& go, FaultList& faults) {
  ObjectReader reader(value, at, kError, faults);
  if (!reader.is_object()) return;
  if (const auto code = reader.require("code")) {
    const auto text = code->string();
    if (!text || text->empty() || text->size() > limits::kErrorCodeBytesMax || has_control_characters(*text)) {
      reader.fault("code", fmt::format("an error code is a string of 1 to {} bytes without control characters",
                                       limits::kErrorCodeBytesMax));
    } else if (text->starts_with("dta.")) {
      reader.fault("code",
                   fmt::format("{} is reserved: codes that begin with dta. are the engine's own", shown(*text)));
    } else {
      go.code = *text;
    }
  }
  if (const auto message = reader.get("message")) {
    const auto text = message->string();
    if (!text || text->size() > limits::kErrorMessageBytesMax) {
      reader.fault("message", fmt::format("a message is a string of at most {} bytes", limits::kErrorMessageBytesMax));
    } else {
      go.message = *text;
    }
  }
}

// False: it could not be read.
bool parse_go(ObjectReader& reader, std::uint16_t own, const StepNames& names, Go& go) {
  const auto value = reader.require("go");
  if (!value) return false;
  const auto target = value->string();
  if (!target) {
    reader.fault("go", "`go` is the name of a later step, \"end\" or \"compensate\"");
    return false;
  }
  if (*target == "end" || *target == "compensate") {
    go.kind = *target == "end" ? Go::Kind::end : Go::Kind::compensate;
    return true;
  }
  const auto step = names.index.find(*target);
  if (step == names.index.end()) {
    const std::string_view near = closest(*target, names.all);
    reader.fault("go", fmt::format("there is no step {}{}", shown(*target),
                                   near.empty() ? std::string() : fmt::format("; did you mean {}?", shown(near))));
    return false;
  }
  if (step->second <= own) {
    reader.fault("go", fmt::format("step {} is not after this one; a `go` leads forward only", shown(*target)));
    return false;
  }
  go.kind = Go::Kind::step;
  go.step = step->second;
  return true;
}

void parse_signals(ObjectReader& reader, std::string_view field, Wait& wait, FaultList& faults) {
  if (field == "signal") {
    if (std::string name = reader.name(field); !name.empty()) wait.signals.push_back(std::move(name));
    return;
  }
  const auto all = reader.array(field, kSignalsMax);
  if (!all) return;
  if (all->empty()) return reader.fault(field, "`signals` is empty; name the signals to wait for");
  for (std::size_t i = 0; i < all->size(); ++i) {
    const std::string at = child_pointer(reader.at(field), i);
    auto name = (*all)[i].string();
    if (!name || !is_name(*name)) {
      faults.add(at, fmt::format("a signal's name must be 1 to {} letters, digits, _ or -", limits::kNameBytesMax));
    } else if (std::ranges::find(wait.signals, *name) != wait.signals.end()) {
      faults.add(at, fmt::format("{} stands here twice; keep one", shown(*name)));
    } else {
      wait.signals.push_back(std::move(*name));
    }
  }
}

void parse_until(ObjectReader& reader, const Scope& scope, Wait& wait, FaultList& faults) {
  auto text = reader.get("until")->string();
  if (text && text->starts_with('/')) {
    check_pointer(*text, reader.at("until"), scope, faults);
    wait.until_pointer = std::move(*text);
    return;
  }
  wait.until = text ? parse_time(*text) : std::nullopt;
  if (!wait.until)
    reader.fault("until", "`until` is a time such as \"2026-11-20T15:49:51Z\" (RFC 3339), or a pointer to one");
}

struct Ways {
  std::array<bool, 2> entered{}, followed{};  // [passed]: by following, its `when` is asked
};

}  // namespace

std::optional<Wait> parse_wait(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults) {
  ObjectReader reader(value, at, kWait, faults);
  if (!reader.is_object()) return std::nullopt;
  static constexpr std::array<Names, 4> kSorts{"signal", "signals", "until", "duration"};
  static constexpr std::array<Names, 2> kWords{"fail", "continue"};
  const auto given = [&](Names field) { return reader.get(field).has_value(); };
  if (std::ranges::count_if(kSorts, given) != 1) {
    faults.add(at, "`wait_for` has one of `signal`, `signals`, `until` and `duration`");
    return std::nullopt;
  }
  Wait wait;
  const Names sort = *std::ranges::find_if(kSorts, given);
  if (sort == "until") {
    parse_until(reader, scope, wait, faults);
  } else if (sort == "duration") {
    if (reader.length(sort, wait.duration.fixed, wait.duration.pointer, Duration{1}))
      check_pointer(wait.duration.pointer, reader.at(sort), scope, faults);
  } else {
    parse_signals(reader, sort, wait, faults);
  }
  if (sort == "until" || sort == "duration") {
    for (const Names field : {Names("deadline"), Names("on_deadline")})
      if (given(field))
        reader.fault(field, fmt::format("{} bounds a wait for signals; a wait for a time ends by itself, remove it",
                                        shown(field)));
    return wait;
  }
  if (reader.length("deadline", wait.deadline.fixed, wait.deadline.pointer))
    check_pointer(wait.deadline.pointer, reader.at("deadline"), scope, faults);
  if (const auto word = reader.word("on_deadline", kWords)) wait.continue_on_deadline = *word == 1;
  if (given("on_deadline") && !given("deadline"))
    reader.fault("on_deadline", "`on_deadline` says what a passed `deadline` does; add one, or remove it");
  return wait;
}

std::vector<Choice> parse_choices(ObjectReader& step, std::string_view field, std::uint16_t own, const StepNames& names,
                                  const Scope& scope, bool& known, FaultList& faults) {
  std::vector<Choice> choices;
  const auto entries = step.array(field, limits::kStepsMax);
  if (!entries) {
    known = known && !step.get(field);
    return choices;
  }
  bool decided = false;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::string at = child_pointer(step.at(field), i);
    ObjectReader reader((*entries)[i], at, kChoice, faults);
    Choice choice;
    if (!reader.is_object()) {
      known = false;
      continue;
    }
    if (decided) faults.add(at, "an entry before this one always matches, so this one is never reached; remove it");
    const auto when = reader.get("when");
    if (when) choice.when = parse_condition(*when, reader.at("when"), scope, faults);
    const bool readable = parse_go(reader, own, names, choice.go) && (!when || choice.when);
    known = known && readable;
    decided = decided || (readable && holds(choice.when) == Holds::always);
    if (const auto output = reader.get("output")) {
      if (readable && choice.go.kind != Go::Kind::end)
        reader.fault("output", "`output` belongs to a `go` to \"end\"; remove it");
      choice.go.output = parse_template(*output, reader.at("output"), scope, faults);
    }
    if (const auto error = reader.get("error")) {
      if (readable && choice.go.kind != Go::Kind::compensate)
        reader.fault("error", "`error` belongs to a `go` to \"compensate\"; remove it");
      parse_error(*error, reader.at("error"), choice.go, faults);
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

std::vector<std::array<bool, 2>> entries(const std::vector<Step>& steps) {
  std::vector<Ways> ways(steps.size() + 1);
  ways[0].followed[0] = true;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const Holds when = holds(step.when);
    for (const std::size_t passed : {0u, 1u}) {
      if (ways[i].followed[passed] && when != Holds::never) ways[i].entered[passed] = true;
      if (ways[i].followed[passed] && when != Holds::always) ways[i + 1].followed[passed] = true;
    }
    // True: some entry always matches.
    const auto take = [&](const std::vector<Choice>& choices, std::size_t passed) {
      for (const Choice& choice : choices) {
        const Holds holds_here = holds(choice.when);
        if (holds_here == Holds::never) continue;
        if (choice.go.kind == Go::Kind::step) ways[choice.go.step].entered[passed] = true;
        if (holds_here == Holds::always) return true;
      }
      return false;
    };
    for (const std::size_t passed : {0u, 1u}) {
      if (!ways[i].entered[passed]) continue;
      const std::size_t after = step.pivot ? 1 : passed;
      if (!take(step.next, after)) ways[i + 1].followed[after] = true;
      take(step.on_failure, passed);
    }
  }
  std::vector<std::array<bool, 2>> out;
  for (std::size_t i = 0; i < steps.size(); ++i) out.push_back(ways[i].entered);
  return out;
}

void check_ways(const std::vector<Step>& steps, const std::string& at, FaultList& faults) {
  const auto entered = entries(steps);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const std::string here = child_pointer(at, i);
    if (!entered[i][0] && !entered[i][1]) {
      if (holds(step.when) == Holds::never) {
        faults.add(here + "/when",
                   fmt::format("step {} is never entered: its `when` never holds and no `go` leads to it; let a `go` "
                               "name it, or remove it",
                               shown(step.name)));
      } else {
        faults.add(here, fmt::format("step {} is never entered: every path ends before it or jumps over it; let a `go` "
                                     "name it, or remove it",
                                     shown(step.name)));
      }
      continue;
    }
    if (!step.pivot && entered[i][0]) continue;
    for (std::size_t j = 0; j < step.next.size(); ++j)
      if (step.next[j].go.kind == Go::Kind::compensate)
        faults.add(child_pointer(here + "/next", j) + "/go",
                   "every path here has passed a pivot, so nothing can be compensated any more; go to a step or to "
                   "\"end\"");
  }
}

}  // namespace dta::schema

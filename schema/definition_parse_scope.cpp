// What a pointer of a template or a variable of a condition may read at its place, with the sentence when it may not.
// Both name the same context: a pointer with slashes, a variable with dots, which may also stop at a whole object.
#include <fmt/format.h>

#include <algorithm>

#include "schema/definition_parse.h"

namespace dta::schema {
namespace {

enum class Reads : std::uint8_t { pointer, variable };

class PathCheck {
 public:
  PathCheck(std::string_view text, Reads reads, const Scope& scope) : text_(text), reads_(reads), scope_(scope) {
    const char dot = reads == Reads::pointer ? '/' : '.';
    std::string_view rest = reads == Reads::pointer ? text.substr(1) : text;
    for (;;) {
      const auto end = rest.find(dot);
      tokens_.push_back(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }

  // Nothing: it may be read.
  std::optional<std::string> fault() const {
    const std::string_view root = tokens_[0];
    if (root == "input") return std::nullopt;
    if (root == "steps") return steps();
    if (root == "signals") return signals();
    if (root == "tasks") return tasks();
    if (root == "item" || root == "index") {
      if (scope_.element) return std::nullopt;
      return fmt::format("{} exists only inside the tasks of a step with `for_each`", shown(text_));
    }
    return unknown();
  }

 private:
  std::string name(std::size_t i) const { return i < tokens_.size() ? std::string(tokens_[i]) : std::string(); }
  // A condition may read the whole that a pointer must go into.
  bool whole(std::size_t tokens) const { return reads_ == Reads::variable && tokens_.size() <= tokens; }
  std::string sign() const { return reads_ == Reads::pointer ? "/" : "."; }

  std::optional<std::string> unknown() const {
    const std::string first = reads_ == Reads::pointer ? "/" : "";
    std::string roots = fmt::format("{0}input, {0}steps", first);
    if (!scope_.signals.empty()) roots += fmt::format(", {}signals", first);
    if (scope_.order != nullptr) roots += fmt::format(", {}tasks", first);
    if (scope_.element) roots += fmt::format(", {0}item, {0}index", first);
    roots.replace(roots.rfind(", "), 2, " or ");
    if (reads_ == Reads::variable)
      return fmt::format("the variable {} names nothing: here it begins with {}", shown(text_), roots);
    return fmt::format("{} names nothing: a pointer begins with {}; text that begins with / goes inside `$literal`",
                       shown(text_), roots);
  }

  std::optional<std::string> steps() const {
    if (whole(1)) return std::nullopt;
    const std::string step = name(1), field = name(2);
    const auto known = scope_.steps.find(step);
    if (known == scope_.steps.end())
      return fmt::format("{} names step {}, which is not before {}; only earlier steps can be read here", shown(text_),
                         shown(step), scope_.place);
    if (whole(2)) return std::nullopt;
    if (field == "outcome") {
      if (tokens_.size() == 3) return std::nullopt;
      return fmt::format("{} goes too far: {}outcome is a text", shown(text_), sign());
    }
    if (field == "error") {
      const std::string part = name(3);
      if (whole(3) || part == "details" || ((part == "code" || part == "message") && tokens_.size() == 4))
        return std::nullopt;
      return fmt::format("{} must go on with {}code, {}message or {}details", shown(text_), sign(), sign(), sign());
    }
    if (!known->second.contains(field))
      return fmt::format("{} names task {}, which step {} does not have", shown(text_), shown(field), shown(step));
    return output(3, fmt::format("task {} of step {}", shown(field), shown(step)));
  }

  std::optional<std::string> signals() const {
    if (whole(1) || scope_.signals.contains(name(1))) return std::nullopt;
    return fmt::format("{} names signal {}, for which no step before {} waits", shown(text_), shown(name(1)),
                       scope_.place);
  }

  std::optional<std::string> tasks() const {
    if (scope_.order == nullptr)
      return fmt::format("{} exists only inside a task that has `after`; read tasks of earlier steps by {}steps",
                         shown(text_), reads_ == Reads::pointer ? "/" : "");
    if (whole(1)) return std::nullopt;
    const auto task = scope_.order->find(name(1));
    if (!task) return fmt::format("{} names task {}, which this step does not have", shown(text_), shown(name(1)));
    if (!scope_.order->is_before(*task, scope_.task))
      return fmt::format("{} names task {}, which this task does not come after; name it in `after`", shown(text_),
                         shown(name(1)));
    return output(2, "task " + shown(name(1)));
  }

  std::optional<std::string> output(std::size_t at, const std::string& task) const {
    if (name(at) == "output" || whole(at)) return std::nullopt;
    return fmt::format("{} must go on with {}output: that is all that can be read of {}", shown(text_), sign(), task);
  }

  std::string_view text_;
  Reads reads_;
  const Scope& scope_;
  std::vector<std::string_view> tokens_;
};

}  // namespace

void check_pointer(std::string_view text, const std::string& at, const Scope& scope, FaultList& faults) {
  if (!text.starts_with('/') || !is_pointer(text))
    return faults.add(at, fmt::format("{} is no JSON Pointer: ~ is written ~0 and / inside a name ~1; text that begins "
                                      "with / goes inside `$literal`",
                                      shown(text)));
  if (auto why = PathCheck(text, Reads::pointer, scope).fault()) faults.add(at, std::move(*why));
}

std::optional<Logic> parse_condition(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults) {
  auto rule = parse_logic(value.raw);
  if (!rule) {
    for (Fault& fault : rule.error().faults) faults.add(at + fault.pointer, std::move(fault.message));
    return std::nullopt;
  }
  for (const std::string& path : rule->variables().paths)
    if (auto why = PathCheck(path, Reads::variable, scope).fault()) faults.add(at, std::move(*why));
  return std::move(*rule);
}

Holds holds(const std::optional<Logic>& when) {
  if (!when) return Holds::always;
  if (when->variables().everything || !when->variables().paths.empty()) return Holds::maybe;
  return when->holds("null") ? Holds::always : Holds::never;
}

}  // namespace dta::schema

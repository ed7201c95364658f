// A definition: what steps or states a transaction may go through. JSON as published is the truth and is stored as
// given; this is its checked, compiled form, immutable once made and shared by pointer.
//
// What the language does not have is refused by parse_definition with a sentence, never ignored.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/hash.h"
#include "schema/logic.h"
#include "schema/time.h"

namespace dta::schema {

// Delay before attempt n+1 = min(first * rate^(n-1), cap), then drawn from [d * (1 - jitter), d].
struct Backoff {
  std::uint32_t max_attempts = 3;  // 0 and 1 both mean: no retry. kUnlimited: without end (undos)
  Duration first{1000};
  double rate = 2.0;
  Duration cap{60'000};
  double jitter = 0.2;
  static constexpr std::uint32_t kUnlimited = 0xffffffff;
  bool operator==(const Backoff&) const = default;
};

struct ErrorRetry {
  std::vector<std::string> errors;  // codes; the first rule that names the code is used
  Backoff backoff;
  bool operator==(const ErrorRetry&) const = default;
};

struct Retry {
  Backoff backoff;
  std::vector<ErrorRetry> by_error;
  bool operator==(const Retry&) const = default;
};

// 0 = none (queue, total) or off (heartbeat). attempt is never 0.
struct Timeouts {
  Duration queue{0};
  Duration attempt{60'000};
  Duration total{0};
  Duration heartbeat{0};
  bool operator==(const Timeouts&) const = default;
};

// Timeouts that are read from data when the task becomes ready: pointers to durations ("5m") or milliseconds; empty:
// the fixed one of Timeouts counts.
struct TimeoutPointers {
  std::string queue, attempt, total, heartbeat;
  bool any() const { return !queue.empty() || !attempt.empty() || !total.empty() || !heartbeat.empty(); }
  bool operator==(const TimeoutPointers&) const = default;
};

// A length of time, fixed or read from data when its step is entered.
struct Length {
  Duration fixed{0};    // 0: none
  std::string pointer;  // empty: fixed
  bool present() const { return fixed.ms > 0 || !pointer.empty(); }
  bool operator==(const Length&) const = default;
};

// A JSON template: literals as given, "/pointers" into {input, steps, signals, item, index, tasks}, {"$literal"},
// {"$merge"}, {"$first"}.
struct Template {
  enum class Kind : std::uint8_t { literal, pointer, object, array, merge, first };
  Kind kind = Kind::literal;
  std::string text;                // literal: raw JSON. pointer: the pointer
  std::vector<std::string> names;  // object: decoded member names, one for each child
  std::vector<Template> children;
  bool operator==(const Template&) const = default;
};

struct Undo {
  std::string queue;
  Retry retry{Backoff{Backoff::kUnlimited, Duration{1000}, 2.0, Duration{300'000}, 0.2}, {}};
  Timeouts timeouts;  // queue and total are always 0
  bool operator==(const Undo&) const = default;
};

struct Definition;

// A task that is a transaction of its own: another definition, or steps written in its place.
struct Child {
  std::string definition;                // its name; of steps in place: "parent/step/task"
  std::optional<std::uint32_t> version;  // nothing: the newest when it starts. Of steps in place: the parent's
  std::shared_ptr<const Definition> in_place;
  bool operator==(const Child& other) const;
};

struct Task {
  std::string name;
  std::string queue;                         // empty when external, and of a child
  std::optional<Child> child;                // then it has no undo of its own: the child is compensated
  std::optional<Template> input;             // none: the transaction's input as it is, or the element of a for_each
  std::optional<Logic> when;                 // false: the task is skipped
  std::vector<std::uint16_t> after, before;  // tasks of the same step that come first, and those that follow; ascending
  bool external = false;                     // reported by name by a participant; no queue, no lease
  bool optional = false;                     // never fails a join; counts toward at_least and weight only by succeeding
  std::uint32_t weight = 1;                  // toward a need by weight
  std::optional<Undo> undo;
  Retry retry;
  Timeouts timeouts;
  TimeoutPointers timeouts_from;
  bool operator==(const Task&) const = default;
};

enum class Siblings : std::uint8_t { cancel, drain };        // what a failure that decides the join does to the others
enum class Leftover : std::uint8_t { cancel, drain, keep };  // what a met join does to tasks that are still open
enum class LateSuccess : std::uint8_t { compensate, ignore };  // what happens to tasks that a met join did not count

// When a join is met: every task that is not optional is done and all have settled; or this many tasks (any is one),
// this much weight, or this share of the tasks is done. The last three count only tasks that no other comes after.
struct Need {
  enum class Kind : std::uint8_t { all, at_least, weight, share };
  Kind kind = Kind::all;
  std::uint32_t amount = 0;  // of at_least and weight, from 1
  double share = 0;          // of share: in (0, 1]; the tasks present times this, rounded up
  bool operator==(const Need&) const = default;
};

// Where a transaction goes on. In `next` the default is `follow`, in `on_failure` it is `compensate`.
struct Go {
  enum class Kind : std::uint8_t { follow = 0, step = 1, end = 2, compensate = 3 };
  Kind kind = Kind::follow;
  std::uint16_t step = 0;          // of step: an index above that of the step that goes
  std::optional<Template> output;  // of end; none: the definition's output
  std::string code, message;       // of compensate; an empty code: "compensate" was said without an error
  bool operator==(const Go&) const = default;
};

// An entry of `next` or `on_failure`: the first whose condition holds is taken; one without a condition always does.
struct Choice {
  std::optional<Logic> when;
  Go go;
  bool operator==(const Choice&) const = default;
};

// What a step waits for beside its tasks: all of the signals, in any order, or a time.
struct Wait {
  std::vector<std::string> signals;  // none: it waits for `until` or `duration`
  std::optional<Time> until;         // fixed
  std::string until_pointer;         // or read at entry: an RFC 3339 time
  Length duration;                   // or a length from entry
  Length deadline;                   // of signals
  bool continue_on_deadline = false;
  bool operator==(const Wait&) const = default;
};

struct Step {
  std::string name;
  std::optional<Logic> when;  // false: the step is skipped, unless a `go` enters it
  std::string for_each;       // pointer to an array: one instance of the tasks for each element; empty: no for_each
  std::uint32_t at_once = 0;  // instances' tasks handed out at a time; 0: no bound
  std::optional<Wait> wait_for;
  bool pivot = false;
  std::vector<Choice> next, on_failure;
  std::uint32_t first_task = 0;  // index of its first task in the flat order of the definition
  std::vector<Task> tasks;
  Need need;
  Siblings siblings = Siblings::cancel;
  Leftover leftover = Leftover::cancel;
  LateSuccess late_success = LateSuccess::compensate;
  Length deadline;
  bool ordered() const;  // whether a task of it comes after another
  bool operator==(const Step&) const = default;
};

struct Transition {
  std::uint16_t from = 0, to = 0;
  std::string on;
  bool operator==(const Transition&) const = default;
};

enum class StateEnd : std::uint8_t { none, completed, terminated };

struct State {
  std::string name;
  StateEnd end = StateEnd::none;
  bool operator==(const State&) const = default;
};

enum class Form : std::uint8_t { steps, table };

struct Definition {
  std::string name;
  std::uint32_t version = 0;
  Form form = Form::steps;
  std::string text;  // as published
  Hash digest{};     // SHA-256 of text
  Duration expires_after{0};

  // Steps form.
  std::vector<Step> steps;
  std::uint32_t task_count = 0;
  std::optional<Template> output;
  std::vector<std::string> signals;  // every name that a step waits for, sorted

  // Table form. initial is an index into states.
  std::vector<State> states;
  std::uint16_t initial = 0;
  bool cycles = false;
  std::vector<Transition> transitions;
};
using DefinitionPtr = std::shared_ptr<const Definition>;

// The definition of this name: the one given, or steps in place of a task somewhere inside it; null when there is none.
DefinitionPtr find_in_place(const DefinitionPtr& definition, std::string_view name);

// Checks and compiles. Error invalid_definition with every fault and its pointer; malformed_json and too_large as
// json.h.
Result<DefinitionPtr> parse_definition(std::string_view text);

// Refused, invalid_definition: by way of its children the definition would come back to itself. `published` finds a
// definition by name and version (0: the newest), or nothing.
Status check_ancestry(const Definition& definition,
                      const std::function<const Definition*(const std::string&, std::uint32_t)>& published);

// What is legal but worth a word: tasks without undo before others that may fail, states that cannot be reached, ...
std::vector<Fault> warnings(const Definition& definition);

// The definition with every default written out, as pretty JSON that parses to an equal definition.
std::string full_text(const Definition& definition);

// Raw text that each pointer of a template yields; nothing: the value does not exist.
class TemplateContext {
 public:
  virtual ~TemplateContext() = default;
  virtual std::optional<std::string_view> find(std::string_view pointer) const = 0;
};

// Resolves a template to JSON text, splicing raw bytes. Error invalid_argument: the message names the pointer that
// found nothing, or the $merge that met something other than an object.
Result<std::string> resolve(const Template& t, const TemplateContext& context);

// Every pointer in the template, in order.
std::vector<std::string_view> pointers(const Template& t);

}  // namespace dta::schema

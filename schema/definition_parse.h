// The parts of parse_definition, one file each; seen by schema/definition_*.cpp and template_parse.cpp only. Every part
// writes what it could read into the definition and what it could not into the faults; the definition is used only when
// there are none.
#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "schema/definition.h"
#include "schema/definition_reader.h"

namespace dta::schema {

// `root_name`: of the published definition, when this is steps in place of a task; empty: it is that definition.
void parse_steps(ObjectReader& root, Definition& definition, FaultList& faults, const std::string& root_name = {});
void parse_table(ObjectReader& root, Definition& definition, FaultList& faults);

// The order that `after` gives the tasks of one step.
class TaskOrder {
 public:
  // names[i] is that of task i; of two with the same name the first counts.
  explicit TaskOrder(const std::vector<std::string>& names);
  std::optional<std::uint16_t> find(const std::string& name) const;
  // Reads every task's `after` into `before` and remembers what comes before what. at[i] is the pointer of task i; a
  // cycle is a fault.
  void close(std::vector<Task>& tasks, const std::vector<std::string>& at, FaultList& faults);
  bool is_before(std::uint16_t earlier, std::size_t task) const;

 private:
  void tell_cycles(const std::vector<Task>& tasks, const std::vector<std::uint32_t>& left,
                   const std::vector<std::string>& at, FaultList& faults);

  std::unordered_map<std::string, std::uint16_t> index_;
  std::size_t words_ = 0;            // of a row
  std::vector<std::uint64_t> rows_;  // row i: a bit for each task that comes before task i; empty: no task has `after`
  bool cyclic_ = false;              // then everything counts as before, so that one mistake is one fault
};

// What pointers and conditions may read at the place where they stand.
struct Scope {
  std::string place;  // "step `reserve`" or "the definition's output"
  std::unordered_map<std::string, std::unordered_set<std::string>> steps;  // entered before: task names by step name
  std::unordered_set<std::string> signals;                                 // that those steps wait for
  bool element = false;                                                    // under for_each: item and index
  const TaskOrder* order = nullptr;                                        // inside a task: those before it
  std::size_t task = 0;
  std::string definition;  // the published one
  std::string family;      // of steps in place here: "definition/step"
  std::uint32_t version = 0;
};
void check_pointer(std::string_view text, const std::string& at, const Scope& scope, FaultList& faults);
Template parse_template(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults);
// Nothing and a fault when it is no rule.
std::optional<Logic> parse_condition(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults);
// A rule that reads nothing always has the same value.
enum class Holds : std::uint8_t { never, maybe, always };
Holds holds(const std::optional<Logic>& when);

// Retry of a task, or of an undo, which alone may be retried without end.
enum class RetryOf { task, undo };
void parse_retry(JsonValue value, const std::string& at, RetryOf of, Retry& retry, FaultList& faults);
void parse_undo_timeouts(JsonValue value, const std::string& at, Timeouts& timeouts, FaultList& faults);
void parse_task_timeouts(JsonValue value, const std::string& at, const Scope& scope, Task& task, FaultList& faults);

// The tasks of a step, in two passes: `after` may name a task that stands further down.
void parse_tasks(const std::vector<JsonValue>& values, const std::string& at, Scope& scope, Step& step,
                 FaultList& faults);
std::optional<Wait> parse_wait(JsonValue value, const std::string& at, const Scope& scope, FaultList& faults);

// `next` or `on_failure` of the step with this number. known is set to false when a `go` could not be read.
struct StepNames {
  std::unordered_map<std::string, std::uint16_t> index;
  std::vector<std::string_view> all;
};
std::vector<Choice> parse_choices(ObjectReader& step, std::string_view field, std::uint16_t own, const StepNames& names,
                                  const Scope& scope, bool& known, FaultList& faults);

// Whether each step can be entered: [0] with no pivot passed, [1] with one passed.
std::vector<std::array<bool, 2>> entries(const std::vector<Step>& steps);
void check_ways(const std::vector<Step>& steps, const std::string& at, FaultList& faults);

}  // namespace dta::schema

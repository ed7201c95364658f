// The tasks of a step: first their names and `after`, which may name a task further down, then the rest, since what a
// template or condition may read depends on the order.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 12> kTaskFields{"name",  "queue",    "external", "transaction", "after", "when",
                                            "input", "optional", "weight",   "undo",        "retry", "timeouts"};
constexpr std::array<Names, 4> kChildFields{"definition", "version", "steps", "output"};
constexpr std::array<Names, 3> kUndoFields{"queue", "retry", "timeouts"};
constexpr std::uint32_t kWeightMax = 1'000'000;

constexpr Fields kTask{"a task", kTaskFields, {}};
constexpr Fields kChild{"a `transaction`", kChildFields, {}};
constexpr Fields kUndo{"an undo", kUndoFields, {}};

void parse_after(ObjectReader& reader, const TaskOrder& order, Task& task, std::size_t own, FaultList& faults) {
  const auto names = reader.array("after", limits::kTasksPerStepMax);
  if (!names) return;
  std::unordered_set<std::uint16_t> seen;
  for (std::size_t i = 0; i < names->size(); ++i) {
    const std::string at = child_pointer(reader.at("after"), i);
    const auto name = (*names)[i].string();
    const auto earlier = name ? order.find(*name) : std::nullopt;
    if (!name) {
      faults.add(at, "`after` holds names of tasks of this step");
    } else if (!earlier) {
      faults.add(at,
                 fmt::format("there is no task {} in this step; `after` names tasks of the same step", shown(*name)));
    } else if (*earlier == own) {
      faults.add(at, "a task cannot come after itself");
    } else if (!seen.insert(*earlier).second) {
      faults.add(at, fmt::format("{} stands here twice; keep one", shown(*name)));
    } else {
      task.after.push_back(*earlier);
    }
  }
  std::ranges::sort(task.after);
}

Undo parse_undo(JsonValue value, const std::string& at, FaultList& faults) {
  ObjectReader reader(value, at, kUndo, faults);
  Undo undo;
  if (!reader.is_object()) return undo;
  undo.queue = reader.queue();
  if (const auto retry = reader.get("retry"))
    parse_retry(*retry, reader.at("retry"), RetryOf::undo, undo.retry, faults);
  if (const auto timeouts = reader.get("timeouts"))
    parse_undo_timeouts(*timeouts, reader.at("timeouts"), undo.timeouts, faults);
  return undo;
}

void parse_name(ObjectReader& reader, Task& task, std::unordered_set<std::string>& seen) {
  task.name = reader.name("name");
  if (task.name.empty()) return;
  if (!seen.insert(task.name).second)
    return reader.fault("name", fmt::format("there is already a task {} in this step; task names are unique in their "
                                            "step",
                                            shown(task.name)));
  // Both are what a step itself is asked for: /steps/STEP/outcome, /steps/STEP/error.
  if (task.name == "outcome" || task.name == "error")
    reader.fault("name", fmt::format("{} is read of a whole step; give the task another name", shown(task.name)));
}

// Another definition by name, or steps in its place, which become a definition of their own.
void parse_child(JsonValue value, const std::string& at, const Scope& scope, Task& task, FaultList& faults) {
  ObjectReader reader(value, at, kChild, faults);
  if (!reader.is_object()) return;
  Child child;
  const bool named = reader.get("definition").has_value();
  if (named == reader.get("steps").has_value()) {
    faults.add(at, "a `transaction` is either {\"definition\": name} or {\"steps\": […]}");
    return;
  }
  if (named) {
    child.definition = reader.name("definition");
    std::uint32_t version = 0;
    if (reader.get("version")) reader.integer("version", version, 1, std::numeric_limits<std::uint32_t>::max());
    if (version != 0) child.version = version;
    if (reader.get("output"))
      reader.fault("output", "the output is that of the definition named; `output` belongs to `steps` in its place");
    if (child.definition == scope.definition)
      reader.fault("definition", "a definition cannot be its own child: it would never end");
  } else {
    if (reader.get("version")) reader.fault("version", "steps in place have the version of what they stand in");
    auto in_place = std::make_shared<Definition>();
    in_place->name = child.definition = scope.family + "/" + task.name;
    in_place->version = scope.version;
    in_place->text = std::string(value.raw);
    in_place->digest = sha256(in_place->text);
    parse_steps(reader, *in_place, faults, scope.definition);
    child.version = scope.version;
    child.in_place = std::move(in_place);
  }
  task.child = std::move(child);
}

// What is not handed out has nothing that belongs to handing out.
void refuse_fields(ObjectReader& reader, std::initializer_list<Names> fields, std::string_view what) {
  for (const Names field : fields)
    if (reader.get(field))
      reader.fault(field, fmt::format("{} is not handed out, so it has no {}; remove it", what, shown(field)));
}

void parse_task(ObjectReader& reader, const Scope& scope, Task& task, FaultList& faults) {
  reader.boolean("external", task.external);
  if (const auto child = reader.get("transaction")) {
    parse_child(*child, reader.at("transaction"), scope, task, faults);
    refuse_fields(reader, {"queue", "retry"}, "a child transaction");
    if (task.external) reader.fault("external", "a task is external or a `transaction`, not both");
    if (reader.get("undo")) reader.fault("undo", "a child transaction is undone by compensating it; remove `undo`");
  } else if (!task.external) {
    task.queue = reader.queue();
    if (const auto retry = reader.get("retry"))
      parse_retry(*retry, reader.at("retry"), RetryOf::task, task.retry, faults);
  } else {
    refuse_fields(reader, {"queue", "retry"}, "an external task");
  }
  if (const auto when = reader.get("when")) task.when = parse_condition(*when, reader.at("when"), scope, faults);
  if (const auto input = reader.get("input")) task.input = parse_template(*input, reader.at("input"), scope, faults);
  reader.boolean("optional", task.optional);
  reader.integer("weight", task.weight, 1, kWeightMax);
  if (const auto undo = reader.get("undo")) task.undo = parse_undo(*undo, reader.at("undo"), faults);
  if (const auto timeouts = reader.get("timeouts"))
    parse_task_timeouts(*timeouts, reader.at("timeouts"), scope, task, faults);
}

}  // namespace

void parse_tasks(const std::vector<JsonValue>& values, const std::string& at, Scope& scope, Step& step,
                 FaultList& faults) {
  std::vector<ObjectReader> readers;
  std::vector<std::string> pointers, names;
  readers.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    pointers.push_back(child_pointer(at, i));
    readers.emplace_back(values[i], pointers.back(), kTask, faults);
    const auto name = readers.back().get("name");
    names.push_back(name ? name->string().value_or("") : std::string());
  }
  TaskOrder order(names);
  step.tasks.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) parse_after(readers[i], order, step.tasks[i], i, faults);
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (readers[i].is_object()) parse_name(readers[i], step.tasks[i], seen);
  order.close(step.tasks, pointers, faults);

  scope.element = !step.for_each.empty();
  for (std::size_t i = 0; i < values.size(); ++i) {
    scope.order = step.tasks[i].after.empty() ? nullptr : &order;
    scope.task = i;
    if (readers[i].is_object()) parse_task(readers[i], scope, step.tasks[i], faults);
  }
  scope.element = false;
  scope.order = nullptr;
}

}  // namespace dta::schema

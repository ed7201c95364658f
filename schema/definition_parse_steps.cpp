// The steps form: steps in order, the tasks of each, their joins and templates.
#include <fmt/format.h>

#include <array>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 4> kStepFields{"name", "join", "tasks", "on_failure"};
constexpr std::array<Names, 6> kStepLater{"when", "wait_for", "next", "for_each", "at_once", "pivot"};
constexpr std::array<Names, 5> kJoinFields{"need", "siblings", "leftover", "late_success", "deadline"};
constexpr std::array<Names, 8> kTaskFields{"name", "queue", "input", "undo", "retry", "timeouts", "optional", "weight"};
constexpr std::array<Names, 4> kTaskLater{"after", "when", "external", "transaction"};
constexpr std::array<Names, 2> kNeedFields{"at_least", "weight"};
constexpr std::array<Names, 1> kNeedLater{"share"};
constexpr std::uint32_t kWeightMax = 1'000'000;
constexpr std::array<Names, 3> kUndoFields{"queue", "retry", "timeouts"};
constexpr std::array<Names, 1> kChoiceFields{"go"};
constexpr std::array<Names, 3> kChoiceLater{"when", "error", "output"};

constexpr Fields kStep{"a step", kStepFields, kStepLater};
constexpr Fields kJoin{"a join", kJoinFields, {}};
constexpr Fields kNeed{"a `need`", kNeedFields, kNeedLater};
constexpr Fields kTask{"a task", kTaskFields, kTaskLater};
constexpr Fields kUndo{"an undo", kUndoFields, {}};
constexpr Fields kChoice{"an `on_failure` entry", kChoiceFields, kChoiceLater};

class StepsParser {
 public:
  StepsParser(Definition& definition, FaultList& faults) : definition_(definition), faults_(faults) {}

  void run(ObjectReader& root) {
    const auto steps = root.array("steps", limits::kStepsMax);
    if (!steps) return;
    for (std::size_t i = 0; i < steps->size(); ++i) step((*steps)[i], child_pointer(root.at("steps"), i));
    if (definition_.task_count > limits::kTasksMax)
      root.fault("steps", fmt::format("the steps hold {} tasks together; at most {} are allowed",
                                      definition_.task_count, limits::kTasksMax));
    if (const auto output = root.get("output")) {
      scope_.place = "the definition's output";
      definition_.output = parse_template(*output, root.at("output"), scope_, faults_);
    }
  }

 private:
  void step(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kStep, faults_);
    Step step;
    step.first_task = definition_.task_count;
    if (reader.is_object()) {
      step.name = reader.name("name");
      scope_.place = "step " + shown(step.name);
      if (const auto join = reader.get("join")) parse_join(*join, reader.at("join"), step);
      if (const auto choices = reader.array("on_failure", limits::kStepsMax))
        on_failure(*choices, reader.at("on_failure"));
      std::unordered_set<std::string> names;
      if (const auto tasks = reader.array("tasks", limits::kTasksPerStepMax))
        for (std::size_t i = 0; i < tasks->size(); ++i)
          task((*tasks)[i], child_pointer(reader.at("tasks"), i), step, names);
      check_need(step, reader);
      if (!step.name.empty() && !scope_.steps.emplace(step.name, std::move(names)).second)
        reader.fault("name", fmt::format("there is already a step {}; step names are unique", shown(step.name)));
    }
    definition_.task_count += static_cast<std::uint32_t>(step.tasks.size());
    definition_.steps.push_back(std::move(step));
  }

  void parse_join(JsonValue value, const std::string& pointer, Step& step) {
    static constexpr std::array<Names, 2> kWords{"all", "any"}, kSiblings{"cancel", "drain"},
        kLate{"compensate", "ignore"};
    static constexpr std::array<Names, 3> kLeftover{"cancel", "drain", "keep"};
    ObjectReader reader(value, pointer, kJoin, faults_);
    if (!reader.is_object()) return;
    if (const auto need = reader.get("need"); need && need->kind() == JsonKind::object) {
      step.need = parse_need(*need, reader.at("need"));
    } else if (const auto word = reader.word("need", kWords, {})) {
      if (*word == 1) step.need = Need{Need::Kind::at_least, 1};
    }
    if (const auto siblings = reader.word("siblings", kSiblings, {})) step.siblings = static_cast<Siblings>(*siblings);
    if (const auto leftover = reader.word("leftover", kLeftover, {})) step.leftover = static_cast<Leftover>(*leftover);
    if (const auto late = reader.word("late_success", kLate, {})) step.late_success = static_cast<LateSuccess>(*late);
    reader.duration("deadline", step.deadline.fixed);
  }

  Need parse_need(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kNeed, faults_);
    Need need;
    const bool count = reader.get("at_least").has_value(), weight = reader.get("weight").has_value();
    if (count == weight) {
      if (reader.get("share")) return need;  // of the language, and told so by the reader
      faults_.add(pointer, "a `need` is \"all\", \"any\", {\"at_least\": tasks} or {\"weight\": sum}");
      return need;
    }
    need.kind = count ? Need::Kind::at_least : Need::Kind::weight;
    need.amount = 1;
    reader.integer(count ? "at_least" : "weight", need.amount, 1, kWeightMax);
    return need;
  }

  // A need that its tasks can never reach would fail every transaction at this step.
  void check_need(const Step& step, ObjectReader& reader) {
    std::uint64_t most = 0;
    for (const Task& task : step.tasks) most += step.need.kind == Need::Kind::weight ? task.weight : 1;
    if (step.need.kind != Need::Kind::all && step.need.amount > most)
      faults_.add(reader.at("join") + "/need",
                  fmt::format("the join needs {}, but the step's tasks give {} at most", step.need.amount, most));
  }

  // The only way on after a failure that this release runs is the default one.
  void on_failure(const std::vector<JsonValue>& choices, const std::string& pointer) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      ObjectReader reader(choices[i], child_pointer(pointer, i), kChoice, faults_);
      const auto go = reader.require("go");
      if (!go) continue;
      const auto target = go->string();
      if (!target) {
        reader.fault("go", "`go` must be \"compensate\"");
      } else if (*target != "compensate") {
        reader.fault(
            "go", fmt::format("`go` to {} is not supported by this release; only \"compensate\" is", shown(*target)));
      }
    }
  }

  void task(JsonValue value, const std::string& pointer, Step& step, std::unordered_set<std::string>& names) {
    ObjectReader reader(value, pointer, kTask, faults_);
    Task task;
    if (reader.is_object()) {
      task.name = reader.name("name");
      if (!task.name.empty() && !names.insert(task.name).second)
        reader.fault("name", fmt::format("there is already a task {} in this step; task names are unique in their step",
                                         shown(task.name)));
      task.queue = reader.queue();
      if (const auto input = reader.get("input"))
        task.input = parse_template(*input, reader.at("input"), scope_, faults_);
      reader.boolean("optional", task.optional);
      reader.integer("weight", task.weight, 1, kWeightMax);
      if (const auto undo = reader.get("undo")) task.undo = parse_undo(*undo, reader.at("undo"));
      if (const auto retry = reader.get("retry"))
        parse_retry(*retry, reader.at("retry"), RetryOf::task, task.retry, faults_);
      if (const auto timeouts = reader.get("timeouts"))
        parse_timeouts(*timeouts, reader.at("timeouts"), RetryOf::task, task.timeouts, faults_);
    }
    step.tasks.push_back(std::move(task));
  }

  Undo parse_undo(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kUndo, faults_);
    Undo undo;
    if (!reader.is_object()) return undo;
    undo.queue = reader.queue();
    if (const auto retry = reader.get("retry"))
      parse_retry(*retry, reader.at("retry"), RetryOf::undo, undo.retry, faults_);
    if (const auto timeouts = reader.get("timeouts"))
      parse_timeouts(*timeouts, reader.at("timeouts"), RetryOf::undo, undo.timeouts, faults_);
    return undo;
  }

  Definition& definition_;
  FaultList& faults_;
  TemplateScope scope_;  // the steps parsed so far
};

}  // namespace

void parse_steps(ObjectReader& root, Definition& definition, FaultList& faults) {
  StepsParser(definition, faults).run(root);
}

}  // namespace dta::schema

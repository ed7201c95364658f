// The steps form: steps in order, with their joins. Tasks, waits and branches have their own files.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 10> kStepFields{"name",  "when",  "for_each", "at_once", "wait_for",
                                            "pivot", "tasks", "join",     "next",    "on_failure"};
constexpr std::array<Names, 5> kJoinFields{"need", "siblings", "leftover", "late_success", "deadline"};
constexpr std::array<Names, 3> kNeedFields{"at_least", "weight", "share"};
constexpr std::uint32_t kNeedMax = 1'000'000;

constexpr Fields kStep{"a step", kStepFields, {}};
constexpr Fields kJoin{"a join", kJoinFields, {}};
constexpr Fields kNeed{"a `need`", kNeedFields, {}};

class StepsParser {
 public:
  StepsParser(Definition& definition, FaultList& faults, const std::string& root_name)
      : definition_(definition), faults_(faults) {
    scope_.definition = root_name.empty() ? definition.name : root_name;
    scope_.version = definition.version;
  }

  void run(ObjectReader& root) {
    const auto steps = root.array("steps", limits::kStepsMax);
    if (!steps) return;
    read_names(*steps);
    for (std::size_t i = 0; i < steps->size(); ++i) step((*steps)[i], child_pointer(root.at("steps"), i));
    if (definition_.task_count > limits::kTasksMax)
      root.fault("steps", fmt::format("the steps hold {} tasks together; at most {} are allowed",
                                      definition_.task_count, limits::kTasksMax));
    if (const auto output = root.get("output")) {
      scope_.place = "the definition's output";
      definition_.output = parse_template(*output, root.at("output"), scope_, faults_);
    }
    definition_.signals.assign(scope_.signals.begin(), scope_.signals.end());
    std::ranges::sort(definition_.signals);
    // Where steps lead is only worth saying when every `go` could be read.
    if (ways_known_) check_ways(definition_.steps, root.at("steps"), faults_);
  }

 private:
  // A `go` names a step that stands further down.
  void read_names(const std::vector<JsonValue>& steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto value = find(steps[i], "/name");
      auto name = value ? value->string() : std::nullopt;
      if (name) names_.index.emplace(std::move(*name), static_cast<std::uint16_t>(i));
    }
    for (const auto& [name, index] : names_.index) names_.all.push_back(name);
  }

  void step(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kStep, faults_);
    Step step;
    step.first_task = definition_.task_count;
    if (reader.is_object()) {
      read(reader, step);
    } else {
      ways_known_ = false;
    }
    definition_.task_count += static_cast<std::uint32_t>(step.tasks.size());
    definition_.steps.push_back(std::move(step));
  }

  void read(ObjectReader& reader, Step& step) {
    step.name = reader.name("name");
    if (step.name == "end" || step.name == "compensate")
      reader.fault("name", fmt::format("{} is what a `go` can say; give the step another name", shown(step.name)));
    scope_.place = "step " + shown(step.name);
    scope_.family = definition_.name + "/" + step.name;
    if (const auto when = reader.get("when")) step.when = parse_condition(*when, reader.at("when"), scope_, faults_);
    fan_out(reader, step);
    if (const auto wait = reader.get("wait_for"))
      step.wait_for = parse_wait(*wait, reader.at("wait_for"), scope_, faults_);
    reader.boolean("pivot", step.pivot);
    if (step.pivot) step.siblings = Siblings::drain;
    if (const auto join = reader.get("join")) parse_join(*join, reader.at("join"), step);
    if (const auto tasks = reader.array("tasks", limits::kTasksPerStepMax))
      parse_tasks(*tasks, reader.at("tasks"), scope_, step, faults_);
    check_need(step, reader);
    // What follows the step may also read the step itself.
    std::unordered_set<std::string> names;
    for (const Task& task : step.tasks) names.insert(task.name);
    if (!step.name.empty() && !scope_.steps.emplace(step.name, std::move(names)).second)
      reader.fault("name", fmt::format("there is already a step {}; step names are unique", shown(step.name)));
    if (step.wait_for) scope_.signals.insert(step.wait_for->signals.begin(), step.wait_for->signals.end());
    const auto own = static_cast<std::uint16_t>(definition_.steps.size());
    step.next = parse_choices(reader, "next", own, names_, scope_, ways_known_, faults_);
    step.on_failure = parse_choices(reader, "on_failure", own, names_, scope_, ways_known_, faults_);
  }

  void fan_out(ObjectReader& reader, Step& step) {
    if (const auto source = reader.get("for_each")) {
      auto text = source->string();
      if (!text || !text->starts_with('/')) {
        reader.fault("for_each", "`for_each` is a pointer to an array, such as \"/input/items\"");
      } else {
        check_pointer(*text, reader.at("for_each"), scope_, faults_);
        step.for_each = std::move(*text);
        const auto tasks = reader.get("tasks");
        if (!tasks || (tasks->kind() == JsonKind::array && elements(*tasks).empty()))
          reader.fault("for_each", "`for_each` repeats the step's tasks, but it has none; add `tasks`");
      }
    }
    if (reader.get("at_once") && !reader.get("for_each"))
      reader.fault("at_once", "`at_once` bounds what `for_each` hands out; without one, remove it");
    reader.integer("at_once", step.at_once, 0, limits::kTasksMax);
  }

  void parse_join(JsonValue value, const std::string& pointer, Step& step) {
    static constexpr std::array<Names, 2> kWords{"all", "any"}, kSiblings{"cancel", "drain"},
        kLate{"compensate", "ignore"};
    static constexpr std::array<Names, 3> kLeftover{"cancel", "drain", "keep"};
    ObjectReader reader(value, pointer, kJoin, faults_);
    if (!reader.is_object()) return;
    if (const auto need = reader.get("need"); need && need->kind() == JsonKind::object) {
      step.need = parse_need(*need, reader.at("need"));
    } else if (const auto word = reader.word("need", kWords)) {
      if (*word == 1) step.need = Need{Need::Kind::at_least, 1, 0};
    }
    if (const auto siblings = reader.word("siblings", kSiblings)) step.siblings = static_cast<Siblings>(*siblings);
    if (step.pivot && step.siblings == Siblings::cancel)
      reader.fault("siblings", "a pivot step lets all its tasks settle; `siblings` can only be \"drain\" here");
    if (const auto leftover = reader.word("leftover", kLeftover)) step.leftover = static_cast<Leftover>(*leftover);
    if (const auto late = reader.word("late_success", kLate)) step.late_success = static_cast<LateSuccess>(*late);
    if (reader.length("deadline", step.deadline.fixed, step.deadline.pointer))
      check_pointer(step.deadline.pointer, reader.at("deadline"), scope_, faults_);
  }

  Need parse_need(JsonValue value, const std::string& pointer) {
    ObjectReader reader(value, pointer, kNeed, faults_);
    Need need;
    const auto given = [&](Names field) { return reader.get(field).has_value(); };
    if (std::ranges::count_if(kNeedFields, given) != 1) {
      faults_.add(pointer,
                  "a `need` is \"all\", \"any\", {\"at_least\": tasks}, {\"weight\": sum} or {\"share\": part of 1}");
    } else if (given("share")) {
      need.kind = Need::Kind::share;
      need.share = 1;
      reader.number("share", need.share, std::numeric_limits<double>::min(), 1, "above 0 and at most 1");
    } else {
      need.kind = given("at_least") ? Need::Kind::at_least : Need::Kind::weight;
      need.amount = 1;
      reader.integer(given("at_least") ? "at_least" : "weight", need.amount, 1, kNeedMax);
    }
    return need;
  }

  // A need that its tasks can never reach would fail every transaction at this step. How many tasks a `for_each` makes
  // is not known before.
  void check_need(const Step& step, ObjectReader& reader) {
    if (!step.for_each.empty()) return;
    std::uint64_t most = 0;
    for (const Task& task : step.tasks)
      if (task.before.empty()) most += step.need.kind == Need::Kind::weight ? task.weight : 1;
    if (step.need.amount > most)
      faults_.add(reader.at("join") + "/need",
                  fmt::format("the join needs {}, but the step's tasks give {} at most{}", step.need.amount, most,
                              step.ordered() ? " (those that no other comes after)" : ""));
  }

  Definition& definition_;
  FaultList& faults_;
  Scope scope_;  // the steps parsed so far
  StepNames names_;
  bool ways_known_ = true;
};

}  // namespace

void parse_steps(ObjectReader& root, Definition& definition, FaultList& faults, const std::string& root_name) {
  StepsParser(definition, faults, root_name).run(root);
}

}  // namespace dta::schema

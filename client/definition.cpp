// The writers of include/dta/definition.h. Members stand in the order of the calls. One thread each.
#include "dta/definition.h"

#include <charconv>
#include <string>

namespace dta {
namespace {

std::string decimal(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end);
}

std::string list_of(std::initializer_list<std::string_view> names) {
  JsonArray list;
  for (const std::string_view name : names) list.add(name);
  return list.text();
}

}  // namespace

Choice Choice::go(std::string_view step) {
  Choice choice;
  choice.members_.add("go", step);
  return choice;
}
Choice Choice::end() {
  return go("end");
}
Choice Choice::compensate(std::string_view code, std::string_view message) {
  Choice choice = go("compensate");
  if (!code.empty()) choice.members_.raw("error", JsonObject().add("code", code).add("message", message).text());
  return choice;
}
Choice& Choice::when(std::string_view json) {
  members_.raw("when", json);
  return *this;
}
Choice& Choice::output(std::string_view json) {
  members_.raw("output", json);
  return *this;
}

TaskBuilder& TaskBuilder::input(std::string_view json) {
  return member("input", json);
}
TaskBuilder& TaskBuilder::undo(std::string_view queue) {
  undo_.add("queue", queue);
  return *this;
}
TaskBuilder& TaskBuilder::max_attempts(std::uint32_t attempts) {
  retry_.add("max_attempts", attempts);
  return *this;
}
TaskBuilder& TaskBuilder::backoff(std::string_view first, double rate, std::string_view cap) {
  retry_.add("first", first).raw("rate", decimal(rate)).add("cap", cap);
  return *this;
}
TaskBuilder& TaskBuilder::attempt_timeout(std::string_view length) {
  timeouts_.add("attempt", length);
  return *this;
}
TaskBuilder& TaskBuilder::heartbeat(std::string_view length) {
  timeouts_.add("heartbeat", length);
  return *this;
}
TaskBuilder& TaskBuilder::queue_timeout(std::string_view length) {
  timeouts_.add("queue", length);
  return *this;
}
TaskBuilder& TaskBuilder::total_timeout(std::string_view length) {
  timeouts_.add("total", length);
  return *this;
}
TaskBuilder& TaskBuilder::when(std::string_view json) {
  return member("when", json);
}
TaskBuilder& TaskBuilder::after(std::initializer_list<std::string_view> tasks) {
  return member("after", list_of(tasks));
}
TaskBuilder& TaskBuilder::optional() {
  return member("optional", "true");
}
TaskBuilder& TaskBuilder::weight(std::uint32_t weight) {
  return member("weight", std::to_string(weight));
}
TaskBuilder& TaskBuilder::member(std::string_view name, std::string_view json) {
  members_.raw(name, json);
  return *this;
}

std::string TaskBuilder::text() const {
  JsonObject task = members_;
  if (!undo_.empty()) task.raw("undo", undo_.text());
  if (!retry_.empty()) task.raw("retry", retry_.text());
  if (!timeouts_.empty()) task.raw("timeouts", timeouts_.text());
  return task.text();
}

TaskBuilder& StepBuilder::task(std::string_view name, std::string_view queue) {
  TaskBuilder& task = tasks_.emplace_back();
  task.members_.add("name", name).add("queue", queue);
  return task;
}
TaskBuilder& StepBuilder::external_task(std::string_view name) {
  TaskBuilder& task = tasks_.emplace_back();
  task.members_.add("name", name).add("external", true);
  return task;
}
StepBuilder& StepBuilder::need(std::string_view json) {
  join_.raw("need", json);
  return *this;
}
StepBuilder& StepBuilder::need_any() {
  return need(R"("any")");
}
StepBuilder& StepBuilder::need_at_least(std::uint32_t tasks) {
  return need(JsonObject().add("at_least", tasks).text());
}
StepBuilder& StepBuilder::need_weight(std::uint32_t weight) {
  return need(JsonObject().add("weight", weight).text());
}
StepBuilder& StepBuilder::need_share(double share) {
  return need(JsonObject().raw("share", decimal(share)).text());
}
StepBuilder& StepBuilder::drain_siblings() {
  join_.add("siblings", "drain");
  return *this;
}
StepBuilder& StepBuilder::drain_leftover() {
  join_.add("leftover", "drain");
  return *this;
}
StepBuilder& StepBuilder::keep_leftover() {
  join_.add("leftover", "keep");
  return *this;
}
StepBuilder& StepBuilder::ignore_late_success() {
  join_.add("late_success", "ignore");
  return *this;
}
StepBuilder& StepBuilder::deadline(std::string_view length) {
  join_.add("deadline", length);
  return *this;
}
StepBuilder& StepBuilder::when(std::string_view json) {
  return member("when", json);
}
StepBuilder& StepBuilder::next(const Choice& choice) {
  next_.raw(choice.members_.text());
  return *this;
}
StepBuilder& StepBuilder::on_failure(const Choice& choice) {
  on_failure_.raw(choice.members_.text());
  return *this;
}
StepBuilder& StepBuilder::pivot() {
  return member("pivot", "true");
}
StepBuilder& StepBuilder::for_each(std::string_view pointer) {
  members_.add("for_each", pointer);
  return *this;
}
StepBuilder& StepBuilder::at_once(std::uint32_t tasks) {
  members_.add("at_once", tasks);
  return *this;
}
StepBuilder& StepBuilder::wait_for_signal(std::string_view name) {
  wait_.add("signal", name);
  return *this;
}
StepBuilder& StepBuilder::wait_for_signals(std::initializer_list<std::string_view> names) {
  wait_.raw("signals", list_of(names));
  return *this;
}
StepBuilder& StepBuilder::wait_until(std::string_view time) {
  wait_.add("until", time);
  return *this;
}
StepBuilder& StepBuilder::wait_for_duration(std::string_view length) {
  wait_.add("duration", length);
  return *this;
}
StepBuilder& StepBuilder::wait_deadline(std::string_view length) {
  wait_.add("deadline", length);
  return *this;
}
StepBuilder& StepBuilder::continue_on_deadline() {
  wait_.add("on_deadline", "continue");
  return *this;
}
StepBuilder& StepBuilder::member(std::string_view name, std::string_view json) {
  members_.raw(name, json);
  return *this;
}

std::string StepBuilder::text() const {
  JsonObject step = members_;
  if (!join_.empty()) step.raw("join", join_.text());
  if (!wait_.empty()) step.raw("wait_for", wait_.text());
  if (!tasks_.empty()) {
    JsonArray tasks;
    for (const TaskBuilder& task : tasks_) tasks.raw(task.text());
    step.raw("tasks", tasks.text());
  }
  if (!next_.empty()) step.raw("next", next_.text());
  if (!on_failure_.empty()) step.raw("on_failure", on_failure_.text());
  return step.text();
}

DefinitionBuilder::DefinitionBuilder(std::string_view name, std::uint32_t version) {
  members_.add("name", name).add("version", version);
}
DefinitionBuilder& DefinitionBuilder::expires_after(std::string_view length) {
  members_.add("expires_after", length);
  return *this;
}
DefinitionBuilder& DefinitionBuilder::output(std::string_view json) {
  output_ = json;
  return *this;
}
StepBuilder& DefinitionBuilder::step(std::string_view name) {
  StepBuilder& step = steps_.emplace_back();
  step.members_.add("name", name);
  return step;
}

std::string DefinitionBuilder::text() const {
  JsonObject definition = members_;
  JsonArray steps;
  for (const StepBuilder& step : steps_) steps.raw(step.text());
  definition.raw("steps", steps.text());
  if (!output_.empty()) definition.raw("output", output_);
  return definition.text();
}

TableBuilder::TableBuilder(std::string_view name, std::uint32_t version, std::string_view initial) {
  members_.add("name", name).add("version", version).add("initial", initial);
}
TableBuilder& TableBuilder::expires_after(std::string_view length) {
  members_.add("expires_after", length);
  return *this;
}
TableBuilder& TableBuilder::cycles() {
  members_.add("cycles", true);
  return *this;
}
TableBuilder& TableBuilder::transition(std::string_view from, std::string_view on, std::string_view to) {
  transitions_.raw(JsonObject().add("from", from).add("on", on).add("to", to).text());
  return *this;
}
TableBuilder& TableBuilder::completed(std::string_view state) {
  ends_.add(state, "completed");
  return *this;
}
TableBuilder& TableBuilder::terminated(std::string_view state) {
  ends_.add(state, "terminated");
  return *this;
}

std::string TableBuilder::text() const {
  JsonObject definition = members_;
  return definition.raw("transitions", transitions_.text()).raw("ends", ends_.text()).text();
}

}  // namespace dta

// The writers of include/dta/definition.h. Members stand in the order of the calls. One thread each.
#include "dta/definition.h"

#include <charconv>

namespace dta {
namespace {

std::string decimal(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return std::string(text, end);
}

}  // namespace

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
StepBuilder& StepBuilder::drain_siblings() {
  join_.add("siblings", "drain");
  return *this;
}
StepBuilder& StepBuilder::deadline(std::string_view length) {
  join_.add("deadline", length);
  return *this;
}
StepBuilder& StepBuilder::member(std::string_view name, std::string_view json) {
  members_.raw(name, json);
  return *this;
}

std::string StepBuilder::text() const {
  JsonObject step = members_;
  if (!join_.empty()) step.raw("join", join_.text());
  JsonArray tasks;
  for (const TaskBuilder& task : tasks_) tasks.raw(task.text());
  return step.raw("tasks", tasks.text()).text();
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

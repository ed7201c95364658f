// See context.h. Pure.
#include "engine/context.h"

#include <algorithm>

#include "schema/json.h"

namespace dta::engine {

using namespace schema;

namespace {

// Takes the first token off a pointer. Names need no escapes.
std::string_view token(std::string_view& pointer) {
  if (pointer.empty()) return {};
  pointer.remove_prefix(1);
  const std::string_view found = pointer.substr(0, pointer.find('/'));
  pointer.remove_prefix(found.size());
  return found;
}

std::vector<std::string_view> split(std::string_view path, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t end; !path.empty(); path.remove_prefix(end == path.size() ? end : end + 1)) {
    end = std::min(path.find(separator), path.size());
    parts.push_back(path.substr(0, end));
    if (end + 1 == path.size()) parts.emplace_back();
  }
  return parts;
}

std::optional<std::size_t> step_named(const Definition& definition, std::string_view name) {
  for (std::size_t i = 0; i < definition.steps.size(); ++i)
    if (definition.steps[i].name == name) return i;
  return std::nullopt;
}

std::optional<std::size_t> task_named(const Step& step, std::string_view name) {
  for (std::size_t i = 0; i < step.tasks.size(); ++i)
    if (step.tasks[i].name == name) return i;
  return std::nullopt;
}

std::optional<std::string_view> at_pointer(std::string_view json, std::string_view pointer) {
  const auto value = schema::find(JsonValue{json}, pointer);
  return value ? std::optional(value->raw) : std::nullopt;
}

void member(std::string& out, std::string_view name, std::string_view raw) {
  if (out.back() != '{') out += ',';
  append_quoted(out, name);
  out += ':';
  out += raw;
}

}  // namespace

void Context::inside(std::size_t step, std::uint32_t instance, std::string_view element) {
  step_ = step;
  instance_ = instance;
  element_ = element;
}

std::optional<std::string_view> Context::find(std::string_view pointer) const {
  std::string_view rest = pointer;
  const std::string_view root = token(rest);
  if (root == "input") return below(d_.s.input, rest);
  if (root == "steps") return of_step(rest);
  if (root == "signals") {
    const KeptSignal* found = signal(token(rest));
    if (found == nullptr) return std::nullopt;
    if (!found->payload.present()) return rest.empty() ? std::optional<std::string_view>("null") : std::nullopt;
    return below(found->payload, rest);
  }
  if (root == "tasks") {
    const std::string_view task = token(rest);
    if (token(rest) != "output") return std::nullopt;
    const auto found = own_output(task);
    return found ? at_pointer(*found, rest) : std::nullopt;
  }
  if (element_.empty()) return std::nullopt;
  if (root == "item") return at_pointer(element_, rest);
  if (root == "index" && rest.empty()) return keep(std::to_string(instance_));
  return std::nullopt;
}

std::optional<std::string_view> Context::of_step(std::string_view rest) const {
  const auto step = step_named(d_.m.definition(), token(rest));
  if (!step) return std::nullopt;
  const std::string_view word = token(rest);
  if (const auto task = task_named(d_.m.step(*step), word);
      task && (rest == "/output" || rest.starts_with("/output/"))) {
    token(rest);
    const auto found = output(*step, *task);
    return found ? at_pointer(*found, rest) : std::nullopt;
  }
  if (word == "outcome" && rest.empty()) {
    const std::string_view found = outcome(*step);
    return found.empty() ? std::nullopt : std::optional(keep(quote(found)));
  }
  const Failure* failed = failure(*step);
  if (word != "error" || failed == nullptr) return std::nullopt;
  return at_pointer(error(*failed), rest);
}

bool Context::holds(const Logic& condition) const {
  return condition.holds(data(condition.variables()));
}

std::optional<std::string_view> Context::below(const PayloadAt& at, std::string_view pointer) const {
  return at.present() ? at_pointer(d_.bytes(at), pointer) : std::nullopt;
}

std::optional<std::string_view> Context::output(std::size_t index, std::size_t task) const {
  const StepView step(d_.m, d_.s, index);
  const bool now = met_ == index || (failed_ != nullptr && failed_->task.step == index);
  const TaskBit needed = now ? TaskBit::done : TaskBit::counted;
  if (!step.is(StepBit::entered)) return std::nullopt;
  if (step.rules().for_each.empty()) {
    if (!step.has(needed, task) || !step.task(task).output.present()) return std::nullopt;
    return d_.bytes(step.task(task).output);
  }
  const auto [known, is_new] = arrays_.try_emplace({index, task});
  if (is_new) {
    std::string array = "[";
    for (std::size_t slot = task; slot < step.size(); slot += step.block().tasks) {
      if (array.size() > 1) array += ',';
      const PayloadAt& at = step.task(slot).output;
      array += step.has(needed, slot) && at.present() ? d_.bytes(at) : std::string_view("null");
    }
    known->second = keep(std::move(array) + "]");
  }
  return known->second;
}

std::optional<std::string_view> Context::own_output(std::string_view name) const {
  if (!step_) return std::nullopt;
  const StepView step(d_.m, d_.s, *step_);
  const auto task = task_named(step.rules(), name);
  if (!task || !step.is(StepBit::entered)) return std::nullopt;
  const std::size_t slot =
      step.slot({static_cast<std::uint16_t>(*step_), static_cast<std::uint16_t>(*task), instance_});
  if (slot >= step.size() || !step.has(TaskBit::done, slot) || !step.task(slot).output.present()) return std::nullopt;
  return d_.bytes(step.task(slot).output);
}

// The one consumed last: signals of one name are consumed in order of arrival.
const KeptSignal* Context::signal(std::string_view name) const {
  const auto it = std::find_if(d_.s.signals.rbegin(), d_.s.signals.rend(),
                               [&](const KeptSignal& s) { return s.name == name && s.step != KeptSignal::kKept; });
  return it == d_.s.signals.rend() ? nullptr : &*it;
}

std::string_view Context::outcome(std::size_t index) const {
  const StepView step(d_.m, d_.s, index);
  if (met_ == index || step.is(StepBit::met)) return "met";
  if (failure(index) != nullptr) return "failed";
  return step.is(StepBit::skipped) ? "skipped" : std::string_view();
}

const Failure* Context::failure(std::size_t step) const {
  if (failed_ != nullptr && failed_->task.step == step) return failed_;
  if (d_.s.failure.has_step && d_.s.failure.task.step == step && d_.s.bits.test(d_.m.bit(StepBit::failed, step)))
    return &d_.s.failure;
  for (const Failure& handled : d_.s.handled)
    if (handled.task.step == step) return &handled;
  return nullptr;
}

std::string_view Context::error(const Failure& failure) const {
  std::string out = "{";
  member(out, "code", quote(failure.code));
  member(out, "message", quote(failure.message));
  if (failure.details.present()) member(out, "details", d_.bytes(failure.details));
  return keep(std::move(out) + "}");
}

std::string_view Context::keep(std::string text) const {
  return kept_.emplace_back(std::move(text));
}

// Only what the condition may read: a transaction may carry megabytes.
std::string Context::data(const Logic::Variables& variables) const {
  std::set<std::string, std::less<>> roots, signals, own;
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> steps;  // "" among the names: all of it
  const Definition& definition = d_.m.definition();
  const auto add = [&](const std::vector<std::string_view>& path) {
    const auto name = [&](std::size_t i) { return std::string(path.size() > i ? path[i] : std::string_view()); };
    roots.insert(name(0));
    if (path[0] == "signals") signals.insert(name(1));
    if (path[0] == "tasks") own.insert(name(1));
    if (path[0] != "steps") return;
    for (const Step& step : definition.steps)
      if (name(1).empty() || step.name == path[1]) steps[step.name].insert(name(2));
  };
  for (const std::string& path : variables.paths)
    if (!path.empty()) add(split(path, '.'));
  if (variables.everything)
    for (const char* root : {"input", "steps", "signals", "tasks", "item", "index"}) add({root});

  const auto asked = [](const auto& names, const std::string& name) {
    return names.contains("") || names.contains(name);
  };
  std::string out = "{";
  for (const char* root : {"input", "item", "index"})
    if (roots.contains(root))
      if (const auto found = find("/" + std::string(root))) member(out, root, *found);
  if (!signals.empty()) {
    std::string all = "{";
    for (const std::string& name : definition.signals)
      if (const auto found = asked(signals, name) ? find("/signals/" + name) : std::nullopt) member(all, name, *found);
    member(out, "signals", all + "}");
  }
  if (!own.empty() && step_) {
    std::string all = "{";
    for (const Task& task : d_.m.step(*step_).tasks)
      if (const auto found = asked(own, task.name) ? own_output(task.name) : std::nullopt)
        member(all, task.name, "{\"output\":" + std::string(*found) + "}");
    member(out, "tasks", all + "}");
  }
  if (!steps.empty()) {
    std::string all = "{";
    for (const auto& [name, names] : steps) {
      const std::size_t index = *step_named(definition, name);
      if (outcome(index).empty()) continue;
      std::string one = "{";
      append_step(one, index, names);
      member(all, name, one + "}");
    }
    member(out, "steps", all + "}");
  }
  return out + "}";
}

void Context::append_step(std::string& out, std::size_t index, const std::set<std::string, std::less<>>& names) const {
  member(out, "outcome", quote(outcome(index)));
  if (const Failure* failed = failure(index)) member(out, "error", error(*failed));
  const Step& step = d_.m.step(index);
  for (std::size_t task = 0; task < step.tasks.size(); ++task)
    if (names.contains("") || names.contains(step.tasks[task].name))
      if (const auto found = output(index, task))
        member(out, step.tasks[task].name, "{\"output\":" + std::string(*found) + "}");
}

void Reads::add(const Template& t) {
  for (const std::string_view pointer : pointers(t)) add_pointer(pointer);
}

void Reads::add(const Logic& condition) {
  for (const std::string& path : condition.variables().paths)
    if (!path.empty()) add_path(split(path, '.'));
  if (condition.variables().everything) {
    input = true;
    outputs.emplace();
    signals.emplace();
    own.emplace();
  }
}

void Reads::add_pointer(std::string_view pointer) {
  if (!pointer.empty()) add_path(split(pointer.substr(1), '/'));
}

void Reads::add_path(const std::vector<std::string_view>& path) {
  const auto name = [&](std::size_t i) { return std::string(path.size() > i ? path[i] : std::string_view()); };
  if (path[0] == "input") input = true;
  if (path[0] == "steps") outputs.emplace(name(1), name(2));
  if (path[0] == "signals") signals.insert(name(1));
  if (path[0] == "tasks") own.insert(name(1));
}

}  // namespace dta::engine

// See data.h. First what is read is gathered into shapes, then values are drawn from them.
#include "simulation/data.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/time.h"

namespace dta::simulation {

using namespace schema;

namespace {

constexpr Time kBegin{1'700'000'000'000};  // near which times are drawn

bool is_number(const std::string& token) {
  return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(separator, from), text.size());
    parts.emplace_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

std::vector<std::string> path_of(std::string_view pointer) {
  if (pointer.empty()) return {};
  std::vector<std::string> path = split(pointer.substr(1), '/');
  for (std::string& token : path) {
    for (std::size_t i; (i = token.find("~1")) != std::string::npos;) token.replace(i, 2, "/");
    for (std::size_t i; (i = token.find("~0")) != std::string::npos;) token.replace(i, 2, "~");
  }
  return path;
}

Shape* walk(Shape* shape, const std::vector<std::string>& path, std::size_t from) {
  for (std::size_t i = from; i < path.size(); ++i) {
    if (is_number(path[i])) {
      if (!shape->element) shape->element = std::make_unique<Shape>();
      shape = shape->element.get();
    } else {
      shape = &shape->members[path[i]];
    }
  }
  return shape;
}

// ---- values

std::string scalar(Chance& chance) {
  switch (chance.below(6)) {
    case 0:
      return "true";
    case 1:
      return "false";
    case 2:
      return "\"x\"";
    case 3:
      return chance.one_in(3) ? "null" : "1.5";
    default:
      return std::to_string(chance.below(12));
  }
}

std::string near(const std::string& literal, Chance& chance) {
  const auto number = JsonValue{literal}.integer();
  if (!number) return chance.one_in(4) ? scalar(chance) : literal;
  return std::to_string(*number + static_cast<std::int64_t>(chance.below(3)) - 1);
}

std::string value(const Shape& shape, Chance& chance, int depth) {
  if (chance.one_in(40)) return scalar(chance);
  if (shape.time) return quote(format_time(Time{kBegin.ms + static_cast<std::int64_t>(chance.below(25'000)) - 3000}));
  if (shape.length)
    return chance.one_in(3) ? std::to_string(chance.below(9000)) : fmt::format("\"{}s\"", 1 + chance.below(9));
  if (shape.element && depth > 0) {
    std::string list;
    for (std::size_t i = 0, n = chance.below(chance.one_in(4) ? 7 : 4); i < n; ++i)
      list += (i == 0 ? "" : ",") + value(*shape.element, chance, depth - 1);
    return "[" + list + "]";
  }
  if (shape.object || !shape.members.empty()) {
    std::string members;
    for (const auto& [name, member] : shape.members) {
      if (chance.one_in(member.needed ? 60 : 8)) continue;
      members += (members.empty() ? "" : ",") + quote(name) + ":" + value(member, chance, depth - 1);
    }
    return "{" + members + "}";
  }
  if (!shape.literals.empty() && !chance.one_in(5)) {
    auto literal = shape.literals.begin();
    std::advance(literal, static_cast<std::ptrdiff_t>(chance.below(shape.literals.size())));
    return near(*literal, chance);
  }
  return scalar(chance);
}

}  // namespace

Data::Data(DefinitionPtr definition) : definition_(std::move(definition)) {
  for (const Step& step : definition_->steps) read_step(step);
  if (definition_->output) read(*definition_->output, false, false);
  std::sort(codes_.begin(), codes_.end());
  codes_.erase(std::unique(codes_.begin(), codes_.end()), codes_.end());
  std::erase_if(codes_, [](const std::string& code) { return code.empty() || code.starts_with("dta."); });
  codes_.emplace_back("refused");
}

bool Data::is_spread(std::string_view step) const {
  return std::any_of(definition_->steps.begin(), definition_->steps.end(),
                     [&](const Step& s) { return s.name == step && !s.for_each.empty(); });
}

void Data::read_step(const Step& step) {
  step_ = &step;
  item_ = nullptr;
  if (step.when) read(*step.when);
  if (!step.for_each.empty()) {
    item_ = &elements_of(path_of(step.for_each));
    item_->needed = true;
    if (Shape* source = at(path_of(step.for_each))) source->needed = true;
  }
  length_at(step.deadline.pointer);
  if (step.wait_for) {
    length_at(step.wait_for->duration.pointer);
    length_at(step.wait_for->deadline.pointer);
    if (!step.wait_for->until_pointer.empty())
      if (Shape* shape = at(path_of(step.wait_for->until_pointer))) shape->time = shape->needed = true;
  }
  for (const Task& task : step.tasks) read_task(task);
  for (const auto* choices : {&step.next, &step.on_failure})
    for (const Choice& choice : *choices) {
      if (choice.when) read(*choice.when);
      if (choice.go.output) read(*choice.go.output, false, false);
    }
  step_ = nullptr;
  item_ = nullptr;
}

void Data::read_task(const Task& task) {
  if (task.when) read(*task.when);
  if (task.input) read(*task.input, true, false);
  const TimeoutPointers& from = task.timeouts_from;
  for (const std::string* pointer : {&from.queue, &from.attempt, &from.total, &from.heartbeat}) length_at(*pointer);
  for (const ErrorRetry& rule : task.retry.by_error)
    codes_.insert(codes_.end(), rule.errors.begin(), rule.errors.end());
  if (!task.undo) return;
  for (const ErrorRetry& rule : task.undo->retry.by_error)
    codes_.insert(codes_.end(), rule.errors.begin(), rule.errors.end());
}

void Data::length_at(const std::string& pointer) {
  if (pointer.empty()) return;
  if (Shape* shape = at(path_of(pointer))) shape->length = shape->needed = true;
}

void Data::read(const Template& t, bool needed, bool object) {
  if (t.kind == Template::Kind::pointer) {
    Shape* shape = at(path_of(t.text));
    if (shape == nullptr) return;
    shape->needed |= needed;
    shape->object |= object;
    return;
  }
  for (const Template& child : t.children)
    read(child, needed && t.kind != Template::Kind::first,
         t.kind == Template::Kind::merge || (object && t.kind == Template::Kind::first));
}

void Data::read(const Logic& condition) {
  read_rule(JsonValue{condition.text()}, nullptr);
}

// `base`: inside a walk over an array, its element.
void Data::read_rule(JsonValue rule, Shape* base) {
  if (rule.kind() == JsonKind::array) {
    for (const JsonValue& part : elements(rule)) read_rule(part, base);
    return;
  }
  if (rule.kind() != JsonKind::object) return;
  std::vector<Path> variables;
  std::vector<std::string> literals;
  gather(rule, base, variables, literals);
  for (const Path& path : variables) {
    if (path.size() == 4 && path[0] == "steps" && path[2] == "error" && path[3] == "code")
      for (const std::string& literal : literals)
        if (const auto code = JsonValue{literal}.string()) codes_.push_back(*code);
    Shape* shape = base != nullptr ? walk(base, path, 0) : at(path);
    if (shape != nullptr) shape->literals.insert(literals.begin(), literals.end());
  }
  for (const JsonMember& member : members(rule)) {
    static constexpr std::string_view kWalks[] = {"map", "filter", "reduce", "all", "none", "some"};
    const bool walks = std::find(std::begin(kWalks), std::end(kWalks), member.name) != std::end(kWalks);
    if (member.name == "var" || member.name == "missing") continue;
    if (!walks || member.value.kind() != JsonKind::array) {
      read_rule(member.value, base);
      continue;
    }
    // Inside, variables are those of the element.
    const auto parts = elements(member.value);
    std::vector<Path> list;
    std::vector<std::string> none;
    if (!parts.empty()) gather(parts[0], base, list, none);
    Shape* element = &nowhere_;
    if (list.size() == 1) {
      if (base == nullptr) {
        element = &elements_of(list[0]);
      } else {
        Shape* shape = walk(base, list[0], 0);
        if (!shape->element) shape->element = std::make_unique<Shape>();
        element = shape->element.get();
      }
    }
    for (std::size_t i = 1; i < parts.size(); ++i) read_rule(parts[i], element);
  }
}

// Variables and literals that one operator brings together.
void Data::gather(JsonValue rule, Shape* base, std::vector<Path>& variables, std::vector<std::string>& literals) {
  switch (rule.kind()) {
    case JsonKind::array:
      for (const JsonValue& part : elements(rule)) gather(part, base, variables, literals);
      return;
    case JsonKind::object:
      break;
    case JsonKind::null:
      return;
    default:
      literals.emplace_back(rule.raw);
      return;
  }
  for (const JsonMember& member : members(rule)) {
    const bool missing = member.name == "missing";
    if (member.name != "var" && !missing) {
      // An operator below another is a matter of its own, but for arithmetic.
      static constexpr std::string_view kOwn[] = {"and",    "or",     "if",  "?:",   "!",    "!!",          "map",
                                                  "filter", "reduce", "all", "none", "some", "missing_some"};
      if (std::find(std::begin(kOwn), std::end(kOwn), member.name) == std::end(kOwn))
        gather(member.value, base, variables, literals);
      continue;
    }
    std::vector<JsonValue> names{member.value};
    if (member.value.kind() == JsonKind::array) names = elements(member.value);
    if (!missing && names.size() > 1) names.resize(1);
    for (const JsonValue& name : names)
      if (const auto text = name.string(); text && !text->empty()) variables.push_back(split(*text, '.'));
  }
}

Shape* Data::at(const Path& path) {
  if (path.empty()) return nullptr;
  if (path[0] == "input") return walk(&input_, path, 1);
  if (path[0] == "item" && item_ != nullptr) return walk(item_, path, 1);
  if (path[0] == "signals" && path.size() > 1) return walk(&signals_[path[1]], path, 2);
  if (path[0] == "tasks" && path.size() > 2 && path[2] == "output" && step_ != nullptr)
    return walk(&outputs_[{step_->name, path[1]}], path, 3);
  if (path[0] != "steps" || path.size() < 4 || path[3] != "output") return nullptr;
  Shape& output = outputs_[{path[1], path[2]}];
  if (!is_spread(path[1])) return walk(&output, path, 4);
  // The outputs of its instances already are an array.
  return path.size() == 4 ? nullptr : walk(&output, path, is_number(path[4]) ? 5 : 4);
}

Shape& Data::elements_of(const Path& path) {
  if (path.size() == 4 && path[0] == "steps" && path[3] == "output" && is_spread(path[1]))
    return outputs_[{path[1], path[2]}];
  Shape* shape = at(path);
  if (shape == nullptr) return nowhere_;
  if (!shape->element) shape->element = std::make_unique<Shape>();
  return *shape->element;
}

std::string Data::input(Chance& chance) const {
  if (input_.members.empty() && !input_.element && chance.one_in(3)) return "";
  if (input_.element) return value(input_, chance, 6);
  std::string members;
  for (const auto& [name, member] : input_.members) {
    if (chance.one_in(member.needed ? 30 : 8)) continue;
    members += (members.empty() ? "" : ",") + quote(name) + ":" + value(member, chance, 6);
  }
  return "{" + members + "}";
}

std::string Data::output(std::string_view step, std::string_view task, Chance& chance) const {
  const auto found = outputs_.find(std::pair(std::string(step), std::string(task)));
  if (found != outputs_.end() && !chance.one_in(20)) return value(found->second, chance, 6);
  return chance.one_in(5) ? "" : fmt::format("{{\"r\":{}}}", chance.below(100));
}

std::string Data::signal(std::string_view name, Chance& chance) const {
  const auto found = signals_.find(name);
  if (found != signals_.end()) return value(found->second, chance, 6);
  return chance.one_in(3) ? "" : scalar(chance);
}

}  // namespace dta::simulation

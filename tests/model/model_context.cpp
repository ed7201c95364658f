// What data decides in the reference model: the context that templates and conditions see, built as one JSON text, and
// what is read from it. Templates take from it by pointer, conditions by path. See model.h.
#include "schema/json.h"
#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

namespace {

// A JSON object in the making; what has no text does not exist, and is left out.
class Object {
 public:
  void add(const std::string& name, const std::string& raw) {
    if (raw.empty()) return;
    text_ += text_.empty() ? "{" : ",";
    text_ += quote(name) + ":" + raw;
  }
  std::string text() const { return text_.empty() ? "" : text_ + "}"; }

 private:
  std::string text_;
};

class Pointers : public TemplateContext {
 public:
  explicit Pointers(const std::string& text) : text_(text) {}
  std::optional<std::string_view> find(std::string_view pointer) const override {
    if (text_.empty()) return std::nullopt;
    const auto value = schema::find(JsonValue{text_}, pointer);
    return value ? std::optional(value->raw) : std::nullopt;
  }

 private:
  const std::string& text_;
};

std::string error_object(const Failure& failure) {
  Object error;
  error.add("code", quote(failure.code));
  error.add("message", quote(failure.message));
  error.add("details", failure.details);
  return error.text();
}

std::string wrapped(const std::string& name, const std::string& raw) {
  Object object;
  object.add(name, raw);
  return object.text();
}

}  // namespace

// A step shows what its join counted, how it ended and why it failed. In its own `next` and `on_failure` it shows what
// is done, and how it is about to end.
std::string Transaction::context(const View& view) const {
  Object steps;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const StepState& s = steps_[i];
    const bool own = view.own == i;
    if (s.outcome == StepOutcome::none || (s.outcome == StepOutcome::open && !own)) continue;
    Object shown;
    if (own)
      shown.add("outcome", view.failing ? "\"failed\"" : "\"met\"");
    else
      shown.add("outcome", s.outcome == StepOutcome::met      ? "\"met\""
                           : s.outcome == StepOutcome::failed ? "\"failed\""
                                                              : "\"skipped\"");
    if (own && view.failing)
      shown.add("error", error_object(*view.failing));
    else if (s.outcome == StepOutcome::failed && s.failure)
      shown.add("error", error_object(*s.failure));
    const auto visible = [&](const Task& t) {
      return t.counted || (own && t.outcome() == Outcome::done) ? t.output : std::string();
    };
    for (std::size_t k = 0; k < s.rules->tasks.size() && s.was_entered(); ++k) {
      std::string value;
      if (s.rules->for_each.empty()) {
        value = visible(s.tasks[k]);
      } else {
        for (std::size_t p = k; p < s.tasks.size(); p += s.rules->tasks.size()) {
          const std::string one = visible(s.tasks[p]);
          value += (value.empty() ? "" : ",") + (one.empty() ? "null" : one);
        }
        value = "[" + value + "]";
      }
      shown.add(s.rules->tasks[k].name, wrapped("output", value));
    }
    steps.add(s.rules->name, shown.text());
  }
  Object signals;
  for (const auto& [name, payload] : consumed_) signals.add(name, payload);
  Object all;
  all.add("input", input_);
  all.add("steps", steps.text());
  all.add("signals", signals.text());
  if (view.item) {
    all.add("item", *view.item);
    all.add("index", std::to_string(view.task->instance));
  }
  if (view.task) {
    Object tasks;
    for (std::size_t p = 0; p < steps_[view.task->step].tasks.size(); ++p) {
      const Task& t = steps_[view.task->step].tasks[p];
      if (ref_of(view.task->step, p).instance == view.task->instance && t.outcome() == Outcome::done)
        tasks.add(t.rules->name, wrapped("output", t.output));
    }
    all.add("tasks", tasks.text());
  }
  return all.text();
}

bool Transaction::holds(const std::optional<Logic>& rule, const View& view) const {
  if (!rule) return true;
  const std::string data = context(view);
  return rule->holds(data.empty() ? "{}" : data);
}

std::optional<std::string> Transaction::resolved(const Template& text, const View& view) const {
  const std::string data = context(view);
  auto result = resolve(text, Pointers(data));
  if (!result) return std::nullopt;
  return *result;
}

std::optional<std::string> Transaction::value_at(const std::string& pointer, const View& view) const {
  const std::string data = context(view);
  const auto found = Pointers(data).find(pointer);
  return found ? std::optional(std::string(*found)) : std::nullopt;
}

// A text such as "5m", or a whole number of milliseconds.
std::optional<Duration> Transaction::length_at(const std::string& pointer, const View& view) const {
  const auto raw = value_at(pointer, view);
  if (!raw) return std::nullopt;
  const JsonValue value{*raw};
  if (const auto text = value.string()) return parse_duration(*text);
  const auto number = value.integer();
  if (!number || *number < 0 || Duration{*number} > kDurationMax) return std::nullopt;
  return Duration{*number};
}

std::optional<Timeouts> Transaction::timeouts_of(const schema::Task& task, const View& view) const {
  Timeouts limits = task.timeouts;
  const auto read = [&](const std::string& pointer, Duration& limit) {
    if (pointer.empty()) return true;
    const auto length = length_at(pointer, view);
    if (length) limit = *length;
    return length.has_value();
  };
  const TimeoutPointers& from = task.timeouts_from;
  if (!read(from.queue, limits.queue) || !read(from.attempt, limits.attempt) || !read(from.total, limits.total) ||
      !read(from.heartbeat, limits.heartbeat) || limits.attempt.ms == 0)
    return std::nullopt;
  return limits;
}

Transaction::View Transaction::view_of(TaskRef ref) const {
  View view;
  view.task = ref;
  if (!rules(ref.step).for_each.empty()) view.item = steps_[ref.step].items[ref.instance];
  return view;
}

Route Transaction::decide(const std::vector<Choice>& choices, GoKind otherwise, const View& view) const {
  for (std::size_t i = 0; i < choices.size(); ++i)
    if (holds(choices[i].when, view))
      return {static_cast<GoKind>(choices[i].go.kind), choices[i].go.step, static_cast<std::uint16_t>(i)};
  return {otherwise, 0, kNoChoice};
}

// What cannot be resolved is null as a whole.
std::string Transaction::output_of(const Go* end, const View& view) const {
  if (end != nullptr && end->output) return resolved(*end->output, view).value_or("null");
  return definition_->output ? resolved(*definition_->output, {}).value_or("null") : "";
}

}  // namespace dta::model

// full_text: a definition with every default written out, laid out for people. What it writes parses to an equal
// definition; tests prove that for random ones. Templates and conditions keep their bytes.
#include <fmt/format.h>

#include "schema/definition_parse.h"

namespace dta::schema {
namespace {

// Pretty JSON, two blanks a level. An empty container is written as {} or [].
class Writer {
 public:
  void open(char bracket) {
    out_.push_back(bracket);
    ++depth_;
    first_ = true;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) line();
    out_.push_back(bracket);
    first_ = false;
  }
  // Begins an element of an array.
  void element() {
    if (!first_) out_.push_back(',');
    first_ = false;
    line();
  }
  void key(std::string_view name) {
    element();
    append_quoted(out_, name);
    out_ += ": ";
  }
  void raw(std::string_view name, std::string_view json) {
    key(name);
    out_ += json;
  }
  void text(std::string_view name, std::string_view value) { raw(name, quote(value)); }
  void duration(std::string_view name, Duration d) { text(name, format_duration(d)); }
  // A length that may be a pointer instead.
  void length(std::string_view name, Duration d, std::string_view pointer) {
    text(name, pointer.empty() ? format_duration(d) : pointer);
  }
  void flag(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }
  void names(std::string_view name, const std::vector<std::string>& all) {
    key(name);
    open('[');
    for (const std::string& one : all) {
      element();
      append(quote(one));
    }
    close(']');
  }
  void append(std::string_view json) { out_ += json; }
  std::string take() {
    out_.push_back('\n');
    return std::move(out_);
  }

 private:
  void line() {
    out_.push_back('\n');
    out_.append(depth_ * 2, ' ');
  }

  std::string out_;
  std::size_t depth_ = 0;
  bool first_ = true;
};

// A literal that would be read as something else when it stood alone is written inside `$literal`.
bool reads_as_itself(const std::string& raw) {
  FaultList faults;
  const Template again = parse_template(JsonValue{raw}, "", {}, faults);
  return faults.empty() && again.kind == Template::Kind::literal && again.text == raw;
}

void append_template(std::string& out, const Template& t) {
  const auto list = [&](std::string_view open, std::string_view close) {
    out += open;
    for (std::size_t i = 0; i < t.children.size(); ++i) {
      if (i != 0) out += ", ";
      if (t.kind == Template::Kind::object) out += quote(t.names[i]) + ": ";
      append_template(out, t.children[i]);
    }
    out += close;
  };
  switch (t.kind) {
    case Template::Kind::literal:
      out += reads_as_itself(t.text) ? t.text : R"({"$literal": )" + t.text + "}";
      return;
    case Template::Kind::pointer:
      append_quoted(out, t.text);
      return;
    case Template::Kind::object:
      return list("{", "}");
    case Template::Kind::array:
      return list("[", "]");
    case Template::Kind::merge:
      return list(R"({"$merge": [)", "]}");
    case Template::Kind::first:
      return list(R"({"$first": [)", "]}");
  }
}

void write_template(Writer& w, std::string_view name, const Template& t) {
  std::string text;
  append_template(text, t);
  w.raw(name, text);
}

void write_backoff(Writer& w, const Backoff& b) {
  w.raw("max_attempts", b.max_attempts == Backoff::kUnlimited ? "\"unlimited\"" : fmt::format("{}", b.max_attempts));
  w.duration("first", b.first);
  w.raw("rate", fmt::format("{}", b.rate));
  w.duration("cap", b.cap);
  w.raw("jitter", fmt::format("{}", b.jitter));
}

void write_retry(Writer& w, const Retry& retry) {
  w.key("retry");
  w.open('{');
  write_backoff(w, retry.backoff);
  w.key("by_error");
  w.open('[');
  for (const ErrorRetry& rule : retry.by_error) {
    w.element();
    w.open('{');
    w.names("errors", rule.errors);
    write_backoff(w, rule.backoff);
    w.close('}');
  }
  w.close(']');
  w.close('}');
}

void write_undo(Writer& w, const Undo& undo) {
  w.key("undo");
  w.open('{');
  w.text("queue", undo.queue);
  write_retry(w, undo.retry);
  w.key("timeouts");
  w.open('{');
  w.duration("attempt", undo.timeouts.attempt);
  w.duration("heartbeat", undo.timeouts.heartbeat);
  w.close('}');
  w.close('}');
}

void write_steps(Writer& w, const Definition& definition);

void write_child(Writer& w, const Child& child) {
  w.key("transaction");
  w.open('{');
  if (child.in_place) {
    write_steps(w, *child.in_place);
  } else {
    w.text("definition", child.definition);
    if (child.version) w.raw("version", std::to_string(*child.version));
  }
  w.close('}');
}

void write_task(Writer& w, const Task& task, const Step& step) {
  const Timeouts& fixed = task.timeouts;
  const TimeoutPointers& from = task.timeouts_from;
  w.element();
  w.open('{');
  w.text("name", task.name);
  const bool handed_out = !task.external && !task.child;
  if (task.child)
    write_child(w, *task.child);
  else
    w.flag("external", task.external);
  if (handed_out) w.text("queue", task.queue);
  std::vector<std::string> after;
  for (const std::uint16_t earlier : task.after) after.push_back(step.tasks[earlier].name);
  w.names("after", after);
  if (task.when) w.raw("when", task.when->text());
  w.flag("optional", task.optional);
  w.raw("weight", std::to_string(task.weight));
  if (task.input) write_template(w, "input", *task.input);
  if (task.undo) write_undo(w, *task.undo);
  if (handed_out) write_retry(w, task.retry);
  w.key("timeouts");
  w.open('{');
  if (handed_out) w.length("queue", fixed.queue, from.queue);
  if (handed_out) w.length("attempt", fixed.attempt, from.attempt);
  w.length("total", fixed.total, from.total);
  if (handed_out) w.length("heartbeat", fixed.heartbeat, from.heartbeat);
  w.close('}');
  w.close('}');
}

void write_need(Writer& w, const Need& need) {
  switch (need.kind) {
    case Need::Kind::all:
      return w.text("need", "all");
    case Need::Kind::at_least:
      return w.raw("need", fmt::format(R"({{"at_least": {}}})", need.amount));
    case Need::Kind::weight:
      return w.raw("need", fmt::format(R"({{"weight": {}}})", need.amount));
    case Need::Kind::share:
      return w.raw("need", fmt::format(R"({{"share": {}}})", need.share));
  }
}

void write_join(Writer& w, const Step& step) {
  w.key("join");
  w.open('{');
  write_need(w, step.need);
  w.text("siblings", step.siblings == Siblings::cancel ? "cancel" : "drain");
  constexpr std::array<std::string_view, 3> kLeftover{"cancel", "drain", "keep"};
  w.text("leftover", kLeftover[static_cast<std::size_t>(step.leftover)]);
  w.text("late_success", step.late_success == LateSuccess::compensate ? "compensate" : "ignore");
  w.length("deadline", step.deadline.fixed, step.deadline.pointer);
  w.close('}');
}

void write_wait(Writer& w, const Wait& wait) {
  w.key("wait_for");
  w.open('{');
  if (wait.signals.empty()) {
    if (wait.duration.present()) {
      w.length("duration", wait.duration.fixed, wait.duration.pointer);
    } else {
      w.text("until", wait.until ? format_time(*wait.until) : wait.until_pointer);
    }
  } else {
    w.names("signals", wait.signals);
    w.length("deadline", wait.deadline.fixed, wait.deadline.pointer);
    w.text("on_deadline", wait.continue_on_deadline ? "continue" : "fail");
  }
  w.close('}');
}

void write_choices(Writer& w, std::string_view name, const std::vector<Choice>& choices,
                   const std::vector<Step>& steps) {
  w.key(name);
  w.open('[');
  for (const Choice& choice : choices) {
    const Go& go = choice.go;
    w.element();
    w.open('{');
    if (choice.when) w.raw("when", choice.when->text());
    w.text("go", go.kind == Go::Kind::step ? steps[go.step].name : go.kind == Go::Kind::end ? "end" : "compensate");
    if (go.output) write_template(w, "output", *go.output);
    if (!go.code.empty())
      w.raw("error", fmt::format(R"({{"code": {}, "message": {}}})", quote(go.code), quote(go.message)));
    w.close('}');
  }
  w.close(']');
}

void write_step(Writer& w, const Step& step, const std::vector<Step>& steps) {
  w.element();
  w.open('{');
  w.text("name", step.name);
  if (step.when) w.raw("when", step.when->text());
  if (!step.for_each.empty()) {
    w.text("for_each", step.for_each);
    w.raw("at_once", std::to_string(step.at_once));
  }
  if (step.wait_for) write_wait(w, *step.wait_for);
  w.flag("pivot", step.pivot);
  write_join(w, step);
  w.key("tasks");
  w.open('[');
  for (const Task& task : step.tasks) write_task(w, task, step);
  w.close(']');
  write_choices(w, "next", step.next, steps);
  write_choices(w, "on_failure", step.on_failure, steps);
  w.close('}');
}

void write_steps(Writer& w, const Definition& definition) {
  w.key("steps");
  w.open('[');
  for (const Step& step : definition.steps) write_step(w, step, definition.steps);
  w.close(']');
  if (definition.output) write_template(w, "output", *definition.output);
}

void write_table(Writer& w, const Definition& definition) {
  w.text("initial", definition.states[definition.initial].name);
  w.flag("cycles", definition.cycles);
  w.key("transitions");
  w.open('[');
  for (const Transition& row : definition.transitions) {
    w.element();
    w.append(fmt::format(R"({{"from": {}, "on": {}, "to": {}}})", quote(definition.states[row.from].name),
                         quote(row.on), quote(definition.states[row.to].name)));
  }
  w.close(']');
  w.key("ends");
  w.open('{');
  for (const State& state : definition.states)
    if (state.end != StateEnd::none) w.text(state.name, state.end == StateEnd::completed ? "completed" : "terminated");
  w.close('}');
}

}  // namespace

std::string full_text(const Definition& definition) {
  Writer w;
  w.open('{');
  w.text("name", definition.name);
  w.raw("version", fmt::format("{}", definition.version));
  w.duration("expires_after", definition.expires_after);
  if (definition.form == Form::steps) {
    write_steps(w, definition);
  } else {
    write_table(w, definition);
  }
  w.close('}');
  return w.take();
}

}  // namespace dta::schema

// Events as lines of JSON. Every line stays one line: line breaks between the tokens of a payload become blanks, which
// changes no value; everything else of a payload is the caller's bytes. Fields are those of docs/events.md, and a test
// holds the two together. Pure but for the lookups given; any thread.
#include "schema/event_json.h"

#include <algorithm>
#include <charconv>

#include "schema/json.h"

namespace dta::schema {
namespace {

std::string_view name(Effect effect) {
  return effect == Effect::none ? "none" : "unknown";
}
std::string_view name(LeaseEnd end) {
  return end == LeaseEnd::attempt ? "attempt" : "heartbeat";
}
std::string_view name(TaskLimit limit) {
  return limit == TaskLimit::queue ? "queue" : "total";
}
std::string_view name(IncidentKind kind) {
  return kind == IncidentKind::undo_failed ? "undo_failed" : "effect_after_undo";
}
std::string_view name(CompensationCause cause) {
  switch (cause) {
    case CompensationCause::step_failed:
      return "step_failed";
    case CompensationCause::cancelled:
      return "cancelled";
    case CompensationCause::expired:
      break;
  }
  return "expired";
}

class EventWriter {
 public:
  EventWriter(std::string& out, const RecordedEvent& event, const EventJsonContext& context)
      : out_(out), event_(event), context_(context) {}

  void run() {
    out_.push_back('{');
    if (!context_.transaction.empty()) text("transaction", context_.transaction);
    number("sequence", event_.sequence.value);
    if (context_.position) number("position", context_.position.value);
    time("recorded_at", event_.recorded_at);
    text("kind", to_string(kind_of(event_.event)));
    std::visit([this](const auto& e) { fields(e); }, event_.event);
    out_.push_back('}');
  }

 private:
  void key(std::string_view name) {
    if (out_.back() != '{' && out_.back() != '[') out_.push_back(',');
    out_.push_back('"');
    out_ += name;
    out_ += "\":";
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    append_quoted(out_, value);
  }
  // Empty: nobody, written as null.
  void text_or_null(std::string_view name, std::string_view value) {
    if (!value.empty()) return text(name, value);
    key(name);
    out_ += "null";
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    append_number(value);
  }
  void append_number(std::uint64_t value) {
    char digits[20];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  void boolean(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  void time(std::string_view name, Time t) {
    if (t != Time::never()) return text(name, format_time(t));
    key(name);
    out_ += "null";
  }

  void payload(std::string_view name, const PayloadRef& ref) {
    if (!ref.present()) return;
    key(name);
    if (context_.payload) {
      if (const auto bytes = context_.payload(ref)) {
        const std::size_t begin = out_.size();
        out_ += *bytes;
        const auto is_break = [](char c) { return c == '\n' || c == '\r'; };
        std::replace_if(out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(), is_break, ' ');
        return;
      }
    }
    out_ += context_.payload ? "{\"erased\":true," : "{";
    out_ += "\"size\":";
    append_number(ref.size);
    text("sha256", to_hex(ref.digest));
    out_.push_back('}');
  }

  void pairs(std::string_view name, const std::vector<Attribute>& attributes) {
    key(name);
    out_.push_back('{');
    for (std::size_t i = 0; i < attributes.size(); ++i) {
      if (i != 0) out_.push_back(',');
      append_quoted(out_, attributes[i].key);
      out_.push_back(':');
      append_quoted(out_, attributes[i].value);
    }
    out_.push_back('}');
  }

  void error(std::string_view code, std::string_view message, const PayloadRef& details = {}) {
    key("error");
    out_.push_back('{');
    text("code", code);
    text("message", message);
    payload("details", details);
    out_.push_back('}');
  }

  // By name where the definition has one, else by number: a history must stay readable whatever is wrong.
  const Step* step_at(std::uint16_t index) const {
    const Definition* d = context_.definition;
    return d != nullptr && index < d->steps.size() ? &d->steps[index] : nullptr;
  }
  void step(std::uint16_t index) {
    const Step* s = step_at(index);
    if (s != nullptr) return text("step", s->name);
    number("step", index);
  }
  void task(std::uint16_t step_index, std::uint16_t task_index, std::uint32_t instance) {
    const Step* s = step_at(step_index);
    if (s != nullptr && task_index < s->tasks.size()) {
      text("task", s->tasks[task_index].name);
    } else {
      number("task", task_index);
    }
    if (instance != 0) number("instance", instance);
  }
  void place(const TaskRef& ref) {
    step(ref.step);
    task(ref.step, ref.task, ref.instance);
  }
  void state(std::string_view field, std::uint16_t index) {
    const Definition* d = context_.definition;
    if (d != nullptr && index < d->states.size()) return text(field, d->states[index].name);
    number(field, index);
  }
  void attempt(const Attempt& a) {
    place(a.task);
    boolean("undo", a.action == Action::undo);
    number("attempt", a.number);
  }
  void token(Sequence lease) {
    if (context_.token) text("token", context_.token(lease));
  }

  void fields(const TransactionStarted& e) {
    text("id", e.id);
    text("definition", e.definition);
    number("version", e.version);
    text("definition_digest", to_hex(e.definition_digest));
    time("expires_at", e.expires_after.ms == 0 ? Time::never() : event_.recorded_at + e.expires_after);
    pairs("attributes", e.attributes);
    pairs("headers", e.headers);
    payload("input", e.input);
  }
  void fields(const StepEntered& e) {
    step(e.step);
    if (e.inputs.empty()) return;
    key("inputs");
    out_.push_back('[');
    for (std::size_t i = 0; i < e.inputs.size(); ++i) {
      if (i != 0) out_.push_back(',');
      out_.push_back('{');
      task(e.step, e.inputs[i].task, e.inputs[i].instance);
      payload("input", e.inputs[i].input);
      out_.push_back('}');
    }
    out_.push_back(']');
  }
  void fields(const StepMet& e) { step(e.step); }
  void fields(const StepFailed& e) {
    step(e.step);
    if (e.has_task) {
      task(e.task.step, e.task.task, e.task.instance);
    } else {
      text_or_null("task", {});
    }
    error(e.code, e.message);
  }
  void fields(const TaskLeased& e) {
    place(e.task);
    boolean("undo", e.action == Action::undo);
    number("attempt", e.attempt);
    number("generation", e.generation);
    number("order", e.order);
    text("worker", e.worker);
    text("poll_id", e.poll_id);
    const bool beats = e.heartbeat_timeout.ms != 0;
    time("lease_until",
         event_.recorded_at + (beats ? std::min(e.attempt_timeout, e.heartbeat_timeout) : e.attempt_timeout));
    token(event_.sequence);
  }
  void fields(const TaskCompleted& e) {
    attempt(e.attempt);
    if (e.attempt.action == Action::undo && e.found) boolean("found", *e.found);
    payload("output", e.output);
    token(e.attempt.lease);
  }
  void fields(const TaskFailed& e) {
    attempt(e.attempt);
    error(e.code, e.message, e.details);
    text("effect", name(e.effect));
    boolean("retryable", e.retryable);
    time("retry_at", e.retry_at);
    token(e.attempt.lease);
  }
  void fields(const TaskReleased& e) {
    attempt(e.attempt);
    time("not_before", e.not_before);
    token(e.attempt.lease);
  }
  void fields(const AttemptTimedOut& e) {
    attempt(e.attempt);
    text("reason", name(e.reason));
    time("retry_at", e.retry_at);
    token(e.attempt.lease);
  }
  void fields(const TaskTimedOut& e) {
    place(e.task);
    text("limit", name(e.limit));
  }
  void fields(const HeartbeatRecorded& e) {
    attempt(e.attempt);
    payload("detail", e.detail);
    token(e.attempt.lease);
  }
  void fields(const LateResult& e) {
    attempt(e.attempt);
    boolean("succeeded", e.succeeded);
    boolean("after_undo", e.after_undo);
    text_or_null("code", e.code);
    payload("output", e.output);
    token(e.attempt.lease);
  }
  void fields(const CompensationStarted& e) {
    text("cause", name(e.cause));
    text_or_null("reason", e.reason);
    text_or_null("who", e.who);
  }
  void fields(const StepUndone& e) { step(e.step); }
  void fields(const TransactionCompleted& e) {
    payload("output", e.output);
    if (!e.not_undone.empty()) not_undone(e.not_undone);
  }
  void fields(const OutcomeDecided& e) { payload("output", e.output); }
  void fields(const TransactionCompensated& e) { not_undone(e.not_undone); }
  void not_undone(const std::vector<NotUndone>& list) {
    key("not_undone");
    out_.push_back('[');
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i != 0) out_.push_back(',');
      out_.push_back('{');
      place(list[i].task);
      text("reason", to_string(list[i].reason));
      out_.push_back('}');
    }
    out_.push_back(']');
  }
  void fields(const TransactionTerminated& e) {
    text_or_null("reason", e.reason);
    text_or_null("who", e.who);
    if (!e.not_undone.empty()) not_undone(e.not_undone);
  }
  void fields(const IncidentResolved& e) {
    number("number", e.number);
    text("resolution", to_string(e.resolution));
    text_or_null("reason", e.reason);
    text_or_null("who", e.who);
  }
  void fields(const IncidentRaised& e) {
    number("number", e.number);
    text("incident", name(e.kind));
    place(e.task);
    error(e.code, e.message);
  }
  void fields(const Transitioned& e) {
    const Definition* d = context_.definition;
    if (d != nullptr && e.transition < d->transitions.size()) {
      text("on", d->transitions[e.transition].on);
    } else {
      number("on", e.transition);
    }
    state("from", e.from);
    state("to", e.to);
    text_or_null("event_id", e.event_id);
    payload("data", e.data);
  }
  void fields(const DefinitionPublished& e) {
    text("name", e.name);
    number("version", e.version);
    payload("text", e.text);
  }

  std::string& out_;
  const RecordedEvent& event_;
  const EventJsonContext& context_;
};

}  // namespace

void append_event_json(std::string& out, const RecordedEvent& event, const EventJsonContext& context) {
  EventWriter(out, event, context).run();
}

}  // namespace dta::schema

// Events as lines of JSON. Every line stays one line: line breaks between the tokens of a payload become blanks, which
// changes no value; everything else of a payload is the caller's bytes. Fields are those of docs/events.md, and a test
// holds the two together. Pure but for the lookups given; any thread.
#include "schema/event_json.h"

#include <algorithm>

#include "schema/event_line.h"

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
std::string_view name(WaitEnd how) {
  return how == WaitEnd::time ? "time" : "deadline";
}
std::string_view name(CompensationCause cause) {
  switch (cause) {
    case CompensationCause::step_failed:
      return "step_failed";
    case CompensationCause::cancelled:
      return "cancelled";
    case CompensationCause::expired:
      return "expired";
    case CompensationCause::parent:
      return "parent";
    case CompensationCause::decided:
      break;
  }
  return "decided";
}

class EventWriter : EventLine {
 public:
  EventWriter(std::string& out, const RecordedEvent& event, const EventJsonContext& context)
      : EventLine(out, event, context) {}

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
    const Step* s = step_at(e.step);
    if (e.instances != 0 || (s != nullptr && !s->for_each.empty())) number("instances", e.instances);
    list("inputs", e.inputs, [&](const ResolvedInput& input) {
      task(e.step, input.task, input.instance);
      payload("input", input.input);
    });
    list("skipped", e.skipped, [&](const TaskRef& ref) { task(ref.step, ref.task, ref.instance); });
    if (e.unresolved) boolean("unresolved", true);
    length("deadline", e.deadline);
    length("wait", e.wait);
    length("wait_deadline", e.wait_deadline);
    list("timeouts", e.timeouts, [&](const ResolvedTimeouts& t) {
      task(t.task.step, t.task.task, t.task.instance);
      timeouts(t);
    });
  }
  void fields(const StepSkipped& e) { step(e.step); }
  void fields(const StepMet& e) {
    step(e.step);
    if (e.route != StepMet{}.route) route(e.route);
  }
  void fields(const TaskReady& e) {
    place(e.task);
    payload("input", e.input);
    if (!e.timeouts) return;
    key("timeouts");
    out_.push_back('{');
    timeouts(*e.timeouts);
    out_.push_back('}');
  }
  void fields(const TaskSkipped& e) { place(e.task); }
  void fields(const SignalReceived& e) {
    text("name", e.name);
    text("signal_id", e.signal_id);
    payload("payload", e.payload);
  }
  void fields(const WaitEnded& e) {
    step(e.step);
    text("how", name(e.how));
  }
  void fields(const CancelRequested& e) { said(e.reason, e.who); }
  void fields(const TransactionPaused& e) { said(e.reason, e.who); }
  void fields(const TransactionResumed& e) { said(e.reason, e.who); }
  void fields(const StepFailed& e) {
    step(e.step);
    if (e.has_task) {
      task(e.task.step, e.task.task, e.task.instance);
    } else {
      text_or_null("task", {});
    }
    error(e.code, e.message);
    if (e.route != StepFailed{}.route) route(e.route);
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
    if (e.irreversible) boolean("irreversible", true);
    token(e.attempt.lease);
  }
  void fields(const EpochOpened& e) {
    number("epoch", e.epoch);
    text("reason", e.reason);
  }
  void fields(const TaskFailed& e) {
    attempt(e.attempt);
    error(e.code, e.message, e.details);
    text("effect", name(e.effect));
    boolean("retryable", e.retryable);
    time("retry_at", e.retry_at);
    if (e.left_behind) boolean("left_behind", true);
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
    said(e.reason, e.who);
  }
  void fields(const StepUndone& e) { step(e.step); }
  void fields(const TransactionCompleted& e) {
    payload("output", e.output);
    if (!e.not_undone.empty()) not_undone(e.not_undone);
  }
  void fields(const OutcomeDecided& e) { payload("output", e.output); }
  void fields(const TransactionCompensated& e) { not_undone(e.not_undone); }
  void fields(const TransactionTerminated& e) {
    said(e.reason, e.who);
    if (!e.not_undone.empty()) not_undone(e.not_undone);
  }
  void fields(const IncidentResolved& e) {
    number("number", e.number);
    text("resolution", to_string(e.resolution));
    said(e.reason, e.who);
  }
  void fields(const IncidentRaised& e) {
    number("number", e.number);
    text("incident", to_string(e.kind));
    step(e.task.step);
    if (!concerns_step(e.kind)) {
      task(e.task.step, e.task.task, e.task.instance);
    } else {
      text_or_null("task", {});
    }
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
};

}  // namespace

void append_event_json(std::string& out, const RecordedEvent& event, const EventJsonContext& context) {
  EventWriter(out, event, context).run();
}

}  // namespace dta::schema

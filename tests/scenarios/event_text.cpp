// One overload an event kind: a new kind does not compile until scenarios can show it.
#include "tests/scenarios/event_text.h"

#include <fmt/format.h>

#include "engine/step_view.h"

namespace dta::scenarios {
namespace {

using namespace schema;

class Text {
 public:
  Text(const Definition& definition, const std::vector<std::string>& payloads) : d_(definition), payloads_(payloads) {}

  std::string operator()(const TransactionStarted& e) {
    std::string text = fmt::format("{} v{}{}", e.definition, e.version, payload(" input ", e.input));
    for (const Attribute& a : e.attributes) text += fmt::format(" {}={}", a.key, a.value);
    if (e.expires_after.ms > 0) text += ", expires after " + format_duration(e.expires_after);
    return text;
  }
  std::string operator()(const StepEntered& e) {
    std::string text = step(e.step);
    if (e.unresolved) text += ", not all that it needs is there";
    if (!d_.steps[e.step].for_each.empty()) text += fmt::format(" for each of {}", e.instances);
    if (e.deadline) text += ", deadline " + format_duration(*e.deadline);
    if (e.wait) text += ", waits " + format_duration(*e.wait);
    if (e.wait_deadline) text += ", waits at most " + format_duration(*e.wait_deadline);
    for (const ResolvedInput& i : e.inputs)
      text += fmt::format(", {} gets {}", short_name({e.step, i.task, i.instance}), payload("", i.input));
    for (const TaskRef& ref : e.skipped) text += fmt::format(", {} is skipped", short_name(ref));
    for (const ResolvedTimeouts& t : e.timeouts) text += timeouts(t);
    return text;
  }
  std::string operator()(const StepSkipped& e) { return step(e.step); }
  std::string operator()(const TaskReady& e) {
    return task_text(d_, e.task) + payload(" gets ", e.input) + (e.timeouts ? timeouts(*e.timeouts) : "");
  }
  std::string operator()(const TaskSkipped& e) { return task_text(d_, e.task); }
  std::string operator()(const SignalReceived& e) {
    return fmt::format("{}{}{}", e.name, e.signal_id.empty() ? "" : " id " + e.signal_id, payload(" with ", e.payload));
  }
  std::string operator()(const WaitEnded& e) {
    return fmt::format("{} by {}", step(e.step), e.how == WaitEnd::time ? "time" : "deadline");
  }
  std::string operator()(const CancelRequested& e) { return said(e); }
  std::string operator()(const EpochOpened& e) { return fmt::format("{} \"{}\"", e.epoch, e.reason); }
  std::string operator()(const TransactionPaused& e) { return said(e); }
  std::string operator()(const TransactionResumed& e) { return said(e); }
  std::string operator()(const StepMet& e) { return step(e.step) + route(e.route, GoKind::follow); }
  std::string operator()(const StepFailed& e) {
    return fmt::format("{} {}{}{}{}", step(e.step), e.code, e.has_task ? " of " + task_text(d_, e.task) : "",
                       quoted(e.message), route(e.route, GoKind::compensate));
  }
  std::string operator()(const TaskLeased& e) {
    std::string text = fmt::format("{} to {}", attempt({e.task, e.action, e.attempt, {}}), e.worker);
    if (e.generation != 1) text += fmt::format(" generation {}", e.generation);
    if (e.order != 1) text += fmt::format(" order {}", e.order);
    return text;
  }
  std::string operator()(const TaskCompleted& e) {
    const bool said = e.attempt.action == Action::undo && e.found;
    return attempt(e.attempt) + payload(" output ", e.output) +
           (!said      ? ""
            : *e.found ? " found something"
                       : " found nothing");
  }
  std::string operator()(const TaskFailed& e) {
    return fmt::format("{} {}{}{}{}{}{}", attempt(e.attempt), e.code, quoted(e.message),
                       e.effect == Effect::unknown ? " effect unknown" : "", e.retryable ? "" : " not retryable",
                       payload(" details ", e.details), retry(e.retry_at));
  }
  std::string operator()(const TaskReleased& e) {
    return fmt::format("{} not before {}", attempt(e.attempt), time_text(e.not_before));
  }
  std::string operator()(const AttemptTimedOut& e) {
    return fmt::format("{} by {}{}", attempt(e.attempt), e.reason == LeaseEnd::heartbeat ? "heartbeat" : "attempt",
                       retry(e.retry_at));
  }
  std::string operator()(const TaskTimedOut& e) {
    return fmt::format("{} by {}", task_text(d_, e.task), e.limit == TaskLimit::queue ? "queue" : "total");
  }
  std::string operator()(const HeartbeatRecorded& e) { return attempt(e.attempt) + payload(" detail ", e.detail); }
  std::string operator()(const LateResult& e) {
    return fmt::format("{} {}{}{}", attempt(e.attempt), e.succeeded ? "succeeded" : "failed " + e.code,
                       e.after_undo ? " after its undo" : "", payload(" output ", e.output));
  }
  std::string operator()(const CompensationStarted& e) {
    const char* cause = e.cause == CompensationCause::step_failed ? "step_failed"
                        : e.cause == CompensationCause::cancelled ? "cancelled"
                        : e.cause == CompensationCause::expired   ? "expired"
                        : e.cause == CompensationCause::parent    ? "parent"
                                                                  : "decided";
    return fmt::format("{}{}{}", cause, quoted(e.reason), e.who.empty() ? "" : " by " + e.who);
  }
  std::string operator()(const StepUndone& e) { return step(e.step); }
  std::string operator()(const OutcomeDecided& e) { return "completed" + payload(", output ", e.output); }
  std::string operator()(const TransactionCompleted& e) {
    const std::string output = payload("output ", e.output), left = not_undone(e.not_undone);
    return output.empty() || left.empty() ? output + left : output + ", " + left;
  }
  std::string operator()(const TransactionCompensated& e) { return not_undone(e.not_undone); }
  std::string operator()(const TransactionTerminated& e) {
    std::string text = fmt::format("\"{}\"{}", e.reason, e.who.empty() ? "" : " by " + e.who);
    return e.not_undone.empty() ? text : text + ", " + not_undone(e.not_undone);
  }
  std::string operator()(const IncidentResolved& e) {
    return fmt::format("{} {} \"{}\"{}", e.number, to_string(e.resolution), e.reason,
                       e.who.empty() ? "" : " by " + e.who);
  }
  std::string operator()(const IncidentRaised& e) {
    static constexpr const char* kKinds[] = {"undo_failed", "effect_after_undo", "pivot_unknown", "step_failed",
                                             "expired"};
    const bool of_step = e.kind == IncidentKind::step_failed || e.kind == IncidentKind::expired;
    return fmt::format("{} {} {} {}{}", e.number, kKinds[static_cast<int>(e.kind)],
                       of_step ? step(e.task.step) : task_text(d_, e.task), e.code, quoted(e.message));
  }
  std::string operator()(const Transitioned& e) {
    return fmt::format("{}: {} -> {}{}{}", d_.transitions[e.transition].on, d_.states[e.from].name,
                       d_.states[e.to].name, e.event_id.empty() ? "" : " id " + e.event_id, payload(" data ", e.data));
  }
  std::string operator()(const DefinitionPublished& e) { return fmt::format("{} v{}", e.name, e.version); }

 private:
  std::string not_undone(const std::vector<NotUndone>& list) const {
    std::string text;
    for (const NotUndone& n : list)
      text += fmt::format("{}{} ({})", text.empty() ? "not undone: " : ", ", task_text(d_, n.task),
                          n.reason == NotUndoneReason::no_undo    ? "no undo"
                          : n.reason == NotUndoneReason::given_up ? "given up"
                          : n.reason == NotUndoneReason::in_child ? "in its child"
                                                                  : "terminated");
    return text;
  }
  std::string step(std::uint16_t index) const { return d_.steps[index].name; }
  std::string short_name(const TaskRef& ref) const {
    std::string name = d_.steps[ref.step].tasks[ref.task].name;
    if (!d_.steps[ref.step].for_each.empty()) name += fmt::format("/{}", ref.instance);
    return name;
  }
  std::string route(const Route& r, GoKind usual) const {
    if (r.kind == usual && r.choice == kNoChoice) return "";
    switch (r.kind) {
      case GoKind::follow:
        return ", goes on";
      case GoKind::step:
        return ", goes to " + step(r.step);
      case GoKind::end:
        return ", goes to the end";
      case GoKind::compensate:
        return ", goes back";
    }
    return "";
  }
  std::string timeouts(const ResolvedTimeouts& t) const {
    std::string text = ", " + short_name(t.task) + " may take";
    const std::pair<const char*, Duration> all[] = {
        {"queue", t.queue}, {"attempt", t.attempt}, {"total", t.total}, {"heartbeat", t.heartbeat}};
    for (const auto& [name, length] : all)
      if (length.ms > 0) text += fmt::format(" {} {}", name, format_duration(length));
    return text;
  }
  template <class Said>
  static std::string said(const Said& e) {
    return fmt::format("\"{}\"{}", e.reason, e.who.empty() ? "" : " by " + e.who);
  }
  std::string attempt(const Attempt& a) const {
    return fmt::format("{}{} attempt {}", a.action == Action::undo ? "undo of " : "", task_text(d_, a.task), a.number);
  }
  static std::string quoted(const std::string& text) { return text.empty() ? "" : " \"" + text + "\""; }
  static std::string retry(Time at) { return at == Time::never() ? "" : ", again at " + time_text(at); }
  // The payloads of an event come in the order in which they are asked for here.
  std::string payload(const char* before, const PayloadRef& ref) {
    return ref.present() ? before + payloads_.at(next_++) : "";
  }

  const Definition& d_;
  const std::vector<std::string>& payloads_;
  std::size_t next_ = 0;
};

}  // namespace

std::string event_text(const Happened& h) {
  std::string text = fmt::format("{} {}", h.event.sequence.value, to_string(kind_of(h.event.event)));
  const std::string rest = std::visit(Text(*h.definition, h.payloads), h.event.event);
  return rest.empty() ? text : text + " " + rest;
}

std::string time_text(Time t) {
  return t == Time::never() ? "never" : "+" + format_duration(t - kBegin);
}

std::string task_text(const Definition& definition, const TaskRef& task) {
  std::string name = definition.steps[task.step].name + "/" + definition.steps[task.step].tasks[task.task].name;
  if (!definition.steps[task.step].for_each.empty()) name += fmt::format("/{}", task.instance);
  return name;
}

std::vector<std::string> state_text(const engine::Machine& machine, const engine::State& state) {
  using engine::TaskBit;
  std::vector<std::string> lines{
      fmt::format("{} v{} {}{} at {}", state.definition, state.version, engine::status(state),
                  state.outcome_decided && !state.ended() ? ", outcome " + std::string(engine::outcome(state)) : "",
                  state.sequence.value)};
  const Definition& d = machine.definition();
  if (d.form == Form::table) {
    lines.push_back("state " + d.states[state.table_state].name);
    return lines;
  }
  static constexpr std::pair<TaskBit, const char*> kWords[] = {
      {TaskBit::done, "done"},           {TaskBit::failed, "failed"},   {TaskBit::unknown, "unknown"},
      {TaskBit::withdrawn, "withdrawn"}, {TaskBit::skipped, "skipped"}, {TaskBit::undone, "undone"}};
  for (std::size_t s = 0; s < d.steps.size(); ++s) {
    const engine::StepView step(machine, state, s);
    if (step.is(engine::StepBit::skipped)) lines.push_back(d.steps[s].name + " skipped");
    if (d.steps[s].wait_for && step.is(engine::StepBit::entered) && !step.waited() && !step.is(engine::StepBit::met) &&
        !step.is(engine::StepBit::failed) && !state.ended())
      lines.push_back(d.steps[s].name + " waits");
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskRef ref = step.ref(slot);
      std::string line = task_text(d, ref);
      for (const auto& [bit, word] : kWords)
        if (step.has(bit, slot)) line += fmt::format(" {}", word);
      for (const engine::Lease& lease : state.leases)
        if (lease.task == ref)
          line += fmt::format(" {} by {}{}", lease.action == Action::undo ? "undo leased" : "leased", lease.worker,
                              lease.stop_asked ? ", asked to stop" : "");
      const engine::TaskState& t = step.task(slot);
      if (t.status == engine::TaskStatus::blocked) line += " waits for others";
      if (t.status == engine::TaskStatus::outside) line += " is outside";
      if (t.status == engine::TaskStatus::child) line += t.stopping ? " child is stopped" : " child";
      if (t.undo_status == engine::UndoStatus::child) line += " child goes back";
      if (t.status == engine::TaskStatus::held) line += " needs a person";
      if (t.status == engine::TaskStatus::ready) line += " ready from " + time_text(t.at);
      if (t.undo_status == engine::UndoStatus::ready) line += " undo ready from " + time_text(t.undo_at);
      if (t.undo_status == engine::UndoStatus::incident) line += " undo needs a person";
      if (t.undo_status == engine::UndoStatus::given_up) line += " undo given up";
      lines.push_back(line);
    }
  }
  for (const engine::KeptSignal& signal : state.signals)
    if (signal.step == engine::KeptSignal::kKept) lines.push_back("signal " + signal.name + " is kept");
  if (state.cancel) lines.push_back("a cancellation waits");
  if (state.failure.has_step)
    lines.push_back(fmt::format("failed by {}{}", state.failure.code,
                                state.failure.has_task ? " of " + task_text(d, state.failure.task) : ""));
  return lines;
}

}  // namespace dta::scenarios

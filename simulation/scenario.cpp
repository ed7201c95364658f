// See scenario.h. One overload an event kind that somebody causes.
#include "simulation/scenario.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "simulation/world.h"

namespace dta::simulation {

using namespace schema;

namespace {

// What happened, in a few words.
std::string brief(const Definition& d, const RecordedEvent& recorded) {
  std::string text = fmt::format("{} {}", recorded.sequence.value, to_string(kind_of(recorded.event)));
  const auto task = [&](const TaskRef& ref) {
    const Step& step = d.steps[ref.step];
    text += fmt::format(" {}/{}", step.name, step.tasks[ref.task].name);
    if (!step.for_each.empty()) text += fmt::format("/{}", ref.instance);
  };
  std::visit(
      [&]<class E>(const E& e) {
        if constexpr (requires { e.attempt.lease; }) {
          if (e.attempt.action == Action::undo) text += " undo of";
          task(e.attempt.task);
          text += fmt::format(" attempt {}", e.attempt.number);
        } else if constexpr (std::is_same_v<E, IncidentRaised>) {
          text += fmt::format(" {} {}", e.number, to_string(e.kind));
          if (concerns_step(e.kind))
            text += " " + d.steps[e.task.step].name;
          else
            task(e.task);
        } else if constexpr (std::is_same_v<E, StepFailed>) {
          text += " " + d.steps[e.step].name + " " + e.code;
        } else if constexpr (requires { e.step; } && !std::is_same_v<E, Transitioned>) {
          text += " " + d.steps[e.step].name;
        } else if constexpr (requires { e.task.instance; }) {
          if constexpr (requires { e.action; })
            if (e.action == Action::undo) text += " undo of";
          task(e.task);
        } else if constexpr (std::is_same_v<E, Transitioned>) {
          text += fmt::format(" {} -> {}", d.states[e.from].name, d.states[e.to].name);
        } else if constexpr (requires { e.reason; }) {
          text += " " + e.reason;
        }
        if constexpr (requires { e.route; }) {
          static constexpr const char* kWays[] = {"", ", goes to a step", ", goes to the end", ", goes back"};
          text += kWays[static_cast<std::size_t>(e.route.kind)];
        }
        if constexpr (std::is_same_v<E, StepEntered>)
          if (e.unresolved) text += ", not all that it needs is there";
      },
      recorded.event);
  return text;
}

class Writer {
 public:
  Writer(const Plan& plan, const Host& host, const std::string& only) : plan_(plan), host_(host), only_(only) {
    for (const Host::Entry& entry : host.log_entries())
      if (only.empty() || entry.id == only) entries_.push_back(entry);
    std::set<std::string> ids;
    for (const Host::Entry& entry : entries_) ids.insert(entry.id);
    several_ = ids.size() > 1;
  }

  std::string text() && {
    std::set<const Definition*> shown;
    for (const Host::Entry& entry : entries_)
      if (shown.insert(&definition(entry.id)).second) out_ += "definition " + definition(entry.id).text + "\n";
    for (const Host::Entry& entry : entries_) record(entry);
    return std::move(out_);
  }

 private:
  const Definition& definition(const std::string& id) const {
    return *plan_.definitions[plan_.transactions[std::stoul(id.substr(1))]];
  }

  void record(const Host::Entry& entry) {
    id_ = entry.id;
    d_ = &definition(id_);
    const Time at = entry.events.front().recorded_at;
    if (at < now_) out_ += "# the clock goes back\n";
    if (at > now_ && at > kBegin) out_ += "at " + format_duration(at - kBegin) + "\n";
    now_ = at;
    for (std::size_t i = 0; i < entry.events.size(); ++i) {
      sequence_ = entry.events[i].sequence;
      first_ = i == 0;
      std::visit([&](const auto& e) { command(e); }, entry.events[i].event);
      out_ += fmt::format("#   {}{}\n", several_ ? id_ + " " : "", brief(*d_, entry.events[i]));
    }
  }

  void line(const std::string& text) { out_ += text + "\n"; }
  std::string payload(const PayloadRef& ref) const {
    return ref.present() ? host_.payload(id_, sequence_, ref.index) : std::string();
  }
  std::string payload(const char* before, const PayloadRef& ref) const {
    return ref.present() ? before + payload(ref) : "";
  }
  std::string lease(const Attempt& attempt) const {
    const auto found = leases_.find({id_, attempt.lease});
    return found == leases_.end() ? "?" : found->second;
  }
  std::string place(const TaskRef& ref) const {
    const Step& step = d_->steps[ref.step];
    return fmt::format("{}/{}{}", step.name, step.tasks[ref.task].name,
                       step.for_each.empty() ? "" : fmt::format("/{}", ref.instance));
  }
  static std::string said(const std::string& reason, const std::string& who) {
    return fmt::format(" \"{}\"{}", reason, who.empty() ? "" : " by " + who);
  }

  void command(const TransactionStarted& e) {
    const std::string input = payload(e.input);
    const bool shown = input.starts_with('{') || input.starts_with('[');
    if (!input.empty() && !shown) line("# its input is " + input);
    line(fmt::format("start {} {}{}", id_, e.definition, shown ? " " + input : ""));
  }
  void command(const TaskLeased& e) {
    const Task& task = d_->steps[e.task.step].tasks[e.task.task];
    const bool undo = e.action == Action::undo;
    line(fmt::format("lease {} as {} max 1", undo ? task.undo->queue : task.queue, e.worker));
    const std::string instance = d_->steps[e.task.step].for_each.empty() ? "" : fmt::format("/{}", e.task.instance);
    const std::string plain =
        fmt::format("{}{}{}{}#{}", several_ ? id_ + "/" : "", undo ? "undo:" : "", task.name, instance, e.attempt);
    std::string name = plain;
    for (char letter = 'b'; !names_.insert(name).second; ++letter) name = plain + letter;
    leases_[{id_, sequence_}] = name;
  }
  void command(const TaskCompleted& e) {
    if (!e.attempt.lease)
      return line(fmt::format("report {} {} done{}", id_, place(e.attempt.task), payload(" ", e.output)));
    const bool says = e.attempt.action == Action::undo && e.found;
    line(fmt::format("complete {}{}{}", lease(e.attempt), payload(" ", e.output),
                     !says      ? ""
                     : *e.found ? " found something"
                                : " found nothing"));
  }
  void command(const TaskFailed& e) {
    const char* unknown = e.effect == Effect::unknown ? " unknown" : "";
    if (!e.attempt.lease)
      return line(fmt::format("report {} {} failed {}{}", id_, place(e.attempt.task), e.code, unknown));
    line(fmt::format("fail {} {}{}{}{}", lease(e.attempt), e.code, e.retryable ? "" : " not-retryable", unknown,
                     payload(" details ", e.details)));
  }
  void command(const TaskReleased& e) {
    const Duration delay = e.not_before - now_;
    line(fmt::format("release {}{}", lease(e.attempt), delay.ms > 0 ? " after " + format_duration(delay) : ""));
  }
  void command(const LateResult& e) {
    if (!e.attempt.lease)
      return line(fmt::format("report {} {} {}", id_, place(e.attempt.task),
                              e.succeeded ? "done" + payload(" ", e.output) : "failed " + e.code));
    line(e.succeeded ? fmt::format("complete {}{}", lease(e.attempt), payload(" ", e.output))
                     : fmt::format("fail {} {}", lease(e.attempt), e.code));
  }
  void command(const HeartbeatRecorded& e) { line("heartbeat " + lease(e.attempt) + payload(" ", e.detail)); }
  void command(const SignalReceived& e) {
    line(fmt::format("signal {} {}{} id {}", id_, e.name, payload(" ", e.payload), e.signal_id));
  }
  void command(const CancelRequested& e) { line("cancel " + id_ + said(e.reason, e.who)); }
  void command(const CompensationStarted& e) {
    if (first_ && e.cause == CompensationCause::cancelled) line("cancel " + id_ + said(e.reason, e.who));
  }
  void command(const TransactionTerminated& e) {
    if (first_ && !e.who.empty()) line("terminate " + id_ + said(e.reason, e.who));
  }
  void command(const TransactionPaused& e) { line("pause " + id_ + said(e.reason, e.who)); }
  void command(const TransactionResumed& e) { line("resume " + id_ + said(e.reason, e.who)); }
  void command(const IncidentResolved& e) {
    line(fmt::format("resolve {} {} {}{}", id_, e.number, to_string(e.resolution), said(e.reason, e.who)));
  }
  void command(const Transitioned& e) {
    const std::string& on = d_->transitions[e.transition].on;
    if (!e.event_id.empty()) line(fmt::format("append {} {} id {}{}", id_, on, e.event_id, payload(" ", e.data)));
  }
  template <class E>
  void command(const E&) {}

  const Plan& plan_;
  const Host& host_;
  const std::string only_;
  std::vector<Host::Entry> entries_;
  bool several_ = false, first_ = false;
  std::string out_, id_;
  const Definition* d_ = nullptr;
  Time now_ = kBegin;
  Sequence sequence_;
  std::set<std::string> names_;
  std::map<std::pair<std::string, Sequence>, std::string> leases_;
};

}  // namespace

std::string scenario_of(const Plan& plan, const Host& host, const std::string& id) {
  return Writer(plan, host, id).text();
}

}  // namespace dta::simulation

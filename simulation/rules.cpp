// See rules.h.
#include "simulation/rules.h"

#include <fmt/format.h>

namespace dta::simulation {

using namespace schema;

namespace {

class Reader {
 public:
  Reader(const Events& events, const Definition& definition) : events_(events), d_(definition) {}

  std::optional<std::string> run() {
    for (std::size_t i = 0; i < events_.size(); ++i) {
      index_ = i;
      at_ = events_[i].event.recorded_at;
      begins_ = i == 0 || events_[i - 1].record != events_[i].record;
      if (begins_) forced_ = false;
      std::visit([&](const auto& e) { read(e); }, events_[i].event.event);
      if (wrong_) return fmt::format("event {}: {}", i + 1, *wrong_);
    }
    return std::nullopt;
  }

 private:
  void read(const StepEntered& e) {
    const Step& step = d_.steps[e.step];
    step_ = e.step;
    in_flight_ = false;
    waited_ = !step.wait_for;
    since_ = at_;
    wait_ = e.wait.value_or(step.wait_for ? step.wait_for->duration.fixed : Duration{});
    awaited_.clear();
    if (step.wait_for)
      for (const std::string& name : step.wait_for->signals) {
        const auto kept = std::find(kept_.begin(), kept_.end(), name);
        if (kept != kept_.end())
          kept_.erase(kept);
        else
          awaited_.push_back(name);
      }
    if (step.wait_for && !step.wait_for->signals.empty() && awaited_.empty()) waited_ = true;
  }
  void read(const SignalReceived& e) {
    const auto awaited = std::find(awaited_.begin(), awaited_.end(), e.name);
    if (awaited == awaited_.end()) return kept_.push_back(e.name);
    awaited_.erase(awaited);
    waited_ |= awaited_.empty();
  }
  void read(const WaitEnded& e) {
    waited_ = true;
    awaited_.clear();
    if (e.how == WaitEnd::time && passed() < wait_.ms) wrong_ = "the wait ends before its time, pauses left out";
  }
  void read(const TransactionPaused&) { paused_at_ = at_; }
  void read(const TransactionResumed&) { paused_at_ = Time::never(); }
  void read(const IncidentResolved& e) { forced_ = e.resolution == IncidentResolution::force_done; }
  void read(const IncidentRaised& e) {
    if (e.kind == IncidentKind::pivot_unknown) unknown_.erase(e.task);
  }
  void read(const TaskLeased& e) {
    in_flight_ |= e.action == Action::perform && e.task.step == step_ && d_.steps[step_].pivot;
  }
  void read(const AttemptTimedOut& e) { unclear(e.attempt, e.retry_at); }
  void read(const TaskFailed& e) {
    if (e.effect == Effect::unknown) unclear(e.attempt, e.retry_at);
  }
  void read(const TaskCompleted& e) {
    if (e.attempt.action == Action::perform) unknown_.erase(e.attempt.task);
  }
  void read(const StepMet& e) {
    if (!waited_ && !forced_) wrong_ = "the step is met, but what it waits for has not come";
    passed_pivot_ |= d_.steps[e.step].pivot;
    leave();
  }
  void read(const StepFailed& e) {
    if (d_.steps[e.step].pivot && !passed_pivot_)
      for (const TaskRef& task : unknown_)
        if (task.step == e.step) wrong_ = "a pivot fails, and nobody was asked about a task that ended unclear";
    leave();
  }
  void read(const CompensationStarted& e) {
    const bool asked = e.cause == CompensationCause::cancelled || e.cause == CompensationCause::expired;
    if (passed_pivot_) wrong_ = "it is compensated, though a pivot has passed";
    if (asked && in_flight_) wrong_ = "it is compensated while its pivot is under way";
    leave();
  }
  template <class E>
  void read(const E&) {}

  void leave() {
    in_flight_ = false;
    awaited_.clear();
  }
  void unclear(const Attempt& attempt, Time retry_at) {
    if (attempt.action == Action::perform && retry_at == Time::never() && attempt.task.step == step_)
      unknown_.insert(attempt.task);
  }
  // Since the step was entered, pauses left out.
  std::int64_t passed() const {
    const std::int64_t open = paused_at_ == Time::never() ? 0 : (at_ - std::max(paused_at_, since_)).ms;
    return (at_ - since_).ms - (paused_since() + open);
  }
  std::int64_t paused_since() const {
    std::int64_t sum = 0;
    Time from = Time::never();
    for (std::size_t i = 0; i < index_; ++i) {
      const Logged& logged = events_[i];
      const Time at = logged.event.recorded_at;
      if (std::holds_alternative<TransactionPaused>(logged.event.event)) from = at;
      if (std::holds_alternative<TransactionResumed>(logged.event.event) && at > since_)
        sum += (at - std::max(from, since_)).ms;
    }
    return sum;
  }

  const Events& events_;
  const Definition& d_;
  std::optional<std::string> wrong_;
  std::size_t index_ = 0;  // of the event that is read
  Time at_, since_, paused_at_ = Time::never();
  Duration wait_;
  std::uint16_t step_ = 0;
  bool begins_ = false, forced_ = false, in_flight_ = false, waited_ = true, passed_pivot_ = false;
  std::vector<std::string> kept_, awaited_;
  std::set<TaskRef> unknown_;  // ended unclear, and nobody was asked
};

}  // namespace

std::optional<std::string> broken_rule(const Events& events, const Definition& definition) {
  if (definition.form == Form::table) return std::nullopt;
  return Reader(events, definition).run();
}

}  // namespace dta::simulation

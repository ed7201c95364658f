// See replay.h.
#include "tests/model/replay.h"

namespace dta::model {

using namespace schema;

Replay::Replay(DefinitionPtr definition, PayloadOf payload)
    : definition_(definition),
      payload_(std::move(payload)),
      transaction_(definition, [this](Time earliest, Time latest) {
        if (!retry_at_) {
          wrong_retry_ = "it has to be tried again, and is not";
          return latest;
        }
        const Time at = *retry_at_;
        retry_at_.reset();
        if (at < earliest || at > latest) wrong_retry_ = "the time of its retry is not what the definition says";
        return at;
      }) {}

std::optional<std::string> Replay::run(const std::vector<Logged>& events) {
  std::size_t cause_record = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const RecordedEvent& event = events[i].event;
    const EventKind kind = kind_of(event.event);
    const auto wrong = [&](const std::string& why) {
      return "event " + std::to_string(event.sequence.value) + " (" + std::string(to_string(kind)) + "): " + why;
    };
    if (event.sequence.value != i + 1) return wrong("the sequence has a gap");
    if (transaction_.log.size() == i) {
      cause_record = events[i].record;
      retry_at_.reset();
      wrong_retry_.reset();
      if (auto refused = cause(event)) return wrong(*refused);
      if (wrong_retry_) return wrong(*wrong_retry_);
      if (retry_at_) return wrong("it is tried again, and must not be");
    }
    if (transaction_.log.size() <= i) return wrong("the rules do not know why it happened");
    if (transaction_.log[i] != kind)
      return wrong("by the rules " + std::string(to_string(transaction_.log[i])) + " happens here");
    if (events[i].record != cause_record) return wrong("it stands in another record than its cause");
  }
  if (transaction_.log.size() > events.size())
    return "after event " + std::to_string(events.size()) + " the rules demand " +
           std::string(to_string(transaction_.log[events.size()]));
  return std::nullopt;
}

std::optional<std::string> Replay::cause(const RecordedEvent& event) {
  const Time now = event.recorded_at;
  const auto unless = [](bool accepted, const char* why) {
    return accepted ? std::nullopt : std::optional<std::string>(why);
  };
  const auto text = [&](const PayloadRef& ref) {
    return ref.present() ? payload_(event.sequence, ref.index) : std::string();
  };
  const auto result = [&](Sequence lease, const Said& said) {
    return unless(!transaction_.report(lease, said, now), "it answers a lease that is not open");
  };
  const auto same_left = [&](const std::vector<NotUndone>& named) {
    std::vector<TaskRef> tasks;
    for (const NotUndone& left : named) tasks.push_back(left.task);
    return unless(tasks == transaction_.not_undone(), "it does not name what is left");
  };
  const auto remember_retry = [&](Time at) {
    if (at != Time::never()) retry_at_ = at;
  };
  return std::visit(
      [&]<class E>(const E& e) -> std::optional<std::string> {
        if constexpr (std::is_same_v<E, TransactionStarted>) {
          transaction_.start(text(e.input), now);
          return std::nullopt;
        } else if constexpr (std::is_same_v<E, TaskLeased>) {
          if (!transaction_.hand_out(e.task, e.action, now)) return "it is handed out without being ready";
          const Task& t = transaction_.task(e.task);
          const Side& side = e.action == Action::undo ? t.undo : t.action;
          return unless(side.attempts() == e.attempt, "the number of its attempt is wrong");
        } else if constexpr (std::is_same_v<E, TaskCompleted>) {
          return result(e.attempt.lease, Said{Ending::done, text(e.output), e.found, {}, true, {}});
        } else if constexpr (std::is_same_v<E, TaskFailed>) {
          remember_retry(e.retry_at);
          const Ending ending = e.effect == Effect::unknown ? Ending::unclear : Ending::failed;
          return result(e.attempt.lease, Said{ending, {}, true, e.code, e.retryable, {}});
        } else if constexpr (std::is_same_v<E, TaskReleased>) {
          return result(e.attempt.lease, Said{Ending::released, {}, true, {}, true, e.not_before - now});
        } else if constexpr (std::is_same_v<E, AttemptTimedOut>) {
          remember_retry(e.retry_at);
          return unless(transaction_.end_lease(e.attempt.lease, now, false),
                        "the lease is not open, or its time is not over");
        } else if constexpr (std::is_same_v<E, TaskTimedOut>) {
          return unless(transaction_.run_out(e.task, e.limit, now), "the task's time is not over");
        } else if constexpr (std::is_same_v<E, HeartbeatRecorded>) {
          return unless(transaction_.keep_detail(e.attempt.lease), "the lease is not open");
        } else if constexpr (std::is_same_v<E, LateResult>) {
          return unless(transaction_.report_late(e.attempt.lease, e.succeeded, now), "its lease has not timed out");
        } else if constexpr (std::is_same_v<E, StepMet>) {
          // Only a deadline that ends the draining of leftovers meets a join without a result.
          return unless(transaction_.pass_deadline(now), "nothing has met the step");
        } else if constexpr (std::is_same_v<E, StepFailed>) {
          return unless(e.code == "dta.deadline" && transaction_.pass_deadline(now), "nothing has made the step fail");
        } else if constexpr (std::is_same_v<E, CompensationStarted>) {
          if (e.cause == CompensationCause::expired) return unless(transaction_.expire(now), "it has not expired");
          return unless(e.cause == CompensationCause::cancelled && !transaction_.cancel(now), "nothing has begun it");
        } else if constexpr (std::is_same_v<E, TransactionTerminated>) {
          // A table that expires without a transition for it; nobody is named then.
          if (definition_->form == Form::table && e.reason == "expired" && e.who.empty())
            return unless(transaction_.expire(now), "it has not expired");
          if (auto refused = unless(!transaction_.terminate(), "it has ended before")) return refused;
          return same_left(e.not_undone);
        } else if constexpr (std::is_same_v<E, IncidentResolved>) {
          return unless(!transaction_.resolve_incident(e.number, e.resolution, now),
                        "the incident cannot be resolved so");
        } else if constexpr (std::is_same_v<E, Transitioned>) {
          const std::string& on = definition_->transitions[e.transition].on;
          if (on == "expired" && e.event_id.empty()) return unless(transaction_.expire(now), "it has not expired");
          return unless(!transaction_.append(std::nullopt, {on}, now), "the table does not have it here");
        } else {
          return "the rules do not know why it happened";
        }
      },
      event.event);
}

}  // namespace dta::model

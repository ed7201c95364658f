// See replay.h.
#include "tests/model/replay.h"

#include <algorithm>

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

namespace {

std::optional<std::string> same_left(const Transaction& transaction, const std::vector<NotUndone>& named) {
  std::vector<TaskRef> tasks;
  for (const NotUndone& left : named) tasks.push_back(left.task);
  if (tasks == transaction.not_undone()) return std::nullopt;
  return "it does not name what is left";
}

}  // namespace

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
    if (const auto other = difference(event)) return wrong(*other);
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
  const auto outside = [&](TaskRef task, const Said& said) {
    return unless(!transaction_.report_external(task, said, now), "its task is not with a participant");
  };
  const auto step_timer = [&](const char* why) {
    return unless(transaction_.pass_deadline(now) || transaction_.end_wait(WaitEnd::deadline, now), why);
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
          Said said;
          said.output = text(e.output);
          said.found = e.found;
          return e.attempt.lease.value == 0 ? outside(e.attempt.task, said) : result(e.attempt.lease, said);
        } else if constexpr (std::is_same_v<E, TaskFailed>) {
          remember_retry(e.retry_at);
          Said said;
          said.ending = e.effect == Effect::unknown ? Ending::unclear : Ending::failed;
          said.code = e.code;
          said.message = e.message;
          said.details = text(e.details);
          said.retryable = e.retryable;
          return e.attempt.lease.value == 0 ? outside(e.attempt.task, said) : result(e.attempt.lease, said);
        } else if constexpr (std::is_same_v<E, TaskReleased>) {
          Said said;
          said.ending = Ending::released;
          said.delay = e.not_before - now;
          return result(e.attempt.lease, said);
        } else if constexpr (std::is_same_v<E, AttemptTimedOut>) {
          remember_retry(e.retry_at);
          return unless(transaction_.end_lease(e.attempt.lease, now, false),
                        "the lease is not open, or its time is not over");
        } else if constexpr (std::is_same_v<E, TaskTimedOut>) {
          return unless(transaction_.run_out(e.task, e.limit, now), "the task's time is not over");
        } else if constexpr (std::is_same_v<E, HeartbeatRecorded>) {
          return unless(transaction_.keep_detail(e.attempt.lease), "the lease is not open");
        } else if constexpr (std::is_same_v<E, LateResult>) {
          if (e.attempt.lease.value == 0) {
            Said said;
            said.ending = e.succeeded ? Ending::done : Ending::failed;
            return outside(e.attempt.task, said);
          }
          return unless(transaction_.report_late(e.attempt.lease, e.succeeded, now), "its lease has not timed out");
        } else if constexpr (std::is_same_v<E, StepMet>) {
          // Only a deadline that ends the draining of leftovers meets a join without a result.
          return unless(transaction_.pass_deadline(now), "nothing has met the step");
        } else if constexpr (std::is_same_v<E, StepFailed>) {
          return step_timer("nothing has made the step fail");
        } else if constexpr (std::is_same_v<E, WaitEnded>) {
          return unless(transaction_.end_wait(e.how, now), "its time is not over");
        } else if constexpr (std::is_same_v<E, IncidentRaised>) {
          if (e.kind == IncidentKind::expired) return unless(transaction_.expire(now), "it has not expired");
          return step_timer("nothing has raised it");
        } else if constexpr (std::is_same_v<E, SignalReceived>) {
          return unless(!transaction_.signal(e.name, e.signal_id, text(e.payload), now), "no signal is taken here");
        } else if constexpr (std::is_same_v<E, CancelRequested>) {
          return unless(!transaction_.cancel(now), "it cannot be asked to cancel");
        } else if constexpr (std::is_same_v<E, TransactionPaused>) {
          return unless(!transaction_.pause(now), "it cannot be paused");
        } else if constexpr (std::is_same_v<E, TransactionResumed>) {
          return unless(!transaction_.resume(now), "it cannot be resumed");
        } else if constexpr (std::is_same_v<E, CompensationStarted>) {
          if (e.cause == CompensationCause::expired) return unless(transaction_.expire(now), "it has not expired");
          return unless(e.cause == CompensationCause::cancelled && !transaction_.cancel(now), "nothing has begun it");
        } else if constexpr (std::is_same_v<E, TransactionTerminated>) {
          // A table that expires without a transition for it; nobody is named then.
          if (definition_->form == Form::table && e.reason == "expired" && e.who.empty())
            return unless(transaction_.expire(now), "it has not expired");
          if (auto refused = unless(!transaction_.terminate(), "it has ended before")) return refused;
          return same_left(transaction_, e.not_undone);
        } else if constexpr (std::is_same_v<E, IncidentResolved>) {
          return unless(!transaction_.resolve_incident(e.number, e.resolution, now, e.reason),
                        "the incident cannot be resolved so");
        } else if constexpr (std::is_same_v<E, Transitioned>) {
          const std::string& on = definition_->transitions[e.transition].on;
          if (on == "expired" && e.event_id.empty() && transaction_.expire(now)) return std::nullopt;
          return unless(!transaction_.append(std::nullopt, {on}, now), "the table does not have it here");
        } else {
          return "the rules do not know why it happened";
        }
      },
      event.event);
}

// The model decides for itself from the payloads; what the event says must be the same. The model has gone to the end
// of the record by now.
std::optional<std::string> Replay::difference(const RecordedEvent& event) const {
  const auto unless = [](bool same, const char* why) { return same ? std::nullopt : std::optional<std::string>(why); };
  const auto text = [&](const PayloadRef& ref) {
    return ref.present() ? payload_(event.sequence, ref.index) : std::string();
  };
  const auto& steps = transaction_.steps();
  return std::visit(
      [&]<class E>(const E& e) -> std::optional<std::string> {
        if constexpr (std::is_same_v<E, StepEntered>) {
          const StepState& s = steps[e.step];
          if (e.unresolved != s.unresolved) return "the rules say otherwise whether all that it needs was there";
          if (e.unresolved) return std::nullopt;
          if (!s.rules->for_each.empty() && e.instances != s.items.size()) return "it has another number of elements";
          for (const TaskRef& ref : e.skipped)
            if (!transaction_.task(ref).skipped) return "by the rules a task that it skips is there";
          for (const Task& t : s.tasks)
            if (t.rules->after.empty() && t.skipped &&
                std::none_of(e.skipped.begin(), e.skipped.end(),
                             [&](const TaskRef& ref) { return &transaction_.task(ref) == &t; }))
              return "by the rules a task is skipped that it does not name";
          for (const ResolvedInput& input : e.inputs) {
            const Task& t = transaction_.task({e.step, input.task, input.instance});
            if (t.rules->after.empty() && t.input != text(input.input)) return "an input is not what the rules give";
          }
          return std::nullopt;
        } else if constexpr (std::is_same_v<E, TaskReady>) {
          const Task& t = transaction_.task(e.task);
          // Tried again with the input that it had.
          if (!ready_before_.insert(e.task).second && !e.input.present()) return std::nullopt;
          return unless(!t.rules->input || t.input == text(e.input), "its input is not what the rules give");
        } else if constexpr (std::is_same_v<E, StepMet>) {
          return unless(e.route == steps[e.step].route, "the rules lead another way");
        } else if constexpr (std::is_same_v<E, StepFailed>) {
          const StepState& s = steps[e.step];
          if (e.route != s.route) return "the rules lead another way";
          if (e.code != s.failure->code || e.has_task != s.failure->has_task) return "the rules name another failure";
          return unless(!e.has_task || e.task == s.failure->task, "the rules name another task");
        } else if constexpr (std::is_same_v<E, OutcomeDecided>) {
          return unless(text(e.output) == transaction_.output, "its output is not what the rules give");
        } else if constexpr (std::is_same_v<E, TransactionCompleted>) {
          const bool told = !e.output.present();
          if (!told && text(e.output) != transaction_.output) return "its output is not what the rules give";
          return same_left(transaction_, e.not_undone);
        } else if constexpr (std::is_same_v<E, TransactionCompensated>) {
          return same_left(transaction_, e.not_undone);
        } else {
          return std::nullopt;
        }
      },
      event.event);
}

}  // namespace dta::model

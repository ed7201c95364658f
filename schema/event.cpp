// Which kind an event is, and what the kind is called in histories and metrics. Names are as stable as the numbers.
#include "schema/event.h"

#include <array>

#include "schema/assert.h"

namespace dta::schema {
namespace {

// One overload an alternative: a new event does not compile until it has its number here.
struct Kind {
  using enum EventKind;
  EventKind operator()(const TransactionStarted&) const { return transaction_started; }
  EventKind operator()(const StepEntered&) const { return step_entered; }
  EventKind operator()(const StepMet&) const { return step_met; }
  EventKind operator()(const StepFailed&) const { return step_failed; }
  EventKind operator()(const TaskLeased&) const { return task_leased; }
  EventKind operator()(const TaskCompleted&) const { return task_completed; }
  EventKind operator()(const TaskFailed&) const { return task_failed; }
  EventKind operator()(const TaskReleased&) const { return task_released; }
  EventKind operator()(const AttemptTimedOut&) const { return attempt_timed_out; }
  EventKind operator()(const TaskTimedOut&) const { return task_timed_out; }
  EventKind operator()(const HeartbeatRecorded&) const { return heartbeat_recorded; }
  EventKind operator()(const LateResult&) const { return late_result; }
  EventKind operator()(const CompensationStarted&) const { return compensation_started; }
  EventKind operator()(const StepUndone&) const { return step_undone; }
  EventKind operator()(const TransactionCompleted&) const { return transaction_completed; }
  EventKind operator()(const OutcomeDecided&) const { return outcome_decided; }
  EventKind operator()(const IncidentResolved&) const { return incident_resolved; }
  EventKind operator()(const TransactionCompensated&) const { return transaction_compensated; }
  EventKind operator()(const TransactionTerminated&) const { return transaction_terminated; }
  EventKind operator()(const IncidentRaised&) const { return incident_raised; }
  EventKind operator()(const Transitioned&) const { return transitioned; }
  EventKind operator()(const DefinitionPublished&) const { return definition_published; }
  EventKind operator()(const StepSkipped&) const { return step_skipped; }
  EventKind operator()(const TaskReady&) const { return task_ready; }
  EventKind operator()(const TaskSkipped&) const { return task_skipped; }
  EventKind operator()(const SignalReceived&) const { return signal_received; }
  EventKind operator()(const WaitEnded&) const { return wait_ended; }
  EventKind operator()(const CancelRequested&) const { return cancel_requested; }
  EventKind operator()(const TransactionPaused&) const { return transaction_paused; }
  EventKind operator()(const TransactionResumed&) const { return transaction_resumed; }
  EventKind operator()(const EpochOpened&) const { return epoch_opened; }
};

}  // namespace

EventKind kind_of(const Event& event) {
  return std::visit(Kind{}, event);
}

std::string_view to_string(EventKind kind) {
  switch (kind) {
    case EventKind::transaction_started:
      return "transaction_started";
    case EventKind::step_entered:
      return "step_entered";
    case EventKind::step_met:
      return "step_met";
    case EventKind::step_failed:
      return "step_failed";
    case EventKind::task_leased:
      return "task_leased";
    case EventKind::task_completed:
      return "task_completed";
    case EventKind::task_failed:
      return "task_failed";
    case EventKind::task_released:
      return "task_released";
    case EventKind::attempt_timed_out:
      return "attempt_timed_out";
    case EventKind::task_timed_out:
      return "task_timed_out";
    case EventKind::heartbeat_recorded:
      return "heartbeat_recorded";
    case EventKind::late_result:
      return "late_result";
    case EventKind::compensation_started:
      return "compensation_started";
    case EventKind::step_undone:
      return "step_undone";
    case EventKind::incident_resolved:
      return "incident_resolved";
    case EventKind::outcome_decided:
      return "outcome_decided";
    case EventKind::transaction_completed:
      return "transaction_completed";
    case EventKind::transaction_compensated:
      return "transaction_compensated";
    case EventKind::transaction_terminated:
      return "transaction_terminated";
    case EventKind::incident_raised:
      return "incident_raised";
    case EventKind::transitioned:
      return "transitioned";
    case EventKind::definition_published:
      return "definition_published";
    case EventKind::step_skipped:
      return "step_skipped";
    case EventKind::task_ready:
      return "task_ready";
    case EventKind::task_skipped:
      return "task_skipped";
    case EventKind::signal_received:
      return "signal_received";
    case EventKind::wait_ended:
      return "wait_ended";
    case EventKind::cancel_requested:
      return "cancel_requested";
    case EventKind::transaction_paused:
      return "transaction_paused";
    case EventKind::transaction_resumed:
      return "transaction_resumed";
    case EventKind::epoch_opened:
      return "epoch_opened";
  }
  DTA_ASSERT(false);
  return {};
}

namespace {

constexpr std::array<std::string_view, 4> kReasons{"no_undo", "given_up", "terminated", "in_child"};
constexpr std::array<std::string_view, 5> kResolutions{"retry", "force_done", "give_up", "accept", "force_failed"};
constexpr std::array<std::string_view, 5> kIncidents{"undo_failed", "effect_after_undo", "pivot_unknown", "step_failed",
                                                     "expired"};

}  // namespace

std::string_view to_string(NotUndoneReason reason) {
  return kReasons[static_cast<std::size_t>(reason)];
}

std::string_view to_string(IncidentKind kind) {
  return kIncidents[static_cast<std::size_t>(kind)];
}

bool concerns_step(IncidentKind kind) {
  return kind == IncidentKind::step_failed || kind == IncidentKind::expired;
}

std::string_view to_string(IncidentResolution resolution) {
  return kResolutions[static_cast<std::size_t>(resolution)];
}

std::optional<IncidentResolution> parse_resolution(std::string_view word) {
  for (std::size_t i = 0; i < kResolutions.size(); ++i)
    if (kResolutions[i] == word) return static_cast<IncidentResolution>(i);
  return std::nullopt;
}

}  // namespace dta::schema

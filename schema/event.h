// The words of the log: every event that can happen to a transaction, as plain values.
//
// An event is a fact and never changes meaning. Kinds have explicit numbers that are on disk (events.fbs) and are never
// reused; events only gain fields. Whatever was decided from a clock, a payload or chance (retry times, resolved
// inputs) is a field here, so that folding the events again needs neither. Payload bytes are not in the events: an
// event names them by size and SHA-256 (PayloadRef), and they lie beside the record under (transaction, sequence,
// index).
//
// Size: every kind with its words, which readers want in one place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/hash.h"
#include "schema/ids.h"
#include "schema/time.h"

namespace dta::schema {

// Names the payload `index` of the event that carries this. size 0: there is none.
struct PayloadRef {
  std::uint32_t index = 0;
  std::uint32_t size = 0;
  Hash digest{};
  bool present() const { return size != 0; }
  bool operator==(const PayloadRef&) const = default;
};

// A task of a definition, by place: step from 0, task from 0 inside its step, instance 0 unless the step is a for_each.
struct TaskRef {
  std::uint16_t step = 0;
  std::uint16_t task = 0;
  std::uint32_t instance = 0;
  auto operator<=>(const TaskRef&) const = default;
};

enum class Action : std::uint8_t { perform = 0, undo = 1 };         // "do" and "undo" in JSON
enum class Effect : std::uint8_t { none = 0, unknown = 1 };         // what a failed attempt may have left behind
enum class LeaseEnd : std::uint8_t { attempt = 0, heartbeat = 1 };  // which limit ended the lease
enum class TaskLimit : std::uint8_t { queue = 0, total = 1 };
// decided: a `next` said so although the join was met. parent: of a child that had completed.
enum class CompensationCause : std::uint8_t { step_failed = 0, cancelled = 1, expired = 2, decided = 3, parent = 4 };
// pivot_unknown: a task of a pivot ended unknown. step_failed: after a passed pivot, so nothing is compensated.
// expired: the time is over after a passed pivot.
enum class IncidentKind : std::uint8_t {
  undo_failed = 0,
  effect_after_undo = 1,
  pivot_unknown = 2,
  step_failed = 3,
  expired = 4
};
// in_child: its own terminal event says what.
enum class NotUndoneReason : std::uint8_t { no_undo = 0, given_up = 1, terminated = 2, in_child = 3 };
// What a person decides about an incident. force_done: the undo was done by hand. accept: nothing is to be done.
enum class IncidentResolution : std::uint8_t { retry = 0, force_done = 1, give_up = 2, accept = 3, force_failed = 4 };
enum class GoKind : std::uint8_t { follow = 0, step = 1, end = 2, compensate = 3 };
enum class WaitEnd : std::uint8_t { time = 0, deadline = 1 };  // the time waited for, or a deadline that lets go on
inline constexpr std::uint16_t kNoChoice = 0xffff;

// What `next` or `on_failure` decided: which entry of its list (kNoChoice: none matched), and what that says.
struct Route {
  GoKind kind = GoKind::follow;
  std::uint16_t step = 0;  // of step
  std::uint16_t choice = kNoChoice;
  bool operator==(const Route&) const = default;
};

struct Attribute {
  std::string key, value;
  bool operator==(const Attribute&) const = default;
};

// One attempt of a task or of its undo. `lease` is the sequence of the TaskLeased event that handed it out: with the
// transaction's number and the fence it makes the lease token.
struct Attempt {
  TaskRef task;
  Action action = Action::perform;
  std::uint32_t number = 1;  // counts from 1; a released hand-out does not count
  Sequence lease;
  bool operator==(const Attempt&) const = default;
};

struct TransactionStarted {
  std::string id;
  std::string definition;
  std::uint32_t version = 0;
  Hash definition_digest{};
  PayloadRef input;
  std::vector<Attribute> attributes;
  std::vector<Attribute> headers;
  Duration expires_after;     // 0: never
  Hash request_digest{};      // of the start request, without the resolved version
  std::uint8_t priority = 0;  // of its tasks and undos in their queues, 0 to 9; higher first
  bool operator==(const TransactionStarted&) const = default;
};

// Input of one task, fixed when the task first became ready. A task not listed gets the transaction's input as it is.
struct ResolvedInput {
  std::uint16_t task = 0;
  std::uint32_t instance = 0;
  PayloadRef input;
  bool operator==(const ResolvedInput&) const = default;
};

// Timeouts of one task that were read from data.
struct ResolvedTimeouts {
  TaskRef task;
  Duration queue, attempt, total, heartbeat;  // all four as they count
  bool operator==(const ResolvedTimeouts&) const = default;
};

struct StepEntered {
  std::uint16_t step = 0;
  std::vector<ResolvedInput> inputs;  // under a for_each also the elements for tasks that still come `after` others
  std::uint32_t instances = 0;        // of a for_each: its elements; 0 also for a step that is none
  std::vector<TaskRef> skipped = {};  // tasks whose condition did not hold
  bool unresolved = false;            // something needed at entry did not exist: no task becomes ready
  // Lengths that run from here, where they were read from data or computed from a time; nothing: as the definition
  // says.
  std::optional<Duration> deadline = {}, wait = {}, wait_deadline = {};
  std::vector<ResolvedTimeouts> timeouts = {};
  bool operator==(const StepEntered&) const = default;
};

// The step's condition did not hold.
struct StepSkipped {
  std::uint16_t step = 0;
  bool operator==(const StepSkipped&) const = default;
};

// The tasks that it comes after are done or skipped: its input is fixed now, as StepEntered does for the others.
struct TaskReady {
  TaskRef task;
  PayloadRef input;
  std::optional<ResolvedTimeouts> timeouts = {};
  bool operator==(const TaskReady&) const = default;
};

// Its condition did not hold when its turn had come.
struct TaskSkipped {
  TaskRef task;
  bool operator==(const TaskSkipped&) const = default;
};

struct SignalReceived {
  std::string name, signal_id;
  PayloadRef payload;
  bool operator==(const SignalReceived&) const = default;
};

// The step waits no longer, by time. A wait for signals ends with the last of them, without an event of its own.
struct WaitEnded {
  std::uint16_t step = 0;
  WaitEnd how = WaitEnd::time;
  bool operator==(const WaitEnded&) const = default;
};

// A cancellation that waits until the pivot under way is decided.
struct CancelRequested {
  std::string reason, who;
  bool operator==(const CancelRequested&) const = default;
};

struct TransactionPaused {
  std::string reason, who;
  bool operator==(const TransactionPaused&) const = default;
};

struct TransactionResumed {
  std::string reason, who;
  bool operator==(const TransactionResumed&) const = default;
};

// What had ended goes on: a child whose parent is compensated.
struct EpochOpened {
  std::uint32_t epoch = 2;
  std::string reason;
  bool operator==(const EpochOpened&) const = default;
};

struct StepMet {
  std::uint16_t step = 0;
  Route route = {};
  bool operator==(const StepMet&) const = default;
};

struct StepFailed {
  std::uint16_t step = 0;
  bool has_task = false;  // false: the step itself (deadline, input_unresolved)
  TaskRef task;           // whose failure decided
  std::string code, message;
  Route route{GoKind::compensate, 0, kNoChoice};  // step, end: once what it did is undone. Never follow
  bool operator==(const StepFailed&) const = default;
};

struct TaskLeased {
  TaskRef task;
  Action action = Action::perform;
  std::uint32_t attempt = 1;
  std::uint32_t generation = 1;
  std::uint32_t order = 1;
  std::string worker;
  std::string poll_id;
  Duration attempt_timeout;    // lease_until = recorded_at + this, or
  Duration heartbeat_timeout;  // last heartbeat + this when not 0
  bool operator==(const TaskLeased&) const = default;
};

struct TaskCompleted {
  Attempt attempt;
  PayloadRef output;
  std::optional<bool> found = {};  // undo only: whether there was something to undo; nothing: nobody said
  bool irreversible = false;       // of a child that passed its pivot; of its undo: it names something as not undone
  bool operator==(const TaskCompleted&) const = default;
};

struct TaskFailed {
  Attempt attempt;
  std::string code, message;
  PayloadRef details;
  Effect effect = Effect::none;
  bool retryable = true;
  Time retry_at = Time::never();  // never: not retried
  bool left_behind = false;       // of a child that names something as not undone
  bool operator==(const TaskFailed&) const = default;
};

struct TaskReleased {
  Attempt attempt;
  Time not_before;
  bool operator==(const TaskReleased&) const = default;
};

// The lease ended without a result: the attempt counts as unknown.
struct AttemptTimedOut {
  Attempt attempt;
  LeaseEnd reason = LeaseEnd::attempt;
  Time retry_at = Time::never();
  bool operator==(const AttemptTimedOut&) const = default;
};

// queue: nobody took it in time. total: first ready to settled took too long; an open attempt is asked to stop.
struct TaskTimedOut {
  TaskRef task;
  TaskLimit limit = TaskLimit::queue;
  bool operator==(const TaskTimedOut&) const = default;
};

struct HeartbeatRecorded {
  Attempt attempt;
  PayloadRef detail;
  bool operator==(const HeartbeatRecorded&) const = default;
};

// A result that came after its lease had ended. It changes no outcome.
struct LateResult {
  Attempt attempt;
  bool succeeded = false;
  bool after_undo = false;  // a success reported after its undo was acknowledged
  std::string code;
  PayloadRef output;
  bool operator==(const LateResult&) const = default;
};

struct CompensationStarted {
  CompensationCause cause = CompensationCause::step_failed;
  std::string reason;  // of the person, or of the failed step
  std::string who;     // empty: the engine
  bool operator==(const CompensationStarted&) const = default;
};

// The step's turn in the compensation ended: each of its tasks is settled and undone, irreversible or given up.
struct StepUndone {
  std::uint16_t step = 0;
  bool operator==(const StepUndone&) const = default;
};

struct NotUndone {
  TaskRef task;
  NotUndoneReason reason = NotUndoneReason::no_undo;
  bool operator==(const NotUndone&) const = default;
};

struct TransactionCompleted {
  PayloadRef output;                       // none when outcome_decided gave it
  std::vector<NotUndone> not_undone = {};  // what a met join did not count, but cannot be undone
  bool operator==(const TransactionCompleted&) const = default;
};

// The last join was decided as met while leftovers are still open: the outcome is fixed and told, transaction_completed
// follows when everything has settled. Absent when nothing was open.
struct OutcomeDecided {
  PayloadRef output;
  bool operator==(const OutcomeDecided&) const = default;
};

struct TransactionCompensated {
  std::vector<NotUndone> not_undone;
  bool operator==(const TransactionCompensated&) const = default;
};

struct TransactionTerminated {
  std::string reason, who;
  std::vector<NotUndone> not_undone;  // what was done or may have been
  bool operator==(const TransactionTerminated&) const = default;
};

struct IncidentRaised {
  std::uint32_t number = 1;
  IncidentKind kind = IncidentKind::undo_failed;
  TaskRef task;  // only its step counts where concerns_step(kind)
  std::string code, message;
  bool operator==(const IncidentRaised&) const = default;
};

struct IncidentResolved {
  std::uint32_t number = 1;
  IncidentResolution resolution = IncidentResolution::retry;
  std::string reason, who;
  bool operator==(const IncidentResolved&) const = default;
};

// Table form: what happened to the entity, appended by a client. Indices into the definition's states and transitions.
struct Transitioned {
  std::uint32_t transition = 0;
  std::uint16_t from = 0, to = 0;
  std::string event_id;  // empty: none given
  PayloadRef data;
  bool operator==(const Transitioned&) const = default;
};

// Reserved transaction "$definition/NAME": one event a version; payload 0 is the text.
struct DefinitionPublished {
  std::string name;
  std::uint32_t version = 0;
  PayloadRef text;
  bool operator==(const DefinitionPublished&) const = default;
};

// A rate limit; 0 per 1000 s: none.
struct QueueRate {
  std::uint64_t per_1000s = 0;  // hand-outs in 1000 seconds, so that one in a thousand seconds is a whole number too
  std::uint32_t burst = 0;      // as many at once after a quiet time
  bool operator==(const QueueRate&) const = default;
};
// Per second, as a JSON number: "10", "0.5".
std::string per_second_text(const QueueRate& rate);

// Reserved transaction "$queue/NAME": the queue's settings from here on, all of them.
struct QueueChanged {
  std::string queue;
  QueueRate rate = {};
  std::uint32_t concurrency = 0;  // open leases at most, of tasks and undos; 0: no limit
  bool paused = false;
  std::string reason = {}, who = {};
  bool operator==(const QueueChanged&) const = default;
};

// Reserved transaction "$definition/NAME": what people say of the definition from here on, all of it.
struct DefinitionChanged {
  std::string name;
  bool paused = false;                         // every version of it
  std::vector<std::uint32_t> deprecated = {};  // versions that take no new start, rising
  std::string reason = {}, who = {};
  bool operator==(const DefinitionChanged&) const = default;
};

// The order of the alternatives is in memory only; numbers on disk are EventKind's.
using Event =
    std::variant<TransactionStarted, StepEntered, StepMet, StepFailed, TaskLeased, TaskCompleted, TaskFailed,
                 TaskReleased, AttemptTimedOut, TaskTimedOut, HeartbeatRecorded, LateResult, CompensationStarted,
                 StepUndone, TransactionCompleted, TransactionCompensated, TransactionTerminated, IncidentRaised,
                 Transitioned, DefinitionPublished, OutcomeDecided, IncidentResolved, StepSkipped, TaskReady,
                 TaskSkipped, SignalReceived, WaitEnded, CancelRequested, TransactionPaused, TransactionResumed,
                 QueueChanged, DefinitionChanged, EpochOpened>;

enum class EventKind : std::uint8_t {
  transaction_started = 1,
  step_entered = 2,
  step_met = 3,
  step_failed = 4,
  task_leased = 5,
  task_completed = 6,
  task_failed = 7,
  task_released = 8,
  attempt_timed_out = 9,
  task_timed_out = 10,
  heartbeat_recorded = 11,
  late_result = 12,
  compensation_started = 13,
  step_undone = 14,
  transaction_completed = 15,
  transaction_compensated = 16,
  transaction_terminated = 17,
  incident_raised = 18,
  transitioned = 19,
  definition_published = 20,
  outcome_decided = 21,
  incident_resolved = 22,
  step_skipped = 23,
  task_ready = 24,
  task_skipped = 25,
  signal_received = 26,
  wait_ended = 27,
  cancel_requested = 28,
  transaction_paused = 29,
  transaction_resumed = 30,
  queue_changed = 31,
  definition_changed = 32,
  epoch_opened = 33,
};

EventKind kind_of(const Event& event);
std::string_view to_string(NotUndoneReason reason);         // as in histories
std::string_view to_string(IncidentKind kind);              // as in histories and views
bool concerns_step(IncidentKind kind);                      // a whole step rather than one of its tasks
std::string_view to_string(IncidentResolution resolution);  // as in requests and histories
std::optional<IncidentResolution> parse_resolution(std::string_view word);
std::string_view to_string(EventKind kind);  // snake_case, as in histories and metrics

// Calls `visit(const PayloadRef&)` for every payload that the event names.
template <class Visitor>
void for_each_payload(const Event& event, Visitor&& visit);

// An event with its place in the transaction's history.
struct RecordedEvent {
  Sequence sequence;
  Time recorded_at;
  Event event;
  bool operator==(const RecordedEvent&) const = default;
};

template <class Visitor>
void for_each_payload(const Event& event, Visitor&& visit) {
  std::visit(
      [&]<class E>(const E& e) {
        auto call = [&](const PayloadRef& ref) {
          if (ref.present()) visit(ref);
        };
        if constexpr (requires { e.input; }) call(e.input);
        if constexpr (requires { e.output; }) call(e.output);
        if constexpr (requires { e.details; }) call(e.details);
        if constexpr (requires { e.detail; }) call(e.detail);
        if constexpr (requires { e.data; }) call(e.data);
        if constexpr (requires { e.text; }) call(e.text);
        if constexpr (requires { e.payload; }) call(e.payload);
        if constexpr (requires { e.inputs; })
          for (const ResolvedInput& resolved : e.inputs) call(resolved.input);
      },
      event);
}

}  // namespace dta::schema

// The state of one transaction: a value, folded from its events by evolve() and by nothing else.
//
// Life-cycle facts are bits in `bits` (machine.h says which bit means what): within an epoch a bit is only ever gained,
// except the current state of a cyclic table. Counters, times and names are values beside the bits. Two states that
// were folded from the same events compare equal; that is how "live = rebuilt" is proved.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/bitset.h"
#include "schema/definition.h"
#include "schema/event.h"
#include "schema/pause.h"

namespace dta::engine {

using schema::Action;
using schema::Attribute;
using schema::Duration;
using schema::Sequence;
using schema::TaskRef;
using schema::Time;

enum class Phase : std::uint8_t {
  none = 0,
  running = 1,
  compensating = 2,
  completed = 3,
  compensated = 4,
  terminated = 5
};
std::string_view to_string(Phase phase);

// Where a payload of this transaction lies in the log. size 0: there is none.
struct PayloadAt {
  Sequence sequence;
  std::uint32_t index = 0;
  std::uint32_t size = 0;
  bool present() const { return size != 0; }
  auto operator<=>(const PayloadAt&) const = default;
};

enum class TaskStatus : std::uint8_t {
  not_entered = 0,
  ready = 1,    // may be handed out from `at` on
  leased = 2,   // its lease is in State::leases
  settled = 3,  // its outcome is in the bits
  blocked = 4,  // waits for the tasks that it comes `after`
  outside = 5,  // external: a participant is at it
  held = 6,     // of a pivot, and ended unknown: a person must act
  child = 7,    // a child transaction is at it
};
enum class UndoStatus : std::uint8_t {
  idle = 0,   // not due, or there is nothing to undo
  ready = 1,  // may be handed out from `undo_at` on
  leased = 2,
  done = 3,
  incident = 4,  // a person must act
  given_up = 5,  // a person decided so; the terminal event names it
  child = 6,     // its child transaction is being compensated
};

struct TaskState {
  TaskStatus status = TaskStatus::not_entered;
  UndoStatus undo_status = UndoStatus::idle;
  std::optional<bool> undo_found = {};  // what the acknowledged undo said; nothing: it did not say
  std::uint32_t attempt = 0;            // attempts that counted so far; an open one counts
  std::uint32_t undo_attempt = 0;
  std::uint32_t generation = 1;
  std::uint32_t order = 1;
  Time first_ready;  // start of the total timeout
  Time since, at;    // ready: handed out from `at` on, which `since` asked for; start of the queue timeout
  Time undo_since, undo_at;
  bool undo_again = false;  // a person ordered the undo once more, and that is not acknowledged yet
  // Of a child transaction: it was asked to stop; it passed its pivot; it names something as not undone.
  bool stopping = false, irreversible = false, left_behind = false;
  PayloadAt input;  // none: the transaction's input
  PayloadAt output;
  PayloadAt details;       // of its last failure
  PayloadAt heartbeat;     // last detail reported, for the next attempt
  std::string error_code;  // of the last attempt that did not succeed, task or undo
  bool operator==(const TaskState&) const = default;
};

// A hand-out that has neither ended nor been answered.
struct Lease {
  TaskRef task;
  Action action = Action::perform;
  std::uint32_t attempt = 1;
  Sequence sequence;  // of its TaskLeased event: names it in the token
  Time leased_at;
  Duration attempt_timeout;
  Duration heartbeat_timeout;  // 0: off
  bool stop_asked = false;
  std::string worker;
  std::string poll_id;
  bool operator==(const Lease&) const = default;
};

struct Failure {
  bool has_step = false;
  bool has_task = false;
  TaskRef task;  // task.step is the step
  std::string code, message;
  PayloadAt details;
  bool operator==(const Failure&) const = default;
};

// Fan-out of one for_each step: where the block of its tasks stands.
struct Spread {
  std::uint16_t step = 0;
  std::uint32_t instances = 0, first_task = 0, first_bit = 0;
  bool operator==(const Spread&) const = default;
};

struct KeptSignal {
  static constexpr std::uint16_t kKept = 0xffff;
  std::string name, id;
  PayloadAt payload;
  std::uint16_t step = kKept;  // that consumed it
  bool operator==(const KeptSignal&) const = default;
};

// A length of time that is not there.
inline constexpr Duration kNone{-1};

// Lengths that run from the entry of the current step.
struct StepClocks {
  Duration deadline = kNone;       // of the join
  Duration wait = kNone;           // for a time
  Duration wait_deadline = kNone;  // for signals
  bool operator==(const StepClocks&) const = default;
};

struct Asked {
  std::string reason, who;
  bool operator==(const Asked&) const = default;
};

struct Incident {
  std::uint32_t number = 1;
  schema::IncidentKind kind = schema::IncidentKind::undo_failed;
  TaskRef task;
  std::string code, message;
  bool open = true;
  bool operator==(const Incident&) const = default;
};

struct State {
  std::string id;
  std::string definition;
  std::uint32_t version = 0;
  schema::Form form = schema::Form::steps;
  Phase phase = Phase::none;
  bool paused = false;
  Sequence sequence;  // of the last event
  std::uint32_t epoch = 1;
  Time started_at;
  Time ended_at = Time::never();
  Time expires_at = Time::never();
  std::vector<Attribute> attributes, headers;
  PayloadAt input, output;
  schema::Hash request_digest{};
  BitSet bits;

  // Steps form.
  std::uint16_t step = 0;        // running: the step entered last. compensating: the step whose undos run
  std::vector<Time> entered_at;  // by step; Time{} while not entered
  StepClocks clocks;             // of the step entered last
  schema::Route route;           // where the step that was met or failed last goes
  std::vector<TaskState>
      tasks;  // flat: in the definition's order, then the blocks of for_each steps as they were entered
  std::vector<Spread> spreads;                         // in order of entry
  std::vector<schema::ResolvedTimeouts> own_timeouts;  // read from data; those of other tasks are the definition's
  std::vector<KeptSignal> signals;                     // in order of arrival
  schema::Pauses pauses;                               // in order; the last one open while paused
  std::optional<Asked> cancel;                         // waits until the pivot under way is decided
  std::vector<Lease> leases;                           // in order of hand-out, so of their sequences
  Failure failure;                                     // the first failure that decided the step entered last
  std::vector<Failure> handled;                        // of earlier steps, which `on_failure` led past
  schema::CompensationCause cause = schema::CompensationCause::step_failed;
  std::string reason, who;  // of the compensation or the termination
  std::vector<schema::NotUndone> not_undone;
  std::vector<Incident> incidents;

  // Table form.
  std::uint16_t table_state = 0;

  // The outcome is fixed: nothing can cancel or fail it any more, though leftovers may still be open.
  bool outcome_decided = false;

  bool ended() const { return phase >= Phase::completed; }
  bool held(std::size_t step) const;  // a failure of it past the pivot waits for a person
  bool attention() const;
  const Lease* lease(Sequence sequence) const;
  bool operator==(const State&) const = default;
};

// Whether a person may say this of that incident. After the end only the attention of people is left to change.
bool fits(const State& state, const Incident& incident, schema::IncidentResolution resolution);

// The outcome once it is decided: "completed" also while leftovers are still open.
std::string_view outcome(const State& state);

// "attention" before "paused" before the phase: what lists show.
std::string_view status(const State& state);

}  // namespace dta::engine

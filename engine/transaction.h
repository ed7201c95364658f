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
};
enum class UndoStatus : std::uint8_t {
  idle = 0,   // not due, or there is nothing to undo
  ready = 1,  // may be handed out from `undo_at` on
  leased = 2,
  done = 3,
  incident = 4,  // a person must act
  given_up = 5,  // a person decided so; the terminal event names it
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
  Time at;           // ready: handed out from here on, and start of the queue timeout
  Time undo_at;
  PayloadAt input;  // none: the transaction's input
  PayloadAt output;
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
  bool operator==(const Failure&) const = default;
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
  bool paused = false;  // set by a later release
  Sequence sequence;    // of the last event
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
  std::vector<TaskState> tasks;  // flat, in the definition's order
  std::vector<Lease> leases;     // in order of hand-out
  Failure failure;               // the first failure that decided a step
  schema::CompensationCause cause = schema::CompensationCause::step_failed;
  std::string reason, who;  // of the compensation or the termination
  std::vector<schema::NotUndone> not_undone;
  std::vector<Incident> incidents;

  // Table form.
  std::uint16_t table_state = 0;

  // The outcome is fixed: nothing can cancel or fail it any more, though leftovers may still be open.
  bool outcome_decided = false;

  bool ended() const { return phase >= Phase::completed; }
  bool attention() const;
  const Lease* lease(Sequence sequence) const;
  bool operator==(const State&) const = default;
};

// Whether a person may say this of that incident: an undo that failed waits for one of three words; after the end, and
// of an effect that came after its undo, only the attention of people is left to change.
bool fits(const State& state, const Incident& incident, schema::IncidentResolution resolution);

// The outcome once it is decided: "completed" also while leftovers are still open.
std::string_view outcome(const State& state);

// "attention" before "paused" before the phase: what lists show.
std::string_view status(const State& state);

}  // namespace dta::engine

// The reference model: one transaction as the semantics describe it, in plain lists and maps, written to be read and
// not to be fast. It shares nothing with engine/ but the words of schema/: no bits, no masks, no folded state. Whatever
// a task is ("done", "unknown", "failed") is computed from the list of its hand-outs when somebody asks.
//
// The model is compared with the engine after every command (model_test.cpp), and logs are replayed through it
// (replay.h). It keeps its own log of event kinds, so that "what happened, in which order" is compared as well.
// Values; any one thread. Times are only ever given.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "schema/definition.h"
#include "schema/event.h"

namespace dta::model {

using schema::Action;
using schema::Duration;
using schema::ErrorCode;
using schema::EventKind;
using schema::Sequence;
using schema::TaskRef;
using schema::Time;

enum class Phase { none, running, compensating, completed, compensated, terminated };
enum class Outcome { none, done, failed, unknown, withdrawn };

// How one hand-out ended. timed_out and unclear both leave the effect unknown.
enum class Ending { open, done, failed, unclear, timed_out, released };

struct HandOut {
  Sequence lease;
  Time since, last_beat;
  Ending ending = Ending::open;
  bool asked_to_stop = false;
};

// One direction of a task: its action, or its undo.
struct Side {
  std::vector<HandOut> hand_outs;  // in order; only the last can be open
  std::optional<Time> ready_at;    // waits to be handed out, from then on
  std::string last_error;

  bool open() const { return !hand_outs.empty() && hand_outs.back().ending == Ending::open; }
  // Attempts that count: all but the released ones.
  std::uint32_t attempts() const;
};

struct Task {
  const schema::Task* rules = nullptr;
  bool entered = false, settled = false;
  bool ran_out = false;  // its queue or total timeout fired
  Time first_ready;
  Side action, undo;
  bool counted = false;  // its join was met, and took it as done
  bool undo_due = false, undone = false;
  bool undo_stuck = false;         // its undo waits for a person
  bool given_up = false;           // a person decided that it stays undone
  std::optional<bool> undo_found;  // what the undo said, if anything
  std::string input, output;       // raw JSON; the input as handed to workers

  Outcome outcome() const;
  bool may_have_happened() const { return outcome() == Outcome::done || outcome() == Outcome::unknown; }
  bool clean() const;  // settled, and undone where that is due and possible, or given up
};

struct Incident {
  TaskRef task;
  bool undo_failed = false;  // else an effect came after its undo
  bool open = true;
};

// What a worker says.
struct Said {
  Ending ending = Ending::done;  // done, failed, unclear, released
  std::string output;            // done
  std::optional<bool> found;     // done, of an undo: what it said, if anything
  std::string code;              // failed, unclear
  bool retryable = true;         // failed, unclear
  Duration delay;                // released
};

class Transaction {
 public:
  // `choose` draws the time of a retry from [earliest, latest].
  using Choose = std::function<Time(Time earliest, Time latest)>;
  Transaction(schema::DefinitionPtr definition, Choose choose);

  void start(std::string input, Time now);
  // False when it is not ready now: nobody may be given it.
  bool hand_out(TaskRef task, Action action, Time now);
  // stale_lease when the lease is not open.
  std::optional<ErrorCode> report(Sequence lease, const Said& result, Time now);
  // A result whose lease has timed out; false when it has not.
  bool report_late(Sequence lease, bool success, Time now);
  void beat(Sequence lease, Time now);
  bool keep_detail(Sequence lease);
  std::optional<ErrorCode> cancel(Time now);
  // Stops at once. What was handed out may have acted; its results are late.
  std::optional<ErrorCode> terminate();
  std::optional<ErrorCode> resolve_incident(std::size_t number, schema::IncidentResolution resolution, Time now);
  std::optional<ErrorCode> append(std::optional<Sequence> expected, const std::vector<std::string>& names, Time now);

  // Fires all that is due: leases in order of hand-out, the limits of tasks, the step's deadline, the expiry.
  void tick(Time now);
  // One timer each; false, and nothing happened, when it is not due. `beats_known` false: heartbeats are not in the
  // log, so a lease that ended for want of one is believed once the shortest such time is over.
  bool end_lease(Sequence lease, Time now, bool beats_known);
  bool run_out(TaskRef task, schema::TaskLimit limit, Time now);
  bool pass_deadline(Time now);
  bool expire(Time now);

  // ---- what can be seen
  using Waiting = std::tuple<TaskRef, Action, Time>;
  std::vector<Waiting> ready() const;  // by task; those in backoff too
  Time due() const;                    // the earliest timer
  std::vector<TaskRef> not_undone() const;
  const Task& task(TaskRef ref) const { return steps_[ref.step][ref.task]; }
  bool ended() const { return phase >= Phase::completed; }
  bool waits_for_a_person() const;

  Phase phase = Phase::none;
  std::vector<EventKind> log;
  std::size_t step = 0;             // entered last; while compensating: the one whose turn it is
  std::vector<Incident> incidents;  // number n is at n - 1
  bool decided = false;             // the last join was met: nothing changes the outcome any more
  std::optional<std::pair<TaskRef, std::string>> failure;  // what decided: the task (or its step) and the error code
  std::string table_state;

 private:
  class Context;
  struct Found {
    TaskRef ref;
    Task* task;
    Side* side;
    HandOut* hand_out;
    Action action;
  };
  std::optional<Found> find(Sequence lease);
  Time lease_end(const Task& task, Action action, const HandOut& hand_out) const;
  const schema::Step& rules(std::size_t index) const { return definition_->steps[index]; }
  std::vector<Task>& current() { return steps_[step]; }
  void note(EventKind kind) { log.push_back(kind); }

  void enter(std::size_t index, Time now);
  void judge(Time now);
  bool judge_join(Time now);
  // Whether the step's need is met; `supposing` that every open task will be done, whether it still can be.
  enum class Open { left_aside, supposed_done };
  bool need_met(std::size_t index, Open open) const;
  bool hopeless(std::size_t index) const { return !need_met(index, Open::supposed_done); }
  void meet(Time now);
  void complete_when_quiet();
  void judge_turn(Time now);
  void fail_step(TaskRef task, std::string code, Time now);
  void begin_compensation(Time now);
  void raise(TaskRef task, bool undo_failed);
  void settle(TaskRef ref, Task& task, const std::string& code);
  void stop_open_tasks(std::size_t index);
  // The attempt ended without success: it is tried again, or that was all.
  void after_failure(const Found& found, const std::string& code, bool retryable, Time now);
  void make_undos_ready(Time now);
  const schema::Transition* leaving(const std::string& state, const std::string& on) const;
  void take(const schema::Transition& transition);
  void end_if_final();

  const schema::DefinitionPtr definition_;
  const Choose choose_;
  std::vector<std::vector<Task>> steps_;
  std::vector<bool> met_;  // by step
  std::string input_;
  Time entered_at_, expires_at_ = Time::never();
};

}  // namespace dta::model

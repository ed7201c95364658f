// The reference model: one transaction as the semantics describe it, in plain lists and maps, written to be read and
// not to be fast. It shares nothing with engine/ but the words of schema/: no bits, no masks, no folded state. Whatever
// a task is ("done", "unknown", "failed") is computed from the list of its hand-outs when somebody asks.
//
// The model is compared with the engine after every command (model_test.cpp), and logs are replayed through it
// (replay.h). It keeps its own log of event kinds, so that "what happened, in which order" is compared as well.
// Child transactions are not part of it. Values; any one thread. Times are only ever given.
#pragma once

#include <functional>
#include <map>
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
using schema::IncidentKind;
using schema::Sequence;
using schema::TaskRef;
using schema::Time;

enum class Phase { none, running, compensating, completed, compensated, terminated };
enum class Outcome { none, done, failed, unknown, withdrawn, skipped };

// How one hand-out ended. timed_out and unclear both leave the effect unknown.
enum class Ending { open, done, failed, unclear, timed_out, released };

struct HandOut {
  Sequence lease;  // 0: it is external, nobody holds a lease
  Time since, last_beat;
  Ending ending = Ending::open;
  bool asked_to_stop = false;
};

// A length that runs from a point of time, and stands still while the transaction is paused.
struct Clock {
  Time start;
  Duration length;
};

struct Failure {
  TaskRef task;           // whose failure decided
  bool has_task = false;  // false: the step itself
  std::string code, message, details;
};

// One direction of a task: its action, or its undo.
struct Side {
  std::vector<HandOut> hand_outs;  // in order; only the last can be open
  std::optional<Clock> ready;      // waits to be handed out, once this is over
  Failure last;                    // what was said of the last attempt that failed

  bool open() const { return open_hand_out() && hand_outs.back().lease.value != 0; }     // with a worker
  bool outside() const { return open_hand_out() && hand_outs.back().lease.value == 0; }  // with a participant
  bool open_hand_out() const { return !hand_outs.empty() && hand_outs.back().ending == Ending::open; }
  // Attempts that count: all but the released ones.
  std::uint32_t attempts() const;
};

struct Task {
  const schema::Task* rules = nullptr;
  schema::Timeouts timeouts;  // as they count for this instance
  bool entered = false, settled = false;
  bool skipped = false;                // its condition did not hold
  bool blocked = false;                // comes after tasks that are not over
  bool held = false;                   // of a pivot, ended unknown: waits for a person
  std::optional<Outcome> forced;       // what a person said that it is: done or failed
  bool ran_out = false;                // its queue or total timeout fired
  std::optional<Time> first_ready;     // total runs from then
  std::vector<HandOut> earlier;        // of epochs before this one
  std::size_t forgiven = 0;            // of those: had no effect, a person said
  std::vector<HandOut> earlier_undos;  // of orders before this one
  Side action, undo;
  bool counted = false;  // its join was met, and took it as done
  bool undo_due = false, undone = false;
  bool undo_again = false;         // it was undone, and a person has ordered that again: not undone until then
  std::uint32_t undo_order = 1;    // rises when a person orders the undo again
  bool undo_stuck = false;         // its undo waits for a person
  bool given_up = false;           // a person decided that it stays undone
  std::optional<bool> undo_found;  // what the undo said, if anything
  std::string input, output;       // raw JSON; the input as handed to workers

  Outcome outcome() const;
  bool may_have_happened() const { return outcome() == Outcome::done || outcome() == Outcome::unknown; }
  bool is_undone() const { return undone && !undo_again; }
  // Settled, and undone where that is due and possible, or given up.
  bool clean() const;
};

struct Incident {
  IncidentKind kind = IncidentKind::undo_failed;
  TaskRef task;
  bool open = true;
  std::string code;  // of step_failed
};

// What a worker or participant says.
struct Said {
  Ending ending = Ending::done;  // done, failed, unclear, released
  std::string output;            // done
  std::optional<bool> found;     // done, of an undo: what it said, if anything
  std::string code;              // failed, unclear
  bool retryable = true;         // failed, unclear
  Duration delay;                // released
  std::string message, details;  // failed, unclear; details: raw JSON, empty: none
};

enum class StepOutcome { none, open, met, failed, skipped };

struct StepState {
  const schema::Step* rules = nullptr;
  StepOutcome outcome = StepOutcome::none;
  bool undone = false;
  bool held = false;             // waits for a person: nothing of it is judged
  std::string held_for;          // the code of that incident
  bool said_compensate = false;  // its `next` said so after a passed pivot
  bool unresolved = false;       // something needed at its entry did not exist
  Time since;                    // its clocks run from here
  std::vector<Task> tasks;       // instance by instance; of a for_each only once entered
  std::vector<std::string> items;
  std::optional<Failure> failure;          // what decided it, also while others drain
  schema::Route route;                     // once met or failed
  std::vector<std::string> awaited;        // signals that it has not got yet
  bool waits_for_time = false;             // not over yet
  Duration wait, wait_deadline, deadline;  // deadlines: 0 is none

  bool was_entered() const { return outcome != StepOutcome::none && outcome != StepOutcome::skipped; }
  bool waits() const { return waits_for_time || !awaited.empty(); }
};

struct Kept {
  std::string name, id, payload;
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
  // What a participant says of an external task: done, failed or unclear.
  std::optional<ErrorCode> report_external(TaskRef task, const Said& result, Time now);
  void beat(Sequence lease, Time now);
  bool keep_detail(Sequence lease);
  std::optional<ErrorCode> signal(const std::string& name, const std::string& id, std::string payload, Time now);
  std::optional<ErrorCode> pause(Time now);
  std::optional<ErrorCode> resume(Time now);
  std::optional<ErrorCode> cancel(Time now);
  // Stops at once. What was handed out may have acted; its results are late.
  std::optional<ErrorCode> terminate();
  // `reason` is the person's: it becomes the message of a task forced as failed.
  std::optional<ErrorCode> resolve_incident(std::size_t number, schema::IncidentResolution resolution, Time now,
                                            const std::string& reason = "");
  std::optional<ErrorCode> append(std::optional<Sequence> expected, const std::vector<std::string>& names, Time now);

  // Fires all that is due: leases in order of hand-out, the limits of tasks, the step's timers, the expiry.
  void tick(Time now);
  // One timer each; false, and nothing happened, when it is not due. `beats_known` false: heartbeats are not in the
  // log, so a lease that ended for want of one is believed once the shortest such time is over.
  bool end_lease(Sequence lease, Time now, bool beats_known);
  bool run_out(TaskRef task, schema::TaskLimit limit, Time now);
  bool pass_deadline(Time now);
  bool end_wait(schema::WaitEnd how, Time now);
  bool expire(Time now);

  // ---- what can be seen
  using Waiting = std::tuple<TaskRef, Action, Time>;
  std::vector<Waiting> ready() const;  // by task; those in backoff too; what at_once and a pause hold back is not there
  Time due() const;                    // the earliest timer
  std::vector<TaskRef> not_undone() const;
  bool exists(TaskRef ref) const;
  const Task& task(TaskRef ref) const;
  const std::vector<StepState>& steps() const { return steps_; }
  const std::vector<Kept>& kept_signals() const { return kept_; }  // those that no step has consumed, oldest first
  bool paused() const { return !pauses_.empty() && !pauses_.back().second; }
  bool pivot_passed() const;
  bool pivot_in_flight() const;
  bool cancel_kept() const { return cancel_requested_; }
  bool ended() const { return phase >= Phase::completed; }
  bool waits_for_a_person() const;

  Phase phase = Phase::none;
  std::vector<EventKind> log;
  std::size_t step = 0;             // entered last; while compensating: the one whose turn it is
  std::uint32_t epoch = 1;          // rises when a held step is tried again
  std::vector<Incident> incidents;  // number n is at n - 1
  bool decided = false;             // the last join was met: nothing changes the outcome any more
  std::string output;               // of the transaction, once decided; raw JSON, empty: none
  std::string table_state;

 private:
  struct Found {
    TaskRef ref;
    Task* task;
    Side* side;
    HandOut* hand_out;  // may be of an earlier epoch
    Action action;
  };
  // What templates and conditions see. A step sees its own tasks in its `next` and `on_failure`.
  struct View {
    std::optional<std::size_t> own = {};   // the step that decides
    std::optional<Failure> failing = {};   // why it is about to fail
    std::optional<TaskRef> task = {};      // whose input or condition it is
    std::optional<std::string> item = {};  // of a for_each
  };

  // model.cpp
  std::optional<Found> find(Sequence lease);
  Task& at(TaskRef ref);
  TaskRef ref_of(std::size_t step, std::size_t position) const;
  const schema::Step& rules(std::size_t index) const { return definition_->steps[index]; }
  StepState& current() { return steps_[step]; }
  const StepState& current() const { return steps_[step]; }
  void note(EventKind kind) { log.push_back(kind); }
  void take_result(const Found& found, const Said& result, Time now);
  void count_late(TaskRef ref, Task& task);
  void happened_after_all(TaskRef ref, const Task& task);

  // model_people.cpp
  bool can_resolve(const Incident& incident, schema::IncidentResolution resolution) const;
  static bool ended_undone(const Task& task);
  void resolve_undo_failed(Task& task, schema::IncidentResolution resolution, Time now);
  static void order_undo_again(Task& task, Time now);
  void resolve_pivot(TaskRef ref, schema::IncidentResolution resolution, Time now, const std::string& reason);
  void resolve_step(schema::IncidentResolution resolution, Time now);

  // model_context.cpp
  std::string context(const View& view) const;
  bool holds(const std::optional<schema::Logic>& rule, const View& view) const;
  std::optional<std::string> resolved(const schema::Template& text, const View& view) const;
  std::optional<std::string> value_at(const std::string& pointer, const View& view) const;
  std::optional<Duration> length_at(const std::string& pointer, const View& view) const;
  std::optional<schema::Timeouts> timeouts_of(const schema::Task& task, const View& view) const;
  View view_of(TaskRef ref) const;
  schema::Route decide(const std::vector<schema::Choice>& choices, schema::GoKind otherwise, const View& view) const;
  std::string output_of(const schema::Go* end, const View& view) const;

  // model_flow.cpp
  void follow(std::size_t index, Time now);  // enters the first step from here whose condition holds
  void enter(std::size_t index, Time now);
  std::optional<Failure> open_tasks(StepState& s);  // what could not be resolved
  std::optional<Failure> open_waits(StepState& s, Time now);
  std::optional<Failure> make_instances(StepState& s);
  bool prepare(Task& t, TaskRef ref);  // fixes its input; false: that cannot be resolved
  void make_ready(Task& t, Time now);
  void take_kept_signals(StepState& s);
  static bool comes_first(const StepState& step, std::size_t position);  // nothing is left that it comes after
  bool unblock(Time now);  // whether anything changed that has to be judged again
  void go_on(Time now);    // after a step is met, or is undone after its failure
  void finish(const schema::Go* end, const View& view);

  // model_rules.cpp
  void judge(Time now);
  bool judge_join(Time now);
  enum class Open { left_aside, supposed_done };
  bool need_met(std::size_t index, Open open) const;
  bool need_unreachable(std::size_t index) const;  // countable tasks present cannot give it
  bool hopeless(std::size_t index) const { return !need_met(index, Open::supposed_done); }
  void meet(Time now);
  void meet_and_go(const schema::Route& route, Time now);
  void complete_when_quiet();
  void judge_turn(Time now);
  void fail_step(Failure failure, Time now);
  void hold_step(Failure failure);
  void begin_compensation(Time now);
  void raise(IncidentKind kind, TaskRef task, std::string code = "");
  void settle(TaskRef ref, Task& task, const Failure& why);
  void withdraw_followers(StepState& step, TaskRef ref);
  void stop_open_tasks(std::size_t index);
  // The attempt ended without success: it is tried again, or that was all.
  void after_failure(const Found& found, Failure why, bool retryable, Time now);
  void make_undos_ready(Time now);
  bool all_after_clean(const StepState& s, std::size_t position) const;

  // model_time.cpp
  Duration elapsed(Time start, Time now) const;  // without the pauses
  Time due(Time start, Duration length) const;   // when that much has elapsed; never while paused before
  Time due(const Clock& clock) const { return due(clock.start, clock.length); }
  Time lease_end(const Task& task, Action action, const HandOut& hand_out) const;
  Time limit_end(const Task& task, schema::TaskLimit limit) const;
  Time deadline_end() const;
  Time wait_end(schema::WaitEnd how) const;
  Time expiry() const;

  // Table form.
  const schema::Transition* leaving(const std::string& state, const std::string& on) const;
  void take(const schema::Transition& transition);
  void end_if_final();

  const schema::DefinitionPtr definition_;
  const Choose choose_;
  std::vector<StepState> steps_;
  std::vector<Kept> kept_;
  std::map<std::string, std::string> consumed_;  // the payload consumed last, by name
  std::vector<std::pair<Time, std::optional<Time>>> pauses_;
  bool cancel_requested_ = false, expiry_told_ = false;
  std::string input_;
  Time expires_at_ = Time::never();
};

}  // namespace dta::model

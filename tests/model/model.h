// The reference model: one transaction as the semantics describe it, in plain lists and maps, written to be read and
// not to be fast. It shares nothing with engine/ but the words of schema/: no bits, no masks, no folded state. Whatever
// a task is ("done", "unknown", "failed") is computed from the list of its hand-outs when somebody asks.
//
// The model is compared with the engine after every command (model_test.cpp), and logs are replayed through it
// (replay.h). It keeps its own log of what happened, so that "what happened, in which order" is compared as well. Child
// transactions are not modelled. Values; any one thread. Times are only ever given.
//
//   model.cpp          results of workers and participants
//   model_people.cpp   what people say: cancel, pause, signals, incidents
//   model_flow.cpp     from step to step: conditions, joins met and failed, the pivot, the end
//   model_join.cpp     what a step needs
//   model_tasks.cpp    a task from ready to settled; order inside a step
//   model_undo.cpp     compensation
//   model_time.cpp     timers, pauses, what may be handed out
//   model_context.cpp  what templates and conditions see
//   model_table.cpp    the table form
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
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
enum class Outcome { none, done, failed, unknown, withdrawn, skipped };

// How one hand-out ended. timed_out and unclear both leave the effect unknown.
enum class Ending { open, done, failed, unclear, timed_out, released };

// Of an external task the time in which its participant is at work is a hand-out without a lease.
struct HandOut {
  Sequence lease;
  Time since, last_beat;
  Ending ending = Ending::open;
  bool asked_to_stop = false;
};

// May be handed out when `delay` has gone by since `since`, pauses aside.
struct Backoff {
  Time since;
  Duration delay;
};

// One direction of a task: its action, or its undo.
struct Side {
  std::vector<HandOut> hand_outs;  // in order; only the last can be open
  std::size_t round = 0;           // attempts are counted from this one on: a person had it begun anew
  std::optional<Backoff> waiting;  // to be handed out
  std::string last_error;

  bool open() const { return !hand_outs.empty() && hand_outs.back().ending == Ending::open; }
  // Attempts that count: all but the released ones.
  std::uint32_t attempts() const;
};

struct Task {
  const schema::Task* rules = nullptr;
  TaskRef ref;
  bool entered = false, settled = false;
  bool blocked = false;  // waits for the tasks that it comes after
  bool fixed = false;    // what it reads was fixed: its turn has come
  bool skipped = false;  // its condition did not hold
  bool held = false;     // of a pivot, ended unknown: a person must act
  bool ran_out = false;  // its queue or total timeout fired
  std::optional<Outcome> forced;  // what a person said
  schema::Timeouts timeouts;      // as they count
  Time first_ready;
  Side action, undo;
  bool counted = false;  // its join was met, and took it as done
  bool undo_due = false, undone = false;
  bool undo_again = false;         // ordered once more, and not acknowledged yet
  bool undo_stuck = false;         // its undo waits for a person
  bool given_up = false;           // a person decided that it stays undone
  std::uint32_t order = 1;         // of its undo
  std::optional<bool> undo_found;  // what the undo said, if anything
  std::string input, output;       // raw JSON; the input as handed to workers
  std::string message, details;    // of its last failure

  Outcome outcome() const;
  bool may_have_happened() const { return outcome() == Outcome::done || outcome() == Outcome::unknown; }
  bool is_undone() const { return undone && !undo_again; }
  bool clean() const;  // settled, and undone where that is due and possible, or given up
};

struct Failure {
  std::optional<TaskRef> task;  // nothing: the step itself
  std::string code, message, details;
};

struct Step {
  bool entered = false, met = false, failed = false, undone = false, skipped = false;
  bool stuck = false;            // a failure past the pivot waits for a person
  bool stuck_by_next = false;    // it was `next` that said compensate
  bool deadline_passed = false;  // while leftovers were draining: the join is decided
  std::size_t instances = 1;
  std::vector<Task> tasks;            // by instance, then as in the definition; none before a for_each is entered
  std::vector<std::string> elements;  // of a for_each, raw JSON
  Time since;                         // its clocks run from here
  std::optional<Duration> deadline, wait, wait_deadline;
  bool waited = true;           // what it waits for beside its tasks is over
  std::set<std::string> heard;  // signals that it has consumed
  std::optional<Failure> failure;
};

struct Incident {
  schema::IncidentKind kind = schema::IncidentKind::undo_failed;
  TaskRef task;  // of a whole step only its step counts
  std::string code;
  bool open = true;
};

// What a worker or a participant says.
struct Said {
  Ending ending = Ending::done;  // done, failed, unclear, released
  std::string output;            // done
  std::optional<bool> found;     // done, of an undo: what it said, if anything
  std::string code;              // failed, unclear
  bool retryable = true;         // failed, unclear
  Duration delay;                // released
  std::string message, details;  // failed, unclear
};

struct SaidOutside {
  TaskRef task;
  Said said;
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
  std::optional<ErrorCode> report_external(std::optional<Sequence> expected, const std::vector<SaidOutside>& items,
                                           Time now);
  void beat(Sequence lease, Time now);
  bool keep_detail(Sequence lease);
  std::optional<ErrorCode> signal(const std::string& name, const std::string& payload, Time now);
  std::optional<ErrorCode> cancel(Time now);
  // Stops at once. What was handed out may have acted; its results are late.
  std::optional<ErrorCode> terminate();
  std::optional<ErrorCode> pause(Time now);
  std::optional<ErrorCode> resume(Time now);
  std::optional<ErrorCode> resolve_incident(std::size_t number, schema::IncidentResolution resolution, Time now);
  std::optional<ErrorCode> append(std::optional<Sequence> expected, const std::vector<std::string>& names, Time now);

  // Fires all that is due: leases in order of hand-out, the limits of tasks, the step's clocks, the expiry.
  void tick(Time now);
  // One timer each; false, and nothing happened, when it is not due. `beats_known` false: heartbeats are not in the
  // log, so a lease that ended for want of one is believed once the shortest such time is over.
  bool end_lease(Sequence lease, Time now, bool beats_known);
  bool run_out(TaskRef task, schema::TaskLimit limit, Time now);
  bool pass_deadline(Time now);       // of the join
  bool pass_wait(Time now);           // a time has come
  bool pass_wait_deadline(Time now);  // signals have not
  bool expire(Time now);

  // ---- what can be seen
  using Waiting = std::tuple<TaskRef, Action, Time>;
  std::vector<Waiting> ready() const;  // by task; those in backoff too
  Time due() const;                    // the earliest timer
  std::vector<TaskRef> not_undone() const;
  bool has(TaskRef ref) const;
  const Task& task(TaskRef ref) const { return const_cast<Transaction*>(this)->at(ref); }
  const std::vector<Step>& steps() const { return steps_; }
  bool ended() const { return phase >= Phase::completed; }
  bool waits_for_a_person() const;
  bool paused() const { return !pauses_.empty() && pauses_.back().second == Time::never(); }

  Phase phase = Phase::none;
  std::vector<EventKind> log;
  std::vector<std::string> words;   // what each event of the log says, as tell() of telling.h puts it
  std::size_t step = 0;             // entered last; while compensating: the one whose turn it is
  std::uint32_t epoch = 1;
  std::vector<Incident> incidents;  // number n is at n - 1
  bool decided = false;             // the last join was met: nothing changes the outcome any more
  std::optional<std::string> output;  // once the path has ended, and the definition has one
  std::string table_state;

 private:
  struct Found {
    Task* task;
    Side* side;
    HandOut* hand_out;
    Action action;
  };
  std::optional<Found> find(Sequence lease);
  Task& at(TaskRef ref) { return steps_[ref.step].tasks[ref.instance * rules(ref.step).tasks.size() + ref.task]; }
  const schema::Step& rules(std::size_t index) const { return definition_->steps[index]; }
  Step& current() { return steps_[step]; }
  const Step& current() const { return steps_[step]; }
  void note(EventKind kind, std::string said = {});
  void raise(schema::IncidentKind kind, TaskRef task, std::string code);

  // flow
  void follow(std::size_t index, Time now);  // the step, or the first after it that is not skipped
  void enter(std::size_t index, Time now);
  std::optional<Failure> prepare(std::size_t index, Step& entering, Time now) const;  // what entering it lacks
  void judge(Time now);
  bool judge_running(Time now);
  bool judge_join(Time now);
  schema::Route choose_route(const std::vector<schema::Choice>& choices, schema::GoKind otherwise) const;
  void meet(Time now);
  void count_as_met(schema::Route route, Time now);
  void go(schema::Route route, const std::vector<schema::Choice>& choices, Time now);
  void fail_step(Failure failure, Time now);
  void conclude(const schema::Template* output, Time now);
  void complete_when_quiet();
  bool in_flight() const;  // a pivot is under way
  // join
  // Whether the step's need is met; `supposing` that every open task will be done, whether it still can be.
  enum class Open { left_aside, supposed_done };
  bool need_met(const Step& s, Open open) const;
  bool hopeless(const Step& s) const { return !need_met(s, Open::supposed_done); }
  bool unreachable(const Step& s) const;  // whatever becomes of the tasks that are there
  // tasks
  void make_ready(Task& task, Time now);
  bool ready_followers(Time now);
  bool may_begin(const Task& task) const;  // what it comes after is done or skipped
  void settle(Task& task, const std::string& code);
  void settle_as(Task& task, const std::string& code);
  void stop_open_tasks(Step& s);
  // The attempt ended without success: it is tried again, or that was all.
  void after_failure(const Found& found, const Said& said, Time now);
  bool read_timeouts(Task& task, const std::string& context) const;
  void hear(Step& s, const std::string& name);
  // undo
  void begin_compensation(schema::CompensationCause cause, const std::string& reason, Time now);
  bool judge_turn(Time now);
  bool turn_over() const;
  void make_undos_ready(Time now);
  bool clean_behind(const Step& s, const Task& task) const;
  // people
  std::optional<ErrorCode> may_begin_again(const Incident& incident) const;
  void begin_again(const Incident& incident, Time now);
  void begin_step_again(Step& s, Time now);
  void end_undo(Task& task, schema::IncidentResolution word);
  void settle_held(Task& task, schema::IncidentResolution word);
  // time
  Time due_at(Time start, Duration length) const;
  Time ready_at(const Side& side) const { return due_at(side.waiting->since, side.waiting->delay); }
  Time lease_end(const Task& task, Action action, const HandOut& hand_out) const;
  Time total_end(const Task& task) const;
  Time queue_end(const Task& task) const;
  Time deadline_end() const;
  Time wait_end() const;
  Time wait_deadline_end() const;
  Time expiry() const;
  bool clocks_run() const;
  // context
  // All that may be read now, as one JSON object; `inside`: as the task sees it.
  std::string context(const Task* inside = nullptr) const;
  std::string context_of_step(std::size_t index) const;
  // table
  const schema::Transition* leaving(const std::string& state, const std::string& on) const;
  void take(const schema::Transition& transition);
  void end_if_final();

  struct Signal {
    std::string name, payload;
    bool consumed = false;
  };

  const schema::DefinitionPtr definition_;
  const Choose choose_;
  std::vector<Step> steps_;
  std::string input_;
  Time expires_at_ = Time::never();
  std::vector<std::pair<Time, Time>> pauses_;
  std::vector<Signal> signals_;
  std::map<std::string, std::string> taken_;    // by name: what the signal carried that was consumed last
  bool cancel_asked_ = false;                   // waits until the pivot under way is decided
  bool passed_ = false;                         // a pivot was met
  bool expiry_told_ = false;                    // past the pivot a person was told
  std::optional<schema::Route> recovering_;     // the step failed, and this comes once it is undone
  bool over_ = false;                           // no step comes any more
};

}  // namespace dta::model

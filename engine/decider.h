// The bench on which one decision is made: shared by decide.cpp and the files of its themes (task.cpp, step.cpp,
// compensation.cpp, table.cpp), private to this folder. Lives for one call of decide().
#pragma once

#include <optional>

#include "engine/decide.h"
#include "engine/step_view.h"

namespace dta::engine {

// What the events since the last judgement may have made possible for tasks that wait for others: nothing, something in
// one instance, or anything.
struct Stirred {
  bool any = false, everything = false;
  TaskRef task;  // of that instance
  void add(const std::optional<TaskRef>& within) {
    everything = everything || !within || (any && (task.step != within->step || task.instance != within->instance));
    any = true;
    if (within) task = *within;
  }
};

class Decider {
 public:
  Decider(const Machine& machine, State& state, const Inputs& given, Time time)
      : m(machine), s(state), inputs(given), now(time) {}

  // Checks the event against the life-cycle table, applies it, and returns it as part of the decision.
  void emit(schema::Event event);
  // Remembers bytes for the event that is emitted next; empty bytes give an empty name.
  schema::PayloadRef attach(std::string bytes, std::uint32_t index = 0);
  // Bytes of a payload: of this decision, or of the inputs. Asking for one that needs() did not name is a bug.
  std::string_view bytes(const PayloadAt& at) const;

  const Machine& m;
  State& s;
  const Inputs& inputs;
  const Time now;
  Decision out;
  Stirred stirred;
  Sequence first;  // sequence of the decision's first event
};

// task.cpp
void hand_out(Decider& d, const HandOut& command);
void report(Decider& d, const Report& command);
void report_late(Decider& d, const ReportLate& command);
void record_late(Decider& d, const schema::Attempt& attempt, const Outcome& outcome);
void keep_heartbeat(Decider& d, const KeepHeartbeat& command);
void fire_task_timers(Decider& d);
void report_child(Decider& d, const ReportChild& command);
void report_external(Decider& d, const ReportExternal& command);
// step.cpp: judges joins, goes on, ends the transaction; calls compensation's judge when it has begun.
void begin_steps(Decider& d);
void judge(Decider& d);
void fail_entry(Decider& d, const Failure& failure);  // what the step needs from the data is not there
Failure need_unreachable(std::size_t step);           // fewer tasks are there than its join needs
void force_step(Decider& d, std::size_t step);        // a person says that its join is met
void fire_step_timers(Decider& d);
// entering.cpp
void enter_step(Decider& d, std::size_t step);
void ready_blocked(Decider& d, const StepView& step, std::size_t slot);  // what it comes after is over
// compensation.cpp
void begin_compensation(Decider& d, schema::CompensationCause cause, std::string reason, std::string who);
void judge_compensation(Decider& d);
bool turn_ended(const Decider& d);  // of the step whose undos run
schema::Status resolve_incident(Decider& d, const Resolve& command);
// What the terminal event names: what happened and should be undone, but is not. In a compensation or at a termination
// (`reason` terminated) that is everything, else what a met join did not count.
std::vector<schema::NotUndone> not_undone(const Decider& d, schema::NotUndoneReason reason);
// table.cpp
void begin_table(Decider& d);  // the initial state may be an end
schema::Status append(Decider& d, const Append& command);
schema::Status wrong_sequence(const Decider& d, Sequence expected);
void expire_table(Decider& d);

}  // namespace dta::engine

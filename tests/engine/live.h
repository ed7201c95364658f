// One transaction under test: a machine, its state and everything that happened, with a clock that the test moves.
// Every command is followed by a proof that folding the events anew gives the same state. Test thread only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/decide.h"
#include "engine/evolve.h"
#include "engine/pending.h"
#include "engine/step_view.h"

namespace dta::engine {

// Parses and compiles; a definition that is refused fails the test with its faults.
MachinePtr machine_of(std::string_view definition);

class Live {
 public:
  explicit Live(MachinePtr m) : machine(std::move(m)) {}

  schema::Result<Decision> run(const Command& command);
  void start(std::string input = {});
  Sequence hand_out(TaskRef task, Action action = Action::perform);  // the lease
  schema::Status report(Sequence lease, Outcome outcome);
  void tick() { run(Tick{}).value(); }
  Pending due() const { return pending(*machine, state, beats); }
  // Folded from the events, each checked before it is applied.
  State refold() const;
  bool has(TaskBit bit, TaskRef task) const { return state.bits.test(machine->bit(state, bit, task)); }
  StepView view(std::size_t step) const { return {*machine, state, step}; }
  const TaskState& task(TaskRef ref) const { return state.tasks[machine->flat(state, ref)]; }

  const MachinePtr machine;
  State state;
  std::vector<schema::RecordedEvent> events;
  std::map<PayloadAt, std::string> payloads;
  Beats beats;
  Time now{1'000'000};
};

// The kinds of the events of a decision, as in histories, joined by blanks.
std::string kinds(const Decision& decision);

}  // namespace dta::engine

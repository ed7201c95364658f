// What is due next: a function of the state alone, so that recovery after a crash and normal running are one path and
// there is no outbox. Defined at record ends.
#pragma once

#include <string>
#include <vector>

#include "engine/decide.h"
#include "engine/machine.h"
#include "engine/transaction.h"

namespace dta::engine {

// A task or undo that may be handed out from `at` on.
struct Ready {
  TaskRef task;
  Action action = Action::perform;
  Time at;
  bool operator==(const Ready&) const = default;
};

// What a child transaction should be doing, derived anew every time: it is up to the caller to see what it does.
struct ChildWish {
  enum class Kind : std::uint8_t { run, stop, undo };
  TaskRef task;
  Kind kind = Kind::run;
  bool operator==(const ChildWish&) const = default;
};

struct Pending {
  std::vector<Ready> ready;  // those in backoff too: their `at` lies ahead
  std::vector<ChildWish> children;
  Time due = Time::never();  // the earliest timer; Tick fires it
  bool operator==(const Pending&) const = default;
};

Pending pending(const Machine& machine, const State& state, const Beats& beats, const Settings* settings = nullptr);

// One sentence for each timer that runs and each task that waits, for people ("deadline of step reserve at ..."); of
// very many the first hundred, and how many more there are.
std::vector<std::string> describe(const Machine& machine, const State& state, const Pending& pending,
                                  const Settings* settings = nullptr);

// Of a child that has completed: whether it did anything, and whether that can be undone: not past a pivot, and not
// what is written in table form.
bool entered_any(const Machine& machine, const State& state);
bool undoable_child(const Machine& machine, const State& state);

// Tasks of which a child may have begun, in order.
std::vector<TaskRef> begun_children(const Machine& machine, const State& state);

// The id of a task's child transaction: parent/step/task/instance/generation.
std::string child_id(const Machine& machine, const State& state, const TaskRef& task);

// The queue that a task or undo waits in.
const std::string& queue_of(const Machine& machine, const TaskRef& task, Action action);

}  // namespace dta::engine

// Whether an event from a log of unknown origin may be applied: the life-cycle table, and what stands beside the bits.
// evolve() takes what passes here without looking again. Pure.
#include <algorithm>

#include "engine/clocks.h"
#include "engine/evolve.h"
#include "engine/lifecycle.h"
#include "schema/assert.h"
#include "schema/limits.h"

namespace dta::engine {
namespace {

using namespace schema;

// The definition has what the event names.
struct Known {
  const Machine& machine;
  const State& state;

  std::size_t steps() const { return machine.definition().steps.size(); }
  bool place(const TaskRef& ref) const { return machine.valid(state, ref); }
  bool route(const Route& r, std::size_t step, const std::vector<Choice>& choices) const {
    return (r.choice == kNoChoice || r.choice < choices.size()) &&
           (r.kind != GoKind::step || (r.step > step && r.step < steps()));
  }

  // The step that was met or failed last says where the path goes on.
  bool goes(GoKind kind, std::uint16_t step = 0) const {
    const StepView current(machine, state, state.step);
    if (!current.is(StepBit::entered)) return kind == GoKind::follow || kind == GoKind::end;
    if (state.route.kind == GoKind::step) return kind == GoKind::step && state.route.step == step;
    return state.route.kind == kind || (state.route.kind == GoKind::follow && kind == GoKind::end);
  }

  bool operator()(const StepEntered& e) const {
    if (e.step < steps() && !goes(GoKind::follow) && !goes(GoKind::step, e.step)) return false;
    if (e.step >= steps() || e.instances > limits::kTasksPerStepMax) return false;
    const Step& step = machine.step(e.step);
    if (step.for_each.empty() && e.instances != 0) return false;
    const std::uint32_t instances = step.for_each.empty() ? 1 : e.instances;
    const auto inside = [&](std::uint16_t task, std::uint32_t instance) {
      return task < step.tasks.size() && instance < instances;
    };
    return std::all_of(e.inputs.begin(), e.inputs.end(),
                       [&](const ResolvedInput& i) { return inside(i.task, i.instance); }) &&
           std::all_of(e.skipped.begin(), e.skipped.end(),
                       [&](const TaskRef& ref) { return ref.step == e.step && inside(ref.task, ref.instance); }) &&
           std::all_of(e.timeouts.begin(), e.timeouts.end(), [&](const ResolvedTimeouts& t) {
             return t.task.step == e.step && inside(t.task.task, t.task.instance);
           });
  }
  bool operator()(const StepMet& e) const {
    return e.step == state.step && e.step < steps() && route(e.route, e.step, machine.step(e.step).next);
  }
  bool operator()(const StepFailed& e) const {
    return e.step == state.step && e.step < steps() && (!e.has_task || place(e.task)) &&
           e.route.kind != GoKind::follow && route(e.route, e.step, machine.step(e.step).on_failure);
  }
  bool operator()(const StepUndone& e) const {
    return e.step < steps() && (state.phase == Phase::compensating || state.route.kind != GoKind::compensate);
  }
  bool operator()(const StepSkipped& e) const { return e.step < steps() && goes(GoKind::follow); }
  bool operator()(const WaitEnded& e) const {
    return e.step == state.step && e.step < steps() && machine.step(e.step).wait_for;
  }
  bool operator()(const Transitioned& e) const {
    const auto& transitions = machine.definition().transitions;
    return e.transition < transitions.size() && transitions[e.transition].from == e.from &&
           transitions[e.transition].to == e.to;
  }
  // Of a step only its number counts: what failed it may be no task.
  bool operator()(const IncidentRaised& e) const {
    const bool of_step = e.kind == IncidentKind::step_failed || e.kind == IncidentKind::expired;
    return e.number == state.incidents.size() + 1 && (of_step ? e.task.step < steps() : place(e.task));
  }
  bool operator()(const CompensationStarted&) const { return steps() > 0; }
  bool operator()(const EpochOpened& e) const { return steps() > 0 && e.epoch == state.epoch + 1; }
  bool operator()(const OutcomeDecided&) const { return steps() > 0 && goes(GoKind::end); }
  bool operator()(const TransactionCompleted&) const {
    return steps() == 0 || state.outcome_decided || goes(GoKind::end);
  }
  bool operator()(const SignalReceived&) const { return steps() > 0; }
  bool operator()(const CancelRequested&) const { return pivot_in_flight(machine, state) && !state.cancel; }
  template <class E>
  bool operator()(const E& e) const {
    if constexpr (requires { e.attempt.task; })
      return place(e.attempt.task);
    else if constexpr (requires { e.task.instance; })
      return place(e.task);
    else
      return true;
  }
};

// A hand-out takes what is ready; a result answers an open lease, or reports of a task that is outside.
struct Fitting {
  const Machine& machine;
  const State& state;

  TaskStatus status(const TaskRef& ref) const { return state.tasks[machine.flat(state, ref)].status; }
  bool operator()(const LateResult&) const { return true; }
  bool operator()(const TaskLeased& e) const {
    const TaskState& t = state.tasks[machine.flat(state, e.task)];
    return e.action == Action::undo ? t.undo_status == UndoStatus::ready : t.status == TaskStatus::ready;
  }
  bool operator()(const TaskReady& e) const { return status(e.task) == TaskStatus::blocked; }
  bool operator()(const TaskSkipped& e) const { return status(e.task) == TaskStatus::blocked; }
  bool operator()(const TransactionPaused&) const { return !state.paused; }
  bool operator()(const TransactionResumed&) const { return state.paused; }
  template <class E>
  bool operator()(const E& e) const {
    if constexpr (requires { e.attempt.lease; }) {
      if (!e.attempt.lease) {
        const TaskState& t = state.tasks[machine.flat(state, e.attempt.task)];
        return e.attempt.action == Action::undo ? t.undo_status == UndoStatus::child
                                                : t.status == TaskStatus::outside || t.status == TaskStatus::child;
      }
      const Lease* lease = state.lease(e.attempt.lease);
      return lease != nullptr && lease->task == e.attempt.task && lease->action == e.attempt.action;
    } else {
      return true;
    }
  }
};

}  // namespace

Status check(const Machine& machine, const State& state, const RecordedEvent& event) {
  if (event.sequence != state.sequence.next())
    return refuse(ErrorCode::illegal_event, "the sequence does not follow the one before it");
  const std::string kind(to_string(kind_of(event.event)));
  if (std::holds_alternative<DefinitionPublished>(event.event))
    return refuse(ErrorCode::illegal_event, kind + " belongs into a reserved transaction");
  if (state.phase == Phase::none && !std::holds_alternative<TransactionStarted>(event.event))
    return refuse(ErrorCode::illegal_event, kind + " comes before transaction_started");
  if (!std::visit(Known{machine, state}, event.event))
    return refuse(ErrorCode::illegal_event,
                  kind + " names a step, task or transition that the definition does not have, or not here");
  if (!legal(state.bits, masks_of(machine, state, event.event)))
    return refuse(ErrorCode::illegal_event, kind + " is not legal in this state");
  const auto* resolved = std::get_if<IncidentResolved>(&event.event);
  if (resolved != nullptr && (resolved->number == 0 || resolved->number > state.incidents.size() ||
                              !state.incidents[resolved->number - 1].open))
    return refuse(ErrorCode::illegal_event, kind + " names an incident that is not open");
  if (resolved != nullptr && !fits(state, state.incidents[resolved->number - 1], resolved->resolution))
    return refuse(ErrorCode::illegal_event, kind + " says what cannot be said of this incident");
  const auto* undone = std::get_if<StepUndone>(&event.event);
  if (undone != nullptr && undone->step != state.step)
    return refuse(ErrorCode::illegal_event, kind + " is out of order: compensation goes backwards step by step");
  if (!std::visit(Fitting{machine, state}, event.event))
    return refuse(ErrorCode::illegal_event,
                  kind + " hands out a task that is not ready, or answers a lease that is not open");
  return {};
}

}  // namespace dta::engine

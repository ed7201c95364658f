// The only code that changes a state: bits by the life-cycle table, values by one case an event. check() says
// beforehand whether an event from a log may be applied at all; evolve() asserts it. Pure, and never reads a payload.
#include "engine/evolve.h"

#include <algorithm>

#include "engine/join.h"
#include "engine/lifecycle.h"
#include "schema/assert.h"

namespace dta::engine {
namespace {

using namespace schema;

constexpr const char* kTotalRanOut = "the task's total timeout ran out";

// Applies the values that stand beside the bits; the bits of the event itself were applied before.
class Apply {
 public:
  Apply(const Machine& machine, State& state, Sequence sequence, Time at)
      : m_(machine), s_(state), sequence_(sequence), at_(at) {}

  void operator()(const TransactionStarted& e) {
    const Definition& d = m_.definition();
    s_.id = e.id;
    s_.definition = e.definition;
    s_.version = e.version;
    s_.form = d.form;
    s_.phase = Phase::running;
    s_.started_at = at_;
    if (e.expires_after.ms > 0) s_.expires_at = at_ + e.expires_after;
    s_.attributes = e.attributes;
    s_.headers = e.headers;
    s_.input = place(e.input);
    s_.request_digest = e.request_digest;
    s_.entered_at.resize(d.steps.size());
    s_.tasks.resize(d.task_count);
    if (d.form == Form::table) {
      s_.table_state = d.initial;
      s_.bits.set(m_.state_bit(d.initial));
    }
  }
  void operator()(const StepEntered& e) {
    s_.step = e.step;
    s_.entered_at[e.step] = at_;
    const Step& step = m_.step(e.step);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      TaskState& t = s_.tasks[step.first_task + i];
      t.status = TaskStatus::ready;
      t.first_ready = t.at = at_;
    }
    for (const ResolvedInput& resolved : e.inputs)
      s_.tasks[step.first_task + resolved.task].input = place(resolved.input);
  }
  void operator()(const StepMet& e) {
    const Step& step = m_.step(e.step);
    for (std::size_t i = 0; i < step.tasks.size(); ++i)
      if (has(TaskBit::done, step.first_task + i)) set(TaskBit::counted, step.first_task + i);
    if (step.leftover != Leftover::keep) stop_open_tasks(e.step);
  }
  void operator()(const OutcomeDecided& e) {
    s_.outcome_decided = true;
    s_.output = place(e.output);
  }
  void operator()(const StepFailed& e) {
    // What the event names is what decided: a deadline may end a drain that an earlier failure began.
    s_.failure = Failure{true, e.has_task, e.has_task ? e.task : TaskRef{e.step, 0, 0}, e.code, e.message};
    stop_open_tasks(e.step);
  }
  void operator()(const TaskLeased& e) {
    TaskState& t = task(e.task);
    if (e.action == Action::undo) {
      t.undo_status = UndoStatus::leased;
      t.undo_attempt = e.attempt;
    } else {
      t.status = TaskStatus::leased;
      t.attempt = e.attempt;
    }
    s_.leases.push_back(Lease{e.task, e.action, e.attempt, sequence_, at_, e.attempt_timeout, e.heartbeat_timeout,
                              false, e.worker, e.poll_id});
  }
  void operator()(const TaskCompleted& e) {
    end_lease(e.attempt);
    TaskState& t = task(e.attempt.task);
    if (e.attempt.action == Action::undo) {
      t.undo_status = UndoStatus::done;
      t.undo_found = e.found;
      t.error_code.clear();
      return;
    }
    t.output = place(e.output);
    t.error_code.clear();
    t.status = TaskStatus::settled;
    // What a met join keeps running counts as done; anything else that comes after it is late.
    const std::size_t step = e.attempt.task.step;
    if (m_.step(step).leftover == Leftover::keep && s_.bits.test(m_.bit(StepBit::met, step)))
      set(TaskBit::counted, m_.flat(e.attempt.task));
  }
  void operator()(const TaskFailed& e) {
    end_lease(e.attempt);
    task(e.attempt.task).error_code = e.code;
    attempt_ended(e.attempt, e.retry_at, e.code, e.message);
  }
  void operator()(const TaskReleased& e) {
    const bool stopped = end_lease(e.attempt).stop_asked;
    TaskState& t = task(e.attempt.task);
    if (e.attempt.action == Action::undo) {
      --t.undo_attempt;
      t.undo_status = UndoStatus::ready;
      t.undo_at = e.not_before;
      return;
    }
    --t.attempt;
    t.status = TaskStatus::ready;
    t.at = e.not_before;
    // Before its join is decided, only its total timeout asks a task to stop.
    if (stopped) settle_without_success(e.attempt.task, t.error_code, kTotalRanOut);
  }
  void operator()(const AttemptTimedOut& e) {
    end_lease(e.attempt);
    task(e.attempt.task).error_code = "dta.timeout";
    attempt_ended(e.attempt, e.retry_at, "dta.timeout",
                  e.reason == LeaseEnd::heartbeat ? "the worker's heartbeat stopped"
                                                  : "the worker gave no result within the attempt timeout");
  }
  void operator()(const TaskTimedOut& e) {
    TaskState& t = task(e.task);
    const char* message =
        e.limit == TaskLimit::queue ? "no worker took the task within its queue timeout" : kTotalRanOut;
    t.error_code = "dta.timeout";
    if (t.status == TaskStatus::leased) {
      for (Lease& lease : s_.leases)
        if (lease.task == e.task && lease.action == Action::perform) lease.stop_asked = true;
      return;
    }
    settle_without_success(e.task, "dta.timeout", message, TaskBit::failed);
  }
  void operator()(const HeartbeatRecorded& e) { task(e.attempt.task).heartbeat = place(e.detail); }
  void operator()(const LateResult&) {}
  void operator()(const CompensationStarted& e) {
    s_.phase = Phase::compensating;
    s_.cause = e.cause;
    s_.reason = e.reason;
    s_.who = e.who;
    for (std::size_t step = 0; step <= s_.step; ++step)
      if (step == s_.step || m_.leaves(step)) stop_open_tasks(step);
  }
  void operator()(const StepUndone& e) {
    if (e.step > 0) s_.step = static_cast<std::uint16_t>(e.step - 1);
  }
  void operator()(const TransactionCompleted& e) {
    if (!s_.outcome_decided) s_.output = place(e.output);
    s_.not_undone = e.not_undone;
    end(Phase::completed);
  }
  void operator()(const TransactionCompensated& e) {
    s_.not_undone = e.not_undone;
    end(Phase::compensated);
  }
  void operator()(const TransactionTerminated& e) {
    s_.reason = e.reason;
    s_.who = e.who;
    s_.not_undone = e.not_undone;
    end(Phase::terminated);
    settle_everything();
  }
  void operator()(const IncidentRaised& e) {
    s_.incidents.push_back(Incident{e.number, e.kind, e.task, e.code, e.message, true});
  }
  void operator()(const IncidentResolved& e) {
    Incident& incident = s_.incidents[e.number - 1];
    incident.open = false;
    if (incident.kind != IncidentKind::undo_failed) return;
    TaskState& t = task(incident.task);
    switch (e.resolution) {
      case IncidentResolution::retry:
        t.undo_status = UndoStatus::ready;
        t.undo_at = at_;
        return;
      case IncidentResolution::force_done:
        set(TaskBit::undone, m_.flat(incident.task));
        t.undo_status = UndoStatus::done;
        return;
      case IncidentResolution::give_up:
      case IncidentResolution::accept:  // after the end
        t.undo_status = UndoStatus::given_up;
        return;
    }
  }
  void operator()(const Transitioned& e) {
    s_.table_state = e.to;
    // Expiry happens once: in the state it leads to its time is already over.
    if (m_.definition().transitions[e.transition].on == "expired") s_.expires_at = Time::never();
  }
  void operator()(const DefinitionPublished&) {}

  // Undos become ready as soon as they are due and their tasks have settled: those of the step whose turn it is in a
  // compensation, and at any time after a met join those of tasks that it did not count.
  void ready_undos() {
    if (s_.form != Form::steps || s_.phase == Phase::none || s_.ended() || m_.definition().steps.empty()) return;
    for (std::size_t index = 0; index <= s_.step; ++index) {
      const bool turn = s_.phase == Phase::compensating && index == s_.step;
      const bool late = s_.phase == Phase::running && m_.leaves(index) && s_.bits.test(m_.bit(StepBit::met, index)) &&
                        m_.step(index).late_success == LateSuccess::compensate;
      if (turn || late) ready_undos_of(index, turn);
    }
  }

 private:
  bool has(TaskBit b, std::size_t flat) const { return s_.bits.test(m_.bit(b, flat)); }
  void set(TaskBit b, std::size_t flat) { s_.bits.set(m_.bit(b, flat)); }

  void ready_undos_of(std::size_t index, bool counted_too) {
    const Step& step = m_.step(index);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      const std::size_t flat = step.first_task + i;
      TaskState& t = s_.tasks[flat];
      const bool happened =
          has(TaskBit::unknown, flat) || (has(TaskBit::done, flat) && (counted_too || !has(TaskBit::counted, flat)));
      if (!happened || !step.tasks[i].undo || t.undo_status != UndoStatus::idle) continue;
      set(TaskBit::undo_due, flat);
      t.undo_status = UndoStatus::ready;
      t.undo_at = at_;
    }
  }

  TaskState& task(const TaskRef& ref) { return s_.tasks[m_.flat(ref)]; }
  PayloadAt place(const PayloadRef& ref) const {
    return ref.present() ? PayloadAt{sequence_, ref.index, ref.size} : PayloadAt{};
  }

  Lease end_lease(const Attempt& attempt) {
    const auto it =
        std::find_if(s_.leases.begin(), s_.leases.end(), [&](const Lease& l) { return l.sequence == attempt.lease; });
    DTA_ASSERT(it != s_.leases.end() && it->task == attempt.task && it->action == attempt.action);
    Lease lease = std::move(*it);
    s_.leases.erase(it);
    return lease;
  }

  void attempt_ended(const Attempt& attempt, Time retry_at, const std::string& code, const std::string& message) {
    TaskState& t = task(attempt.task);
    if (attempt.action == Action::undo) {
      t.undo_status = retry_at == Time::never() ? UndoStatus::incident : UndoStatus::ready;
      t.undo_at = retry_at;
      return;
    }
    t.status = TaskStatus::ready;
    t.at = retry_at;
    if (retry_at == Time::never()) settle_without_success(attempt.task, code, message);
  }

  // The outcome over all attempts: unknown if any attempt ended unknown, else failed if any was handed out, else
  // `or_else`.
  void settle_without_success(const TaskRef& ref, const std::string& code, const std::string& message,
                              TaskBit or_else = TaskBit::withdrawn) {
    const std::size_t flat = m_.flat(ref);
    const TaskBit outcome = has(TaskBit::maybe, flat)       ? TaskBit::unknown
                            : has(TaskBit::requested, flat) ? TaskBit::failed
                                                            : or_else;
    set(outcome, flat);
    set(TaskBit::settled, flat);
    s_.tasks[flat].status = TaskStatus::settled;
    // The failure that decides is the one that puts the need out of reach, also when siblings drain before it is
    // judged.
    if (outcome != TaskBit::withdrawn && s_.phase == Phase::running && !s_.failure.has_step &&
        !s_.bits.test(m_.bit(StepBit::met, ref.step)) && !reachable(m_, s_.bits, ref.step))
      s_.failure = Failure{true, true, ref, code, message};
  }

  // What is not handed out is withdrawn (or settles as what its earlier attempts were); what is handed out is asked to
  // stop.
  void stop_open_tasks(std::size_t index) {
    const Step& step = m_.step(index);
    for (std::size_t i = 0; i < step.tasks.size(); ++i) {
      TaskState& t = s_.tasks[step.first_task + i];
      if (t.status == TaskStatus::ready) settle_without_success(m_.ref(index, i), t.error_code, "stopped");
    }
    for (Lease& lease : s_.leases)
      if (lease.action == Action::perform && lease.task.step == index) lease.stop_asked = true;
  }

  // Nobody is waited for any more: a lease that was open may have acted, and what its worker still sends is late. An
  // undo that was under way is not acknowledged, and is handed out no more.
  void settle_everything() {
    for (const Lease& lease : s_.leases)
      if (lease.action == Action::perform) {
        set(TaskBit::maybe, m_.flat(lease.task));
        s_.tasks[m_.flat(lease.task)].status = TaskStatus::ready;
      }
    s_.leases.clear();
    for (std::size_t step = 0; step < m_.definition().steps.size(); ++step) stop_open_tasks(step);
    for (TaskState& t : s_.tasks)
      if (t.undo_status == UndoStatus::ready || t.undo_status == UndoStatus::leased) t.undo_status = UndoStatus::idle;
  }

  void end(Phase phase) {
    s_.phase = phase;
    s_.ended_at = at_;
    s_.outcome_decided = true;
  }

  const Machine& m_;
  State& s_;
  const Sequence sequence_;
  const Time at_;
};

}  // namespace

void evolve(const Machine& machine, State& state, const RecordedEvent& event) {
  DTA_ASSERT(event.sequence == state.sequence.next());
  if (state.bits.word_count() == 0) state.bits = BitSet(machine.width());
  const Masks masks = masks_of(machine, event.event);
  DTA_ASSERT(legal(state.bits, masks));
  apply(state.bits, masks);
  Apply applier(machine, state, event.sequence, event.recorded_at);
  std::visit([&](const auto& e) { applier(e); }, event.event);
  applier.ready_undos();
  state.sequence = event.sequence;
}

Status check(const Machine& machine, const State& state, const RecordedEvent& event) {
  if (event.sequence != state.sequence.next())
    return refuse(ErrorCode::illegal_event, "the sequence does not follow the one before it");
  const BitSet empty(machine.width());
  const BitSet& bits = state.bits.word_count() == 0 ? empty : state.bits;
  const auto place_is_valid = [&](const auto& e) {
    if constexpr (requires { e.attempt.task; }) {
      return machine.valid(e.attempt.task);
    } else if constexpr (requires { e.task.instance; }) {
      if constexpr (requires { e.has_task; })
        return e.step < machine.definition().steps.size() && (!e.has_task || machine.valid(e.task));
      return machine.valid(e.task);
    } else if constexpr (requires { e.transition; }) {
      const auto& transitions = machine.definition().transitions;
      return e.transition < transitions.size() && transitions[e.transition].from == e.from &&
             transitions[e.transition].to == e.to;
    } else if constexpr (requires { e.inputs; }) {
      return e.step < machine.definition().steps.size() &&
             std::all_of(
                 e.inputs.begin(), e.inputs.end(),
                 [&](const ResolvedInput& i) { return machine.valid(TaskRef{e.step, i.task, i.instance}); });
    } else if constexpr (requires { e.step; }) {
      return e.step < machine.definition().steps.size();
    } else if constexpr (requires { e.cause; } || std::is_same_v<std::decay_t<decltype(e)>, OutcomeDecided>) {
      return !machine.definition().steps.empty();  // without steps nothing can be compensated or left over
    } else {
      return true;
    }
  };
  const std::string kind(to_string(kind_of(event.event)));
  if (std::holds_alternative<DefinitionPublished>(event.event))
    return refuse(ErrorCode::illegal_event, kind + " belongs into a reserved transaction");
  if (!std::visit(place_is_valid, event.event))
    return refuse(ErrorCode::illegal_event,
                  kind + " names a step, task or transition that the definition does not have");
  if (!legal(bits, masks_of(machine, event.event)))
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
  const auto lease_fits = [&](const auto& e) {
    using E = std::decay_t<decltype(e)>;
    if constexpr (std::is_same_v<E, TaskLeased>) {
      const TaskState& t = state.tasks[machine.flat(e.task)];
      return e.action == Action::undo ? t.undo_status == UndoStatus::ready : t.status == TaskStatus::ready;
    } else if constexpr (requires { e.attempt.lease; } && !std::is_same_v<E, LateResult>) {
      const Lease* lease = state.lease(e.attempt.lease);
      return lease != nullptr && lease->task == e.attempt.task && lease->action == e.attempt.action;
    } else {
      return true;
    }
  };
  if (!std::visit(lease_fits, event.event))
    return refuse(ErrorCode::illegal_event,
                  kind + " hands out a task that is not ready, or answers a lease that is not open");
  return {};
}

}  // namespace dta::engine

// The only code that changes a state: bits by the life-cycle table, values by one case an event. check() says
// beforehand whether an event from a log may be applied at all; evolve() asserts it. Pure, and never reads a payload.
// Size: one case an event kind, which are read together.
#include "engine/evolve.h"

#include <algorithm>
#include <utility>

#include "engine/lifecycle.h"
#include "engine/reach.h"
#include "engine/settle.h"
#include "schema/assert.h"

namespace dta::engine {
namespace {

using namespace schema;

constexpr const char* kTotalRanOut = "the task's total timeout ran out";

// Applies the values that stand beside the bits; the bits of the event itself were applied before.
class Apply : private Settler {
 public:
  Apply(const Machine& machine, State& state, Sequence sequence, Time at)
      : Settler(machine, state, sequence, at), m_(machine), s_(state), sequence_(sequence), at_(at) {}

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
    s_.tasks.resize(m_.static_tasks());
    if (d.form == Form::table) {
      s_.table_state = d.initial;
      s_.bits.set(m_.state_bit(d.initial));
    }
  }
  void operator()(const StepEntered& e) {
    const Step& step = m_.step(e.step);
    s_.step = e.step;
    s_.entered_at[e.step] = at_;
    if (s_.failure.has_step) s_.handled.push_back(std::exchange(s_.failure, {}));
    s_.clocks = clocks_of(step, e);
    if (!step.for_each.empty()) spread(e.step, e.instances);
    for (const ResolvedInput& i : e.inputs) task(TaskRef{e.step, i.task, i.instance}).input = place(i.input);
    for (const ResolvedTimeouts& own : e.timeouts) keep_timeouts(own);
    for (const TaskRef& ref : e.skipped) settle(ref, TaskBit::skipped, {}, {});
    const Block block = m_.block(s_, e.step);
    for (std::uint32_t instance = 0; instance < block.instances; ++instance)
      for (std::uint16_t i = 0; i < block.tasks; ++i) {
        const TaskRef ref{e.step, i, instance};
        if (task(ref).status == TaskStatus::settled) continue;
        if (e.unresolved || !step.tasks[i].after.empty())
          task(ref).status = TaskStatus::blocked;
        else
          make_ready(ref);
      }
    consume_signals();
  }
  void operator()(const StepSkipped&) {}
  void operator()(const TaskReady& e) {
    if (e.input.present()) task(e.task).input = place(e.input);
    if (e.timeouts) keep_timeouts(*e.timeouts);
    make_ready(e.task);
  }
  void operator()(const TaskSkipped& e) {
    task(e.task).status = TaskStatus::settled;
    note_unreachable(e.task.step);
  }
  void operator()(const SignalReceived& e) {
    s_.signals.push_back(KeptSignal{e.name, e.signal_id, place(e.payload), KeptSignal::kKept});
    const StepView step(m_, s_, s_.step);
    if (step.is(StepBit::entered) && !step.is(StepBit::met) && !step.is(StepBit::failed) && !step.is(StepBit::waited))
      consume_signals();
  }
  void operator()(const WaitEnded&) {}
  void operator()(const CancelRequested& e) { s_.cancel = Asked{e.reason, e.who}; }
  void operator()(const TransactionPaused&) {
    s_.paused = true;
    s_.pauses.push_back({at_, Time::never()});
  }
  void operator()(const TransactionResumed&) {
    s_.paused = false;
    s_.pauses.back().to = at_;
  }
  void operator()(const StepMet& e) {
    s_.route = e.route;
    s_.cancel.reset();
    s_.failure = {};  // a person has said that it does not count
    const StepView step(m_, s_, e.step);
    for (std::size_t slot = 0; slot < step.size(); ++slot)
      if (step.has(TaskBit::done, slot)) set(TaskBit::counted, step.ref(slot));
    // Of a step that could not be entered as it should nothing can ever become ready, though its join was forced.
    bool unresolved = false;
    for (std::size_t slot = 0; slot < step.size() && !unresolved; ++slot)
      unresolved = step.task(slot).status == TaskStatus::blocked && step.rules(slot).after.empty();
    if (unresolved || step.rules().leftover != Leftover::keep) stop_open_tasks(e.step);
  }
  void operator()(const OutcomeDecided& e) {
    s_.outcome_decided = true;
    s_.output = place(e.output);
  }
  void operator()(const StepFailed& e) {
    s_.route = e.route;
    // What the event names is what decided: a deadline may end a drain that an earlier failure began.
    const PayloadAt details =
        e.has_task && s_.failure.has_task && s_.failure.task == e.task ? s_.failure.details : PayloadAt{};
    s_.failure = Failure{true, e.has_task, e.has_task ? e.task : TaskRef{e.step, 0, 0}, e.code, e.message, details};
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
    t.error_code.clear();
    if (e.attempt.action == Action::undo) {
      t.undo_status = UndoStatus::done;
      t.undo_again = false;
      t.undo_found = e.found;
      t.left_behind = t.left_behind || e.irreversible;
      return;
    }
    t.output = place(e.output);
    t.irreversible = e.irreversible;
    t.status = TaskStatus::settled;
    // What a met join keeps running counts as done; anything else that comes after it is late.
    const std::size_t step = e.attempt.task.step;
    if (m_.step(step).leftover == Leftover::keep && s_.bits.test(m_.bit(StepBit::met, step)))
      set(TaskBit::counted, e.attempt.task);
  }
  void operator()(const TaskFailed& e) {
    end_lease(e.attempt);
    TaskState& t = task(e.attempt.task);
    t.error_code = e.code;
    if (e.attempt.action == Action::perform) t.details = place(e.details);
    t.left_behind = t.left_behind || e.left_behind;
    attempt_ended(e.attempt, e.retry_at, e.code, e.message);
  }
  void operator()(const TaskReleased& e) {
    const bool stopped = end_lease(e.attempt).stop_asked;
    TaskState& t = task(e.attempt.task);
    if (e.attempt.action == Action::undo) {
      --t.undo_attempt;
      t.undo_status = UndoStatus::ready;
      t.undo_since = at_;
      t.undo_at = e.not_before;
      return;
    }
    --t.attempt;
    t.status = TaskStatus::ready;
    t.since = at_;
    t.at = e.not_before;
    // Before its join is decided, only its total timeout asks a task to stop.
    if (stopped) settle_without_success(e.attempt.task, t.error_code, kTotalRanOut);
  }
  void operator()(const AttemptTimedOut& e) {
    end_lease(e.attempt);
    TaskState& t = task(e.attempt.task);
    t.error_code = "dta.timeout";
    if (e.attempt.action == Action::perform) t.details = {};
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
    if (t.status == TaskStatus::child) {
      t.stopping = true;
      return;
    }
    if (t.status == TaskStatus::outside) set(TaskBit::maybe, e.task);
    settle_without_success(e.task, "dta.timeout", message, {}, TaskBit::failed);
  }
  void operator()(const HeartbeatRecorded& e) { task(e.attempt.task).heartbeat = place(e.detail); }
  void operator()(const LateResult&) {}
  void operator()(const CompensationStarted& e) {
    s_.phase = Phase::compensating;
    s_.cause = e.cause;
    s_.reason = e.reason;
    s_.who = e.who;
    s_.cancel.reset();
    if (e.cause == CompensationCause::decided && s_.route.choice != kNoChoice) {
      const Go& go = m_.step(s_.step).next[s_.route.choice].go;
      s_.failure = Failure{true, false, TaskRef{s_.step, 0, 0}, e.reason, go.message, {}};
    }
    for (std::size_t step = 0; step <= s_.step; ++step)
      if (step == s_.step || m_.leaves(step)) stop_open_tasks(step);
    go_back();
  }
  void operator()(const StepUndone&) {
    if (s_.phase == Phase::compensating) go_back();
  }
  void operator()(const EpochOpened& e) {
    s_.epoch = e.epoch;
    if (s_.paused) s_.pauses.back().to = at_;  // its parent's pauses hold it now
    s_.paused = false;
    s_.phase = Phase::running;
    s_.ended_at = Time::never();
    s_.expires_at = Time::never();
    s_.outcome_decided = false;
    s_.not_undone.clear();
    s_.bits.reset(m_.bit(TransactionBit::completed));
    s_.bits.reset(m_.bit(TransactionBit::decided));
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
    s_.cancel.reset();
    end(Phase::terminated);
    settle_everything();
  }
  void operator()(const IncidentRaised& e) {
    s_.incidents.push_back(Incident{e.number, e.kind, e.task, e.code, e.message, true});
    if (e.kind == IncidentKind::expired) s_.expires_at = Time::never();
  }
  void operator()(const IncidentResolved& e) {
    Incident& incident = s_.incidents[e.number - 1];
    incident.open = false;
    switch (incident.kind) {
      case IncidentKind::undo_failed:
        return undo_resolved(incident.task, e.resolution);
      case IncidentKind::effect_after_undo:
        if (e.resolution == IncidentResolution::retry) undo_again(incident.task);
        return;
      case IncidentKind::pivot_unknown:
        return pivot_resolved(incident, e);
      case IncidentKind::step_failed:
        if (e.resolution == IncidentResolution::retry) step_again(incident.task.step);
        return;
      case IncidentKind::expired:
        return;
    }
  }
  void operator()(const Transitioned& e) {
    s_.table_state = e.to;
    // Expiry happens once: in the state it leads to its time is already over.
    if (m_.definition().transitions[e.transition].on == "expired") s_.expires_at = Time::never();
  }
  void operator()(const DefinitionPublished&) {}
  void operator()(const QueueChanged&) {}
  void operator()(const DefinitionChanged&) {}

  using Settler::ready_undos;

 private:
  static StepClocks clocks_of(const Step& step, const StepEntered& e) {
    const auto length = [](const std::optional<Duration>& resolved, const Length& given) {
      const Duration found = resolved.value_or(given.fixed);
      return found.ms > 0 ? found : kNone;  // 0 says that there is none, as in a definition
    };
    StepClocks clocks;
    clocks.deadline = length(e.deadline, step.deadline);
    if (!step.wait_for) return clocks;
    if (step.wait_for->signals.empty()) clocks.wait = e.wait ? *e.wait : step.wait_for->duration.fixed;
    clocks.wait_deadline = length(e.wait_deadline, step.wait_for->deadline);
    return clocks;
  }

  // In order of their tasks; those of an epoch before are replaced.
  void keep_timeouts(const ResolvedTimeouts& own) {
    auto at = std::lower_bound(s_.own_timeouts.begin(), s_.own_timeouts.end(), own,
                               [](const ResolvedTimeouts& a, const ResolvedTimeouts& b) { return a.task < b.task; });
    if (at == s_.own_timeouts.end() || at->task != own.task) at = s_.own_timeouts.insert(at, own);
    *at = own;
  }

  void spread(std::uint16_t step, std::uint32_t instances) {
    const auto bits = std::max<std::size_t>(m_.width(), s_.spreads.empty() ? 0 : end_of(s_.spreads.back()));
    s_.spreads.push_back(
        Spread{step, instances, static_cast<std::uint32_t>(s_.tasks.size()), static_cast<std::uint32_t>(bits)});
    s_.tasks.resize(s_.tasks.size() + std::size_t{instances} * m_.step(step).tasks.size());
    s_.bits.widen(end_of(s_.spreads.back()));
  }
  std::size_t end_of(const Spread& spread) const {
    return spread.first_bit + kTaskBits * spread.instances * m_.step(spread.step).tasks.size();
  }

  // The turn goes to the step entered last that is not undone yet.
  void go_back() {
    for (std::size_t step = s_.step + std::size_t{1}; step-- > 0;)
      if (s_.bits.test(m_.bit(StepBit::entered, step)) && !s_.bits.test(m_.bit(StepBit::undone, step))) {
        s_.step = static_cast<std::uint16_t>(step);
        return;
      }
  }

  // What an external participant reports has no lease.
  Lease end_lease(const Attempt& attempt) {
    if (!attempt.lease) return {};
    const auto it = std::lower_bound(s_.leases.begin(), s_.leases.end(), attempt.lease,
                                     [](const Lease& l, Sequence wanted) { return l.sequence < wanted; });
    DTA_ASSERT(it != s_.leases.end() && it->sequence == attempt.lease && it->task == attempt.task &&
               it->action == attempt.action);
    Lease lease = std::move(*it);
    s_.leases.erase(it);
    return lease;
  }

  void attempt_ended(const Attempt& attempt, Time retry_at, const std::string& code, const std::string& message) {
    TaskState& t = task(attempt.task);
    if (attempt.action == Action::undo) {
      t.undo_status = retry_at == Time::never() ? UndoStatus::incident : UndoStatus::ready;
      t.undo_since = at_;
      t.undo_at = retry_at;
      return;
    }
    t.status = TaskStatus::ready;
    t.since = at_;
    t.at = retry_at;
    if (retry_at == Time::never()) settle_without_success(attempt.task, code, message, t.details);
  }

  void undo_resolved(const TaskRef& ref, IncidentResolution resolution) {
    TaskState& t = task(ref);
    switch (resolution) {
      case IncidentResolution::retry:
        t.undo_status = m_.task(ref).child ? UndoStatus::child : UndoStatus::ready;
        t.undo_since = t.undo_at = at_;
        return;
      case IncidentResolution::force_done:
        set(TaskBit::undone, ref);
        t.undo_status = UndoStatus::done;
        t.undo_again = false;
        return;
      default:  // give_up; after the end also accept
        t.undo_status = UndoStatus::given_up;
        return;
    }
  }

  void undo_again(const TaskRef& ref) {
    TaskState& t = task(ref);
    // Ordered before, and under way: that one serves both.
    if (t.undo_status != UndoStatus::done) return;
    ++t.order;
    t.undo_again = true;
    t.undo_attempt = 0;
    t.undo_status = UndoStatus::ready;
    t.undo_since = t.undo_at = at_;
  }

  void pivot_resolved(const Incident& incident, const IncidentResolved& e) {
    TaskState& t = task(incident.task);
    if (t.status != TaskStatus::held) return;  // the transaction has ended
    if (e.resolution == IncidentResolution::retry) {
      make_ready(incident.task);  // its total timeout runs anew, too
    } else {
      const bool done = e.resolution == IncidentResolution::force_done;
      settle(incident.task, done ? TaskBit::done : TaskBit::failed, incident.code,
             e.reason.empty() ? "a person said that it was not done" : e.reason, t.details);
      // A leftover that is kept, as if its worker had said so.
      const Step& step = m_.step(incident.task.step);
      if (done && step.leftover == Leftover::keep && s_.bits.test(m_.bit(StepBit::met, incident.task.step)))
        set(TaskBit::counted, incident.task);
    }
  }

  // A new epoch: the tasks of the step that were not done begin anew, and so do its clocks.
  void step_again(std::uint16_t index) {
    const StepView step(m_, s_, index);
    ++s_.epoch;
    s_.failure = {};
    s_.entered_at[index] = at_;
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const TaskRef ref = step.ref(slot);
      if (!step.has(TaskBit::settled, slot) || step.has(TaskBit::done, slot) || step.has(TaskBit::skipped, slot))
        continue;
      // The outcome counts all attempts: that one was handed out, or ended unknown, stays, unless a person has said
      // that nothing was done.
      if (step.has(TaskBit::failed, slot)) s_.bits.reset(step.block().bit(TaskBit::maybe, slot));
      for (const TaskBit b : {TaskBit::failed, TaskBit::unknown, TaskBit::withdrawn, TaskBit::settled})
        s_.bits.reset(step.block().bit(b, slot));
      TaskState& t = task(ref);
      t.attempt = 0;
      t.undo_status = UndoStatus::idle;
      // What a child did it has undone itself: asked again, it is another one.
      if (step.rules(slot).child) ++t.generation;
      t.stopping = false;
      if (step.rules(slot).after.empty())
        make_ready(ref);
      else
        t.status = TaskStatus::blocked;
    }
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
  const Masks masks = masks_of(machine, state, event.event);
  DTA_ASSERT(legal(state.bits, masks));
  apply(state.bits, masks);
  Apply applier(machine, state, event.sequence, event.recorded_at);
  std::visit([&](const auto& e) { applier(e); }, event.event);
  applier.ready_undos(confined_to(event.event));
  state.sequence = event.sequence;
}

}  // namespace dta::engine

// Tasks and their attempts: hand-outs, results, retries, the timers of a lease and of a task.
#include "engine/backoff.h"
#include "engine/clocks.h"
#include "engine/decider.h"
#include "schema/assert.h"

namespace dta::engine {

using namespace schema;

namespace {

Attempt attempt_of(const Lease& lease) {
  return Attempt{lease.task, lease.action, lease.attempt, lease.sequence};
}

// When the attempt that just ended is tried again; never when it is not. `retryable` false: the worker said trying
// again cannot help.
Time retry_time(const Decider& d, const Lease& lease, std::string_view code, bool retryable) {
  const Task& task = d.m.task(lease.task);
  const bool undo = lease.action == Action::undo;
  const Backoff& rule = rule_for(undo ? task.undo->retry : task.retry, code);
  if (!retryable || lease.attempt >= rule.max_attempts) return Time::never();
  if (!undo && (lease.stop_asked || d.s.phase != Phase::running)) return Time::never();
  return d.now + delay_after(rule, lease.attempt, draw_for(d.s.id, d.s.sequence.value));
}

void raise_undo_incident(Decider& d, const TaskRef& task, std::string code, std::string message) {
  const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
  d.emit(IncidentRaised{number, IncidentKind::undo_failed, task, std::move(code), std::move(message)});
}

void answer(Decider& d, const Lease& lease, const Completed& result) {
  TaskCompleted event{attempt_of(lease), {}, result.found};
  event.output = d.attach(result.output);
  d.emit(std::move(event));
}

void answer(Decider& d, const Lease& lease, const Failed& result) {
  TaskFailed event{attempt_of(lease),
                   result.code,
                   result.message,
                   {},
                   result.effect,
                   result.retryable,
                   retry_time(d, lease, result.code, result.retryable)};
  event.details = d.attach(result.details);
  const bool given_up = lease.action == Action::undo && event.retry_at == Time::never();
  d.emit(std::move(event));
  if (given_up) raise_undo_incident(d, lease.task, result.code, result.message);
}

void answer(Decider& d, const Lease& lease, const Released& result) {
  d.emit(TaskReleased{attempt_of(lease), d.now + result.delay});
}

void time_out(Decider& d, const Lease& lease) {
  const Time by_attempt = lease.leased_at + lease.attempt_timeout;
  const LeaseEnd reason = by_attempt <= d.now ? LeaseEnd::attempt : LeaseEnd::heartbeat;
  const Time retry_at = retry_time(d, lease, "dta.timeout", true);
  d.emit(AttemptTimedOut{attempt_of(lease), reason, retry_at});
  if (lease.action == Action::undo && retry_at == Time::never())
    raise_undo_incident(d, lease.task, "dta.timeout", "the undo's last attempt gave no result in time");
}

}  // namespace

void hand_out(Decider& d, const HandOut& command) {
  for (const HandOut::Item& item : command.items) {
    DTA_ASSERT(d.m.valid(d.s, item.task));
    const TaskState& t = d.s.tasks[d.m.flat(d.s, item.task)];
    const bool undo = item.action == Action::undo;
    const Clocks clocks(d.m, d.s, d.inputs.settings);
    DTA_ASSERT(undo ? t.undo_status == UndoStatus::ready && clocks.undo_ready(item.task, t) <= d.now
                    : t.status == TaskStatus::ready && clocks.ready(item.task, t) <= d.now);
    const Timeouts timeouts = clocks.timeouts(item.task, item.action);
    d.emit(TaskLeased{item.task, item.action, (undo ? t.undo_attempt : t.attempt) + 1, t.generation, undo ? t.order : 1,
                      command.worker, command.poll_id, timeouts.attempt, timeouts.heartbeat});
  }
}

void report(Decider& d, const Report& command) {
  for (const Report::Item& item : command.items) {
    const Lease* open = d.s.lease(item.lease);
    if (open == nullptr) {
      d.out.answers.push_back(refuse(ErrorCode::stale_lease, "the lease has ended or was answered before"));
      continue;
    }
    const Lease lease = *open;
    std::visit([&](const auto& result) { answer(d, lease, result); }, item.outcome);
    d.out.answers.push_back({});
    judge(d);
  }
}

void report_late(Decider& d, const ReportLate& command) {
  record_late(d, command.attempt, command.outcome);
}

void record_late(Decider& d, const Attempt& attempt, const Outcome& outcome) {
  const TaskState& t = d.s.tasks[d.m.flat(d.s, attempt.task)];
  LateResult event{attempt, false, false, {}, {}};
  if (const auto* completed = std::get_if<Completed>(&outcome)) {
    event.succeeded = true;
    event.after_undo = attempt.action == Action::perform && t.undo_status == UndoStatus::done;
    event.output = d.attach(completed->output);
  } else if (const auto* failed = std::get_if<Failed>(&outcome)) {
    event.code = failed->code;
  }
  // Only an undo that said it had found the effect has undone it for certain; silence says nothing.
  const bool alarm = event.after_undo && !t.undo_found.value_or(false);
  const char* const undo = t.undo_found ? "the task reported success after its undo had found nothing to undo"
                                        : "the task reported success after its undo, which did not say what it found";
  d.emit(std::move(event));
  if (!alarm) return;
  const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
  d.emit(IncidentRaised{number, IncidentKind::effect_after_undo, attempt.task, "dta.effect_after_undo", undo});
}

void report_external(Decider& d, const ReportExternal& command) {
  for (const ReportExternal::Item& item : command.items) {
    const Attempt attempt{item.task, Action::perform, 1, Sequence()};
    if (d.s.tasks[d.m.flat(d.s, item.task)].status != TaskStatus::outside) {
      record_late(d, attempt, item.outcome);
      continue;
    }
    if (const auto* completed = std::get_if<Completed>(&item.outcome)) {
      TaskCompleted event{attempt, {}, {}};
      event.output = d.attach(completed->output);
      d.emit(std::move(event));
    } else if (const auto* failed = std::get_if<Failed>(&item.outcome)) {
      TaskFailed event{attempt, failed->code, failed->message, {}, failed->effect, false, Time::never()};
      event.details = d.attach(failed->details);
      d.emit(std::move(event));
    }
    judge(d);
  }
}

void report_child(Decider& d, const ReportChild& command) {
  const TaskState& t = d.s.tasks[d.m.flat(d.s, command.task)];
  const bool undo = command.action == Action::undo;
  if (undo ? t.undo_status != UndoStatus::child : t.status != TaskStatus::child) return;  // it was reported before
  const Attempt attempt{command.task, command.action, 1, Sequence()};
  if (const auto* completed = std::get_if<Completed>(&command.outcome)) {
    TaskCompleted event{attempt, {}, completed->found, command.irreversible};
    event.output = d.attach(completed->output);
    d.emit(std::move(event));
  } else if (const auto* failed = std::get_if<Failed>(&command.outcome)) {
    TaskFailed event{attempt,        failed->code, failed->message, {},
                     failed->effect, false,        Time::never(),   command.left_behind};
    event.details = d.attach(failed->details);
    d.emit(std::move(event));
    if (undo) raise_undo_incident(d, command.task, failed->code, failed->message);
  }
  judge(d);
}

void keep_heartbeat(Decider& d, const KeepHeartbeat& command) {
  const Lease* lease = d.s.lease(command.lease);
  DTA_ASSERT(lease != nullptr);
  HeartbeatRecorded event{attempt_of(*lease), {}};
  event.detail = d.attach(command.detail);
  d.emit(std::move(event));
}

namespace {

void fire_timers_of(Decider& d, std::size_t index) {
  if (d.s.phase != Phase::running) return;
  const Clocks clocks(d.m, d.s, d.inputs.settings);
  const StepView step(d.m, d.s, index);
  std::vector<bool> stopping = clocks.asked_to_stop(step);
  for (std::size_t slot = 0; slot < step.size() && d.s.phase == Phase::running; ++slot) {
    const TaskState& t = step.task(slot);
    const TaskRef ref = step.ref(slot);
    const bool ready = t.status == TaskStatus::ready;
    const bool at_work = t.status == TaskStatus::leased || t.status == TaskStatus::outside ||
                         (t.status == TaskStatus::child && !t.stopping);
    if (!ready && !at_work) continue;
    const bool was_decided = step.is(StepBit::met) || step.is(StepBit::failed);
    if (!stopping[slot] && clocks.total(ref, t) <= d.now)
      d.emit(TaskTimedOut{ref, TaskLimit::total});
    else if (ready && clocks.queue(ref, t) <= d.now)
      d.emit(TaskTimedOut{ref, TaskLimit::queue});
    else
      continue;
    judge(d);
    // Only a join that is decided here asks others than the task just looked at.
    if ((step.is(StepBit::met) || step.is(StepBit::failed)) != was_decided) stopping = clocks.asked_to_stop(step);
  }
}

}  // namespace

void fire_task_timers(Decider& d) {
  // Leases first: a lease that ended in time to be retried must not be settled by a later timer of the same task. The
  // list is copied because every event changes it.
  for (const Lease& lease : std::vector<Lease>(d.s.leases)) {
    if (lease_until(lease, d.inputs.beats) > d.now || d.s.lease(lease.sequence) == nullptr) continue;
    // A copy of the lease as it is now (an earlier one may have had it asked to stop): the event below ends the
    // original.
    const Lease open = *d.s.lease(lease.sequence);
    time_out(d, open);
    judge(d);
  }
  // Steps that are entered by what happens here have their timers ahead of them.
  const std::size_t last = d.s.step;
  for (std::size_t index = 0; index <= last && !d.m.definition().steps.empty(); ++index)
    if (index == last || d.m.leaves(index)) fire_timers_of(d, index);
}

}  // namespace dta::engine

// Tasks and their attempts: hand-outs, results, retries, the timers of a lease and of a task.
#include "engine/backoff.h"
#include "engine/decider.h"
#include "engine/pending.h"
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
    DTA_ASSERT(d.m.valid(item.task));
    const Task& task = d.m.task(item.task);
    const TaskState& t = d.s.tasks[d.m.flat(item.task)];
    const bool undo = item.action == Action::undo;
    DTA_ASSERT(undo ? t.undo_status == UndoStatus::ready && t.undo_at <= d.now
                    : t.status == TaskStatus::ready && t.at <= d.now);
    const Timeouts& timeouts = undo ? task.undo->timeouts : task.timeouts;
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
  const TaskState& t = d.s.tasks[d.m.flat(command.attempt.task)];
  LateResult event{command.attempt, false, false, {}, {}};
  if (const auto* completed = std::get_if<Completed>(&command.outcome)) {
    event.succeeded = true;
    event.after_undo = command.attempt.action == Action::perform && t.undo_status == UndoStatus::done;
    event.output = d.attach(completed->output);
  } else if (const auto* failed = std::get_if<Failed>(&command.outcome)) {
    event.code = failed->code;
  }
  // Only an undo that said it had found the effect has undone it for certain; silence says nothing.
  const bool alarm = event.after_undo && !t.undo_found.value_or(false);
  const char* const undo = t.undo_found ? "the task reported success after its undo had found nothing to undo"
                                        : "the task reported success after its undo, which did not say what it found";
  d.emit(std::move(event));
  if (!alarm) return;
  const auto number = static_cast<std::uint32_t>(d.s.incidents.size() + 1);
  d.emit(IncidentRaised{number, IncidentKind::effect_after_undo, command.attempt.task, "dta.effect_after_undo", undo});
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
  const Step& step = d.m.step(index);
  const std::size_t met = d.m.bit(StepBit::met, index);
  std::vector<bool> stopping = asked_to_stop(d.m, d.s, index);
  for (std::size_t i = 0; i < step.tasks.size() && d.s.phase == Phase::running; ++i) {
    const TaskState& t = d.s.tasks[step.first_task + i];
    const Timeouts& limits = step.tasks[i].timeouts;
    const TaskRef ref = d.m.ref(index, i);
    if (t.status != TaskStatus::ready && t.status != TaskStatus::leased) continue;
    const bool was_met = d.s.bits.test(met);
    if (limits.total.ms > 0 && !stopping[i] && t.first_ready + limits.total <= d.now)
      d.emit(TaskTimedOut{ref, TaskLimit::total});
    else if (limits.queue.ms > 0 && t.status == TaskStatus::ready && t.at + limits.queue <= d.now)
      d.emit(TaskTimedOut{ref, TaskLimit::queue});
    else
      continue;
    judge(d);
    // Only a join that is met here asks others than the task just looked at, unless compensation ends the loop.
    if (d.s.bits.test(met) != was_met) stopping = asked_to_stop(d.m, d.s, index);
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

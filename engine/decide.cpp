// The way into the engine: one command becomes events, each applied as it is emitted, so that what follows is judged on
// the state that it made. The themes are in step.cpp, task.cpp, compensation.cpp and table.cpp. Pure.
#include "engine/decide.h"

#include <algorithm>

#include "engine/clocks.h"
#include "engine/decider.h"
#include "engine/evolve.h"
#include "engine/pending.h"
#include "engine/reach.h"
#include "schema/assert.h"
#include "schema/limits.h"

namespace dta::engine {

using namespace schema;

void Decider::emit(Event event) {
  if (out.events.empty()) first = s.sequence.next();
  const RecordedEvent recorded{s.sequence.next(), now, std::move(event)};
  evolve(m, s, recorded);
  stirred.add(confined_to(recorded.event));
  out.events.push_back(std::move(recorded.event));
}

PayloadRef Decider::attach(std::string bytes, std::uint32_t index) {
  if (bytes.empty()) return {};
  PayloadRef ref{index, static_cast<std::uint32_t>(bytes.size()), sha256(bytes)};
  out.payloads.push_back(PayloadBytes{out.events.size(), index, std::move(bytes)});
  return ref;
}

std::string_view Decider::bytes(const PayloadAt& at) const {
  for (const PayloadBytes& own : out.payloads)
    if (first.value + own.event == at.sequence.value && own.index == at.index) return own.bytes;
  const auto it = inputs.payloads.find(at);
  DTA_ASSERT(it != inputs.payloads.end());
  return it->second;
}

namespace {

template <class List>
auto place_of(List& beats, Sequence lease) {
  return std::lower_bound(beats.begin(), beats.end(), lease,
                          [](const Beat& beat, Sequence wanted) { return beat.lease < wanted; });
}

}  // namespace

void keep_beat(Beats& beats, const Beat& beat) {
  const auto place = place_of(beats, beat.lease);
  if (place != beats.end() && place->lease == beat.lease)
    place->at = beat.at;
  else
    beats.insert(place, beat);
}

const Beat* find_beat(const Beats& beats, Sequence lease) {
  const auto place = place_of(beats, lease);
  return place == beats.end() || place->lease != lease ? nullptr : &*place;
}

Time lease_until(const Lease& lease, const Beats& beats) {
  const Time by_attempt = lease.leased_at + lease.attempt_timeout;
  if (lease.heartbeat_timeout.ms == 0) return by_attempt;
  const Beat* beat = find_beat(beats, lease.sequence);
  const Time last = beat == nullptr ? lease.leased_at : std::max(lease.leased_at, beat->at);
  return std::min(by_attempt, last + lease.heartbeat_timeout);
}

namespace {

struct Decide {
  Decider& d;

  Status operator()(const Start& command) const {
    const Definition& definition = d.m.definition();
    DTA_ASSERT(d.s.phase == Phase::none);
    TransactionStarted event{command.id,         definition.name, definition.version,       definition.digest,     {},
                             command.attributes, command.headers, definition.expires_after, command.request_digest};
    event.input = d.attach(command.input);
    d.emit(std::move(event));
    if (definition.form == Form::steps) {
      begin_steps(d);
    } else {
      begin_table(d);
    }
    return {};
  }
  Status operator()(const HandOut& command) const {
    hand_out(d, command);
    return {};
  }
  Status operator()(const Report& command) const {
    report(d, command);
    return {};
  }
  Status operator()(const ReportLate& command) const {
    report_late(d, command);
    return {};
  }
  Status operator()(const KeepHeartbeat& command) const {
    keep_heartbeat(d, command);
    return {};
  }
  Status operator()(const Tick&) const {
    if (d.s.ended()) return {};
    if (d.s.form == Form::table) {
      expire_table(d);
      return {};
    }
    fire_task_timers(d);
    fire_step_timers(d);
    return {};
  }
  Status operator()(const Cancel& command) const {
    if (d.s.ended())
      return refuse(ErrorCode::closed, "the transaction has already " + std::string(to_string(d.s.phase)));
    if (d.s.outcome_decided) return refuse(ErrorCode::closed, "the last join is decided: the transaction completes");
    if (d.s.phase == Phase::compensating) return refuse(ErrorCode::closed, "the transaction is already compensating");
    if (d.s.form == Form::table) {
      d.emit(TransactionTerminated{command.reason, command.who, {}});
      return {};
    }
    if (d.s.bits.test(d.m.bit(TransactionBit::pivoted)))
      return refuse(ErrorCode::past_pivot, "the pivot has passed: the transaction can only go on, or be terminated");
    if (pivot_in_flight(d.m, d.s)) {
      if (d.s.cancel) return refuse(ErrorCode::closed, "a cancellation already waits for the pivot to be decided");
      d.emit(CancelRequested{command.reason, command.who});
      return {};
    }
    begin_compensation(d, CompensationCause::cancelled, command.reason, command.who);
    judge(d);
    return {};
  }
  Status operator()(const Terminate& command) const {
    if (d.s.ended())
      return refuse(ErrorCode::closed, "the transaction has already " + std::string(to_string(d.s.phase)));
    d.emit(TransactionTerminated{command.reason, command.who, not_undone(d, NotUndoneReason::terminated)});
    return {};
  }
  Status operator()(const Resolve& command) const { return resolve_incident(d, command); }
  Status operator()(const Signal& command) const {
    const auto& declared = d.m.definition().signals;
    if (!std::binary_search(declared.begin(), declared.end(), command.name))
      return refuse(ErrorCode::unknown_signal, "the definition waits for no signal '" + command.name + "'");
    if (d.s.phase != Phase::running || d.s.outcome_decided)
      return refuse(ErrorCode::closed, "the transaction takes no signals any more: its outcome is decided");
    if (d.s.signals.size() >= limits::kSignalsMax)
      return refuse(ErrorCode::too_large,
                    "the transaction has taken " + std::to_string(limits::kSignalsMax) + " signals; it takes no more");
    SignalReceived event{command.name, command.signal_id, {}};
    event.payload = d.attach(command.payload);
    d.emit(std::move(event));
    judge(d);
    return {};
  }
  Status operator()(const ReportExternal& command) const {
    if (command.expected && *command.expected != d.s.sequence) return wrong_sequence(d, *command.expected);
    for (std::size_t i = 0; i < command.items.size(); ++i) {
      const std::string place = command.items.size() == 1 ? "" : "event " + std::to_string(i) + ": ";
      const TaskRef& ref = command.items[i].task;
      if (!d.m.task(ref).external)
        return refuse(ErrorCode::illegal_event, place + "a task that is not external is reported by its worker");
      const bool entered = StepView(d.m, d.s, ref.step).is(StepBit::entered);
      if (!d.m.valid(d.s, ref) && (entered || d.m.step(ref.step).for_each.empty()))
        return refuse(ErrorCode::task_not_found, place + "the task has no such instance");
      if (!d.m.valid(d.s, ref)) return refuse(ErrorCode::illegal_event, place + "the task's turn has not come");
      const TaskStatus status = d.s.tasks[d.m.flat(d.s, ref)].status;
      if (status == TaskStatus::not_entered || status == TaskStatus::blocked)
        return refuse(ErrorCode::illegal_event, place + "the task's turn has not come");
    }
    report_external(d, command);
    return {};
  }
  Status operator()(const ReportChild& command) const {
    if (!d.s.ended()) report_child(d, command);
    return {};
  }
  Status operator()(const UndoChild& command) const {
    if (d.s.phase != Phase::completed || !entered_any(d.m, d.s))
      return refuse(ErrorCode::closed, "only a child that completed, and did something, can be undone");
    if (!undoable_child(d.m, d.s)) return refuse(ErrorCode::past_pivot, "the child has passed its pivot");
    d.emit(EpochOpened{d.s.epoch + 1, command.reason});
    begin_compensation(d, CompensationCause::parent, command.reason, {});
    judge(d);
    return {};
  }
  Status operator()(const Pause& command) const {
    if (d.s.ended()) return refuse(ErrorCode::closed, "the transaction has ended");
    if (d.s.paused) return refuse(ErrorCode::illegal_event, "the transaction is already paused");
    d.emit(TransactionPaused{command.reason, command.who});
    return {};
  }
  Status operator()(const Resume& command) const {
    if (d.s.ended()) return refuse(ErrorCode::closed, "the transaction has ended");
    if (!d.s.paused) return refuse(ErrorCode::illegal_event, "the transaction is not paused");
    d.emit(TransactionResumed{command.reason, command.who});
    return {};
  }
  Status operator()(const Append& command) const { return append(d, command); }
};

}  // namespace

Result<Decision> decide(const Machine& machine, State& state, const Command& command, const Inputs& inputs, Time now) {
  Decider decider(machine, state, inputs, now);
  const Sequence before = state.sequence;
  const Status status = std::visit(Decide{decider}, command);
  if (!status) {
    DTA_ASSERT(state.sequence == before);
    return tl::unexpected<Error>(status.error());
  }
  DTA_ASSERT(state.sequence.value == before.value + decider.out.events.size());
  return std::move(decider.out);
}

}  // namespace dta::engine

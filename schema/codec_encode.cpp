// Events to bytes. One FlatBuffers builder a thread is used again for every record, so that encoding allocates only its
// result. Deterministic: fields are written in one order, a value equal to its default and an empty string are left
// out, and a worker or poll id equal to the last one written is stored once (the leases of one poll share it).
#include <vector>

#include "events_generated.h"
#include "schema/assert.h"
#include "schema/codec.h"

namespace dta::schema {
namespace {

namespace fb = flatbuffers;
using Text = fb::Offset<fb::String>;
using Body = fb::Offset<void>;

wire::Digest digest(const Hash& hash) {
  return wire::Digest(fb::span<const std::uint8_t, 32>(hash.data(), hash.size()));
}

wire::Payload payload(const PayloadRef& ref) {
  return {ref.index, ref.size, digest(ref.digest)};
}

wire::Place place(const TaskRef& ref) {
  return {ref.instance, ref.step, ref.task};
}

wire::Try attempt(const Attempt& a) {
  return {a.lease.value, a.task.instance, a.number, a.task.step, a.task.task, static_cast<std::uint8_t>(a.action)};
}

template <class Enum>
std::uint8_t number(Enum value) {
  return static_cast<std::uint8_t>(value);
}

wire::Limits limits(const ResolvedTimeouts& t) {
  return {place(t.task), t.queue.ms, t.attempt.ms, t.total.ms, t.heartbeat.ms};
}

fb::Optional<std::int64_t> optional(const std::optional<Duration>& length) {
  return length ? fb::Optional<std::int64_t>(length->ms) : fb::nullopt;
}

// Decoding refuses a route that goes back, so none may be written.
wire::Way way(const Route& route, std::uint16_t from) {
  DTA_ASSERT(route.kind != GoKind::step || route.step > from);
  return {route.step, route.choice, number(route.kind)};
}

class Encoder {
 public:
  std::string encode(std::span<const Event> events) {
    builder_.Clear();
    kinds_.clear();
    bodies_.clear();
    last_worker_ = last_poll_ = Shared{};
    for (const Event& event : events) {
      kinds_.push_back(static_cast<std::uint8_t>(kind_of(event)));
      bodies_.push_back(std::visit([this](const auto& e) { return put(e).Union(); }, event));
    }
    const auto bodies = builder_.CreateVector(bodies_);
    const auto kinds = builder_.CreateVector(reinterpret_cast<const wire::Body*>(kinds_.data()), kinds_.size());
    builder_.Finish(wire::CreateEvents(builder_, kinds, bodies), wire::EventsIdentifier());
    return {reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize()};
  }

 private:
  struct Shared {
    std::string_view text;  // of an event of the record under way
    Text offset;
  };

  Text text(const std::string& s) { return s.empty() ? Text() : builder_.CreateString(s); }

  Text shared(Shared& last, const std::string& s) {
    if (last.offset.o == 0 || last.text != s) last = Shared{s, text(s)};
    return last.offset;
  }

  // Struct fields are passed by pointer; an absent payload is a null one.
  struct OptionalPayload {
    explicit OptionalPayload(const PayloadRef& ref) : stored(ref != PayloadRef{}), value(payload(ref)) {}
    const wire::Payload* get() const { return stored ? &value : nullptr; }
    bool stored;
    wire::Payload value;
  };
  struct OptionalDigest {
    explicit OptionalDigest(const Hash& hash) : stored(hash != Hash{}), value(digest(hash)) {}
    const wire::Digest* get() const { return stored ? &value : nullptr; }
    bool stored;
    wire::Digest value;
  };

  fb::Offset<fb::Vector<fb::Offset<wire::Pair>>> pairs(const std::vector<Attribute>& attributes) {
    if (attributes.empty()) return {};
    std::vector<fb::Offset<wire::Pair>> offsets;
    offsets.reserve(attributes.size());
    for (const Attribute& a : attributes) {
      const Text key = text(a.key), value = text(a.value);
      offsets.push_back(wire::CreatePair(builder_, key, value));
    }
    return builder_.CreateVector(offsets);
  }

  fb::Offset<wire::TransactionStarted> put(const TransactionStarted& e) {
    const Text id = text(e.id), definition = text(e.definition);
    const auto attributes = pairs(e.attributes), headers = pairs(e.headers);
    return wire::CreateTransactionStarted(
        builder_, id, definition, e.version, OptionalDigest(e.definition_digest).get(), OptionalPayload(e.input).get(),
        attributes, headers, e.expires_after.ms, OptionalDigest(e.request_digest).get());
  }
  fb::Offset<wire::StepEntered> put(const StepEntered& e) {
    fb::Offset<fb::Vector<const wire::Input*>> inputs;
    if (!e.inputs.empty()) {
      std::vector<wire::Input> structs;
      structs.reserve(e.inputs.size());
      for (const ResolvedInput& i : e.inputs) structs.emplace_back(i.instance, i.task, payload(i.input));
      inputs = builder_.CreateVectorOfStructs(structs);
    }
    fb::Offset<fb::Vector<const wire::Place*>> skipped;
    if (!e.skipped.empty()) {
      std::vector<wire::Place> structs;
      structs.reserve(e.skipped.size());
      for (const TaskRef& task : e.skipped) structs.push_back(place(task));
      skipped = builder_.CreateVectorOfStructs(structs);
    }
    fb::Offset<fb::Vector<const wire::Limits*>> timeouts;
    if (!e.timeouts.empty()) {
      std::vector<wire::Limits> structs;
      structs.reserve(e.timeouts.size());
      for (const ResolvedTimeouts& t : e.timeouts) structs.push_back(limits(t));
      timeouts = builder_.CreateVectorOfStructs(structs);
    }
    return wire::CreateStepEntered(builder_, e.step, inputs, e.instances, skipped, e.unresolved, optional(e.deadline),
                                   optional(e.wait), optional(e.wait_deadline), timeouts);
  }
  fb::Offset<wire::StepMet> put(const StepMet& e) {
    const wire::Way route = way(e.route, e.step);
    return wire::CreateStepMet(builder_, e.step, e.route != StepMet{}.route ? &route : nullptr);
  }
  fb::Offset<wire::StepSkipped> put(const StepSkipped& e) { return wire::CreateStepSkipped(builder_, e.step); }
  fb::Offset<wire::TaskReady> put(const TaskReady& e) {
    const wire::Place task = place(e.task);
    const wire::Limits timeouts = limits(e.timeouts.value_or(ResolvedTimeouts{}));
    return wire::CreateTaskReady(builder_, &task, OptionalPayload(e.input).get(), e.timeouts ? &timeouts : nullptr);
  }
  fb::Offset<wire::TaskSkipped> put(const TaskSkipped& e) {
    const wire::Place task = place(e.task);
    return wire::CreateTaskSkipped(builder_, &task);
  }
  fb::Offset<wire::SignalReceived> put(const SignalReceived& e) {
    const Text name = text(e.name), signal_id = text(e.signal_id);
    return wire::CreateSignalReceived(builder_, name, signal_id, OptionalPayload(e.payload).get());
  }
  fb::Offset<wire::WaitEnded> put(const WaitEnded& e) { return wire::CreateWaitEnded(builder_, e.step, number(e.how)); }
  fb::Offset<wire::CancelRequested> put(const CancelRequested& e) {
    const Text reason = text(e.reason), who = text(e.who);
    return wire::CreateCancelRequested(builder_, reason, who);
  }
  fb::Offset<wire::TransactionPaused> put(const TransactionPaused& e) {
    const Text reason = text(e.reason), who = text(e.who);
    return wire::CreateTransactionPaused(builder_, reason, who);
  }
  fb::Offset<wire::TransactionResumed> put(const TransactionResumed& e) {
    const Text reason = text(e.reason), who = text(e.who);
    return wire::CreateTransactionResumed(builder_, reason, who);
  }
  fb::Offset<wire::StepFailed> put(const StepFailed& e) {
    const wire::Place task = place(e.task);
    const Text code = text(e.code), message = text(e.message);
    const wire::Way route = way(e.route, e.step);
    return wire::CreateStepFailed(builder_, e.step, e.has_task ? &task : nullptr, code, message,
                                  e.route != StepFailed{}.route ? &route : nullptr);
  }
  fb::Offset<wire::TaskLeased> put(const TaskLeased& e) {
    const wire::Place task = place(e.task);
    const Text worker = shared(last_worker_, e.worker), poll_id = shared(last_poll_, e.poll_id);
    return wire::CreateTaskLeased(builder_, &task, e.attempt, worker, poll_id, e.attempt_timeout.ms,
                                  e.heartbeat_timeout.ms, number(e.action), e.generation, e.order);
  }
  fb::Offset<wire::TaskCompleted> put(const TaskCompleted& e) {
    const wire::Try a = attempt(e.attempt);
    const std::uint8_t found = !e.found ? 0 : *e.found ? 2 : 1;
    return wire::CreateTaskCompleted(builder_, &a, OptionalPayload(e.output).get(), found, e.irreversible);
  }
  fb::Offset<wire::TaskFailed> put(const TaskFailed& e) {
    const wire::Try a = attempt(e.attempt);
    const Text code = text(e.code), message = text(e.message);
    return wire::CreateTaskFailed(builder_, &a, code, message, e.retry_at.ms, e.retryable, number(e.effect),
                                  OptionalPayload(e.details).get(), e.left_behind);
  }
  fb::Offset<wire::EpochOpened> put(const EpochOpened& e) {
    const Text reason = text(e.reason);
    return wire::CreateEpochOpened(builder_, e.epoch, reason);
  }
  fb::Offset<wire::TaskReleased> put(const TaskReleased& e) {
    const wire::Try a = attempt(e.attempt);
    return wire::CreateTaskReleased(builder_, &a, e.not_before.ms);
  }
  fb::Offset<wire::AttemptTimedOut> put(const AttemptTimedOut& e) {
    const wire::Try a = attempt(e.attempt);
    return wire::CreateAttemptTimedOut(builder_, &a, e.retry_at.ms, number(e.reason));
  }
  fb::Offset<wire::TaskTimedOut> put(const TaskTimedOut& e) {
    const wire::Place task = place(e.task);
    return wire::CreateTaskTimedOut(builder_, &task, number(e.limit));
  }
  fb::Offset<wire::HeartbeatRecorded> put(const HeartbeatRecorded& e) {
    const wire::Try a = attempt(e.attempt);
    return wire::CreateHeartbeatRecorded(builder_, &a, OptionalPayload(e.detail).get());
  }
  fb::Offset<wire::LateResult> put(const LateResult& e) {
    const wire::Try a = attempt(e.attempt);
    const Text code = text(e.code);
    return wire::CreateLateResult(builder_, &a, e.succeeded, e.after_undo, code, OptionalPayload(e.output).get());
  }
  fb::Offset<wire::CompensationStarted> put(const CompensationStarted& e) {
    const Text reason = text(e.reason), who = text(e.who);
    return wire::CreateCompensationStarted(builder_, number(e.cause), reason, who);
  }
  fb::Offset<wire::StepUndone> put(const StepUndone& e) { return wire::CreateStepUndone(builder_, e.step); }
  fb::Offset<fb::Vector<const wire::Left*>> not_undone(const std::vector<NotUndone>& list) {
    if (list.empty()) return {};
    std::vector<wire::Left> structs;
    structs.reserve(list.size());
    for (const NotUndone& n : list) structs.emplace_back(place(n.task), number(n.reason));
    return builder_.CreateVectorOfStructs(structs);
  }
  fb::Offset<wire::OutcomeDecided> put(const OutcomeDecided& e) {
    return wire::CreateOutcomeDecided(builder_, OptionalPayload(e.output).get());
  }
  fb::Offset<wire::TransactionCompleted> put(const TransactionCompleted& e) {
    const auto left = not_undone(e.not_undone);
    return wire::CreateTransactionCompleted(builder_, OptionalPayload(e.output).get(), left);
  }
  fb::Offset<wire::TransactionCompensated> put(const TransactionCompensated& e) {
    return wire::CreateTransactionCompensated(builder_, not_undone(e.not_undone));
  }
  fb::Offset<wire::TransactionTerminated> put(const TransactionTerminated& e) {
    const Text reason = text(e.reason), who = text(e.who);
    const auto left = not_undone(e.not_undone);
    return wire::CreateTransactionTerminated(builder_, reason, who, left);
  }
  fb::Offset<wire::IncidentResolved> put(const IncidentResolved& e) {
    const Text reason = text(e.reason), who = text(e.who);
    return wire::CreateIncidentResolved(builder_, e.number, number(e.resolution), reason, who);
  }
  fb::Offset<wire::IncidentRaised> put(const IncidentRaised& e) {
    const wire::Place task = place(e.task);
    const Text code = text(e.code), message = text(e.message);
    return wire::CreateIncidentRaised(builder_, &task, e.number, number(e.kind), code, message);
  }
  fb::Offset<wire::Transitioned> put(const Transitioned& e) {
    const Text event_id = text(e.event_id);
    return wire::CreateTransitioned(builder_, e.transition, e.from, e.to, event_id, OptionalPayload(e.data).get());
  }
  fb::Offset<wire::DefinitionPublished> put(const DefinitionPublished& e) {
    const Text name = text(e.name);
    return wire::CreateDefinitionPublished(builder_, name, e.version, OptionalPayload(e.text).get());
  }

  fb::FlatBufferBuilder builder_{4096};
  std::vector<std::uint8_t> kinds_;
  std::vector<Body> bodies_;
  Shared last_worker_, last_poll_;
};

}  // namespace

std::string encode_events(std::span<const Event> events) {
  thread_local Encoder encoder;
  return encoder.encode(events);
}

}  // namespace dta::schema

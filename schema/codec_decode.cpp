// Bytes to events. Nothing is read before the verifier has passed an aligned copy, and no enumerator, flag or kind is
// taken whose number this release does not know: the answer is then log_damaged, never a guess. Any thread.
#include <cstring>
#include <vector>

#include "events_generated.h"
#include "schema/codec.h"

namespace dta::schema {
namespace {

namespace fb = flatbuffers;

// A record's tables are at most two deep (an event, its pairs); this is the verifier's own limit, with room.
constexpr std::uint32_t kDepthMax = 8;

enum class Found : std::uint8_t { unsaid = 0, no = 1, yes = 2 };

class Decoder {
 public:
  Result<std::vector<Event>> run(const wire::Events& root) {
    std::vector<Event> events;
    events.reserve(root.events()->size());
    for (fb::uoffset_t i = 0; i < root.events()->size() && ok(); ++i)
      events.push_back(body(root.events_type()->GetEnum<wire::Body>(i), root.events()->Get(i)));
    if (!ok()) return refuse(ErrorCode::log_damaged, "event " + std::to_string(events.size()) + " of a record " + why_);
    return events;
  }

 private:
  bool ok() const { return why_.empty(); }

  template <class Enum>
  Enum checked(std::uint8_t number, Enum last, const char* what) {
    if (number > static_cast<std::uint8_t>(last))
      why_ = "has an unknown " + std::string(what) + " " + std::to_string(number);
    return static_cast<Enum>(number);
  }

  static std::string text(const fb::String* s) { return s == nullptr ? std::string() : s->str(); }

  static Hash digest(const wire::Digest* d) {
    Hash hash{};
    if (d != nullptr) std::memcpy(hash.data(), d, hash.size());
    return hash;
  }

  static PayloadRef payload(const wire::Payload* p) {
    if (p == nullptr) return {};
    return {p->index(), p->size(), digest(&p->digest())};
  }

  static TaskRef place(const wire::Place& p) { return {p.step(), p.task(), p.instance()}; }

  Attempt attempt(const wire::Try& t) {
    return {{t.step(), t.task(), t.instance()},
            checked(t.action(), Action::undo, "action"),
            t.number(),
            Sequence(t.lease())};
  }

  static std::vector<Attribute> pairs(const fb::Vector<fb::Offset<wire::Pair>>* all) {
    std::vector<Attribute> attributes;
    if (all == nullptr) return attributes;
    attributes.reserve(all->size());
    for (const wire::Pair* pair : *all) attributes.push_back({text(pair->key()), text(pair->value())});
    return attributes;
  }

  Event body(wire::Body kind, const void* table) {
    switch (kind) {
      case wire::Body::TransactionStarted:
        return take(*static_cast<const wire::TransactionStarted*>(table));
      case wire::Body::StepEntered:
        return take(*static_cast<const wire::StepEntered*>(table));
      case wire::Body::StepMet:
        return take(*static_cast<const wire::StepMet*>(table));
      case wire::Body::StepFailed:
        return take(*static_cast<const wire::StepFailed*>(table));
      case wire::Body::TaskLeased:
        return take(*static_cast<const wire::TaskLeased*>(table));
      case wire::Body::TaskCompleted:
        return take(*static_cast<const wire::TaskCompleted*>(table));
      case wire::Body::TaskFailed:
        return take(*static_cast<const wire::TaskFailed*>(table));
      case wire::Body::TaskReleased:
        return take(*static_cast<const wire::TaskReleased*>(table));
      case wire::Body::AttemptTimedOut:
        return take(*static_cast<const wire::AttemptTimedOut*>(table));
      case wire::Body::TaskTimedOut:
        return take(*static_cast<const wire::TaskTimedOut*>(table));
      case wire::Body::HeartbeatRecorded:
        return take(*static_cast<const wire::HeartbeatRecorded*>(table));
      case wire::Body::LateResult:
        return take(*static_cast<const wire::LateResult*>(table));
      case wire::Body::CompensationStarted:
        return take(*static_cast<const wire::CompensationStarted*>(table));
      case wire::Body::StepUndone:
        return StepUndone{static_cast<const wire::StepUndone*>(table)->step()};
      case wire::Body::TransactionCompleted:
        return take(*static_cast<const wire::TransactionCompleted*>(table));
      case wire::Body::OutcomeDecided:
        return OutcomeDecided{payload(static_cast<const wire::OutcomeDecided*>(table)->output())};
      case wire::Body::TransactionCompensated:
        return take(*static_cast<const wire::TransactionCompensated*>(table));
      case wire::Body::TransactionTerminated:
        return take(*static_cast<const wire::TransactionTerminated*>(table));
      case wire::Body::IncidentResolved:
        return take(*static_cast<const wire::IncidentResolved*>(table));
      case wire::Body::IncidentRaised:
        return take(*static_cast<const wire::IncidentRaised*>(table));
      case wire::Body::Transitioned:
        return take(*static_cast<const wire::Transitioned*>(table));
      case wire::Body::DefinitionPublished:
        return take(*static_cast<const wire::DefinitionPublished*>(table));
      case wire::Body::StepSkipped:
        return StepSkipped{static_cast<const wire::StepSkipped*>(table)->step()};
      case wire::Body::TaskReady:
        return take(*static_cast<const wire::TaskReady*>(table));
      case wire::Body::TaskSkipped:
        return TaskSkipped{place(*static_cast<const wire::TaskSkipped*>(table)->task())};
      case wire::Body::SignalReceived:
        return take(*static_cast<const wire::SignalReceived*>(table));
      case wire::Body::WaitEnded:
        return take(*static_cast<const wire::WaitEnded*>(table));
      case wire::Body::CancelRequested:
        return said<CancelRequested>(*static_cast<const wire::CancelRequested*>(table));
      case wire::Body::TransactionPaused:
        return said<TransactionPaused>(*static_cast<const wire::TransactionPaused*>(table));
      case wire::Body::TransactionResumed:
        return said<TransactionResumed>(*static_cast<const wire::TransactionResumed*>(table));
      case wire::Body::EpochOpened:
        return take(*static_cast<const wire::EpochOpened*>(table));
      case wire::Body::NONE:
        break;
    }
    why_ = "has an unknown kind " + std::to_string(static_cast<int>(kind));
    return StepMet{};
  }

  static Event take(const wire::TransactionStarted& t) {
    return TransactionStarted{text(t.id()),
                              text(t.definition()),
                              t.version(),
                              digest(t.definition_digest()),
                              payload(t.input()),
                              pairs(t.attributes()),
                              pairs(t.headers()),
                              Duration{t.expires_after()},
                              digest(t.request_digest())};
  }
  static Event take(const wire::StepEntered& t) {
    StepEntered e{t.step(), {}};
    if (t.inputs() != nullptr) {
      e.inputs.reserve(t.inputs()->size());
      for (const wire::Input* input : *t.inputs())
        e.inputs.push_back({input->task(), input->instance(), payload(&input->payload())});
    }
    e.instances = t.instances();
    if (t.skipped() != nullptr) {
      e.skipped.reserve(t.skipped()->size());
      for (const wire::Place* task : *t.skipped()) e.skipped.push_back(place(*task));
    }
    e.unresolved = t.unresolved();
    e.deadline = length(t.deadline());
    e.wait = length(t.wait());
    e.wait_deadline = length(t.wait_deadline());
    if (t.timeouts() != nullptr) {
      e.timeouts.reserve(t.timeouts()->size());
      for (const wire::Limits* l : *t.timeouts()) e.timeouts.push_back(limits(*l));
    }
    return e;
  }
  static std::optional<Duration> length(const fb::Optional<std::int64_t>& ms) {
    return ms ? std::optional(Duration{*ms}) : std::nullopt;
  }
  static ResolvedTimeouts limits(const wire::Limits& l) {
    return {place(l.place()), Duration{l.queue()}, Duration{l.attempt()}, Duration{l.total()}, Duration{l.heartbeat()}};
  }
  // A way back does not exist, and a failed step does not go on as if it were met.
  Route route(const wire::Way* way, std::uint16_t from, Route unsaid) {
    if (way == nullptr) return unsaid;
    const Route r{checked(way->kind(), GoKind::compensate, "way on"), way->step(), way->choice()};
    if (r.kind == GoKind::step && r.step <= from)
      why_ = "goes from step " + std::to_string(from) + " back to step " + std::to_string(r.step);
    return r;
  }
  Event take(const wire::StepMet& t) { return StepMet{t.step(), route(t.route(), t.step(), StepMet{}.route)}; }
  static Event take(const wire::TaskReady& t) {
    TaskReady e{place(*t.task()), payload(t.input())};
    if (t.timeouts() != nullptr) e.timeouts = limits(*t.timeouts());
    return e;
  }
  static Event take(const wire::SignalReceived& t) {
    return SignalReceived{text(t.name()), text(t.signal_id()), payload(t.payload())};
  }
  Event take(const wire::WaitEnded& t) {
    return WaitEnded{t.step(), checked(t.how(), WaitEnd::deadline, "end of a wait")};
  }
  // The events that only hold a person's words.
  template <class E, class Table>
  static Event said(const Table& t) {
    return E{text(t.reason()), text(t.who())};
  }
  Event take(const wire::StepFailed& t) {
    StepFailed e{t.step(), t.task() != nullptr, {}, text(t.code()), text(t.message())};
    if (e.has_task) e.task = place(*t.task());
    e.route = route(t.route(), t.step(), e.route);
    if (e.route.kind == GoKind::follow) why_ = "lets a failed step go on as if it were met";
    return e;
  }
  Event take(const wire::TaskLeased& t) {
    return TaskLeased{place(*t.task()),
                      checked(t.action(), Action::undo, "action"),
                      t.attempt(),
                      t.generation(),
                      t.order(),
                      text(t.worker()),
                      text(t.poll_id()),
                      Duration{t.attempt_timeout()},
                      Duration{t.heartbeat_timeout()}};
  }
  Event take(const wire::TaskCompleted& t) {
    TaskCompleted e{attempt(*t.attempt()), payload(t.output()), {}, t.irreversible()};
    if (const Found found = checked(t.found(), Found::yes, "answer to what an undo found"); found != Found::unsaid)
      e.found = found == Found::yes;
    return e;
  }
  Event take(const wire::TaskFailed& t) {
    return TaskFailed{attempt(*t.attempt()),
                      text(t.code()),
                      text(t.message()),
                      payload(t.details()),
                      checked(t.effect(), Effect::unknown, "effect"),
                      t.retryable(),
                      Time{t.retry_at()},
                      t.left_behind()};
  }
  Event take(const wire::EpochOpened& t) { return EpochOpened{t.epoch(), text(t.reason())}; }
  Event take(const wire::TaskReleased& t) { return TaskReleased{attempt(*t.attempt()), Time{t.not_before()}}; }
  Event take(const wire::AttemptTimedOut& t) {
    return AttemptTimedOut{attempt(*t.attempt()), checked(t.reason(), LeaseEnd::heartbeat, "end of a lease"),
                           Time{t.retry_at()}};
  }
  Event take(const wire::TaskTimedOut& t) {
    return TaskTimedOut{place(*t.task()), checked(t.limit(), TaskLimit::total, "limit")};
  }
  Event take(const wire::HeartbeatRecorded& t) { return HeartbeatRecorded{attempt(*t.attempt()), payload(t.detail())}; }
  Event take(const wire::LateResult& t) {
    return LateResult{attempt(*t.attempt()), t.succeeded(), t.after_undo(), text(t.code()), payload(t.output())};
  }
  Event take(const wire::CompensationStarted& t) {
    return CompensationStarted{checked(t.cause(), CompensationCause::parent, "cause"), text(t.reason()), text(t.who())};
  }
  template <class Table>
  std::vector<NotUndone> not_undone(const Table& t) {
    std::vector<NotUndone> list;
    if (t.not_undone() == nullptr) return list;
    list.reserve(t.not_undone()->size());
    for (const wire::Left* left : *t.not_undone())
      list.push_back({place(left->place()), checked(left->reason(), NotUndoneReason::in_child, "reason")});
    return list;
  }
  Event take(const wire::TransactionCompleted& t) { return TransactionCompleted{payload(t.output()), not_undone(t)}; }
  Event take(const wire::TransactionCompensated& t) { return TransactionCompensated{not_undone(t)}; }
  Event take(const wire::TransactionTerminated& t) {
    return TransactionTerminated{text(t.reason()), text(t.who()), not_undone(t)};
  }
  Event take(const wire::IncidentResolved& t) {
    return IncidentResolved{t.number(), checked(t.resolution(), IncidentResolution::force_failed, "resolution"),
                            text(t.reason()), text(t.who())};
  }
  Event take(const wire::IncidentRaised& t) {
    return IncidentRaised{t.number(), checked(t.kind(), IncidentKind::expired, "kind of incident"), place(*t.task()),
                          text(t.code()), text(t.message())};
  }
  static Event take(const wire::Transitioned& t) {
    return Transitioned{t.transition(), t.from(), t.to(), text(t.event_id()), payload(t.data())};
  }
  static Event take(const wire::DefinitionPublished& t) {
    return DefinitionPublished{text(t.name()), t.version(), payload(t.text())};
  }

  std::string why_;
};

}  // namespace

Result<std::vector<Event>> decode_events(std::string_view bytes) {
  if (bytes.size() < 12 || std::memcmp(bytes.data() + 4, wire::EventsIdentifier(), 4) != 0)
    return refuse(ErrorCode::log_damaged, "a record's events do not carry the identifier DTAE");
  thread_local std::vector<std::uint64_t> aligned;
  aligned.resize(bytes.size() / 8 + 1);
  auto* const buffer = reinterpret_cast<std::uint8_t*>(aligned.data());
  std::memcpy(buffer, bytes.data(), bytes.size());
  // Every table is reached through an offset of four bytes, so honest bytes never hold more tables than this.
  const auto tables_max = static_cast<fb::uoffset_t>(bytes.size() / 4);
  fb::Verifier verifier(buffer, bytes.size(), kDepthMax, tables_max);
  if (!wire::VerifyEventsBuffer(verifier))
    return refuse(ErrorCode::log_damaged, "a record's events do not have the shape that was written");
  return Decoder().run(*wire::GetEvents(buffer));
}

}  // namespace dta::schema

// Those who call from outside: start, look, append, cancel, signal, pause, resume, terminate.
#include <fmt/format.h>

#include "schema/json.h"
#include "server/digest.h"
#include "simulation/chance.h"
#include "simulation/world.h"

namespace dta::simulation {

using namespace schema;

World::CallPtr World::start(std::size_t index, Duration wait) {
  server::StartRequest request;
  request.id = id_of(index);
  request.definition = definition_of(request.id).name;
  Chance chance = chance_for(plan_.seed, "input of " + request.id);
  request.input = plan_.input.empty() ? data_of(request.id).input(chance) : plan_.input;
  request.digest = sha256(request.id);
  request.wait = wait;
  const std::string id = request.id;
  return make_call<server::TransactionSummary>(
      "start " + id + " " + request.input, request,
      [this, id](Call& call, const Result<server::TransactionSummary>& reply) {
        if (!reply) return fail(id, "the start of " + id + " is refused: " + reply.error().message);
        const auto events = host_.history(id);
        if (events.size() < reply->sequence) fail(id, "the start of " + id + " is acknowledged before it is durable");
        if (reply->created && !created_.insert(id).second) fail(id, id + " is created twice");
        call.firm = true;
      },
      [this, id](const Result<server::TransactionSummary>& reply) {
        if (reply) known_.insert(id);
      });
}

World::CallPtr World::look(const std::string& id) {
  return make_call<server::TransactionReply>(
      "get " + id, server::GetRequest{id, {}, {}},
      [this, id](Call&, const Result<server::TransactionReply>& reply) {
        if (!reply && known_.contains(id)) fail(id, id + " was acknowledged and is not there");
        if (reply && reply->state.sequence.value > host_.history(id).size())
          fail(id, "a state of " + id + " is shown that is not durable");
      },
      [](const Result<server::TransactionReply>&) {});
}

std::vector<std::string> World::some_events(const std::string& id, const PlannedMove& step) const {
  const Definition& definition = definition_of(id);
  std::vector<std::string> names;
  std::uint16_t state = table_state(host_.history(id), definition);
  for (std::size_t i = 0, n = step.b % 3 == 0 ? 2 : 1; i < n; ++i) {
    std::vector<const Transition*> fitting;
    for (const Transition& t : definition.transitions)
      if (t.on != "expired" && (step.b % 7 == 0 || t.from == state)) fitting.push_back(&t);
    if (fitting.empty()) break;
    const Transition& chosen = *fitting[(step.b / 8 + i * step.c) % fitting.size()];
    names.push_back(chosen.on);
    state = chosen.to;
  }
  return names;
}

World::CallPtr World::append(const std::string& id, std::vector<std::string> names,
                             std::optional<std::uint64_t> expected) {
  server::AppendRequest request;
  request.id = id;
  if (expected) request.expect = server::Expect::exactly;
  request.expected_sequence = expected.value_or(0);
  for (std::string& on : names) request.events.push_back({fmt::format("e{}", ++names_), std::move(on), "{\"by\":1}"});
  const std::string first = request.events.front().id;
  return make_call<server::AppendReply>(
      "append " + first + " to " + id, request,
      [this, id, first, expected](Call& call, const Result<server::AppendReply>& reply) {
        if (!reply) {
          if (call.firm || (reply.error().code == ErrorCode::transaction_not_found && known_.contains(id)))
            fail(id, "append " + first + " is refused: " + reply.error().message);
          return;
        }
        const auto events = host_.history(id);
        const auto* there = reply->sequence > events.size() || reply->first_sequence == 0
                                ? nullptr
                                : std::get_if<Transitioned>(&events[reply->first_sequence - 1].event.event);
        if (expected && reply->first_sequence != *expected + 1)
          fail(id, "append " + first + " was taken at another sequence than expected");
        if (there == nullptr || there->event_id != first)
          fail(id, "append " + first + " is acknowledged and not in the log");
        if (call.firm && (!reply->repeated || reply->first_sequence != call.first_sequence))
          fail(id, "append " + first + " has two answers");
        call.firm = true;
        call.first_sequence = reply->first_sequence;
      },
      [](const Result<server::AppendReply>&) {});
}

template <class Request>
World::CallPtr World::ask(std::string text, Request request, std::function<bool(const Events&)> happened,
                          Refusable may_refuse) {
  const std::string id = request.id;
  return make_call<server::TransactionSummary>(
      text, std::move(request),
      [this, id, text, happened = std::move(happened), may_refuse = std::move(may_refuse)](
          Call& call, const Result<server::TransactionSummary>& reply) {
        const auto events = host_.history(id);
        if (!reply) {
          const ErrorCode code = reply.error().code;
          if (code == ErrorCode::transaction_not_found && !known_.contains(id)) return;
          if (call.firm || !may_refuse(code, events))
            fail(id, text + " is refused: " + std::string(to_string(code)) + ", " + reply.error().message);
          return;
        }
        call.firm = true;
        if (!happened(events)) fail(id, text + " is acknowledged and not in the log");
      },
      [](const Result<server::TransactionSummary>&) {});
}

World::CallPtr World::cancel(const std::string& id) {
  return ask(
      "cancel " + id, server::CancelRequest{id, "enough", "anna", "cancel", {}},
      [](const Events& events) {
        const auto said = [](const auto& e) { return e.reason == "enough"; };
        return has<CompensationStarted>(events, said) || has<CancelRequested>(events, said) ||
               has<TransactionTerminated>(events, said);
      },
      [this, id](ErrorCode code, const Events& events) {
        if (code == ErrorCode::past_pivot) return past_pivot(events, definition_of(id));
        return code == ErrorCode::closed && (is_closed(events) || has<CancelRequested>(events));
      });
}

World::CallPtr World::signal(const std::string& id, const std::string& name) {
  server::SignalRequest request;
  request.id = id;
  request.name = name;
  request.request_id = fmt::format("s{}", ++names_);
  Chance chance = chance_for(plan_.seed, request.request_id);
  request.payload = data_of(id).signal(name, chance);
  const std::string signal_id = request.request_id;
  const std::string text = fmt::format("signal {} {} ({})", name, id, signal_id);
  return ask(
      text, std::move(request),
      [signal_id, name](const Events& events) {
        std::size_t times = 0;
        for (const Logged& logged : events)
          if (const auto* e = std::get_if<SignalReceived>(&logged.event.event))
            times += e->signal_id == signal_id && e->name == name ? 1 : 0;
        return times == 1;  // an id counts once
      },
      [this, id, name](ErrorCode code, const Events& events) {
        const auto& declared = definition_of(id).signals;
        if (!std::binary_search(declared.begin(), declared.end(), name)) return code == ErrorCode::unknown_signal;
        return code == ErrorCode::closed && is_closed(events);
      });
}

World::CallPtr World::pause(const std::string& id) {
  const std::string request_id = fmt::format("p{}", ++names_);
  return ask(
      "pause " + id, server::PauseRequest{id, request_id, "anna", request_id, {}},
      [request_id](const Events& events) {
        return has<TransactionPaused>(events, [&](const TransactionPaused& e) { return e.reason == request_id; });
      },
      [](ErrorCode code, const Events& events) {
        return (code == ErrorCode::closed && has_ended(events)) ||
               (code == ErrorCode::illegal_event && has<TransactionPaused>(events));
      });
}

World::CallPtr World::resume(const std::string& id) {
  const std::string request_id = fmt::format("p{}", ++names_);
  return ask(
      "resume " + id, server::ResumeRequest{id, request_id, "anna", request_id, {}},
      [request_id](const Events& events) {
        return has<TransactionResumed>(events, [&](const TransactionResumed& e) { return e.reason == request_id; });
      },
      [](ErrorCode code, const Events& events) {
        return (code == ErrorCode::closed && has_ended(events)) || code == ErrorCode::illegal_event;
      });
}

World::CallPtr World::terminate(const std::string& id) {
  const std::string request_id = fmt::format("p{}", ++names_);
  return ask(
      "terminate " + id, server::TerminateRequest{id, request_id, "anna", request_id, {}},
      [request_id](const Events& events) {
        return has<TransactionTerminated>(events,
                                          [&](const TransactionTerminated& e) { return e.reason == request_id; });
      },
      [](ErrorCode code, const Events& events) { return code == ErrorCode::closed && has_ended(events); });
}

World::CallPtr World::resolve(const std::string& id, std::uint32_t number, IncidentResolution resolution) {
  const std::string request_id = fmt::format("p{}", ++names_);
  const std::string text = fmt::format("resolve {} {} {}", id, number, to_string(resolution));
  server::ResolveRequest request{id, number, resolution, request_id, "anna", request_id, {}};
  return ask(
      text, std::move(request),
      [request_id](const Events& events) {
        return has<IncidentResolved>(events, [&](const IncidentResolved& e) { return e.reason == request_id; });
      },
      [this, id, number, resolution](ErrorCode code, const Events& events) {
        const IncidentRaised* raised = incident(events, number);
        if (code == ErrorCode::incident_not_found) return raised == nullptr;
        if (code == ErrorCode::closed) return is_resolved(events, number);
        if (code != ErrorCode::illegal_event || raised == nullptr) return false;
        refused_decisions_.insert({id, number});
        const auto fitting = answers_to(raised->kind);
        const bool fits = std::find(fitting.begin(), fitting.end(), resolution) != fitting.end();
        return !fits || has_ended(events) ||
               (resolution == IncidentResolution::retry &&
                (raised->kind == IncidentKind::step_failed ||
                 // Nothing of a step that is decided is tried again.
                 (raised->kind == IncidentKind::pivot_unknown && is_decided(events, raised->task.step))));
      });
}

}  // namespace dta::simulation

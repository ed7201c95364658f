// The pure core and nothing else that could be wrong: events in a vector, ids in a map, ready work by asking pending().
// What stands here around decide() is the contract of ids and lease tokens in its shortest form, so that the
// partition's own way of keeping it is compared with it by every script.
// Size: one method a command of the scripts; each is the contract of its call in its shortest form.
#include <algorithm>
#include <map>
#include <set>

#include "engine/decide.h"
#include "engine/evolve.h"
#include "engine/pending.h"
#include "schema/assert.h"
#include "schema/json.h"
#include "server/port.h"
#include "tests/scenarios/depth.h"

namespace dta::scenarios {
namespace {

using namespace schema;

struct Held {
  TransactionNumber number;
  engine::MachinePtr machine;
  engine::State state;
  std::vector<RecordedEvent> events;
  std::map<engine::PayloadAt, std::string> payloads;
  engine::Beats beats;
  std::map<std::string, std::pair<std::string, Sequence>> event_ids;  // appended ids: content and sequence
  std::vector<Sequence> record_ends;                                  // states are shown at the end of a record
  std::map<std::string, std::string> request_ids;
};

engine::Outcome outcome_of(const server::TaskResult& item) {
  if (const auto* r = std::get_if<server::CompletedResult>(&item.result)) return engine::Completed{r->output, r->found};
  if (const auto* r = std::get_if<server::FailedResult>(&item.result))
    return engine::Failed{r->code, r->message, r->details, r->retryable, r->effect};
  return engine::Released{std::get<server::ReleasedResult>(item.result).delay};
}

// One text for one meaning of an appended event, so that the same id with other content is noticed.
std::string content_of(const server::NewTransition& event) {
  return event.on + "\n" + (event.data.empty() ? "" : to_hex(canonical_digest(JsonValue{event.data})));
}

class CoreDepth : public Depth {
 public:
  Result<server::PublishReply> publish(const DefinitionPtr& definition, Time) override {
    auto& versions = definitions_[definition->name];
    const auto known = versions.find(definition->version);
    if (known != versions.end() && known->second->definition().digest != definition->digest)
      return refuse(ErrorCode::definition_conflict, "");
    const bool created = known == versions.end();
    const auto published = [this](const std::string& name, std::uint32_t version) -> const Definition* {
      const auto named = definitions_.find(name);
      if (named == definitions_.end() || named->second.empty()) return nullptr;
      const auto it = version == 0 ? std::prev(named->second.end()) : named->second.find(version);
      return it == named->second.end() ? nullptr : &it->second->definition();
    };
    if (const Status status = check_ancestry(*definition, published); created && !status)
      return tl::unexpected<Error>(status.error());
    if (created) versions[definition->version] = std::make_shared<const engine::Machine>(definition);
    return server::PublishReply{definition->name, definition->version, definition->digest, created};
  }

  Result<server::TransactionSummary> start(server::StartRequest request, Time now) override {
    if (const Held* held = find(request.id)) {
      const engine::State& s = held->state;
      if (s.request_digest != request.digest || (request.version && *request.version != s.version))
        return refuse(ErrorCode::id_reused, "");
      return summary(*held, false);
    }
    const auto named = definitions_.find(request.definition);
    if (named == definitions_.end() || named->second.empty()) return refuse(ErrorCode::definition_not_found, "");
    const auto version = request.version ? named->second.find(*request.version) : std::prev(named->second.end());
    if (version == named->second.end()) return refuse(ErrorCode::definition_not_found, "");
    Held& held =
        begin(version->second, {request.id, request.input, request.attributes, request.headers, request.digest}, now);
    const server::TransactionSummary answer = summary(held, true);
    tend(now);
    return answer;
  }

  Result<server::LeaseReply> lease(server::Poll poll, Time now) override {
    server::LeaseReply reply;
    if (!poll.poll_id.empty()) {
      for (const auto& held : held_)
        for (const engine::Lease& open : held->state.leases)
          if (open.poll_id == poll.poll_id) reply.tasks.push_back(describe(*held, open));
      if (!reply.tasks.empty()) return reply;
    }
    std::map<std::size_t, std::vector<engine::HandOut::Item>> chosen;  // by place in held_
    std::size_t count = 0;
    for (const std::string& queue : poll.queues) {
      std::vector<std::tuple<Time, std::size_t, engine::HandOut::Item>> ready;
      for (std::size_t i = 0; i < held_.size(); ++i)
        for (const engine::Ready& r : engine::pending(*held_[i]->machine, held_[i]->state, held_[i]->beats).ready)
          if (r.at <= now && engine::queue_of(*held_[i]->machine, r.task, r.action) == queue)
            ready.emplace_back(r.at, i, engine::HandOut::Item{r.task, r.action});
      std::ranges::sort(ready, {}, [](const auto& r) {
        const TaskRef& task = std::get<2>(r).task;
        return std::tuple(std::get<0>(r), std::get<1>(r), task.step, task.instance, task.task);
      });
      for (const auto& [at, place, item] : ready)
        if (count < poll.max) {
          chosen[place].push_back(item);
          ++count;
        }
    }
    for (const auto& [place, items] : chosen) {
      Held& held = *held_[place];
      DTA_ASSERT(run(held, engine::HandOut{items, poll.worker, poll.poll_id}, now));
      for (auto open = held.state.leases.end() - static_cast<std::ptrdiff_t>(items.size());
           open != held.state.leases.end(); ++open)
        reply.tasks.push_back(describe(held, *open));
    }
    return reply;
  }

  Result<server::ResultsReply> report(std::vector<server::TaskResult> results, Time now) override {
    server::ResultsReply reply;
    reply.results.resize(results.size());
    std::vector<std::pair<TransactionNumber, std::vector<std::size_t>>> groups;  // in order of first appearance
    for (std::size_t i = 0; i < results.size(); ++i) {
      const TransactionNumber number = server::parse_lease_token(results[i].token).value().number;
      auto group = std::ranges::find(groups, number, &decltype(groups)::value_type::first);
      if (group == groups.end()) group = groups.insert(groups.end(), {number, {}});
      group->second.push_back(i);
    }
    for (const auto& [number, items] : groups) {
      Held& held = *held_[number.value - 1];
      engine::Report command;
      std::vector<std::size_t> open, closed;
      std::set<Sequence> leases;
      for (std::size_t i : items) {
        const Sequence lease = server::parse_lease_token(results[i].token)->lease;
        const bool is_open = held.state.lease(lease) != nullptr && leases.insert(lease).second;
        (is_open ? open : closed).push_back(i);
        if (is_open) command.items.push_back({lease, outcome_of(results[i])});
      }
      if (!open.empty()) {
        const auto decision = run(held, command, now);
        DTA_ASSERT(decision);
        for (std::size_t k = 0; k < open.size(); ++k) reply.results[open[k]] = decision->answers[k];
      }
      for (std::size_t i : closed) reply.results[i] = report_closed(held, results[i], now);
    }
    tend(now);
    return reply;
  }

  Result<server::HeartbeatReply> heartbeat(server::HeartbeatItem item, Time now) override {
    const auto token = server::parse_lease_token(item.token).value();
    Held& held = *held_[token.number.value - 1];
    server::HeartbeatReply reply;
    const engine::Lease* lease = held.state.lease(token.lease);
    if (lease == nullptr) {
      reply.results.push_back(refuse(ErrorCode::stale_lease, ""));
      return reply;
    }
    engine::keep_beat(held.beats, {token.lease, now});
    reply.results.push_back(server::HeartbeatAnswer{engine::lease_until(*lease, held.beats), lease->stop_asked});
    if (item.detail.empty()) return reply;
    // Changed detail is kept at most once a heartbeat period.
    const Duration period = lease->heartbeat_timeout.ms > 0 ? lease->heartbeat_timeout : lease->attempt_timeout;
    const auto kept = details_.find({held.number, token.lease});
    if (kept != details_.end() && (kept->second.first == item.detail || now - kept->second.second < period))
      return reply;
    details_[{held.number, token.lease}] = {item.detail, now};
    DTA_ASSERT(run(held, engine::KeepHeartbeat{token.lease, item.detail}, now));
    return reply;
  }

  Result<server::TransactionSummary> cancel(server::CancelRequest request, Time now) override {
    return control(request, engine::Cancel{request.reason, request.who}, "cancel", now);
  }
  Result<server::TransactionSummary> terminate(server::TerminateRequest request, Time now) override {
    return control(request, engine::Terminate{request.reason, request.who}, "terminate", now);
  }
  Result<server::TransactionSummary> resolve(server::ResolveRequest request, Time now) override {
    const std::string what = std::to_string(request.incident) + std::string(to_string(request.resolution));
    return control(request, engine::Resolve{request.incident, request.resolution, request.reason, request.who}, what,
                   now);
  }

  Result<server::TransactionSummary> pause(server::PauseRequest request, Time now) override {
    return control(request, engine::Pause{request.reason, request.who}, "pause", now);
  }
  Result<server::TransactionSummary> resume(server::ResumeRequest request, Time now) override {
    return control(request, engine::Resume{request.reason, request.who}, "resume", now);
  }
  Result<server::TransactionSummary> signal(server::SignalRequest request, Time now) override {
    struct Asked {
      std::string id, request_id, reason, who;
    };
    const std::string said = request.payload.empty() ? "" : to_hex(canonical_digest(JsonValue{request.payload}));
    return control(Asked{request.id, request.request_id, said, ""},
                   engine::Signal{request.name, request.request_id, request.payload}, "signal " + request.name, now);
  }

  Result<server::AppendReply> report_external(server::ReportRequest request, Time now) override {
    Held* held = find(request.id);
    if (held == nullptr) return refuse(ErrorCode::transaction_not_found, "");
    const auto content = [](const server::NewReport& r) {
      std::string text = r.step + "/" + r.task + "/" + std::to_string(r.instance) + "\n";
      if (const auto* done = std::get_if<server::CompletedResult>(&r.result))
        return text + "done" + (done->output.empty() ? "" : to_hex(canonical_digest(JsonValue{done->output})));
      const auto& failed = std::get<server::FailedResult>(r.result);
      return text + failed.code + "\n" + failed.message + (failed.effect == Effect::unknown ? "?" : "");
    };
    std::vector<Sequence> known;
    std::set<std::string> ids;
    for (const server::NewReport& r : request.reports) {
      if (r.id.empty()) continue;
      const auto before = held->event_ids.find(r.id);
      const bool other = before != held->event_ids.end() && before->second.first != content(r);
      if (!ids.insert(r.id).second || other) return refuse(ErrorCode::id_reused, "");
      if (before != held->event_ids.end()) known.push_back(before->second.second);
    }
    if (!known.empty()) {
      if (known.size() != request.reports.size()) return refuse(ErrorCode::id_reused, "");
      server::AppendReply reply;
      reply.phase = engine::to_string(held->state.phase);
      reply.repeated = true;
      return reply;
    }
    engine::ReportExternal command;
    if (request.expect == server::Expect::exactly) command.expected = Sequence(request.expected_sequence);
    const Definition& d = held->machine->definition();
    for (const server::NewReport& r : request.reports) {
      TaskRef ref{0, 0, r.instance};
      bool found = false;
      for (std::size_t s = 0; s < d.steps.size() && !found; ++s)
        for (std::size_t i = 0; i < d.steps[s].tasks.size() && !found; ++i)
          if (d.steps[s].name == r.step && d.steps[s].tasks[i].name == r.task) {
            ref.step = static_cast<std::uint16_t>(s);
            ref.task = static_cast<std::uint16_t>(i);
            found = true;
          }
      if (!found) return refuse(ErrorCode::task_not_found, "");
      engine::Outcome outcome;
      if (const auto* done = std::get_if<server::CompletedResult>(&r.result))
        outcome = engine::Completed{done->output, done->found};
      else if (const auto* failed = std::get_if<server::FailedResult>(&r.result))
        outcome = engine::Failed{failed->code, failed->message, failed->details, failed->retryable, failed->effect};
      command.items.push_back({ref, std::move(outcome)});
    }
    const Sequence before = held->state.sequence;
    const auto decision = run(*held, command, now);
    if (!decision) return tl::unexpected<Error>(decision.error());
    for (const server::NewReport& r : request.reports)
      if (!r.id.empty()) held->event_ids[r.id] = {content(r), before.next()};
    tend(now);
    server::AppendReply reply;
    reply.phase = engine::to_string(held->state.phase);
    return reply;
  }

  Result<server::AppendReply> append(server::AppendRequest request, Time now) override {
    Held* held = find(request.id);
    if (held == nullptr) return refuse(ErrorCode::transaction_not_found, "");
    std::set<std::string> ids;
    std::vector<Sequence> known;
    for (const server::NewTransition& event : request.events) {
      if (event.id.empty()) continue;
      const auto before = held->event_ids.find(event.id);
      const bool other = before != held->event_ids.end() && before->second.first != content_of(event);
      if (!ids.insert(event.id).second || other) return refuse(ErrorCode::id_reused, "");
      if (before != held->event_ids.end()) known.push_back(before->second.second);
    }
    if (!known.empty()) {
      if (known.size() != request.events.size()) return refuse(ErrorCode::id_reused, "");
      const auto end = std::ranges::lower_bound(held->record_ends, known.back());
      return answer(refold(*held, *end), *held, known.front(), known.back(), true);
    }
    engine::Append command;
    if (request.expect == server::Expect::exactly) command.expected = Sequence(request.expected_sequence);
    if (request.expect == server::Expect::none) command.expected = Sequence(1);
    for (const server::NewTransition& event : request.events) command.items.push_back({event.id, event.on, event.data});
    const Sequence before = held->state.sequence;
    const auto decision = run(*held, command, now);
    if (!decision) return tl::unexpected<Error>(decision.error());
    // The events appended are the first ones; an end that follows from the last stands behind them.
    const std::size_t count = request.events.size();
    for (std::size_t i = 0; i < count; ++i)
      if (!request.events[i].id.empty())
        held->event_ids[request.events[i].id] = {content_of(request.events[i]), Sequence(before.value + i + 1)};
    const Sequence last(before.value + count), first = count == 0 ? before : before.next();
    const server::AppendReply reply = answer(held->state, *held, first, last, false);
    tend(now);
    return reply;
  }

  Result<Standing> get(const std::string& id, Time) override {
    const Held* held = find(id);
    if (held == nullptr) return refuse(ErrorCode::transaction_not_found, "");
    return Standing{held->state, held->machine->definition_ptr()};
  }

  void tick(Time now) override {
    if (now < timers_from_) return;
    std::vector<std::pair<Time, std::size_t>> due;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      const Time at = engine::pending(*held_[i]->machine, held_[i]->state, held_[i]->beats).due;
      if (at <= now) due.emplace_back(at, i);
    }
    std::ranges::sort(due);
    for (const auto& [at, place] : due) DTA_ASSERT(run(*held_[place], engine::Tick{}, now));
    tend(now);
  }

  // The state is folded again from its events; leases with a heartbeat count as heartbeaten now, details may be kept
  // again.
  void restart(Time now) override {
    timers_from_ = now + kGrace;
    details_.clear();
    for (const auto& held : held_) {
      engine::State folded = refold(*held, held->state.sequence);
      DTA_ASSERT(folded == held->state);
      held->state = std::move(folded);
      held->beats.clear();
      for (const engine::Lease& lease : held->state.leases)
        if (lease.heartbeat_timeout.ms > 0) engine::keep_beat(held->beats, {lease.sequence, now});
    }
  }

  std::vector<Happened> happened() override { return std::exchange(happened_, {}); }

 private:
  template <class Asked>
  Result<server::TransactionSummary> control(const Asked& request, const engine::Command& command,
                                             const std::string& what, Time now) {
    Held* held = find(request.id);
    if (held == nullptr) return refuse(ErrorCode::transaction_not_found, "");
    const std::string content = what + "\n" + request.reason + "\n" + request.who;
    const auto known = held->request_ids.find(request.request_id);
    if (known != held->request_ids.end()) {
      if (known->second != content) return refuse(ErrorCode::id_reused, "");
      return summary(*held, false);
    }
    const auto decision = run(*held, command, now);
    if (!decision) return tl::unexpected<Error>(decision.error());
    if (!request.request_id.empty()) held->request_ids[request.request_id] = content;
    const server::TransactionSummary answer = summary(*held, false);
    tend(now);
    return answer;
  }

  Held& begin(const engine::MachinePtr& machine, const engine::Start& command, Time now) {
    Held& held = *held_.emplace_back(std::make_unique<Held>());
    held.number = TransactionNumber(held_.size());
    held.machine = machine;
    DTA_ASSERT(run(held, command, now));
    return held;
  }

  // Children: looked at until nobody has anything to do any more.
  void tend(Time now) {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = 0; i < held_.size(); ++i) {
        Held& held = *held_[i];
        for (const engine::ChildWish& wish : engine::pending(*held.machine, held.state, held.beats).children)
          changed = serve(held, wish, now) || changed;
        if (held.state.phase != engine::Phase::terminated) continue;
        for (const TaskRef& ref : engine::begun_children(*held.machine, held.state)) {
          Held* child = find(engine::child_id(*held.machine, held.state, ref));
          if (child != nullptr && !child->state.ended())
            changed = run(*child, engine::Terminate{"its parent was terminated", {}}, now).has_value();
        }
      }
    }
  }

  bool serve(Held& parent, const engine::ChildWish& wish, Time now) {
    const bool undo = wish.kind == engine::ChildWish::Kind::undo;
    const engine::TaskState& now_is = parent.state.tasks[parent.machine->flat(parent.state, wish.task)];
    if (undo ? now_is.undo_status != engine::UndoStatus::child : now_is.status != engine::TaskStatus::child)
      return false;
    const bool stopping = !undo && now_is.stopping;
    const auto tell = [&](engine::Outcome outcome, bool irreversible = false, bool left = false) {
      return run(parent,
                 engine::ReportChild{wish.task, undo ? Action::undo : Action::perform, outcome, irreversible, left},
                 now)
          .has_value();
    };
    const auto failed = [](const std::string& code, const std::string& message, Effect effect = Effect::none) {
      return engine::Failed{code, message, {}, false, effect};
    };
    const std::string id = engine::child_id(*parent.machine, parent.state, wish.task);
    const Held* found = find(id);
    if (found == nullptr && stopping) return tell(failed("dta.cancelled", "it was stopped before it began"));
    if (found == nullptr && parent.state.paused) return false;
    if (found == nullptr) {
      const Child& child = *parent.machine->task(wish.task).child;
      engine::MachinePtr machine;
      if (child.in_place) {
        machine = std::make_shared<const engine::Machine>(child.in_place);
      } else {
        const auto named = definitions_.find(child.definition);
        if (named == definitions_.end() || (child.version && !named->second.contains(*child.version)))
          return tell(failed("dta.definition_not_found", "there is no definition '" + child.definition + "'"));
        machine = child.version ? named->second.at(*child.version) : named->second.rbegin()->second;
      }
      const engine::TaskState& t = parent.state.tasks[parent.machine->flat(parent.state, wish.task)];
      const engine::PayloadAt at = t.input.present() ? t.input : parent.state.input;
      begin(machine, {id, at.present() ? parent.payloads.at(at) : "", {}, parent.state.headers, {}}, now);
      return true;
    }
    Held& child = *find(id);
    const engine::State& s = child.state;
    if (undo && s.phase == engine::Phase::completed && parent.state.paused) return false;
    if (undo && s.phase == engine::Phase::completed && !engine::entered_any(*child.machine, s))
      return tell(engine::Completed{});
    if (undo && s.phase == engine::Phase::completed)
      return run(child, engine::UndoChild{parent.state.reason.empty() ? "its parent" : parent.state.reason}, now)
          .has_value();
    if (undo && s.phase == engine::Phase::compensated) return tell(engine::Completed{}, !s.not_undone.empty());
    if (undo && s.phase == engine::Phase::terminated)
      return tell(failed("dta.terminated", "the child transaction was terminated while it was compensated"));
    if (undo) return false;
    if (s.phase == engine::Phase::completed)
      return tell(engine::Completed{s.output.present() ? child.payloads.at(s.output) : "", {}},
                  !engine::undoable_child(*child.machine, s));
    if (s.phase == engine::Phase::terminated)
      return tell(failed("dta.terminated", "the child transaction was terminated", Effect::unknown));
    if (s.phase == engine::Phase::compensated) {
      engine::Failed why = failed("dta.compensated", s.reason);
      if (s.cause == CompensationCause::step_failed || s.cause == CompensationCause::decided)
        why = failed(s.failure.code, s.failure.message);
      if (s.cause == CompensationCause::cancelled) why = failed("dta.cancelled", s.reason);
      if (s.cause == CompensationCause::expired) why = failed("dta.expired", "the child transaction expired");
      return tell(why, false, !s.not_undone.empty());
    }
    if (!stopping || s.phase != engine::Phase::running || s.cancel) return false;
    return run(child, engine::Cancel{"its parent stopped it", {}}, now).has_value();
  }

  Held* find(const std::string& id) {
    for (const auto& held : held_)
      if (held->state.id == id) return held.get();
    return nullptr;
  }

  // Decides, and keeps what happened as a log would.
  Result<engine::Decision> run(Held& held, const engine::Command& command, Time now) {
    engine::Inputs inputs{{}, held.beats, nullptr};
    for (const engine::PayloadAt& at : engine::needs(*held.machine, held.state, command))
      inputs.payloads[at] = held.payloads.at(at);
    const Sequence before = held.state.sequence;
    auto decision = engine::decide(*held.machine, held.state, command, inputs, now);
    if (!decision) return decision;
    for (const engine::PayloadBytes& p : decision->payloads) {
      const engine::PayloadAt at{Sequence(before.value + p.event + 1), p.index,
                                 static_cast<std::uint32_t>(p.bytes.size())};
      held.payloads[at] = p.bytes;
    }
    for (const Event& event : decision->events) {
      const RecordedEvent recorded{Sequence(held.events.size() + 1), now, event};
      Happened& shown = happened_.emplace_back(Happened{held.state.id, held.machine->definition_ptr(), recorded, {}});
      for_each_payload(event, [&](const PayloadRef& ref) {
        shown.payloads.push_back(held.payloads.at({recorded.sequence, ref.index, ref.size}));
      });
      held.events.push_back(recorded);
    }
    held.record_ends.push_back(held.state.sequence);
    std::erase_if(held.beats, [&](const engine::Beat& beat) { return held.state.lease(beat.lease) == nullptr; });
    return decision;
  }

  static engine::State refold(const Held& held, Sequence until) {
    engine::State state;
    for (const RecordedEvent& event : held.events) {
      if (event.sequence > until) break;
      DTA_ASSERT(engine::check(*held.machine, state, event));
      engine::evolve(*held.machine, state, event);
    }
    return state;
  }

  // A token is the id of one result: what was answered first is answered again, what came too late is recorded once.
  Status report_closed(Held& held, const server::TaskResult& item, Time now) {
    const Sequence lease = server::parse_lease_token(item.token)->lease;
    const auto& handed = std::get<TaskLeased>(held.events[lease.value - 1].event);
    bool recorded = false;
    std::optional<bool> repeated;
    for (const RecordedEvent& e : held.events)
      std::visit([&](const auto& event) { compare(event, lease, item, held, e.sequence, repeated, recorded); },
                 e.event);
    if (repeated) return *repeated ? Status{} : Status(refuse(ErrorCode::id_reused, ""));
    if (!recorded && !std::holds_alternative<server::ReleasedResult>(item.result)) {
      const auto late =
          run(held, engine::ReportLate{{handed.task, handed.action, handed.attempt, lease}, outcome_of(item)}, now);
      DTA_ASSERT(late);
    }
    return refuse(ErrorCode::stale_lease, "");
  }

  template <class E>
  static void compare(const E& e, Sequence lease, const server::TaskResult& item, const Held& held, Sequence at,
                      std::optional<bool>& repeated, bool& recorded) {
    const auto bytes = [&](const PayloadRef& ref) {
      return ref.present() ? held.payloads.at({at, ref.index, ref.size}) : std::string();
    };
    if constexpr (requires { e.attempt.lease; }) {
      if (e.attempt.lease != lease) return;
      if constexpr (std::is_same_v<E, LateResult>) recorded = true;
      if constexpr (std::is_same_v<E, TaskCompleted>) {
        const auto* r = std::get_if<server::CompletedResult>(&item.result);
        repeated = r != nullptr && r->found == e.found && r->output == bytes(e.output);
      }
      if constexpr (std::is_same_v<E, TaskFailed>) {
        const auto* r = std::get_if<server::FailedResult>(&item.result);
        repeated = r != nullptr && r->code == e.code && r->message == e.message && r->effect == e.effect &&
                   r->retryable == e.retryable && r->details == bytes(e.details);
      }
      if constexpr (std::is_same_v<E, TaskReleased>)
        repeated = std::holds_alternative<server::ReleasedResult>(item.result);
    }
  }

  static server::HandOut describe(const Held& held, const engine::Lease& lease) {
    const engine::State& s = held.state;
    const engine::TaskState& t = s.tasks[held.machine->flat(s, lease.task)];
    const bool undo = lease.action == Action::undo;
    const auto bytes = [&](const engine::PayloadAt& at) { return at.present() ? held.payloads.at(at) : std::string(); };
    server::HandOut out;
    out.token = server::lease_token(held.number, lease.sequence, lease.leased_at);
    out.transaction = s.id;
    out.step = held.machine->step(lease.task.step).name;
    out.task = held.machine->task(lease.task).name;
    out.instance = lease.task.instance;
    out.spread = !held.machine->step(lease.task.step).for_each.empty();
    out.order = undo ? t.order : 1;
    out.attempt = lease.attempt;
    out.action = lease.action;
    out.lease_until = engine::lease_until(lease, held.beats);
    out.input = bytes(t.input.present() ? t.input : s.input);
    out.headers = s.headers;
    if (undo && s.bits.test(held.machine->bit(s, engine::TaskBit::done, lease.task)))
      out.output = t.output.present() ? bytes(t.output) : "null";
    if (!undo && t.heartbeat.present()) out.heartbeat_detail = bytes(t.heartbeat);
    // (transaction, step, task, instance, generation, do | undo, order): the same for every attempt.
    out.idempotency_key = s.id + "/" + out.step + "/" + out.task + "/" + std::to_string(out.instance) + "/" +
                          std::to_string(t.generation) + (undo ? "/undo/" : "/do/") +
                          std::to_string(undo ? t.order : 1);
    return out;
  }

  static server::TransactionSummary summary(const Held& held, bool created) {
    server::TransactionSummary out;
    out.id = held.state.id;
    out.status = engine::status(held.state);
    out.phase = engine::to_string(held.state.phase);
    out.sequence = held.state.sequence.value;
    if (held.state.output.present()) out.output = held.payloads.at(held.state.output);
    out.created = created;
    return out;
  }

  static server::AppendReply answer(const engine::State& s, const Held& held, Sequence first, Sequence last,
                                    bool repeated) {
    const std::string& name = held.machine->definition().states[s.table_state].name;
    return {first.value, last.value, name, engine::status(s), engine::to_string(s.phase), repeated};
  }

  std::map<std::string, std::map<std::uint32_t, engine::MachinePtr>> definitions_;
  std::vector<std::unique_ptr<Held>> held_;  // numbers count from 1
  std::map<std::pair<TransactionNumber, Sequence>, std::pair<std::string, Time>> details_;
  std::vector<Happened> happened_;
  Time timers_from_ = kBegin;
};

}  // namespace

std::unique_ptr<Depth> make_core_depth() {
  return std::make_unique<CoreDepth>();
}

}  // namespace dta::scenarios

// The moves, the network, and those who call from outside.
#include "tests/simulation/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "schema/assert.h"

namespace dta::simulation {

using namespace schema;

namespace {

constexpr Time kBegin{1'700'000'000'000};
constexpr std::size_t kTransactions = 7, kTables = 2, kWorkers = 3;
constexpr int kDrainRounds = 3000;

}  // namespace

World::World(const Plan& plan, server::Metrics& metrics, Coverage& coverage, bool tell)
    : plan_(plan),
      coverage_(coverage),
      tell_(tell),
      now_(kBegin),
      host_(plan.leveldb, server::Partition::Settings{Duration{plan.grace_ms}, plan.closed_cache}, metrics,
            Time{kBegin.ms - plan.grace_ms}) {
  for (std::size_t i = 0; i < kWorkers; ++i) workers_.push_back(Worker{"w" + std::to_string(i), 1, {}, {}});
}

void World::run() {
  for (const std::string& text : plan_.definitions) {
    tell("definition " + text);
    auto definition = parse_definition(text);
    DTA_ASSERT(definition.has_value());
    definitions_.push_back(*definition);
    host_.partition().handle(server::PublishRequest{*definition, [](const Result<server::PublishReply>&) {}}, now_);
  }
  host_.write_all(now_);
  for (const PlannedMove& step : plan_.moves) {
    if (!failures_.empty()) return;
    take(step);
    check_host();
  }
  if (failures_.empty()) drain();
  if (failures_.empty()) check_end();
}

void World::take(const PlannedMove& step) {
  Worker& worker = workers_[step.a % workers_.size()];
  const bool at_once = step.c % 3 != 0;
  prompt_ = step.c % 2 != 0;
  const auto pick_call = [&](bool answered) -> CallPtr {
    std::vector<CallPtr> fitting;
    for (const CallPtr& call : calls_)
      if (call->answered == answered) fitting.push_back(call);
    return fitting.empty() ? nullptr : fitting[step.a % fitting.size()];
  };
  switch (step.move) {
    case Move::start:
      return send(start(step.a % kTransactions, Duration{step.b % 4 == 0 ? step.b % 5000 : 0}), at_once);
    case Move::cancel:
      return send(cancel(id_of(step.a % kTransactions)), at_once);
    case Move::append: {
      std::vector<std::string> names{step.b % 5 == 0 ? "end" : "go"};
      if (step.b % 3 == 0) names.emplace_back(step.b % 7 == 0 ? "end" : "go");
      // Now and then only if nothing has happened meanwhile: what the caller saw last is a little old.
      const std::string id = id_of(kTransactions - 1 - step.a % kTables);
      std::optional<std::uint64_t> expected;
      if (step.c % 4 == 0) expected = host_.history(id).size();
      return send(append(id, names, expected), at_once);
    }
    case Move::look:
      return send(look(id_of(step.a % kTransactions)), at_once);
    case Move::poll:
      return poll(worker,
                  poll_of(worker, step.b, 1 + step.b % 4, Duration{step.b % 3 == 0 ? 3000 : 0}, step.b % 5 != 0),
                  at_once);
    case Move::work:
      for (std::size_t i = 0; i < worker.held.size(); ++i) {
        Held& held = worker.held[(step.b + i) % worker.held.size()];
        if (held.result) continue;
        return work(worker, held, step.c);
      }
      return;
    case Move::report: {
      std::optional<server::Poll> then_lease;
      if (step.b % 3 == 0)
        then_lease = poll_of(worker, step.c, 2, Duration{step.b % 2 == 0 ? 3000 : 0}, step.b % 5 != 0);
      return report(worker, 1 + step.b % 3, std::move(then_lease), at_once);
    }
    case Move::heartbeat:
      if (!worker.held.empty()) heartbeat(worker, worker.held[step.b % worker.held.size()], step.b, at_once);
      return;
    case Move::worker_dies:
      tell("worker " + worker.name + " dies");
      ++worker.life;
      worker.held.clear();
      return;
    case Move::send_again:
      if (const CallPtr call = pick_call(false)) send(call, at_once);
      return;
    case Move::repeat:
      if (const CallPtr call = pick_call(true)) send(call, at_once);
      return;
    case Move::deliver:
      if (!network_.empty()) deliver(step.a % network_.size());
      return;
    case Move::duplicate:
      if (!network_.empty()) {
        tell("twice: " + network_[step.a % network_.size()].text);
        network_.push_back(Message(network_[step.a % network_.size()]));
      }
      return;
    case Move::lose:
      if (!network_.empty()) {
        tell("lost: " + network_[step.a % network_.size()].text);
        network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(step.a % network_.size()));
      }
      return;
    case Move::pass_time: {
      const Time due = host_.partition().next_due();
      if (step.a % 4 == 0 && due != Time::never())
        now_ = std::max(now_, due);
      else
        now_ = now_ + Duration{static_cast<std::int64_t>(step.b % (step.a % 9 == 0 ? 15'000 : 800))};
      tell(fmt::format("it is +{}ms", now_.ms - kBegin.ms));
      if (step.c % 4 != 0) host_.partition().tick(now_);
      return;
    }
    case Move::tick:
      tell("tick");
      return host_.partition().tick(now_);
    case Move::give_away:
      tell("a batch is being written");
      return host_.give_away(now_);
    case Move::finish:
      tell("the batch is durable");
      host_.finish(now_);
      if (step.c % 4 == 0 && host_.broken.empty())
        for (std::string& difference : host_.differences()) fail(std::move(difference));
      return;
    case Move::crash:
      return crash(step, false);
    case Move::power_loss:
      return crash(step, true);
    case Move::bad_disk:
      tell("the write fails");
      if (step.b % 2 == 0) host_.give_away(now_);
      host_.fail_write(step.a % 2 == 0 ? Fate::durable : Fate::lost, step.b, now_);
      return;
    case Move::restart:
      tell("a clean stop, and a new process");
      return host_.restart(now_);
    case Move::checkpoint:
      tell("checkpoint");
      return host_.checkpoint();
  }
}

void World::crash(const PlannedMove& step, bool power_loss) {
  if (step.b % 2 == 0) host_.give_away(now_);
  const Fate fate = step.a % 3 == 0 ? Fate::durable : step.a % 3 == 1 ? Fate::torn : Fate::lost;
  // The clock of a machine that starts again may have been put forward, or back.
  const std::int64_t step_ms = step.c % 5 == 0 ? static_cast<std::int64_t>(step.b % 20'000) - 5'000 : step.b % 100;
  now_ = now_ + Duration{step_ms};
  constexpr const char* kFates[] = {"lost", "torn", "durable"};
  tell(fmt::format("{} with the batch under way {}; it is +{}ms", power_loss ? "power loss" : "crash",
                   kFates[static_cast<std::size_t>(fate)], now_.ms - kBegin.ms));
  host_.crash(fate, power_loss, step.b, now_);
}

// ---- the network

void World::send(const CallPtr& call, bool at_once) {
  network_.push_back({call->text, [call] { call->submit(); }});
  if (at_once) deliver(network_.size() - 1);
}

void World::deliver(std::size_t index) {
  const Message message = std::move(network_[index]);
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(index));
  tell(message.text);
  message.arrive();
}

void World::flush() {
  while (failures_.empty() && host_.broken.empty() &&
         (!network_.empty() || host_.writing() || host_.partition().has_batch())) {
    while (!network_.empty()) deliver(0);
    host_.write_all(now_);
  }
  check_host();
}

// ---- callers

std::string World::id_of(std::size_t index) const {
  return index + kTables < kTransactions ? "t" + std::to_string(index)
                                         : "f" + std::to_string(kTransactions - 1 - index);
}

const DefinitionPtr& World::definition_of(const std::string& id) const {
  if (id.front() == 'f') return definitions_.back();
  return definitions_[static_cast<std::size_t>(id[1] - '0') % (definitions_.size() - 1)];
}

World::CallPtr World::start(std::size_t index, Duration wait) {
  server::StartRequest request;
  request.id = id_of(index);
  request.definition = definition_of(request.id)->name;
  request.input = index % 3 == 0 ? "" : fmt::format("{{\"n\":{}}}", index);
  request.digest = sha256(request.id);
  request.wait = wait;
  const std::string id = request.id;
  return make_call<server::TransactionSummary>(
      "start " + id, request,
      [this, id](Call& call, const Result<server::TransactionSummary>& reply) {
        if (!reply) return fail("the start of " + id + " is refused: " + reply.error().message);
        const auto events = host_.history(id);
        if (events.size() < reply->sequence) fail("the start of " + id + " is acknowledged before it is durable");
        if (reply->created && !created_.insert(id).second) fail(id + " is created twice");
        call.firm = true;
      },
      [this, id](const Result<server::TransactionSummary>& reply) {
        if (reply) known_.insert(id);
      });
}

World::CallPtr World::cancel(const std::string& id) {
  const server::CancelRequest request{id, "enough", "anna", "cancel", {}};
  return make_call<server::TransactionSummary>(
      "cancel " + id, request,
      [this, id](Call& call, const Result<server::TransactionSummary>& reply) {
        if (!reply && reply.error().code == ErrorCode::transaction_not_found && !known_.contains(id)) return;
        if (!reply && (call.firm || reply.error().code != ErrorCode::closed))
          return fail("cancel of " + id + " is refused: " + reply.error().message);
        if (!reply) return;
        call.firm = true;
        const auto events = host_.history(id);
        const bool there = std::any_of(events.begin(), events.end(), [](const model::Logged& e) {
          const auto* begun = std::get_if<CompensationStarted>(&e.event.event);
          const auto* ended = std::get_if<TransactionTerminated>(&e.event.event);
          return (begun != nullptr && begun->cause == CompensationCause::cancelled) ||
                 (ended != nullptr && ended->reason == "enough");
        });
        if (!there) fail("cancel of " + id + " is acknowledged and not in the log");
      },
      [](const Result<server::TransactionSummary>&) {});
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
            fail("append " + first + " is refused: " + reply.error().message);
          return;
        }
        const auto events = host_.history(id);
        const auto* there = reply->sequence > events.size() || reply->first_sequence == 0
                                ? nullptr
                                : std::get_if<Transitioned>(&events[reply->first_sequence - 1].event.event);
        if (expected && reply->first_sequence != *expected + 1)
          fail("append " + first + " was taken at another sequence than expected");
        if (there == nullptr || there->event_id != first)
          fail("append " + first + " is acknowledged and not in the log");
        if (call.firm && (!reply->repeated || reply->first_sequence != call.first_sequence))
          fail("append " + first + " has two answers");
        call.firm = true;
        call.first_sequence = reply->first_sequence;
      },
      [](const Result<server::AppendReply>&) {});
}

World::CallPtr World::look(const std::string& id) {
  return make_call<server::TransactionReply>(
      "get " + id, server::GetRequest{id, {}, {}},
      [this, id](Call&, const Result<server::TransactionReply>& reply) {
        if (!reply && known_.contains(id)) fail(id + " was acknowledged and is not there");
        if (reply && reply->state.sequence.value > host_.history(id).size())
          fail("a state of " + id + " is shown that is not durable");
      },
      [](const Result<server::TransactionReply>&) {});
}

// ---- the end: no fault any more, and workers that do as they are asked

void World::drain() {
  prompt_ = true;
  tell("the faults stop");
  flush();
  for (const CallPtr& call : std::vector<CallPtr>(calls_))
    if (!call->answered) send(call, true);
  flush();
  for (std::size_t i = 0; i < kTables && failures_.empty(); ++i) {
    send(append(id_of(kTransactions - 1 - i), {"end"}), true);
    flush();
  }
  for (int round = 0; failures_.empty(); ++round) {
    if (round == kDrainRounds) return fail("it goes on without end");
    bool busy = false;
    for (Worker& worker : workers_) {
      poll(worker, poll_of(worker, ~0u, 100, {}, true), true);
      flush();
      for (Held& held : worker.held) work(worker, held, kWilling);
      // What was reported already waits for its answer: a report that asks for more work is answered with that.
      const bool more =
          std::any_of(worker.held.begin(), worker.held.end(), [](const Held& held) { return !held.reported; });
      if (more) report(worker, worker.held.size(), std::nullopt, true);
      busy |= more;
      flush();
    }
    if (busy) continue;
    const Time due = host_.partition().next_due();
    if (due == Time::never()) break;
    now_ = std::max(now_, due);
    host_.partition().tick(now_);
    flush();
  }
  // Whatever was answered is asked once more, and once more after a restart.
  for (int again = 0; again < 2 && failures_.empty(); ++again) {
    for (const CallPtr& call : std::vector<CallPtr>(calls_))
      if (call->answered && failures_.empty()) send(call, true);
    flush();
    if (again == 0 && failures_.empty()) host_.crash(Fate::lost, false, 0, now_);
    check_host();
  }
}

void World::fail(std::string what) {
  tell("FAILURE: " + what);
  failures_.push_back(std::move(what));
}

void World::tell(const std::string& line) {
  if (!tell_) return;
  fmt::print("{}\n", line);
  std::fflush(stdout);  // the next move may end the process
}

}  // namespace dta::simulation

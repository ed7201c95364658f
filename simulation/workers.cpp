// Workers: they ask for work, do it (or not, or twice, or far too late), and say so. Their local effects are the
// ledger.
#include <fmt/format.h>

#include <algorithm>

#include "simulation/chance.h"
#include "simulation/world.h"

namespace dta::simulation {

using namespace schema;

namespace {

constexpr std::size_t kQueuesInOnePoll = 64;

server::FailedResult failed(std::string code, bool retryable, Effect effect) {
  return {std::move(code), "it said no", "", retryable, effect};
}

server::ReleasedResult released(std::uint32_t mood) {
  return {Duration{mood % 2 == 0 ? 0 : 1000}};
}

// The key of the action that an undo belongs to.
std::string action_key(const std::string& undo_key) {
  return undo_key.substr(0, undo_key.rfind("/undo/")) + "/do/1";
}

std::string said(const server::TaskResult& result) {
  if (std::holds_alternative<server::CompletedResult>(result.result)) return "done";
  if (std::holds_alternative<server::ReleasedResult>(result.result)) return "released";
  const auto& no = std::get<server::FailedResult>(result.result);
  return no.code + (no.retryable ? ", retryable" : "") + (no.effect == Effect::unknown ? ", effect unknown" : "");
}

}  // namespace

server::Poll World::poll_of(Worker& worker, std::uint32_t queues, std::size_t max, Duration wait, bool named) {
  server::Poll poll;
  const std::size_t first = names_ * kQueuesInOnePoll;  // of very many each poll takes the next
  for (std::size_t i = 0; i < std::min(queues_.size(), kQueuesInOnePoll); ++i)
    if ((queues >> (8 + i % 16) & 1) != 0)
      poll.queues.push_back(queues_[queues_.size() <= kQueuesInOnePoll ? i : (first + i) % queues_.size()]);
  poll.max = max;
  poll.wait = wait;
  poll.worker = worker.name;
  ++names_;
  if (named) poll.poll_id = fmt::format("{}.{}.{}", worker.name, worker.life, names_);
  return poll;
}

void World::poll(Worker& worker, server::Poll poll, bool at_once) {
  // Half of them hang on a connection that the server sees close when the worker dies.
  std::function<bool()> alive;
  if (names_ % 2 == 0) alive = [&worker, life = worker.life] { return life == worker.life; };
  const auto arrived = [this, &worker, life = worker.life](const Result<server::LeaseReply>& reply) {
    if (reply) receive(worker, life, reply->tasks);
  };
  const auto emitted = [this](Call&, const Result<server::LeaseReply>& reply) {
    if (!reply) return fail("a poll is refused: " + reply.error().message);
    for (const server::HandOut& task : reply->tasks) check_hand_out(task);
  };
  send(make_call<server::LeaseReply>(worker.name + " polls",
                                     server::LeaseRequest{std::move(poll), std::move(alive), {}}, emitted, arrived),
       at_once);
}

void World::receive(Worker& worker, unsigned life, const std::vector<server::HandOut>& tasks) {
  if (life != worker.life) return;  // it asked for them in an earlier life
  for (const server::HandOut& task : tasks) {
    if (!worker.seen.insert(task.token).second) continue;
    tell(fmt::format("{} holds {} (attempt {})", worker.name, task.idempotency_key, task.attempt));
    worker.held.push_back({task, std::nullopt, false});
  }
}

void World::work(Worker& worker, Held& held, std::uint32_t mood) {
  if (held.result) return;
  const server::HandOut& task = held.task;
  held.result =
      server::TaskResult{task.token, task.action == Action::undo
                                         ? undo(task, mood)
                                         : perform(task.transaction, task.idempotency_key, task.step, task.task, mood)};
  tell(fmt::format("{} works on {}: {}", worker.name, task.idempotency_key, said(*held.result)));
}

World::Outcome World::undo(const server::HandOut& task, std::uint32_t mood) {
  const auto& codes = data_of(task.transaction).codes();
  const std::string& code = codes[mood / 256 % codes.size()];
  const std::uint32_t kind = mood == kWilling ? 99 : mood / 8 % 12;
  if (kind == 0) return released(mood);
  if (kind == 1 || kind == 2) return failed(code, true, Effect::none);
  if (kind == 3) return failed(code, mood % 2 != 0, Effect::none);
  const bool found = ledger_.undo(action_key(task.idempotency_key), static_cast<int>(task.order));
  if (kind == 4) return failed(code, true, Effect::unknown);  // done, but its caller saw a timeout
  if (kind == 5) return server::CompletedResult{"", std::nullopt};
  return server::CompletedResult{"", found};
}

// Honest: it says "no effect" only when its ledger has none.
World::Outcome World::perform(const std::string& id, const std::string& key, std::string_view step,
                              std::string_view task, std::uint32_t mood) {
  const auto& codes = data_of(id).codes();
  const std::string& code = codes[mood / 256 % codes.size()];
  const std::uint32_t kind = mood == kWilling ? 99 : mood / 8 % 20;
  if (ledger_.stands(key)) {
    if (kind < 2) return failed(code, mood % 2 == 0, Effect::unknown);
    return server::CompletedResult{ledger_.find(key)->output, {}};
  }
  if (kind == 0) return released(mood);
  if (kind == 1 || kind == 2) return failed(code, true, Effect::none);
  if (kind == 3) return failed(code, mood % 2 == 0, Effect::none);
  if (kind == 4) return failed(code, mood % 2 == 0, Effect::unknown);
  Chance chance = chance_for(plan_.seed, key);
  const std::string output = data_of(id).output(step, task, chance);
  const Ledger::Entry* before = ledger_.find(key);
  // Without a barrier: seldom, but often where it matters.
  const bool around = kind == 5 || (before != nullptr && before->closed && kind > 5 && kind < 14);
  if (around && (before == nullptr || !before->forced)) {
    ledger_.perform_regardless(key, output);
    return server::CompletedResult{ledger_.find(key)->output, {}};
  }
  if (!ledger_.perform(key, output)) return failed("undone_before", false, Effect::none);
  if (kind == 6) return failed(code, mood % 2 == 0, Effect::unknown);  // done, but its caller saw a timeout
  return server::CompletedResult{ledger_.find(key)->output, {}};
}

void World::report(Worker& worker, std::size_t count, std::optional<server::Poll> then_lease, bool at_once) {
  server::ResultsRequest request;
  for (Held& held : worker.held) {
    if (!held.result || held.reported || request.results.size() == count) continue;
    held.reported = true;
    request.results.push_back(*held.result);
  }
  if (request.results.empty()) return;
  request.then_lease = std::move(then_lease);
  const auto emitted = [this, results = request.results](Call&, const Result<server::ResultsReply>& reply) {
    if (!reply) return fail("results are refused: " + reply.error().message);
    for (std::size_t i = 0; i < results.size(); ++i) check_answer(results[i], reply->results[i]);
    for (const server::HandOut& task : reply->tasks) check_hand_out(task);
  };
  const auto arrived = [this, &worker, life = worker.life,
                        results = request.results](const Result<server::ResultsReply>& reply) {
    if (!reply || life != worker.life) return;
    for (const server::TaskResult& result : results)
      std::erase_if(worker.held, [&](const Held& held) { return held.task.token == result.token; });
    receive(worker, life, reply->tasks);
  };
  send(make_call<server::ResultsReply>(worker.name + " reports", request, emitted, arrived), at_once);
}

void World::heartbeat(Worker& worker, const Held& held, std::uint32_t mood, bool at_once) {
  server::HeartbeatRequest request;
  request.leases.push_back({held.task.token, mood % 3 == 0 ? fmt::format("{}", mood % 4) : ""});
  const auto emitted = [this, token = held.task.token](Call&, const Result<server::HeartbeatReply>& reply) {
    if (!reply || (!reply->results[0] && reply->results[0].error().code != ErrorCode::stale_lease))
      fail("a heartbeat of lease " + token + " is refused, though the lease was handed out");
  };
  send(make_call<server::HeartbeatReply>(worker.name + " sends a heartbeat", request, emitted,
                                         [](const Result<server::HeartbeatReply>&) {}),
       at_once);
}

}  // namespace dta::simulation

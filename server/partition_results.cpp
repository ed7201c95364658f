// What workers send: polls, results of leases, heartbeats. A lease token is the id of one result: what was answered
// before is found again in the log, however long ago it was.
#include <algorithm>

#include "schema/codec.h"
#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

engine::Outcome outcome_of(const TaskResult& item) {
  return std::visit(
      []<class R>(const R& r) -> engine::Outcome {
        if constexpr (std::is_same_v<R, CompletedResult>)
          return engine::Completed{r.output, r.found};
        else if constexpr (std::is_same_v<R, FailedResult>)
          return engine::Failed{r.code, r.message, r.details, r.retryable, r.effect};
        else
          return engine::Released{r.delay};
      },
      item.result);
}

bool same_payload(const PayloadRef& ref, std::string_view bytes) {
  return ref.present() ? ref.size == bytes.size() && ref.digest == sha256(bytes) : bytes.empty();
}

// Adds what the event says of the lease that the token names, if anything.
void look_at(const RecordedEvent& recorded, const TokenParts& token, LeaseHistory& history) {
  std::visit(
      [&]<class E>(const E& e) {
        if constexpr (std::is_same_v<E, TaskLeased>) {
          // A lease of another time line is another lease, whatever became of this one.
          if (recorded.sequence != token.lease || recorded.recorded_at != token.leased_at) return;
          history.attempt = Attempt{e.task, e.action, e.attempt, recorded.sequence};
        } else if constexpr (std::is_same_v<E, TaskCompleted> || std::is_same_v<E, TaskFailed> ||
                             std::is_same_v<E, TaskReleased>) {
          if (e.attempt.lease == token.lease) history.answer = recorded.event;
        } else if constexpr (std::is_same_v<E, AttemptTimedOut>) {
          if (e.attempt.lease == token.lease) history.timed_out = true;
        } else if constexpr (std::is_same_v<E, LateResult>) {
          if (e.attempt.lease == token.lease) history.late_known = true;
        }
      },
      recorded.event);
}

tl::unexpected<Error> not_handed_out() {
  return refuse(ErrorCode::lease_not_found, "no lease of this token was ever handed out");
}

bool same_result(const Event& answer, const TaskResult& item) {
  if (const auto* r = std::get_if<CompletedResult>(&item.result)) {
    const auto* e = std::get_if<TaskCompleted>(&answer);
    return e != nullptr && e->found == r->found && same_payload(e->output, r->output);
  }
  if (const auto* r = std::get_if<FailedResult>(&item.result)) {
    const auto* e = std::get_if<TaskFailed>(&answer);
    return e != nullptr && e->code == r->code && e->message == r->message && e->effect == r->effect &&
           e->retryable == r->retryable && same_payload(e->details, r->details);
  }
  return std::holds_alternative<TaskReleased>(answer);
}

}  // namespace

Result<LeaseHistory> Partition::lease_history(const Entry& entry, const TokenParts& token) const {
  LeaseHistory history;
  Status readable;
  const Status read = reader_->records_of(entry.number, token.lease, [&](const storage::Record& record) {
    auto events = decode_events(record.events);
    if (!events) {
      readable = tl::unexpected<Error>(events.error());
      return false;
    }
    Sequence sequence = record.first_sequence;
    for (Event& event : *events) {
      look_at(RecordedEvent{sequence, record.recorded_at, std::move(event)}, token, history);
      sequence = sequence.next();
    }
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  if (!readable) return tl::unexpected<Error>(readable.error());
  for (const auto& [position, recorded] : entry.recent_results) look_at(recorded, token, history);
  // Nobody knows a token before its lease is durable, so the log has it if it was ever handed out.
  if (!history.attempt) return not_handed_out();
  return history;
}

Status Partition::report_closed_lease(Turn& turn, const TokenParts& token, const TaskResult& item, Time now) {
  const auto history = lease_history(turn.entry, token);
  if (!history) return tl::unexpected<Error>(history.error());
  if (history->answer) {
    if (same_result(*history->answer, item)) return {};
    return refuse(ErrorCode::id_reused, "this lease was already answered with another result");
  }
  // What has neither an answer nor an end is open, unless the transaction was terminated over it.
  DTA_ASSERT(history->timed_out || turn.entry.state.phase == engine::Phase::terminated);
  if (std::holds_alternative<ReleasedResult>(item.result))
    return refuse(ErrorCode::stale_lease, "the lease ended before this release arrived");
  if (!history->late_known) {
    const auto decision = decide(turn, engine::ReportLate{*history->attempt, outcome_of(item)}, now);
    if (!decision) return tl::unexpected<Error>(decision.error());
  }
  return refuse(ErrorCode::stale_lease, "the lease ended before this result arrived; it is recorded as late");
}

void Partition::on(LeaseRequest& request, Time now) {
  PollState& poll = open_poll(
      std::move(request.poll), std::move(request.alive),
      [reply = std::move(request.reply)](const Error* failed, std::vector<HandOut> tasks) {
        if (failed != nullptr)
          reply(tl::unexpected<Error>(*failed));
        else
          reply(LeaseReply{std::move(tasks)});
      },
      now);
  if (answer_repeated(poll)) return;
  advance_work(now);
  fill(poll, now);
  settle_poll(poll);
}

void Partition::on(ResultsRequest& request, Time now) {
  auto answers = std::make_shared<std::vector<Status>>(request.results.size());
  const auto reply_with = [answers, reply = std::move(request.reply)](const Error* failed, std::vector<HandOut> tasks) {
    if (failed != nullptr)
      reply(tl::unexpected<Error>(*failed));
    else
      reply(ResultsReply{std::move(*answers), std::move(tasks)});
  };
  // The poll stands before the results are decided, so that what they make ready is handed out in their own records; a
  // repeated poll is only told what it got the first time.
  PollState* poll = nullptr;
  if (request.then_lease && !leases_by_poll_.contains(request.then_lease->poll_id))
    poll = &open_poll(std::move(*request.then_lease), request.alive, reply_with, now);

  // Results of one transaction are judged in order and make one record.
  std::vector<std::pair<TransactionNumber, std::vector<std::pair<std::size_t, TokenParts>>>> groups;
  std::unordered_map<TransactionNumber, std::size_t> group_of;
  for (std::size_t i = 0; i < request.results.size(); ++i) {
    const auto token = parse_lease_token(request.results[i].token);
    if (!token) {
      (*answers)[i] = refuse(ErrorCode::lease_not_found, "this is not a lease token");
      continue;
    }
    const auto [it, fresh] = group_of.try_emplace(token->number, groups.size());
    if (fresh) groups.push_back({token->number, {}});
    groups[it->second].second.emplace_back(i, *token);
  }
  Position position;
  for (const auto& [number, items] : groups) {
    auto loaded = load(number);
    if (!loaded) {
      Error error = loaded.error();
      if (error.code == ErrorCode::transaction_not_found)
        error = Error{ErrorCode::lease_not_found, "no lease of this token was ever handed out"};
      for (const auto& [i, token] : items) (*answers)[i] = tl::unexpected<Error>(error);
      continue;
    }
    Entry& entry = **loaded;
    Turn turn(entry);
    engine::Report command;
    std::vector<std::size_t> reported;
    std::set<Sequence> leases;
    std::vector<std::pair<std::size_t, TokenParts>> closed;
    Status decided;
    for (const auto& [i, token] : items) {
      const engine::Lease* lease = entry.state.lease(token.lease);
      if (lease == nullptr || lease->leased_at != token.leased_at || !leases.insert(token.lease).second) {
        closed.emplace_back(i, token);
        continue;
      }
      command.items.push_back({token.lease, outcome_of(request.results[i])});
      reported.push_back(i);
    }
    if (!reported.empty()) {
      auto decision = decide(turn, command, now);
      if (!decision) decided = tl::unexpected<Error>(decision.error());
      for (std::size_t k = 0; k < reported.size(); ++k)
        (*answers)[reported[k]] = decision ? decision->answers[k] : decided;
    }
    // A lease that is named twice is still open when its result could not be decided: then both are told why.
    for (const auto& [i, token] : closed)
      (*answers)[i] = decided || !leases.contains(token.lease)
                          ? report_closed_lease(turn, token, request.results[i], now)
                          : decided;
    finish(turn, now);
    position = std::max(position, entry.last_position);
  }
  for (const Status& status : *answers)
    if (!status) metrics_.refused(status.error().code);
  if (!request.then_lease) {
    after(position, [reply_with](const Error* failed) { reply_with(failed, {}); });
    return;
  }
  const bool repeated = poll == nullptr;
  if (repeated) poll = &open_poll(std::move(*request.then_lease), std::move(request.alive), reply_with, now);
  poll->position = std::max(poll->position, position);
  if (repeated && answer_repeated(*poll)) return;
  advance_work(now);
  fill(*poll, now);
  settle_poll(*poll);
}

void Partition::on(HeartbeatRequest& request, Time now) {
  HeartbeatReply reply;
  Position position;
  metrics_.heartbeats.Increment(static_cast<double>(request.leases.size()));
  for (const HeartbeatItem& item : request.leases) {
    const auto token = parse_lease_token(item.token);
    auto loaded =
        token ? load(token->number) : Result<Entry*>(refuse(ErrorCode::lease_not_found, "this is not a lease token"));
    if (!loaded) {
      reply.results.push_back(refuse(ErrorCode::lease_not_found, "no lease of this token was ever handed out"));
      continue;
    }
    Entry& entry = **loaded;
    position = std::max(position, entry.last_position);  // what is told of a lease, a stop too, must not be lost again
    const engine::Lease* lease = entry.state.lease(token->lease);
    if (lease == nullptr || lease->leased_at != token->leased_at) {
      const auto history = lease_history(entry, *token);
      reply.results.push_back(history ? refuse(ErrorCode::stale_lease, "the lease has ended")
                                      : tl::unexpected<Error>(history.error()));
      continue;
    }
    engine::keep_beat(entry.beats, {token->lease, now});
    reply.results.push_back(HeartbeatAnswer{engine::lease_until(*lease, entry.beats), lease->stop_asked});
    if (item.detail.empty()) continue;
    // Changed detail is logged at most once a heartbeat period.
    const Hash digest = sha256(item.detail);
    auto& last = entry.last_details[token->lease];
    const Duration period = lease->heartbeat_timeout.ms > 0 ? lease->heartbeat_timeout : lease->attempt_timeout;
    const bool first = last.second == Time{};
    if (!first && (last.first == digest || now - last.second < period)) continue;
    const engine::PayloadAt& kept = entry.state.tasks[entry.machine->flat(entry.state, lease->task)].heartbeat;
    if (first && kept.present()) {
      // Kept before this process began, or by an earlier attempt: the next attempt gets it anyway.
      const auto bytes = payload(entry, kept);
      if (bytes && *bytes == item.detail) {
        last = {digest, now};
        continue;
      }
    }
    last = {digest, now};
    Turn turn(entry);
    const auto decision = decide(turn, engine::KeepHeartbeat{token->lease, item.detail}, now);
    DTA_ASSERT(decision.has_value());
    finish(turn, now);
    position = std::max(position, entry.last_position);
  }
  answer<HeartbeatReply>(position, std::move(request.reply), std::move(reply));
}

}  // namespace dta::server

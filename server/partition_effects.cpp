// What waits for durability, who waits for an outcome, and how everything is answered when the log is lost or closed.
#include <algorithm>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

void Partition::after(Position position, std::function<void(const Error*)> effect) {
  if (position <= durable_) {
    effect(nullptr);
    return;
  }
  auto it = effects_.end();
  while (it != effects_.begin() && std::prev(it)->position > position) --it;
  effects_.insert(it, Effect{position, std::move(effect)});
}

void Partition::wait_for_outcome(Entry& entry, Duration wait, Time now, std::function<void(const Error*)> release) {
  entry.waiters.push_back(Entry::Waiter{std::move(release), {}});
  const auto waiter = std::prev(entry.waiters.end());
  const TransactionNumber number = entry.number;
  waiter->end = ends_.emplace(now + wait, [this, number, waiter](Time) {
    Entry& waited = *entries_.at(number);  // an entry with waiters is open, so it is in memory
    const auto let_go = std::move(waiter->release);
    waited.waiters.erase(waiter);
    let_go(nullptr);
  });
}

void Partition::let_waiters_go(Entry& entry) {
  for (Entry::Waiter& waiter : std::exchange(entry.waiters, {})) {
    ends_.erase(waiter.end);
    waiter.release(nullptr);
  }
}

Result<TransactionSummary> Partition::summary(const Entry& entry, bool created) {
  const engine::State& s = entry.state;
  TransactionSummary out;
  out.id = s.id;
  out.definition = s.definition;
  out.version = s.version;
  out.status = engine::status(s);
  out.phase = engine::to_string(s.phase);
  if (s.outcome_decided) out.outcome = engine::outcome(s);
  out.sequence = s.sequence.value;
  out.created = created;
  if (s.output.present()) {
    auto output = payload(entry, s.output);
    if (!output) return tl::unexpected<Error>(output.error());
    out.output = std::move(*output);
  }
  if (s.failure.has_step) {
    const schema::Step& step = entry.machine->step(s.failure.task.step);
    out.error = FailureSummary{s.failure.code, s.failure.message, step.name,
                               s.failure.has_task ? step.tasks[s.failure.task.task].name : ""};
  }
  return out;
}

void Partition::abandon(const Error& error) {
  // Whatever was built may or may not be in the log; only the same request again can tell.
  const Error unknown{ErrorCode::outcome_unknown,
                      "the log could not be written (" + error.message + "); it is being opened again"};
  for (Effect& effect : std::exchange(effects_, {})) effect.release(&unknown);
  for (auto& [id, poll] : std::exchange(polls_, {})) poll->finish(&unknown, {});
  for (auto& [number, entry] : entries_)
    for (Entry::Waiter& waiter : std::exchange(entry->waiters, {})) waiter.release(&unknown);
  for (Follower& follower : std::exchange(followers_, {})) follower.reply(tl::unexpected<Error>(unknown));
  ends_.clear();
}

void Partition::stop(Time now) {
  std::vector<PollId> waiting;
  for (const auto& [id, poll] : polls_)
    if (poll->handed.empty()) waiting.push_back(id);
  for (PollId id : waiting) answer_poll(id);
  while (!ends_.empty()) {
    const auto end = std::move(ends_.begin()->second);
    ends_.erase(ends_.begin());
    end(now);
  }
}

}  // namespace dta::server

// Polls and hand-outs. A task that becomes ready while a poll waits on its queue is leased in the same record (match),
// so that the intent is durable before the task is handed out and costs no write of its own.
#include <algorithm>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

// The queue says when, and holds what was pending after the transaction's last record.
bool can_be_handed_out(const Entry& entry, const projections::WorkItem& item) {
  const engine::TaskState& t = entry.state.tasks[entry.machine->flat(entry.state, item.task)];
  if (entry.state.paused) return false;
  return item.action == Action::undo ? t.undo_status == engine::UndoStatus::ready
                                     : t.status == engine::TaskStatus::ready;
}

}  // namespace

Partition::PollState& Partition::open_poll(Poll poll, std::function<bool()> alive, FinishPoll finish, Time now) {
  metrics_.polls.Increment();
  const PollId id = next_poll_++;
  if (!poll.poll_id.empty()) {
    // The same poll again: whoever waited under this name has lost its connection.
    const auto before = polls_by_name_.find(poll.poll_id);
    if (before != polls_by_name_.end()) answer_poll(before->second);
    polls_by_name_[poll.poll_id] = id;
  }
  auto state = std::make_unique<PollState>();
  state->id = id;
  state->poll = std::move(poll);
  state->alive = std::move(alive);
  state->finish = std::move(finish);
  state->position = Position{};
  state->end = ends_.emplace(now + state->poll.wait, [this, id](Time) {
    const auto it = polls_.find(id);
    it->second->end = ends_.end();
    if (it->second->handed.empty()) answer_poll(id);  // else it is answered with the batch
  });
  for (const std::string& queue : state->poll.queues) polls_by_queue_[queue].insert(id);
  return *polls_.emplace(id, std::move(state)).first->second;
}

bool Partition::answer_repeated(PollState& poll) {
  if (poll.poll.poll_id.empty()) return false;
  const auto it = leases_by_poll_.find(poll.poll.poll_id);
  if (it == leases_by_poll_.end()) return false;
  for (const auto& [number, sequence] : it->second) {
    const Entry& entry = *entries_.at(number);
    const engine::Lease* lease = entry.state.lease(sequence);
    DTA_ASSERT(lease != nullptr);
    auto handed = describe(entry, *lease);
    if (!handed) continue;  // its payload cannot be read: the lease ends by itself and the error is in the log
    poll.handed.push_back(std::move(*handed));
    poll.position = std::max(poll.position, entry.last_position);
  }
  if (poll.handed.empty()) return false;
  answer_poll(poll.id);
  return true;
}

std::size_t Partition::fill(PollState& poll, Time now) {
  // One record a transaction, in the order of the queue: the answer begins with what is most urgent.
  std::vector<std::pair<TransactionNumber, std::vector<engine::HandOut::Item>>> chosen;
  std::unordered_map<TransactionNumber, std::size_t> place;
  const std::size_t before = poll.handed.size();
  std::size_t count = before;
  const bool alive = !poll.alive || poll.alive();
  for (const std::string& queue : poll.poll.queues) {
    while (alive && count < poll.poll.max && work_.has(queue) && may_hand_out(queue, now)) {
      const auto item = work_.take(queue);
      Entry& entry = *entries_.at(item->number);
      if (!can_be_handed_out(entry, *item)) {
        // The queue was out of date: what is pending says whether the item comes back.
        std::erase_if(entry.queued, [&](const engine::Ready& ready) {
          return ready.task == item->task && ready.action == item->action;
        });
        refresh_work(entry, pending(entry).ready, now);
        continue;
      }
      count_hand_out(queue, now);
      const auto [at, fresh] = place.try_emplace(item->number, chosen.size());
      if (fresh) chosen.push_back({item->number, {}});
      chosen[at->second].second.push_back({item->task, item->action});
      ++count;
    }
  }
  for (const auto& [number, items] : chosen) {
    Turn turn(*entries_.at(number));
    hand_out(turn, poll, items, now);
    seal(turn, pending(turn.entry), now);
  }
  return count - before;
}

void Partition::advance_work(Time now) {
  if (work_.next_ready() > now) return;
  for (const std::string& queue : work_.advance(now)) serve(queue, now);
}

void Partition::settle_poll(PollState& poll) {
  if (!poll.handed.empty()) return;
  if (poll.poll.wait.ms > 0 && (!poll.alive || poll.alive())) return;
  answer_poll(poll.id);
}

bool Partition::match(Turn& turn, const engine::Pending& due, Time now) {
  if (polls_.empty() || due.ready.empty()) return false;
  Entry& entry = turn.entry;
  if (definitions_.is_paused(entry.definition_name())) return false;
  std::map<PollId, std::vector<engine::HandOut::Item>> chosen;
  std::vector<const PollState*> gone;
  const std::string* occupied = nullptr;  // the queue of the last one that had to stay: ten thousand may have the same
  for (const engine::Ready& ready : due.ready) {
    if (ready.at > now) continue;
    const std::string& queue = engine::queue_of(*entry.machine, ready.task, ready.action);
    if (&queue == occupied) continue;
    if (work_.has(queue)) {  // others came first, or it stands there already
      occupied = &queue;
      continue;
    }
    const auto waiting = polls_by_queue_.find(queue);
    if (waiting == polls_by_queue_.end() || !may_hand_out(queue, now)) continue;
    for (PollId id : waiting->second) {
      const PollState& poll = *polls_.at(id);
      if (!poll.wants_more()) {
        gone.push_back(&poll);
        continue;
      }
      auto& items = chosen[id];
      if (poll.handed.size() + items.size() >= poll.poll.max) continue;
      items.push_back({ready.task, ready.action});
      count_hand_out(queue, now);
      break;
    }
  }
  for (const PollState* poll : gone) leave_queues(*poll);
  bool any = false;
  for (const auto& [id, items] : chosen) {
    if (items.empty()) continue;
    hand_out(turn, *polls_.at(id), items, now);
    any = true;
  }
  return any;
}

void Partition::hand_out(Turn& turn, PollState& poll, const std::vector<engine::HandOut::Item>& items, Time now) {
  Entry& entry = turn.entry;
  const auto decision = decide(turn, engine::HandOut{items, poll.poll.worker, poll.poll.poll_id}, now);
  DTA_ASSERT(decision.has_value());  // every item was ready, and a hand-out reads no payload
  if (poll.handed.empty()) filled_.push_back(poll.id);
  poll.position = std::max(poll.position, built().next());
  const auto& leases = entry.state.leases;
  for (auto lease = leases.end() - static_cast<std::ptrdiff_t>(items.size()); lease != leases.end(); ++lease) {
    ++open_leases_;
    if (!lease->poll_id.empty()) leases_by_poll_[lease->poll_id].emplace(entry.number, lease->sequence);
    if (auto handed = describe(entry, *lease)) poll.handed.push_back(std::move(*handed));
  }
  // A poll that is full is answered with the batch; until then nobody need pass it over again and again.
  if (poll.handed.size() >= poll.poll.max) leave_queues(poll);
}

Result<HandOut> Partition::describe(const Entry& entry, const engine::Lease& lease) {
  const engine::State& s = entry.state;
  const engine::TaskState& t = s.tasks[entry.machine->flat(s, lease.task)];
  const bool undo = lease.action == Action::undo;
  HandOut out;
  out.token = lease_token(entry.number, lease.sequence, lease.leased_at);
  out.transaction = s.id;
  out.definition = s.definition;
  out.version = s.version;
  out.step = entry.machine->step(lease.task.step).name;
  out.task = entry.machine->task(lease.task).name;
  out.queue = engine::queue_of(*entry.machine, lease.task, lease.action);
  out.instance = lease.task.instance;
  out.spread = !entry.machine->step(lease.task.step).for_each.empty();
  out.attempt = lease.attempt;
  out.generation = t.generation;
  out.order = undo ? t.order : 1;
  out.action = lease.action;
  out.idempotency_key = s.id + "/" + out.step + "/" + out.task + "/" + std::to_string(out.instance) + "/" +
                        std::to_string(out.generation) + (undo ? "/undo/" : "/do/") + std::to_string(out.order);
  out.lease_until = engine::lease_until(lease, entry.beats);
  out.heartbeat = lease.heartbeat_timeout;
  out.headers = s.headers;
  auto input = payload(entry, t.input.present() ? t.input : s.input);
  if (!input) return tl::unexpected<Error>(input.error());
  out.input = std::move(*input);
  if (undo && s.bits.test(entry.machine->bit(s, engine::TaskBit::done, lease.task))) {
    auto output = payload(entry, t.output);
    if (!output) return tl::unexpected<Error>(output.error());
    out.output = output->empty() ? "null" : std::move(*output);
  }
  if (!undo && t.heartbeat.present()) {
    auto detail = payload(entry, t.heartbeat);
    if (!detail) return tl::unexpected<Error>(detail.error());
    out.heartbeat_detail = std::move(*detail);
  }
  return out;
}

Partition::PollState* Partition::waiting_poll(const std::string& queue) {
  const auto waiting = polls_by_queue_.find(queue);
  if (waiting == polls_by_queue_.end()) return nullptr;
  for (PollId id : waiting->second)
    if (PollState& poll = *polls_.at(id); poll.wants_more()) return &poll;
  return nullptr;
}

void Partition::leave_queues(const PollState& poll) {
  for (const std::string& queue : poll.poll.queues) {
    const auto waiting = polls_by_queue_.find(queue);
    if (waiting == polls_by_queue_.end()) continue;
    waiting->second.erase(poll.id);
    if (waiting->second.empty()) polls_by_queue_.erase(waiting);
  }
}

// Takes the poll off the queues and answers it with what it has, once that is durable.
void Partition::answer_poll(PollId id) {
  const auto it = polls_.find(id);
  if (it == polls_.end()) return;
  const std::unique_ptr<PollState> poll = std::move(it->second);
  polls_.erase(it);
  if (poll->end != ends_.end()) ends_.erase(poll->end);
  leave_queues(*poll);
  const auto named = polls_by_name_.find(poll->poll.poll_id);
  if (named != polls_by_name_.end() && named->second == id) polls_by_name_.erase(named);
  if (poll->handed.empty()) metrics_.polls_empty.Increment();
  after(poll->position, [finish = std::move(poll->finish), handed = std::move(poll->handed)](
                            const Error* failed) mutable { finish(failed, std::move(handed)); });
}

void Partition::forget_lease(Entry& entry, const engine::Lease& lease) {
  --open_leases_;
  count_ended_lease(engine::queue_of(*entry.machine, lease.task, lease.action));
  if (const engine::Beat* beat = engine::find_beat(entry.beats, lease.sequence))
    entry.beats.erase(entry.beats.begin() + (beat - entry.beats.data()));
  entry.last_details.erase(lease.sequence);
  const auto it = leases_by_poll_.find(lease.poll_id);
  if (it == leases_by_poll_.end()) return;
  it->second.erase({entry.number, lease.sequence});
  if (it->second.empty()) leases_by_poll_.erase(it);
}

}  // namespace dta::server

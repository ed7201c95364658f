// Turns, lookups and what becomes durable: the middle of the partition (partition.h). Partition's thread.
#include "server/partition.h"

#include <algorithm>
#include <tuple>

#include "schema/codec.h"
#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

// Hand-outs and templates ask for what came shortly before; a larger cache only misses the processor's.
constexpr std::size_t kPayloadCacheBytes = 16u << 20;
constexpr std::size_t kTimersPerTick = 1000;  // so that a flood of timers does not hold requests up

// Whether the event moves the transaction's row in the directory.
bool changes_row(const Event& event) {
  switch (kind_of(event)) {
    case EventKind::transaction_started:
    case EventKind::compensation_started:
    case EventKind::transaction_completed:
    case EventKind::transaction_compensated:
    case EventKind::transaction_terminated:
    case EventKind::incident_raised:
    case EventKind::incident_resolved:
    case EventKind::transaction_paused:
    case EventKind::transaction_resumed:
      return true;
    default:
      return false;
  }
}

void count_event(Metrics& m, const Event& event) {
  m.events.Increment();
  std::visit(
      [&]<class E>(const E& e) {
        if constexpr (std::is_same_v<E, TransactionStarted>) m.starts.Increment();
        if constexpr (std::is_same_v<E, TaskLeased>) m.leases.Increment();
        if constexpr (std::is_same_v<E, TaskCompleted>)
          if (e.attempt.action == Action::undo) m.undos.Increment();
        if constexpr (std::is_same_v<E, TaskFailed>)
          if (e.retry_at != Time::never()) m.retries.Increment();
        if constexpr (std::is_same_v<E, AttemptTimedOut>) {
          (e.reason == LeaseEnd::attempt ? m.timeouts_attempt : m.timeouts_heartbeat).Increment();
          if (e.retry_at != Time::never()) m.retries.Increment();
        }
        if constexpr (std::is_same_v<E, TaskTimedOut>)
          (e.limit == TaskLimit::queue ? m.timeouts_queue : m.timeouts_total).Increment();
        if constexpr (std::is_same_v<E, StepFailed>)
          if (e.code == "dta.deadline") m.timeouts_step.Increment();
        if constexpr (std::is_same_v<E, CompensationStarted>) {
          m.compensations.Increment();
          if (e.cause == CompensationCause::expired) m.timeouts_expiry.Increment();
        }
        if constexpr (std::is_same_v<E, LateResult>) {
          m.late_results.Increment();
          if (e.after_undo) m.effects_after_undo.Increment();
        }
        if constexpr (std::is_same_v<E, IncidentRaised>) m.incidents.Increment();
        if constexpr (std::is_same_v<E, TransactionCompleted>) m.completed.Increment();
        if constexpr (std::is_same_v<E, TransactionCompensated>) m.compensated.Increment();
        if constexpr (std::is_same_v<E, TransactionTerminated>) m.terminated.Increment();
      },
      event);
}

// The attempt that the event answers, if it answers one.
const Attempt* answered(const Event& event) {
  return std::visit(
      []<class E>(const E& e) -> const Attempt* {
        if constexpr (std::is_same_v<E, TaskCompleted> || std::is_same_v<E, TaskFailed> ||
                      std::is_same_v<E, TaskReleased> || std::is_same_v<E, AttemptTimedOut>)
          return &e.attempt;
        return nullptr;
      },
      event);
}

}  // namespace

Partition::Partition(std::function<std::unique_ptr<storage::Reader>()> snapshot, Fence fence, const Settings& settings,
                     Metrics& metrics)
    : snapshot_(std::move(snapshot)),
      fence_(fence),
      settings_(settings),
      metrics_(metrics),
      reader_(snapshot_()),
      durable_(reader_->end()),
      batch_(durable_.next(), fence),
      payloads_(kPayloadCacheBytes) {}

Partition::~Partition() = default;

Result<std::unique_ptr<Partition>> Partition::open(std::function<std::unique_ptr<storage::Reader>()> snapshot,
                                                   Fence fence, const Settings& settings, Metrics& metrics,
                                                   Time opened_at) {
  return open(std::move(snapshot), fence, settings, metrics, [opened_at] { return opened_at; });
}

Result<std::unique_ptr<Partition>> Partition::open(std::function<std::unique_ptr<storage::Reader>()> snapshot,
                                                   Fence fence, const Settings& settings, Metrics& metrics,
                                                   const std::function<Time()>& opened_at) {
  std::unique_ptr<Partition> partition(new Partition(std::move(snapshot), fence, settings, metrics));
  auto recovered = recover(*partition->reader_);
  if (!recovered) return tl::unexpected<Error>(recovered.error());
  metrics.recovered_records.Set(static_cast<double>(recovered->records));
  metrics.recovered_transactions.Set(static_cast<double>(recovered->open.size()));
  partition->adopt(std::move(*recovered), opened_at());
  return partition;
}

void Partition::adopt(Recovered recovered, Time opened_at) {
  timers_from_ = opened_at + settings_.grace;
  definitions_ = std::move(recovered.definitions);
  queues_ = std::move(recovered.queues);
  for (const auto& [name, settings] : queues_) limit_rate(name, settings.said.rate, opened_at);
  for (const auto& [name, settings] : definitions_.all_settings())
    if (settings.said.paused) work_.hold(name);
  last_number_ = recovered.last_number;
  for (std::unique_ptr<Entry>& owned : recovered.open) {
    Entry& entry = insert(std::move(owned));
    for (const engine::Lease& lease : entry.state.leases) {
      // An outage of the server is not the worker's: its lease counts as heartbeaten now.
      if (lease.heartbeat_timeout.ms > 0) engine::keep_beat(entry.beats, {lease.sequence, opened_at});
      if (!lease.poll_id.empty()) leases_by_poll_[lease.poll_id].emplace(entry.number, lease.sequence);
      ++open_leases_;
      ++use_[engine::queue_of(*entry.machine, lease.task, lease.action)].leased;
    }
    const engine::Pending due = pending(entry);
    refresh_deadline(entry, due);
    refresh_work(entry, due.ready, opened_at);
    if (entry.machine->has_children() || is_child(entry)) families_.push_back(entry.number);
  }
}

void Partition::handle(Request request, Time now) {
  std::visit([&](auto& r) { on(r, now); }, request);
  tend_families(now);
  serve_freed(now);
  // Reads alone commit nothing, and must not fill the memory either.
  payloads_.trim(durable_);
  evict_closed();
}

void Partition::tick(Time now) {
  tend_families(now);
  advance_work(now);
  serve_throttled(now);
  if (now >= timers_from_)
    for (TransactionNumber number : deadlines_.due(now, kTimersPerTick)) {
      const auto it = entries_.find(number);
      DTA_ASSERT(it != entries_.end());
      Turn turn(*it->second);
      const auto decision = decide(turn, engine::Tick{}, now);
      // It is never refused, but a payload that it needs may not be readable: then it is tried again.
      if (!decision) {
        deadlines_.set(number, now + Duration{1000});
        continue;
      }
      // Without an event the entry was out of date: a heartbeat had moved the timer on.
      if (turn.events.empty()) refresh_deadline(*it->second, pending(*it->second));
      finish(turn, now);
    }
  tend_families(now);
  serve_freed(now);
  while (!ends_.empty() && ends_.begin()->first <= now) {
    const auto end = std::move(ends_.begin()->second);
    ends_.erase(ends_.begin());
    end(now);
  }
}

Time Partition::next_due() const {
  if (!families_.empty()) return Time{};  // at once: only after opening
  Time due = std::min({work_.next_ready(), deadlines_.next(), next_token()});
  if (!ends_.empty()) due = std::min(due, ends_.begin()->first);
  return due;
}

storage::Batch Partition::take_batch(Time now) {
  DTA_ASSERT(!away_);
  static_cast<void>(now);
  for (PollId id : std::exchange(filled_, {})) answer_poll(id);
  storage::Batch taken = std::exchange(batch_, storage::Batch(batch_.last_position().next(), fence_));
  away_ = true;
  metrics_.batch_records.Observe(static_cast<double>(taken.record_count()));
  return taken;
}

void Partition::committed(Position durable, Time now) {
  static_cast<void>(now);
  DTA_ASSERT(away_ && durable >= durable_);
  away_ = false;
  durable_ = durable;
  reader_ = snapshot_();
  for (; !recent_results_.empty() && recent_results_.front().first <= durable_; recent_results_.pop_front()) {
    const auto it = entries_.find(recent_results_.front().second);
    if (it != entries_.end())
      std::erase_if(it->second->recent_results, [&](const auto& r) { return r.first <= durable_; });
  }
  std::erase_if(recent_requests_, [&](const auto& r) { return r.second.first <= durable_; });
  while (!effects_.empty() && effects_.front().position <= durable_) {
    const auto release = std::move(effects_.front().release);
    effects_.pop_front();
    release(nullptr);
  }
  for (auto it = followers_.begin(); it != followers_.end();) {
    if (it->after >= durable_) {
      ++it;
      continue;
    }
    const Follower follower = std::move(*it);
    ends_.erase(follower.end);
    it = followers_.erase(it);
    follower.reply(WaitReply{durable_});
  }
  payloads_.trim(durable_);
  evict_closed();
}

// ---- turns

Result<engine::Decision> Partition::decide(Turn& turn, const engine::Command& command, Time now) {
  Entry& entry = turn.entry;
  engine::Inputs inputs;
  inputs.beats = entry.beats;
  engine::Settings room;
  inputs.settings = settings_of(entry, room);
  for (const engine::PayloadAt& at : engine::needs(*entry.machine, entry.state, command)) {
    auto bytes = payload(entry, at);
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    inputs.payloads.emplace(at, std::move(*bytes));
  }
  // Only results, timers and a termination end leases; those they may end are kept, to be forgotten afterwards.
  std::vector<engine::Lease> leases;
  if (const auto* report = std::get_if<engine::Report>(&command)) {
    for (const engine::Report::Item& item : report->items)
      if (const engine::Lease* lease = entry.state.lease(item.lease)) leases.push_back(*lease);
  } else if (std::holds_alternative<engine::Tick>(command) || std::holds_alternative<engine::Terminate>(command)) {
    leases = entry.state.leases;
  }
  const Sequence first = entry.state.sequence.next();
  auto decision = engine::decide(*entry.machine, entry.state, command, inputs, now);
  if (!decision) return decision;
  const Position position = built().next();
  for (engine::PayloadBytes& p : decision->payloads) {
    const Sequence sequence(first.value + p.event);
    batch_.put_payload(entry.number, sequence, p.index, p.bytes);
    payloads_.put(entry.number, sequence, p.index, position, std::move(p.bytes));
  }
  std::size_t ended = 0;
  for (const engine::Lease& lease : leases) {
    if (entry.state.lease(lease.sequence) != nullptr) continue;
    forget_lease(entry, lease);
    ++ended;
  }
  Sequence sequence = first;
  for (Event& event : decision->events) {
    count_event(metrics_, event);
    const Attempt* attempt = answered(event);
    const bool ends_lease = attempt != nullptr && attempt->lease;  // what is external has none
    if (ends_lease) --ended;
    if (ends_lease || std::holds_alternative<LateResult>(event)) {
      entry.recent_results.emplace_back(position, RecordedEvent{sequence, now, event});
      recent_results_.emplace_back(position, entry.number);
    }
    turn.events.push_back(std::move(event));
    sequence = sequence.next();
  }
  // Every lease that ended has its event; a termination ends them all at once.
  DTA_ASSERT(ended == 0 || std::holds_alternative<engine::Terminate>(command));
  return decision;
}

void Partition::finish(Turn& turn, Time now) {
  if (turn.events.empty()) return;
  engine::Pending due = pending(turn.entry);
  if (match(turn, due, now)) due = pending(turn.entry);
  seal(turn, std::move(due), now);
}

void Partition::seal(Turn& turn, engine::Pending due, Time now) {
  if (turn.events.empty()) return;
  Entry& entry = turn.entry;
  storage::Record record;
  record.number = entry.number;
  record.first_sequence = turn.first;
  record.event_count = static_cast<std::uint32_t>(turn.events.size());
  record.recorded_at = now;
  record.definition_version = entry.state.version;
  record.epoch = entry.state.epoch;
  record.events = encode_events(turn.events);
  DTA_ASSERT(turn.first.value + turn.events.size() == entry.state.sequence.value + 1);
  entry.chain = batch_.add_record(std::move(record), entry.chain);
  entry.last_position = batch_.last_position();
  metrics_.records.Increment();
  if (turn.first == Sequence(1)) {
    batch_.bind_id(entry.state.id, entry.number);
    batch_.mark_open(entry.number);
  }
  if (std::any_of(turn.events.begin(), turn.events.end(), changes_row)) place_in_directory(entry);
  turn.events.clear();
  tally(entry);
  refresh_deadline(entry, due);
  refresh_work(entry, std::move(due.ready), now);
  if (entry.state.outcome_decided) let_waiters_go(entry);
  if (entry.machine->has_children() || is_child(entry)) families_.push_back(entry.number);
  if (entry.closed && !entry.state.ended()) {
    // A new epoch of what had ended.
    entry.closed = false;
    batch_.mark_open(entry.number);
    std::erase(closed_, entry.number);
  }
  if (!entry.state.ended()) return;
  if (!entry.closed) {
    entry.closed = true;
    batch_.mark_closed(entry.number);
    closed_.push_back(entry.number);
  }
}

void Partition::place_in_directory(Entry& entry) {
  const std::string key = projections::directory_key(engine::status(entry.state), entry.number);
  if (!entry.directory_key.empty() && entry.directory_key != key) batch_.erase_directory(entry.directory_key);
  batch_.put_directory(key, projections::encode_row(projections::row_of(entry.state)));
  entry.directory_key = key;
}

// The queue holds of this transaction what is pending after its last record, and nothing else: what is in it may be
// handed out, and what was withdrawn does not wait to be passed over.
void Partition::refresh_work(Entry& entry, std::vector<engine::Ready> ready, Time now) {
  const auto before = [](const engine::Ready& a, const engine::Ready& b) {
    // As pending() lists them: a step's tasks by instance.
    return std::tie(a.task.step, a.task.instance, a.task.task, a.action, a.at) <
           std::tie(b.task.step, b.task.instance, b.task.task, b.action, b.at);
  };
  const auto queue_of = [&](const engine::Ready& one) -> const std::string& {
    return engine::queue_of(*entry.machine, one.task, one.action);
  };
  const auto item_of = [&](const engine::Ready& one) {
    return projections::WorkItem{entry.number, one.task, one.action, one.at};
  };
  const std::string definition = entry.definition_name();
  const projections::Rank rank{entry.priority, definition};
  if (!std::is_sorted(ready.begin(), ready.end(), before)) std::sort(ready.begin(), ready.end(), before);
  auto was = entry.queued.begin();
  for (const engine::Ready& is : ready) {
    // Those that were handed out are no longer there: taking them out again changes nothing.
    for (; was != entry.queued.end() && before(*was, is); ++was) work_.remove(queue_of(*was), rank, item_of(*was));
    if (was != entry.queued.end() && !before(is, *was))
      ++was;
    else
      work_.add(queue_of(is), rank, item_of(is), now);
  }
  for (; was != entry.queued.end(); ++was) work_.remove(queue_of(*was), rank, item_of(*was));
  entry.queued = std::move(ready);
}

void Partition::refresh_deadline(const Entry& entry, const engine::Pending& pending) {
  deadlines_.set(entry.number, pending.due == Time::never() ? pending.due : std::max(pending.due, timers_from_));
}

void Partition::tally(Entry& entry) {
  const Entry::Tally is{entry.state.phase == engine::Phase::running, entry.state.phase == engine::Phase::compensating,
                        entry.state.attention()};
  const Entry::Tally was = std::exchange(entry.tally, is);
  running_ += is.running - was.running;
  compensating_ += is.compensating - was.compensating;
  attention_ += is.attention - was.attention;
}

}  // namespace dta::server

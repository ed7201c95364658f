// The single writer of one partition, without a thread, a clock or a socket: the place where engine and storage meet.
//
// It owns the working set: the states of open transactions, ready work, waiting polls, deadlines. handle() decides,
// folds the events into the working set at once, and adds the record to the batch being built. take_batch() gives that
// batch away to be written; committed() lets out every effect (reply, hand-out) that depends on it. At most one batch
// is away. After a failed write abandon() answers everything with outcome_unknown; the partition is then thrown away
// and opened again from the log. Replies are called from inside handle(), tick(), committed() and abandon().
//
// One thread calls it. The real driver is partition_thread.cpp; the simulator and the scenarios drive the same class.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/decide.h"
#include "engine/machine.h"
#include "engine/pending.h"
#include "projections/deadlines.h"
#include "projections/directory.h"
#include "projections/token_bucket.h"
#include "projections/work_queue.h"
#include "server/entry.h"
#include "server/metrics.h"
#include "server/payload_cache.h"
#include "server/port.h"
#include "server/recovery.h"
#include "server/requests.h"
#include "storage/log.h"

namespace dta::server {

class Partition {
 public:
  struct Settings {
    Duration grace{30'000};           // no timer but backoff fires before opened_at + grace
    std::size_t closed_cache = 4096;  // ended transactions kept in memory
  };

  // Folds the log into the working set. `snapshot` gives a view of everything durable whenever it is asked.
  static Result<std::unique_ptr<Partition>> open(std::function<std::unique_ptr<storage::Reader>()> snapshot,
                                                 schema::Fence fence, const Settings& settings, Metrics& metrics,
                                                 Time opened_at);
  // `opened_at` is asked once everything is folded: however long that took, workers and timers get their grace after
  // it.
  static Result<std::unique_ptr<Partition>> open(std::function<std::unique_ptr<storage::Reader>()> snapshot,
                                                 schema::Fence fence, const Settings& settings, Metrics& metrics,
                                                 const std::function<Time()>& opened_at);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  void handle(Request request, Time now);
  // Fires due timers, ends polls and waits whose time is over, moves backoffs on. Call when next_due() has come.
  void tick(Time now);
  Time next_due() const;

  bool has_batch() const { return !batch_.empty(); }
  std::size_t batch_bytes() const { return batch_.bytes(); }
  // Give away what was built; its effects wait for committed(). Nothing may be away already.
  storage::Batch take_batch(Time now);
  void committed(schema::Position durable, Time now);
  void abandon(const Error& error);
  // Clean stop: waiting polls and waits are answered empty; leases are left standing.
  void stop(Time now);

  // For metrics and self-checks.
  void export_gauges(Time now);
  const std::unordered_map<schema::TransactionNumber, std::unique_ptr<Entry>>& entries() const { return entries_; }
  const projections::Deadlines& deadlines() const { return deadlines_; }
  // When the queue, and every version of the definition, was paused: half-open intervals in order, the last open-ended
  // while it still is. Empty for those of which nothing was ever said. Valid until the next request.
  const schema::Pauses& pauses_of_queue(const std::string& queue) const;
  const schema::Pauses& pauses_of_definition(const std::string& name) const;
  // One line a difference between the working set and one rebuilt from the log; nothing may be away or being built.
  std::vector<std::string> compare_with_log() const;

 private:
  struct PollState;
  struct Turn;
  using PollId = std::uint64_t;

  Partition(std::function<std::unique_ptr<storage::Reader>()> snapshot, schema::Fence fence, const Settings& settings,
            Metrics& metrics);
  void adopt(Recovered recovered, Time opened_at);

  // partition_requests.cpp, partition_appends.cpp, partition_results.cpp: one handler a request.
  void on(PublishRequest& request, Time now);
  void on(DefinitionsRequest& request, Time now);
  void on(StartRequest& request, Time now);
  void on(GetRequest& request, Time now);
  void on(CancelRequest& request, Time now);
  void on(TerminateRequest& request, Time now);
  void on(ResolveRequest& request, Time now);
  void on(PauseRequest& request, Time now);
  void on(ResumeRequest& request, Time now);
  void on(SignalRequest& request, Time now);
  // What a person asks of one transaction: looked up by its request id first.
  template <class Asked>
  void control(Asked& request, const engine::Command& command, const schema::Hash& digest, Time now);
  void on(AppendRequest& request, Time now);
  void on(ReportRequest& request, Time now);
  // Known ids, all with the same content: the events that they caused. Refused when only some are known.
  struct AskedEvent {
    std::string_view id;  // empty: none
    schema::Hash digest{};
  };
  struct Repeated {
    schema::Sequence first, last;
  };
  Result<std::optional<Repeated>> find_repeated(const Entry& entry, const std::vector<AskedEvent>& asked);
  // `make` gives the command once it is known that it is new; `is_asked` tells which of its events was asked for.
  void append(Entry& entry, const std::vector<AskedEvent>& asked, const std::function<Result<engine::Command>()>& make,
              bool (*is_asked)(const schema::Event&), ReplyTo<AppendReply> reply, Time now);
  void on(LeaseRequest& request, Time now);
  void on(ResultsRequest& request, Time now);
  void on(HeartbeatRequest& request, Time now);
  void on(WaitRequest& request, Time now);
  Entry& begin(const Published& published, const engine::Start& start, std::uint8_t priority, Time now);
  // partition_settings.cpp: what people say of queues and definitions.
  void on(ChangeQueueRequest& request, Time now);
  void on(ChangeDefinitionRequest& request, Time now);
  void on(QueuesRequest& request, Time now);
  template <class Request, class Change>
  bool answer_known(Request& request, const ReservedLog& log, const schema::Hash& digest);
  template <class Request, class Change>
  void write_change(Request& request, ReservedLog& log, const std::string& id, const schema::Hash& digest,
                    const Change& change, Time now);
  // One record of one event in a reserved transaction, which begins with it when it has no number yet.
  void append_reserved(ReservedLog& log, const std::string& id, const schema::Event& event, std::uint32_t version,
                       Time now);
  // The transaction as it stood after the record that holds `sequence`: what the first answer to a request told of.
  Result<std::unique_ptr<Entry>> load_as_answered(schema::TransactionNumber number, schema::Sequence sequence) const;
  // What the log says of a lease that is not open; lease_not_found when it never was.
  Result<LeaseHistory> lease_history(const Entry& entry, const TokenParts& token) const;
  schema::Status report_closed_lease(Turn& turn, const TokenParts& token, const TaskResult& item, Time now);

  // partition.cpp: turns. partition_lookup.cpp: finding things, and letting go of them.
  Result<Entry*> find(const std::string& id);
  Result<Entry*> load(schema::TransactionNumber number);
  Entry& insert(std::unique_ptr<Entry> entry);
  Result<engine::Decision> decide(Turn& turn, const engine::Command& command, Time now);
  void seal(Turn& turn, engine::Pending due, Time now);
  void finish(Turn& turn, Time now);  // match waiting polls, then seal
  void tally(Entry& entry);
  void place_in_directory(Entry& entry);
  // Null while nothing was ever paused.
  const engine::Settings* settings_of(const Entry& entry, engine::Settings& room) const;
  void refresh_all(Time now);  // pauses have moved timers
  engine::Pending pending(const Entry& entry) const {
    engine::Settings room;
    return engine::pending(*entry.machine, entry.state, entry.beats, settings_of(entry, room));
  }
  void refresh_work(Entry& entry, std::vector<engine::Ready> ready, Time now);
  void refresh_deadline(const Entry& entry, const engine::Pending& pending);
  Result<std::string> payload(const Entry& entry, const engine::PayloadAt& at);
  Result<std::optional<storage::RequestEntry>> find_request(const Entry& entry, const std::string& id) {
    return find_request(entry.number, id);
  }
  Result<std::optional<storage::RequestEntry>> find_request(schema::TransactionNumber number, const std::string& id);
  void remember_request(const Entry& entry, const std::string& id, const storage::RequestEntry& request) {
    remember_request(entry.number, id, request);
  }
  void remember_request(schema::TransactionNumber number, const std::string& id, const storage::RequestEntry& request);
  void evict_closed();
  schema::Position built() const { return batch_.last_position(); }

  // partition_family.cpp: child transactions follow their parents, and parents hear of them.
  void tend_families(Time now);
  void tend(Entry& entry, Time now);
  void serve(Entry& parent, const engine::ChildWish& wish, Time now);
  void command(Entry& entry, const engine::Command& command, Time now);  // refused: nothing happens

  // partition_effects.cpp: what waits for durability, and who waits for an outcome.
  void after(schema::Position position, std::function<void(const Error*)> effect);
  template <class Reply>
  void answer(schema::Position position, ReplyTo<Reply> reply, Result<Reply> result);
  void wait_for_outcome(Entry& entry, Duration wait, Time now, std::function<void(const Error*)> release);
  void let_waiters_go(Entry& entry);
  Result<TransactionSummary> summary(const Entry& entry, bool created);

  // partition_work.cpp: polls and hand-outs.
  using FinishPoll = std::function<void(const Error*, std::vector<HandOut>)>;
  PollState& open_poll(Poll poll, std::function<bool()> alive, FinishPoll finish, Time now);
  bool answer_repeated(PollState& poll);
  std::size_t fill(PollState& poll, Time now);  // how many it got
  void advance_work(Time now);                  // hands out what comes out of its backoff
  void settle_poll(PollState& poll);            // answers it at once when it neither got anything nor may wait
  bool match(Turn& turn, const engine::Pending& pending, Time now);  // true: something was handed out
  void hand_out(Turn& turn, PollState& poll, const std::vector<engine::HandOut::Item>& items, Time now);
  Result<HandOut> describe(const Entry& entry, const engine::Lease& lease);
  PollState* waiting_poll(const std::string& queue);
  void leave_queues(const PollState& poll);  // it wants no more
  void answer_poll(PollId id);
  void forget_lease(Entry& entry, const engine::Lease& lease);

  // partition_limits.cpp: what limits and pauses let a queue hand out. What is chosen is counted at once, so that the
  // next choice sees it.
  bool may_hand_out(const std::string& queue, Time now);
  void count_hand_out(const std::string& queue, Time now);
  void count_ended_lease(const std::string& queue);
  void limit_rate(const std::string& queue, const schema::QueueRate& rate, Time now);
  void serve(const std::string& queue, Time now);  // hands out to the polls that wait, as far as it goes
  void serve_all(Time now);                        // every queue on which a poll waits
  void serve_freed(Time now);                      // those that gained room while a request was decided
  void serve_throttled(Time now);                  // those for which a token has come
  Time next_token() const;

  const std::function<std::unique_ptr<storage::Reader>()> snapshot_;
  const schema::Fence fence_;
  const Settings settings_;
  Metrics& metrics_;
  Time timers_from_;

  std::unique_ptr<storage::Reader> reader_;
  schema::Position durable_;
  schema::TransactionNumber last_number_;
  storage::Batch batch_;
  bool away_ = false;

  // Working set. Entries that are open, not yet durable, or recently ended; never evicted before they are durable.
  std::unordered_map<schema::TransactionNumber, std::unique_ptr<Entry>> entries_;
  std::unordered_map<std::string, schema::TransactionNumber> ids_;
  std::deque<schema::TransactionNumber> closed_;  // ended ones in memory, in order of arrival
  DefinitionShelf definitions_;
  QueueShelf queues_;
  projections::WorkQueue work_;
  projections::Deadlines deadlines_;
  PayloadCache payloads_;
  // Not yet durable: request ids, and which entries hold answers to leases that a snapshot does not show yet.
  std::map<std::pair<schema::TransactionNumber, std::string>, std::pair<schema::Position, storage::RequestEntry>>
      recent_requests_;
  std::deque<std::pair<schema::Position, schema::TransactionNumber>> recent_results_;

  std::deque<schema::TransactionNumber> families_;  // whose children or parent may have something to do

  // Polls that wait, by queue in order of arrival; and everything that ends by time.
  std::map<PollId, std::unique_ptr<PollState>> polls_;
  std::unordered_map<std::string, std::set<PollId>> polls_by_queue_;
  std::unordered_map<std::string, PollId> polls_by_name_;
  std::unordered_map<std::string, std::set<std::pair<schema::TransactionNumber, schema::Sequence>>> leases_by_poll_;
  std::vector<PollId> filled_;  // got something in the batch being built; answered when it is given away
  PollId next_poll_ = 1;
  Ends ends_;
  std::size_t open_leases_ = 0;

  // How far each queue is used; every queue that ever handed something out, or has a rate.
  struct QueueUse {
    std::size_t leased = 0;                          // tasks and undos
    std::optional<projections::TokenBucket> bucket;  // with a rate limit
  };
  std::unordered_map<std::string, QueueUse> use_;
  std::set<std::string> freed_;            // had a limit on its leases, and one ended
  std::map<std::string, Time> throttled_;  // something had to wait for its next token, which comes then
  std::int64_t running_ = 0, compensating_ = 0, attention_ = 0;  // entries in memory, for the gauges

  // Those who wait for more to become durable.
  struct Follower {
    schema::Position after;
    ReplyTo<WaitReply> reply;
    Ends::iterator end;
  };
  std::list<Follower> followers_;

  struct Effect {
    schema::Position position;
    std::function<void(const Error*)> release;  // null: durable
  };
  std::deque<Effect> effects_;  // in order of position
};

}  // namespace dta::server

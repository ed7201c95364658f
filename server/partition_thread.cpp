// See partition_thread.h. The loop keeps one batch at the committer and builds the next; the waits of a stop and of a
// reopening are here as well.
#include "server/partition_thread.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "schema/limits.h"
#include "server/recovery.h"
#include "storage/leveldb_log.h"

namespace dta::server {

using namespace schema;

namespace {

constexpr Duration kMaintenanceEvery{1000};
constexpr std::uint64_t kCheckpointRecordsMin =
    100'000;  // fewer records than this are folded faster than a checkpoint is worth
constexpr std::int64_t kDriftToldMs = 1000;
constexpr std::chrono::milliseconds kReopenFirst{100}, kReopenCap{5000};

// A reader that keeps its log alive.
class SharedReader : public storage::Reader {
 public:
  explicit SharedReader(std::shared_ptr<storage::Log> log) : log_(std::move(log)), reader_(log_->snapshot()) {}

  Position end() const override { return reader_->end(); }
  Result<std::optional<TransactionNumber>> find_id(std::string_view id) const override { return reader_->find_id(id); }
  Status ids(std::string_view prefix,
             const std::function<bool(std::string_view id, TransactionNumber)>& visit) const override {
    return reader_->ids(prefix, visit);
  }
  Result<std::optional<storage::RequestEntry>> find_request(TransactionNumber number,
                                                            std::string_view id) const override {
    return reader_->find_request(number, id);
  }
  Result<std::optional<std::string>> payload(TransactionNumber number, Sequence sequence,
                                             std::uint32_t index) const override {
    return reader_->payload(number, sequence, index);
  }
  Status records_of(TransactionNumber number, Sequence from,
                    const std::function<bool(const storage::Record&)>& visit) const override {
    return reader_->records_of(number, from, visit);
  }
  Status records_from(Position from, const std::function<bool(const storage::Record&)>& visit) const override {
    return reader_->records_from(from, visit);
  }
  Status open_transactions(const std::function<bool(TransactionNumber)>& visit) const override {
    return reader_->open_transactions(visit);
  }
  Status directory(std::string_view prefix, std::string_view after,
                   const std::function<bool(const storage::DirectoryEntry&)>& visit) const override {
    return reader_->directory(prefix, after, visit);
  }
  Status definitions(const std::function<bool(const storage::DefinitionEntry&)>& visit) const override {
    return reader_->definitions(visit);
  }
  Result<TransactionNumber> last_number() const override { return reader_->last_number(); }
  Result<std::optional<storage::Checkpoint>> checkpoint() const override { return reader_->checkpoint(); }

 private:
  const std::shared_ptr<storage::Log> log_;
  const std::unique_ptr<storage::Reader> reader_;
};

Result<Time> last_recorded_at(const storage::Log& log) {
  Time last;
  const auto reader = log.snapshot();
  const Status read = reader->records_from(reader->end(), [&](const storage::Record& record) {
    last = record.recorded_at;
    return true;
  });
  if (!read) return tl::unexpected<Error>(read.error());
  return last;
}

// Refuses a request that never reached the partition.
void refuse_with(Request& request, const Error& error) {
  std::visit([&](auto& r) { r.reply(tl::unexpected<Error>(error)); }, request);
}

}  // namespace

PartitionThread::PartitionThread(const Options& options, Metrics& metrics, Logger& logger)
    : options_(options), metrics_(metrics), logger_(logger) {}

Result<std::unique_ptr<PartitionThread>> PartitionThread::start(const Options& options, Metrics& metrics,
                                                                Logger& logger) {
  std::unique_ptr<PartitionThread> self(new PartitionThread(options, metrics, logger));
  if (Status status = self->open(); !status) return tl::unexpected<Error>(status.error());
  self->thread_ = std::thread([raw = self.get()] { raw->run(); });
  return self;
}

PartitionThread::~PartitionThread() {
  stop();
}

void PartitionThread::stop() {
  {
    const std::lock_guard lock(reason_mutex_);
    stopping_ = true;
  }
  say_not_ready("the server is stopping");  // before anything else, so that nobody is sent here any more
  inbox_.close();
  if (thread_.joinable()) thread_.join();
}

void PartitionThread::submit(Request request, std::size_t bytes) {
  if (const auto reason = not_ready()) {
    metrics_.refused(ErrorCode::unavailable);
    return refuse_with(request, Error{ErrorCode::unavailable, *reason});
  }
  switch (inbox_.push(request, bytes)) {
    case Inbox::Push::taken:
      return;
    case Inbox::Push::full:
      metrics_.refused(ErrorCode::overloaded);
      return refuse_with(request, Error{ErrorCode::overloaded, "too many requests are waiting to be decided"});
    case Inbox::Push::closed:
      metrics_.refused(ErrorCode::unavailable);
      return refuse_with(request, Error{ErrorCode::unavailable, "the server is stopping"});
  }
}

std::unique_ptr<storage::Reader> PartitionThread::snapshot() {
  const std::lock_guard lock(log_mutex_);
  return log_ == nullptr ? nullptr : std::make_unique<SharedReader>(log_);
}

std::optional<std::string> PartitionThread::not_ready() const {
  const std::lock_guard lock(reason_mutex_);
  return reason_;
}

void PartitionThread::say_not_ready(std::optional<std::string> reason) {
  const std::lock_guard lock(reason_mutex_);
  if (!stopping_ || reason) reason_ = std::move(reason);  // a log that opens again while it stops is not ready
  metrics_.ready.Set(reason_ ? 0 : 1);
}

Status PartitionThread::open() {
  const auto began = std::chrono::steady_clock::now();
  auto opened = storage::open_leveldb_log(options_.data);
  if (!opened) return tl::unexpected<Error>(opened.error());
  std::shared_ptr<storage::Log> log(std::move(*opened));
  for (const std::string& note : log->open_report().notes) logger_.warning("log: " + note);
  const auto last = last_recorded_at(*log);
  if (!last) return tl::unexpected<Error>(last.error());
  // Only at the start can the log be ahead: what this process wrote bears times of this very clock.
  if (const Duration ahead = *last - clock_.now(); ahead.ms > 0) {
    logger_.warning("the wall clock stands before the end of the log; time goes on from the log's",
                    {{"ahead_ms", ahead.ms}});
    clock_.not_before(*last);
    told_drift_ms_ = clock_.drift().ms;
  }
  auto partition = Partition::open([log] { return log->snapshot(); }, log->fence(),
                                   Partition::Settings{options_.grace, options_.closed_cache}, metrics_,
                                   [this] { return clock_.now(); });
  if (!partition) return tl::unexpected<Error>(partition.error());
  partition_ = std::move(*partition);
  committer_ = std::make_unique<Committer>(*log, metrics_, [this] { inbox_.wake(); });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  metrics_.recovery_seconds.Set(seconds);
  durable_ = log->end();
  logger_.info("log opened", {{"directory", options_.data},
                              {"end", log->end().value},
                              {"head", log->open_report().head.value},
                              {"fence", log->fence().value},
                              {"open_transactions", partition_->entries().size()},
                              {"ms", static_cast<std::int64_t>(seconds * 1000)}});
  {
    const std::lock_guard lock(log_mutex_);
    log_ = std::move(log);
  }
  next_maintenance_ = clock_.now();
  next_checkpoint_ = next_maintenance_ + options_.checkpoint_every;
  checkpointed_ = durable_;
  say_not_ready(std::nullopt);
  return {};
}

void PartitionThread::run() {
  while (!serve())
    if (!reopen()) return;
}

bool PartitionThread::serve() {
  bool stopping = false;
  Inbox::Taken taken;
  std::size_t next = 0;  // of taken.requests: those before it are decided
  const auto full = [this] { return partition_->batch_bytes() >= limits::kBatchBytesMax; };
  for (;;) {
    if ((full() || stopping) && !committer_->idle()) {
      inbox_.take_wake();  // whoever comes now waits in the inbox, or is told that it is full
    } else if (next == taken.requests.size()) {
      taken = inbox_.take(clock_.steady(std::min(partition_->next_due(), next_maintenance_)));
      next = 0;
    }
    if (auto status = committer_->take_result()) {
      if (!*status) {
        say_not_ready("the log could not be written and is being opened again");
        logger_.error("a batch could not be written", {{"error", status->error().message}});
        partition_->abandon(status->error());
        const Error unknown{ErrorCode::outcome_unknown, "the log could not be written; it is being opened again"};
        for (; next < taken.requests.size(); ++next) refuse_with(taken.requests[next], unknown);
        return false;
      }
      let_out();
    }
    for (; next < taken.requests.size() && !full(); ++next)
      partition_->handle(std::move(taken.requests[next]), clock_.now());
    const Time now = clock_.now();
    const bool decided = next == taken.requests.size();
    if (taken.closed && decided && !stopping) {
      stopping = true;
      partition_->stop(now);
    }
    // Results are decided before due timers; a server that stops leaves timers to the next one.
    if (decided && !stopping && !full() && partition_->next_due() <= now) partition_->tick(now);
    if (partition_->has_batch() && !waiting_since_) waiting_since_ = std::chrono::steady_clock::now();
    if (partition_->has_batch() && committer_->idle()) {
      storage::Batch batch = partition_->take_batch(now);
      durable_ = batch.last_position();
      metrics_.appends.Increment();
      away_since_ = *std::exchange(waiting_since_, std::nullopt);
      committer_->write(std::move(batch));
    } else if (stopping && !partition_->has_batch() && committer_->idle()) {
      break;
    }
    if (now >= next_maintenance_) maintain(now);
  }
  if (checkpoint_.valid()) checkpoint_.wait();
  checkpoint_ = {};  // it has a share of the log
  committer_.reset();
  partition_.reset();
  std::shared_ptr<storage::Log> log;
  {
    const std::lock_guard lock(log_mutex_);
    log.swap(log_);
  }
  if (Status status = log->close(); !status)
    logger_.error("the log could not be closed cleanly", {{"error", status.error().message}});
  return true;
}

void PartitionThread::let_out() {
  metrics_.append_seconds.Observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - away_since_).count());
  partition_->committed(durable_, clock_.now());
}

bool PartitionThread::reopen() {
  if (checkpoint_.valid()) checkpoint_.wait();
  checkpoint_ = {};
  waiting_since_.reset();
  committer_.reset();
  partition_.reset();
  {
    const std::lock_guard lock(log_mutex_);
    log_.reset();
  }
  metrics_.reopened.Increment();
  auto pause = kReopenFirst;
  for (;;) {
    // Whoever was let into the inbox before is told; nothing of it was decided.
    Inbox::Taken taken = inbox_.take(std::chrono::steady_clock::now() + pause);
    for (Request& request : taken.requests)
      refuse_with(request, Error{ErrorCode::unavailable, "the log is being opened again"});
    if (taken.closed) return false;
    const Status status = open();
    if (status) return true;
    logger_.error("the log could not be opened again", {{"error", status.error().message}});
    pause = std::min(pause * 2, kReopenCap);
  }
}

void PartitionThread::maintain(Time now) {
  next_maintenance_ = now + kMaintenanceEvery;
  partition_->export_gauges(now);
  const auto [requests, bytes] = inbox_.size();
  metrics_.inbox_requests.Set(static_cast<double>(requests));
  metrics_.inbox_bytes.Set(static_cast<double>(bytes));
  const std::int64_t drift = clock_.drift().ms;
  if (std::abs(drift - told_drift_ms_) >= kDriftToldMs) {
    told_drift_ms_ = drift;
    logger_.warning("the wall clock jumped; timers keep their lengths, recorded times follow at the next start",
                    {{"drift_ms", drift}});
  }
  if (checkpoint_.valid() && checkpoint_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) {
    // A checkpoint that cannot be written is no loss: opening folds more of the log.
    if (const Status status = checkpoint_.get(); !status)
      logger_.warning("no checkpoint was written", {{"error", status.error().message}});
  }
  if (checkpoint_.valid() || durable_.value < checkpointed_.value + kCheckpointRecordsMin || now < next_checkpoint_)
    return;
  next_checkpoint_ = now + options_.checkpoint_every;
  checkpointed_ = durable_;
  checkpoint_ = std::async(std::launch::async, [log = log_]() -> Status {
    const auto reader = log->snapshot();
    auto chunks = checkpoint_chunks(*reader);
    if (!chunks) return tl::unexpected<Error>(chunks.error());
    std::size_t next = 0;
    return log->write_checkpoint(reader->end(), [&]() -> std::optional<std::string> {
      if (next == chunks->size()) return std::nullopt;
      return std::move((*chunks)[next++]);
    });
  });
}

}  // namespace dta::server

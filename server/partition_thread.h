// The partition on its thread: takes the inbox, decides, fires timers, hands batches to the committer one at a time,
// lets effects out when they are durable, and opens the log again after a failed write. Implements the door of port.h.
//
// A batch is whatever queued up while the one before it was being written; there is no timer.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "server/committer.h"
#include "server/inbox.h"
#include "server/log_line.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/partition.h"
#include "server/port.h"
#include "server/wall_clock.h"

namespace dta::server {

class PartitionThread : public Port {
 public:
  // Opens the log and starts serving; the error says why the log cannot be opened.
  static Result<std::unique_ptr<PartitionThread>> start(const Options& options, Metrics& metrics, Logger& logger);
  ~PartitionThread() override;

  // Clean stop: not ready from here on; what is in the inbox is still decided and written, polls are answered empty,
  // waits with what is there, the log is closed. Blocks. Once.
  void stop();

  void submit(Request request, std::size_t bytes) override;
  std::unique_ptr<storage::Reader> snapshot() override;
  std::optional<std::string> not_ready() const override;
  // The time line of everything in this log; leases are counted on it.
  const WallClock& clock() const { return clock_; }

 private:
  PartitionThread(const Options& options, Metrics& metrics, Logger& logger);
  schema::Status open();
  void run();
  // Serves until the inbox is closed (true) or a write failed (false).
  bool serve();
  bool reopen();
  void let_out();
  void maintain(Time now);
  void say_not_ready(std::optional<std::string> reason);

  const Options options_;
  Metrics& metrics_;
  Logger& logger_;
  WallClock clock_;  // moved in start() only
  Inbox inbox_;

  // The log outlives every snapshot of it; readers take a share while they read.
  mutable std::mutex log_mutex_;
  std::shared_ptr<storage::Log> log_;
  mutable std::mutex reason_mutex_;
  std::optional<std::string> reason_ = "the log is being opened";
  bool stopping_ = false;  // under reason_mutex_

  std::unique_ptr<Partition> partition_;  // this thread only
  std::unique_ptr<Committer> committer_;  // this thread only
  Time next_maintenance_, next_checkpoint_;
  schema::Position durable_;  // once the batch that is away is written
  schema::Position checkpointed_;
  std::future<schema::Status> checkpoint_;  // being written beside the appends
  std::optional<std::chrono::steady_clock::time_point>
      waiting_since_;  // when the first record of the next batch was made
  std::chrono::steady_clock::time_point away_since_;
  std::int64_t told_drift_ms_ = 0;
  std::thread thread_;
};

}  // namespace dta::server

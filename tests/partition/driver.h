// Drives one partition over a log, step by step, with a clock that only the test moves. Nothing happens by itself: a
// request is decided when it is submitted, a batch is written when the test says so, and the partition can be thrown
// away at any moment, with the batch that was being written having become durable or not.
//
// Two disks: the memory log, and LevelDB on a disk that fails on demand. One thread.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "schema/assert.h"
#include "schema/definition.h"
#include "server/metrics.h"
#include "server/partition.h"
#include "storage/log.h"

namespace dta::storage {
class FaultDisk;
class MemoryDisk;
}  // namespace dta::storage

namespace dta::partition {

using schema::Duration;
using schema::Error;
using schema::ErrorCode;
using schema::Result;
using schema::Status;
using schema::Time;

inline constexpr Time kBegin{1'700'000'000'000};

// The reply of one request, once it is there. A second reply is a failure of the test.
template <class Reply>
class Answer {
 public:
  bool given() const { return slot_->has_value(); }
  bool ok() const { return given() && (*slot_)->has_value(); }
  const Reply& operator*() const { return value(); }
  const Reply* operator->() const { return &value(); }
  // The code of a refusal or fault; nothing while unanswered, and when it went well.
  std::optional<ErrorCode> code() const {
    return given() && !**slot_ ? std::optional((*slot_)->error().code) : std::nullopt;
  }
  const Error& error() const {
    DTA_ASSERT(code().has_value());
    return (*slot_)->error();
  }
  server::ReplyTo<Reply> taker() const {
    return [slot = slot_](Result<Reply> reply) {
      EXPECT_FALSE(slot->has_value()) << "a reply is called exactly once";
      *slot = std::move(reply);
    };
  }

 private:
  const Reply& value() const {
    DTA_ASSERT(ok());
    return ***slot_;
  }
  std::shared_ptr<std::optional<Result<Reply>>> slot_ = std::make_shared<std::optional<Result<Reply>>>();
};

// What becomes of the batch that is being written when the lights go out.
enum class Fate { lost, durable };

class Driver {
 public:
  struct Setup {
    server::Partition::Settings settings;
    storage::FaultDisk* disk = nullptr;  // LevelDB on this disk; the memory log when null
    bool grace_is_over = true;           // opened so long ago that every timer may fire
  };
  Driver() : Driver(Setup{}) {}
  explicit Driver(Setup setup);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Time now = kBegin;
  void wait(Duration d) { now = now + d; }
  void tick() { partition().tick(now); }
  // Moves the clock from due time to due time, firing and writing, until `until`.
  void run_until(Time until);

  template <class Reply, class Request>
  Answer<Reply> submit(Request request) {
    Answer<Reply> answer;
    request.reply = answer.taker();
    partition().handle(std::move(request), now);
    return answer;
  }
  // Submits, and writes until nothing is left to write.
  template <class Reply, class Request>
  Answer<Reply> ask(Request request) {
    Answer<Reply> answer = submit<Reply>(std::move(request));
    write();
    return answer;
  }

  // One write in three parts: give the batch away, let it become durable, let the effects out.
  bool begin_write();
  void finish_write();
  void write();  // all of it, again and again until nothing is built
  bool is_away() const { return away_.has_value(); }

  // The process dies and starts again at `now`.
  void crash(Fate away);
  // The log says that the write failed: everybody is told, and the partition is opened again.
  void fail_write(Fate away);
  // The log itself fails under the write (FaultDisk): append says so. Returns what it said.
  Status write_on_failing_disk();
  void reopen();
  // The machine dies, and what its disk had not synced is lost but for a part of it that `seed` draws.
  void power_loss(std::uint64_t seed);

  server::Partition& partition() { return *partition_; }
  storage::Log& log() { return *log_; }
  server::Metrics& metrics() { return *metrics_; }
  // Every event of a transaction as it is in the log, in order; and how its records cut them.
  std::vector<schema::Event> history(const std::string& id) const;
  std::vector<std::size_t> record_sizes(const std::string& id) const;
  std::vector<schema::EventKind> kinds(const std::string& id) const;
  void expect_consistent() const;

 private:
  void open(Time opened_at);
  void close();

  const Setup setup_;
  std::shared_ptr<storage::MemoryDisk> memory_;
  std::unique_ptr<server::Metrics> metrics_;
  std::unique_ptr<storage::Log> log_;
  std::unique_ptr<server::Partition> partition_;  // its readers go before the log
  std::optional<storage::Batch> away_;
};

// ---- requests in few words
schema::DefinitionPtr define(const std::string& text);
void publish(Driver& driver, const std::string& text);

server::StartRequest start_of(const std::string& id, const std::string& definition,
                              const std::string& input = "{\"n\":1}", Duration wait = {});
server::GetRequest get_of(const std::string& id, Duration wait = {});
server::CancelRequest cancel_of(const std::string& id, const std::string& request_id = {},
                                const std::string& reason = "asked");
server::TerminateRequest terminate_of(const std::string& id, const std::string& request_id = {});
server::Poll poll_of(std::vector<std::string> queues, std::size_t max = 1, Duration wait = {},
                     const std::string& poll_id = {});
server::LeaseRequest lease_of(server::Poll poll);
server::TaskResult completed(const std::string& token, const std::string& output = {});
server::TaskResult failed(const std::string& token, bool retryable = false, const std::string& code = "refused");
server::TaskResult released(const std::string& token, Duration delay = {});
server::ResultsRequest results_of(std::vector<server::TaskResult> results, std::optional<server::Poll> then_lease = {});
server::HeartbeatRequest beat_of(const std::string& token, const std::string& detail = {});
server::AppendRequest append_of(const std::string& id, std::vector<server::NewTransition> events);

// Starts, and fails the test when that is refused.
void start(Driver& driver, const std::string& id, const std::string& definition);
// One task of the queue, which must be there.
server::HandOut take(Driver& driver, const std::string& queue);
// The status of one result, reported alone.
Status report(Driver& driver, server::TaskResult result);
std::optional<ErrorCode> code_of(const Status& status);
std::string status_of(Driver& driver, const std::string& id);

}  // namespace dta::partition

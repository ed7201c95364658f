// The worker: takes tasks from queues, runs your handlers, reports what came of them.
//
//   dta::Worker worker("http://127.0.0.1:7117", {.concurrency = 8});
//   worker.on_do("payment.authorize", [](dta::Task& task) -> std::string { return authorize(task.input); });
//   worker.on_undo("payment.void", [](dta::Task& task) { return voided(task.idempotency_key); });
//   worker.run_until_signalled();
//
// What a handler owes: it may be called again for the same `idempotency_key` (an attempt whose answer was lost, a
// worker that died), so the effect must happen once per key. It reports one of three outcomes:
//   - it returns: done;
//   - it throws TaskFailed with Effect::none: nothing happened; with Effect::unknown: it may have happened;
//   - it throws anything else: unknown and retryable, because nobody can say what had happened by then.
//
// What the worker does: one long poll at a time for as many tasks as there are free hands; results collected and sent
// together with the next poll; heartbeats where a task wants them; everything sent again with the same poll id and
// tokens after connection_failed, overloaded, unavailable and outcome_unknown; task.stop_token() fired when the server
// asks for it and a margin before the lease ends, counted on the steady clock from the receipt of the answer.
//
// Threads: handlers run on `concurrency` threads of the worker, several at once; on_do and on_undo are called before
// start(). stop() may be called from any thread, also from a handler.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

#include "dta/error.h"

namespace dta {

enum class TaskKind : std::uint8_t { action, undo };
enum class Effect : std::uint8_t { none, unknown };
// What an undo says. After `found` a success of its action that is reported too late is recorded and no more: it is
// undone for certain. After the other two somebody has to look. `undone`: done, without knowing whether the action had
// happened.
enum class Undone : std::uint8_t { undone, nothing_found, found };

// Thrown by a handler: this attempt did not succeed.
class TaskFailed : public std::runtime_error {
 public:
  // `code` is yours: 1 to 64 characters, not beginning with "dta."; joins and retries are written against it. `details`
  // is JSON, empty for none.
  TaskFailed(std::string code, const std::string& message, bool retryable = true, Effect effect = Effect::none,
             std::string details = {});
  // Trying again cannot help, and nothing happened.
  static TaskFailed refused(std::string code, const std::string& message);

  std::string code;
  bool retryable;
  Effect effect;
  std::string details;
};

// One task handed out to this worker. Belongs to the worker; valid while the handler runs.
class Task {
 public:
  std::string token;  // the lease; opaque
  std::string transaction, definition, step, task, queue;
  std::uint32_t version = 0;
  std::uint32_t instance = 0;  // under a for_each the element's index
  TaskKind kind = TaskKind::action;
  std::uint32_t attempt = 0, generation = 0, order = 0;
  std::string idempotency_key;   // the same for every attempt of this task
  std::string input;             // JSON; empty: none
  std::string output;            // of an undo: what the action gave; JSON, empty: none
  bool output_known = false;     // of an undo: false when nobody knows what the action gave
  std::string heartbeat_detail;  // JSON that an earlier attempt reported last; empty: none
  std::map<std::string, std::string> headers;

  // Fires when the server asks the task to stop, a margin before the lease ends, and when the worker's own stop has
  // waited long enough. A handler that obeys throws TaskFailed with retryable false and its effect.
  std::stop_token stop_token() const;
  bool stopping() const { return stop_token().stop_requested(); }
  // Until when the lease holds, less the margin.
  std::chrono::steady_clock::time_point deadline() const;
  // Sends a heartbeat soon, with this detail (JSON, empty: none) for the next attempt. Heartbeats that a task needs are
  // sent anyway; this is for progress. Does not block.
  void report_progress(std::string detail);

  Task();
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

 private:
  friend class WorkerCore;
  struct Lease;
  std::unique_ptr<Lease> lease_;
};

// Gives the output as JSON; an empty string is no output.
using DoHandler = std::function<std::string(Task&)>;
using UndoHandler = std::function<Undone(Task&)>;

struct WorkerOptions {
  std::string name = {};  // shown in histories; made of host and process id when empty
  unsigned concurrency = 8;
  // Tasks taken in advance of free hands. Their leases run meanwhile: only for quick tasks.
  unsigned prefetch = 0;
  std::chrono::milliseconds poll_wait{30'000};
  // A result waits at most this long for others that are still being worked on, so that they travel in one request;
  // nothing waits when nothing else is in hand.
  std::chrono::microseconds gather{200};
  // How long before the end of its lease a task is asked to stop; at most a quarter of the lease.
  std::chrono::milliseconds lease_margin{1'000};
  // How often the server is asked whether a task that needs no heartbeat shall stop.
  std::chrono::milliseconds stop_check{5'000};
  // How long stop() lets handlers go on before it asks them to stop, and how long results are sent again after that.
  std::chrono::milliseconds stop_grace{10'000};
  std::chrono::milliseconds backoff_first{100}, backoff_cap{5'000};
  std::chrono::milliseconds connect_timeout{5'000}, answer_timeout{30'000};
  // Told, in one sentence, about everything that goes wrong without a caller to throw at. Called by several threads.
  // Default: one line each on standard error.
  std::function<void(std::string_view)> on_problem = {};
};

struct WorkerCounts {
  std::uint64_t leased = 0;    // tasks received
  std::uint64_t done = 0;      // results accepted: successes
  std::uint64_t failed = 0;    // results accepted: failures
  std::uint64_t refused = 0;   // results refused, for example stale_lease
  std::uint64_t released = 0;  // given back without having been begun
};

class Worker {
 public:
  explicit Worker(std::string_view url, WorkerOptions options = {});
  ~Worker();  // stop() and wait
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Worker& on_do(std::string queue, DoHandler handler);
  Worker& on_undo(std::string queue, UndoHandler handler);

  void start();
  // Takes nothing more, gives back what was not begun, lets handlers finish, sends their results. Returns at once.
  void stop();
  // Blocks until a stop() has been carried out.
  void wait();
  void run();  // start, then wait
  // run() that stops on SIGINT and SIGTERM. Call it on the main thread before others are started, because it blocks
  // these two signals for the threads to come.
  void run_until_signalled();

  WorkerCounts counts() const;

 private:
  std::unique_ptr<class WorkerCore> core_;
};

}  // namespace dta

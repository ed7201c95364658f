// The worker's inside: tasks in hand, and the threads that move them.
//
//   lanes (2)   carry requests: results and releases, and the one poll that is open at a time. While a lane waits in
//   the
//               poll, the other one reports.
//   hands (n)   run handlers.
//   watch       asks tasks to stop when their lease nears its end, or a stop of the worker has waited long enough.
//   beat        sends heartbeats, and hears from their answers that a task shall stop.
//
// Invariants, under mutex_: every task received is in live_ until its handler has ended or it was given back; in hand =
// ready_ + running_ <= concurrency + prefetch; after stopping_ is set nothing enters ready_. A result leaves the worker
// only by an answer of the server, or, told to on_problem, when the last time to try has passed.
// Owned by dta::Worker. All members are guarded by mutex_ unless said otherwise.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "client/http_connection.h"
#include "client/worker_messages.h"
#include "dta/worker.h"

namespace dta {

class WorkerCore {
 public:
  WorkerCore(std::string_view url, WorkerOptions options);
  ~WorkerCore();

  void handle(std::string queue, DoHandler handler);
  void handle(std::string queue, UndoHandler handler);

  void start();
  void stop();
  void wait();
  bool ended() const;
  WorkerCounts counts() const;
  void report_progress(Task& task, std::string detail);

 private:
  using Clock = std::chrono::steady_clock;
  using TaskPtr = std::shared_ptr<Task>;

  // What one lane carries at a time.
  struct Load {
    std::vector<client::Result> results;
    std::vector<client::Release> releases;
    std::optional<client::Poll> poll;
  };
  struct Handlers {
    DoHandler action;
    UndoHandler undo;
  };
  using Outcome = std::variant<client::Result, client::Release>;

  // worker_lanes.cpp
  void lane();
  std::optional<Load> next_load();
  Load take_load(bool may_poll);
  void carry(client::HttpConnection& connection, Load load);
  void carry_results(client::HttpConnection& connection, Load& load);
  void carry_poll(client::HttpConnection& connection, Load& load);
  void send_results(client::HttpConnection& connection, Load& load);
  void send_poll(client::HttpConnection& connection, Load& load, const client::Poll& poll);
  void send_releases(client::HttpConnection& connection, Load& load);
  std::optional<Error> persist(const std::function<void()>& exchange, const std::function<bool()>& give_up);
  void give_up_poll();
  bool allow_interruption(client::HttpConnection& connection);
  void end_interruption(client::HttpConnection& connection);
  void receive(const Json& tasks, Clock::time_point receipt);
  void pause(std::chrono::milliseconds length);
  bool stopping() const;
  bool past_last_try() const;

  // worker_core.cpp
  void hands();
  Outcome run(Task& task);
  void finish(Task& task, Outcome outcome);
  void watch();
  void beat();
  std::vector<TaskPtr> due_beats(Clock::time_point now, std::string& body);
  void take_beat_answers(const std::vector<TaskPtr>& due, const std::vector<client::ItemAnswer>& answers,
                         Clock::time_point receipt);
  std::string post(client::HttpConnection& connection, std::string_view path, const std::string& body,
                   std::chrono::milliseconds wait);
  void extend(Task& task, Clock::time_point receipt, std::chrono::milliseconds lease);
  Clock::time_point deadline_of(const Task& task) const;
  std::size_t in_hand() const { return ready_.size() + running_; }
  std::size_t free_hands() const;
  void tell(const std::string& sentence) const;
  void spawn(void (WorkerCore::*body)());

  // Fixed after start().
  WorkerOptions options_;
  const client::Address address_;
  client::Poller poller_;
  std::map<std::string, Handlers> handlers_;
  const std::string poll_prefix_;

  mutable std::mutex mutex_;
  std::condition_variable hands_cv_, lane_cv_, watch_cv_, beat_cv_, stop_cv_, ended_cv_;
  std::deque<TaskPtr> ready_;
  std::size_t running_ = 0;
  std::unordered_map<std::string, TaskPtr> live_;  // by token
  std::deque<client::Result> results_;
  std::vector<client::Release> releases_;
  Clock::time_point gather_until_{};
  bool poll_open_ = false;                           // by one of the lanes
  client::HttpConnection* interruptible_ = nullptr;  // the lane's that waits in it, for stop()
  std::uint64_t polls_ = 0;
  bool started_ = false, stopping_ = false, grace_over_ = false;
  Clock::time_point stop_at_{};
  WorkerCounts counts_;
  std::size_t active_threads_ = 0;
  std::vector<std::thread> threads_;  // joined by the destructor
};

// What only the worker knows about a task in hand. Guarded by the core's mutex but for stop and deadline.
struct Task::Lease {
  WorkerCore* core = nullptr;
  std::stop_source stop;
  std::atomic<std::chrono::steady_clock::rep> deadline{0};
  std::chrono::steady_clock::time_point next_beat;
  std::chrono::milliseconds beat_every{0};
  std::string detail;       // for the next heartbeat
  bool stop_given = false;  // watch has nothing more to do for this task
};

}  // namespace dta

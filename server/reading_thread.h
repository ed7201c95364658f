// The one thread that reads the log beside the partition: histories, lists, replays, states of the past. Jobs run one
// after the other, each over a snapshot of its own; a slow one delays other readers, never the partition.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "server/log_reading.h"

namespace dta::server {

class ReadingThread {
 public:
  using Job = std::function<void(LogReading&)>;

  explicit ReadingThread(Port& port) : reading_(port), thread_([this] { run(); }) {}
  ~ReadingThread() { stop(); }
  ReadingThread(const ReadingThread&) = delete;
  ReadingThread& operator=(const ReadingThread&) = delete;

  // Any thread. At most one job a connection is ever under way, so the queue needs no limit of its own.
  void run_soon(Job job) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
    wake_.notify_one();
  }

  // Ends when everything that is queued has been done; what comes after that is dropped.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    while (true) {
      Job job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job(reading_);
    }
  }

  LogReading reading_;  // the thread's own
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it starts when everything else is there
};

}  // namespace dta::server

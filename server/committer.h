// The thread that only writes: it appends the batch it was given, synced, and says so. One batch at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "server/metrics.h"
#include "storage/log.h"

namespace dta::server {

class Committer {
 public:
  // `done` is called on the committer's thread after each batch; it must only leave a note for the partition's thread.
  Committer(storage::Log& log, Metrics& metrics, std::function<void()> done);
  ~Committer();  // finishes what it was given
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  void write(storage::Batch batch);
  bool idle() const;
  // The result of the last batch, once.
  std::optional<schema::Status> take_result();

 private:
  void run();

  storage::Log& log_;
  Metrics& metrics_;
  const std::function<void()> done_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::optional<storage::Batch> batch_;
  std::optional<schema::Status> result_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace dta::server

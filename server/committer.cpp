// The write that everybody waits for (committer.h). The mutex is never held while the disk works.
#include "server/committer.h"

#include <chrono>

namespace dta::server {

Committer::Committer(storage::Log& log, Metrics& metrics, std::function<void()> done)
    : log_(log), metrics_(metrics), done_(std::move(done)), thread_([this] { run(); }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void Committer::write(storage::Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    batch_.emplace(std::move(batch));
  }
  ready_.notify_one();
}

bool Committer::idle() const {
  const std::lock_guard lock(mutex_);
  return !batch_ && !result_;
}

std::optional<schema::Status> Committer::take_result() {
  const std::lock_guard lock(mutex_);
  if (!result_) return std::nullopt;
  batch_.reset();
  return std::exchange(result_, std::nullopt);
}

void Committer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [&] { return stopping_ || (batch_ && !result_); });
    if (batch_ && !result_) {
      storage::Batch& batch = *batch_;
      lock.unlock();
      const auto before = std::chrono::steady_clock::now();
      schema::Status status = log_.append(batch);
      metrics_.sync_seconds.Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count());
      metrics_.syncs.Increment();
      metrics_.bytes.Increment(static_cast<double>(batch.bytes()));
      lock.lock();
      result_ = std::move(status);
      lock.unlock();
      done_();
      lock.lock();
    } else if (stopping_) {
      return;
    }
  }
}

}  // namespace dta::server

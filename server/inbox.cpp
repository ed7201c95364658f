// The bounded queue (inbox.h): one mutex, one condition. Any thread pushes, the partition's thread takes.
#include "server/inbox.h"

namespace dta::server {

Inbox::Push Inbox::push(Request& request, std::size_t bytes) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Push::closed;
    if (requests_.size() >= schema::limits::kInboxMax || bytes_ + bytes > schema::limits::kInboxBytesMax)
      return Push::full;
    was_empty = requests_.empty();
    requests_.push_back(std::move(request));
    bytes_ += bytes;
  }
  if (was_empty) ready_.notify_one();
  return Push::taken;
}

Inbox::Taken Inbox::take(std::chrono::steady_clock::time_point deadline) {
  Taken taken;
  std::unique_lock lock(mutex_);
  ready_.wait_until(lock, deadline, [&] { return !requests_.empty() || woken_ || closed_; });
  taken.requests.swap(requests_);
  bytes_ = 0;
  taken.woken = std::exchange(woken_, false);
  taken.closed = closed_;
  return taken;
}

void Inbox::take_wake() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [&] { return woken_; });
  woken_ = false;
}

void Inbox::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  ready_.notify_one();
}

void Inbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  ready_.notify_one();
}

std::pair<std::size_t, std::size_t> Inbox::size() const {
  const std::lock_guard lock(mutex_);
  return {requests_.size(), bytes_};
}

}  // namespace dta::server

// A partition that does what the test says: requests are answered by scripts, or kept until the test answers them.
// Reads come from a log in memory. submit() is called on the server's io thread, everything else by the test's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "server/port.h"
#include "storage/memory_log.h"

namespace dta::test {

class FakePort : public server::Port {
 public:
  void submit(server::Request request, std::size_t bytes) override {
    std::unique_lock lock(mutex_);
    last_bytes_ = bytes;
    ++submitted_;
    const auto script = script_;
    lock.unlock();  // whoever is answered may ask for a snapshot at once
    if (script && script(request)) return;
    lock.lock();
    kept_.push_back(std::move(request));
    arrived_.notify_all();
  }
  std::unique_ptr<storage::Reader> snapshot() override {
    const std::lock_guard lock(mutex_);
    return log_ ? log_->snapshot() : nullptr;
  }
  std::optional<std::string> not_ready() const override {
    const std::lock_guard lock(mutex_);
    return not_ready_;
  }

  // Requests of this kind are answered at once by `answer`, which gets the request and calls its reply.
  template <class Kind>
  void on(std::function<void(Kind&)> answer) {
    const std::lock_guard lock(mutex_);
    script_ = [answer = std::move(answer), before = std::move(script_)](server::Request& request) {
      if (auto* wanted = std::get_if<Kind>(&request)) return answer(*wanted), true;
      return before && before(request);
    };
  }
  // Waits for a request that no script answers; it must be of this kind.
  template <class Kind>
  Kind take() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !kept_.empty(); });
    Kind request = std::get<Kind>(std::move(kept_.front()));
    kept_.pop_front();
    return request;
  }

  void set_not_ready(std::string reason) {
    const std::lock_guard lock(mutex_);
    not_ready_ = std::move(reason);
  }
  void set_log(std::unique_ptr<storage::Log> log) {
    const std::lock_guard lock(mutex_);
    log_ = std::move(log);
  }
  storage::Log& log() { return *log_; }
  std::size_t last_bytes() const {
    const std::lock_guard lock(mutex_);
    return last_bytes_;
  }
  std::size_t submitted() const {
    const std::lock_guard lock(mutex_);
    return submitted_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::function<bool(server::Request&)> script_;
  std::deque<server::Request> kept_;
  std::optional<std::string> not_ready_;
  std::unique_ptr<storage::Log> log_;
  std::size_t last_bytes_ = 0, submitted_ = 0;
};

}  // namespace dta::test

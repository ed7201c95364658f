// The bounded queue between everybody and the partition's thread. The one place with a mutex on that way.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "schema/limits.h"
#include "server/requests.h"

namespace dta::server {

class Inbox {
 public:
  enum class Push { taken, full, closed };

  // `full`: over kInboxMax requests or kInboxBytesMax bytes; the request is untouched and the caller answers
  // overloaded.
  Push push(Request& request, std::size_t bytes);

  // What the thread is woken with.
  struct Taken {
    std::vector<Request> requests;
    bool woken = false;   // wake() was called
    bool closed = false;  // close() was called
  };
  // Waits until there is something, or until `deadline` (steady), and takes all of it.
  Taken take(std::chrono::steady_clock::time_point deadline);
  // Waits for wake() only, and leaves the requests where they are.
  void take_wake();
  void wake();
  // No further pushes; those inside are still taken.
  void close();
  std::pair<std::size_t, std::size_t> size() const;  // requests, bytes

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Request> requests_;
  std::size_t bytes_ = 0;
  bool woken_ = false, closed_ = false;
};

}  // namespace dta::server

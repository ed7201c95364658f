// Growing pauses between tries, drawn from the upper half so that many callers spread out. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

namespace dta::client {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds cap) : first_(first), cap_(cap), next_(first) {}

  // The next pause; at least what the server asked for.
  std::chrono::milliseconds next(std::optional<std::chrono::seconds> asked) {
    std::uniform_real_distribution<double> share(0.5, 1.0);
    const auto drawn = std::chrono::milliseconds(static_cast<std::int64_t>(share(random_) * double(next_.count())));
    next_ = std::min(cap_, next_ * 2);
    return asked ? std::max(drawn, std::chrono::duration_cast<std::chrono::milliseconds>(*asked)) : drawn;
  }
  void reset() { next_ = first_; }

 private:
  const std::chrono::milliseconds first_, cap_;
  std::chrono::milliseconds next_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace dta::client

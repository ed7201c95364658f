// Time as the partition sees it: the wall clock once, at the start, and a steady clock from there on. So every timer is
// measured in true length whatever happens to the wall clock: it may fire late, never early, and no lease is shortened.
// After a jump recorded times stay on the old time line until the next start; drift() tells by how much.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "schema/time.h"

namespace dta::server {

class WallClock {
 public:
  WallClock() : steady_(std::chrono::steady_clock::now()), wall_(wall()) {}

  schema::Time now() const {
    return wall_ + schema::Duration{
                       std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - steady_)
                           .count()};
  }

  // Moves the time line on so that it does not stand before `t`, the last time that a log holds. The wall clock may
  // have been set back since: then what the log says to be ready at some time would wait until the clock comes there
  // again. Only before others use the clock; later it has nothing to move.
  void not_before(schema::Time t) {
    if (const schema::Duration behind = t - now(); behind.ms > 0) wall_ = wall_ + behind;
  }

  // Wall clock minus now().
  schema::Duration drift() const { return wall() - now(); }

  // When the steady clock will have reached `t`; an hour from now at most.
  std::chrono::steady_clock::time_point steady(schema::Time t) const {
    const auto latest = std::chrono::steady_clock::now() + std::chrono::hours(1);
    if (t == schema::Time::never()) return latest;
    return std::min(latest, steady_ + std::chrono::milliseconds(t.ms - wall_.ms));
  }

 private:
  static schema::Time wall() {
    return schema::Time{
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count()};
  }

  const std::chrono::steady_clock::time_point steady_;
  schema::Time wall_;
};

}  // namespace dta::server

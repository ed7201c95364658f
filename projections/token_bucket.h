// The rate limit of one queue: a bucket that holds `burst` tokens and fills at an even rate; a hand-out takes one.
// Counted in whole millionths of a token, so that nothing is lost to rounding however often it is asked. Its time is
// the caller's, which never runs backwards; what it holds is in no log: it is full again when the process starts.
// Owned by the partition's thread.
#pragma once

#include <cstdint>

#include "schema/time.h"

namespace dta::projections {

class TokenBucket {
 public:
  // A new bucket is full. `per_1000s` and `burst` from 1, at most 1e9 and 1e6.
  TokenBucket(std::uint64_t per_1000s, std::uint32_t burst, schema::Time now);

  // The same bucket under another limit: what it holds stays, as far as it fits.
  void change(std::uint64_t per_1000s, std::uint32_t burst, schema::Time now);

  bool has(schema::Time now) const { return level(now) >= kToken; }
  void take(schema::Time now);                // one must be there
  schema::Time next(schema::Time now) const;  // the first moment from `now` on at which there is one

 private:
  static constexpr std::int64_t kToken = 1'000'000;  // a rate per 1000 s is that many millionths per millisecond

  std::int64_t level(schema::Time now) const;

  std::int64_t rate_, full_;
  std::int64_t held_;
  schema::Time at_;  // when it held that
};

}  // namespace dta::projections

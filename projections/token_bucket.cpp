// Millionths of tokens by the millisecond (token_bucket.h). Pure but for its own count; partition thread.
#include "projections/token_bucket.h"

#include <algorithm>

#include "schema/assert.h"

namespace dta::projections {

TokenBucket::TokenBucket(std::uint64_t per_1000s, std::uint32_t burst, schema::Time now)
    : rate_(static_cast<std::int64_t>(per_1000s)), full_(std::int64_t{burst} * kToken), held_(full_), at_(now) {
  DTA_ASSERT(per_1000s >= 1 && per_1000s <= 1'000'000'000 && burst >= 1 && burst <= 1'000'000);
}

void TokenBucket::change(std::uint64_t per_1000s, std::uint32_t burst, schema::Time now) {
  const std::int64_t held = level(now);
  *this = TokenBucket(per_1000s, burst, std::max(at_, now));
  held_ = std::min(held, full_);
}

std::int64_t TokenBucket::level(schema::Time now) const {
  const std::int64_t passed = std::max<std::int64_t>(0, (now - at_).ms);
  // Compared by division, so that a bucket nobody asked for years does not overflow.
  return passed >= (full_ - held_ + rate_ - 1) / rate_ ? full_ : held_ + passed * rate_;
}

void TokenBucket::take(schema::Time now) {
  const std::int64_t held = level(now);
  DTA_ASSERT(held >= kToken);
  held_ = held - kToken;
  at_ = std::max(at_, now);
}

schema::Time TokenBucket::next(schema::Time now) const {
  const std::int64_t missing = kToken - level(now);
  return missing <= 0 ? now : std::max(at_, now) + schema::Duration{(missing + rate_ - 1) / rate_};
}

}  // namespace dta::projections

// Delays as docs/definitions.md promises them: grown, capped, then drawn downwards. Pure; the draw is a hash, so that
// no source of chance is needed and the same log gives the same times.
#include "engine/backoff.h"

#include <algorithm>
#include <cmath>

namespace dta::engine {

const schema::Backoff& rule_for(const schema::Retry& retry, std::string_view error_code) {
  for (const schema::ErrorRetry& rule : retry.by_error)
    if (std::find(rule.errors.begin(), rule.errors.end(), error_code) != rule.errors.end()) return rule.backoff;
  return retry.backoff;
}

schema::Duration delay_after(const schema::Backoff& rule, std::uint32_t attempt, std::uint64_t draw) {
  if (rule.first.ms == 0) return schema::Duration{0};  // 0 times a rate that has grown past every bound is no number
  const double grown = static_cast<double>(rule.first.ms) * std::pow(rule.rate, static_cast<double>(attempt) - 1.0);
  const double capped = std::min(grown, static_cast<double>(rule.cap.ms));
  const double part = static_cast<double>(draw >> 11) * 0x1.0p-53;  // [0, 1)
  return schema::Duration{std::llround(capped * (1.0 - rule.jitter * part))};
}

std::uint64_t draw_for(std::string_view transaction_id, std::uint64_t sequence) {
  std::uint64_t x = 0xcbf29ce484222325u;
  for (char c : transaction_id) x = (x ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  x += sequence * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace dta::engine

// Points in time and lengths of time, in whole milliseconds. Time is wall time since the Unix epoch (UTC); it is only
// ever an input: nothing below server/ reads a clock.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace dta::schema {

struct Duration {
  std::int64_t ms = 0;
  constexpr auto operator<=>(const Duration&) const = default;
};

struct Time {
  std::int64_t ms = 0;
  constexpr auto operator<=>(const Time&) const = default;
  static constexpr Time never() { return Time{std::numeric_limits<std::int64_t>::max()}; }
};

constexpr Time operator+(Time t, Duration d) {
  return t == Time::never() ? t : Time{t.ms + d.ms};
}
constexpr Duration operator-(Time a, Time b) {
  return Duration{a.ms - b.ms};
}

// "200ms", "1.5s", "10m", "24h", "7d", or a bare number of milliseconds as text. Nothing for anything else, for
// negative lengths, and for more than kDurationMax (100 years).
std::optional<Duration> parse_duration(std::string_view text);
// The shortest exact form: "1500ms", "2s", "10m", "24h".
std::string format_duration(Duration d);

// RFC 3339, always UTC with milliseconds when written: "2026-11-20T15:49:51.123Z". Any offset when read.
std::string format_time(Time t);
std::optional<Time> parse_time(std::string_view text);

inline constexpr Duration kDurationMax{100LL * 366 * 24 * 3600 * 1000};

}  // namespace dta::schema

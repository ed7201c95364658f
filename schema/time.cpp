// Reading and writing lengths and points of time as text. Pure; any thread.
#include "schema/time.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

namespace dta::schema {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t ms;
};
// Longest first, so that formatting finds the largest exact unit; "ms" stands before "m" and "s" when parsing by
// suffix.
constexpr std::array<Unit, 5> kUnits{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

bool take_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  std::int64_t unit = 1;
  std::string_view number = text;
  if (number.ends_with("ms")) {
    number.remove_suffix(2);
  } else {
    for (const Unit& u : kUnits) {
      if (u.ms != 1 && number.ends_with(u.suffix)) {
        unit = u.ms;
        number.remove_suffix(1);
        break;
      }
    }
  }
  if (number.empty() || number.front() < '0' || number.front() > '9') return std::nullopt;
  double value = 0;
  const auto [end, status] =
      std::from_chars(number.data(), number.data() + number.size(), value, std::chars_format::fixed);
  if (status != std::errc{} || end != number.data() + number.size()) return std::nullopt;
  const double ms = value * static_cast<double>(unit);
  if (!(ms <= static_cast<double>(kDurationMax.ms))) return std::nullopt;
  return Duration{static_cast<std::int64_t>(ms + 0.5)};
}

std::string format_duration(Duration d) {
  for (const Unit& u : kUnits)
    if (d.ms != 0 && d.ms % u.ms == 0) return fmt::format("{}{}", d.ms / u.ms, u.suffix);
  return "0ms";
}

std::string format_time(Time t) {
  if (t == Time::never()) return "never";
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds{t.ms}};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss<milliseconds> clock{at - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::optional<Time> parse_time(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) || !take(text, '-') ||
      !take_digits(text, 2, day))
    return std::nullopt;
  if (!take(text, 'T') && !take(text, 't')) return std::nullopt;
  if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute) || !take(text, ':') ||
      !take_digits(text, 2, second))
    return std::nullopt;
  std::int64_t ms = 0;
  if (take(text, '.')) {
    int digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1))
      if (digits++ < 3) ms = ms * 10 + (text.front() - '0');
    if (digits == 0) return std::nullopt;
    for (; digits < 3; ++digits) ms *= 10;
  }
  int offset_minutes = 0;
  if (!take(text, 'Z') && !take(text, 'z')) {
    const bool east = take(text, '+');
    int h = 0, m = 0;
    if (!east && !take(text, '-')) return std::nullopt;
    if (!take_digits(text, 2, h) || !take(text, ':') || !take_digits(text, 2, m) || h > 23 || m > 59)
      return std::nullopt;
    offset_minutes = (east ? 1 : -1) * (h * 60 + m);
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!text.empty() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  return Time{(((days * 24 + hour) * 60 + minute - offset_minutes) * 60 + second) * 1000 + ms};
}

}  // namespace dta::schema

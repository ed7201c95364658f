// Retry and timeouts of tasks and undos: ranges, and what one field demands of another.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "schema/definition_parse.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

using Names = std::string_view;
constexpr std::array<Names, 6> kRetryFields{"max_attempts", "first", "rate", "cap", "jitter", "by_error"};
constexpr std::array<Names, 6> kRuleFields{"errors", "max_attempts", "first", "rate", "cap", "jitter"};
constexpr std::array<Names, 4> kTimeoutFields{"queue", "attempt", "total", "heartbeat"};

constexpr Fields kRetry{"`retry`", kRetryFields, {}};
constexpr Fields kRule{"a `by_error` rule", kRuleFields, {}};
constexpr Fields kTimeouts{"`timeouts`", kTimeoutFields, {}};

void parse_max_attempts(ObjectReader& reader, RetryOf of, std::uint32_t& out) {
  const auto value = reader.get("max_attempts");
  if (of == RetryOf::undo && value && value->string() == "unlimited") {
    out = Backoff::kUnlimited;
    return;
  }
  reader.integer("max_attempts", out, 0, limits::kAttemptsMax);
}

// `backoff` holds the defaults. A cap that is not given is never below a longer `first`.
void parse_backoff(ObjectReader& reader, RetryOf of, Backoff& backoff) {
  parse_max_attempts(reader, of, backoff.max_attempts);
  reader.duration("first", backoff.first);
  reader.number("rate", backoff.rate, 1, std::numeric_limits<double>::max(), "of at least 1");
  reader.number("jitter", backoff.jitter, 0, 1, "from 0 to 1");
  if (!reader.get("cap")) {
    backoff.cap = std::max(backoff.cap, backoff.first);
    return;
  }
  reader.duration("cap", backoff.cap);
  if (backoff.cap < backoff.first)
    reader.fault("cap", fmt::format("`cap` ({}) must not be shorter than `first` ({})", format_duration(backoff.cap),
                                    format_duration(backoff.first)));
}

void parse_errors(ObjectReader& reader, ErrorRetry& rule, FaultList& faults) {
  if (!reader.require("errors")) return;
  const auto codes = reader.array("errors", limits::kFaultsMax);
  if (!codes) return;
  if (codes->empty()) return reader.fault("errors", "`errors` is empty; name the error codes that this rule is for");
  for (std::size_t i = 0; i < codes->size(); ++i) {
    auto code = (*codes)[i].string();
    const std::string pointer = child_pointer(reader.at("errors"), i);
    if (!code || code->empty() || code->size() > limits::kErrorCodeBytesMax || has_control_characters(*code)) {
      faults.add(pointer, fmt::format("an error code is a string of 1 to {} bytes without control characters",
                                      limits::kErrorCodeBytesMax));
    } else if (std::ranges::find(rule.errors, *code) != rule.errors.end()) {
      faults.add(pointer, fmt::format("{} stands here twice; keep one", shown(*code)));
    } else {
      rule.errors.push_back(std::move(*code));
    }
  }
}

}  // namespace

void parse_retry(JsonValue value, const std::string& pointer, RetryOf of, Retry& retry, FaultList& faults) {
  ObjectReader reader(value, pointer, kRetry, faults);
  if (!reader.is_object()) return;
  parse_backoff(reader, of, retry.backoff);
  const auto rules = reader.array("by_error", limits::kFaultsMax);
  if (!rules) return;
  for (std::size_t i = 0; i < rules->size(); ++i) {
    ObjectReader rule_reader((*rules)[i], child_pointer(reader.at("by_error"), i), kRule, faults);
    if (!rule_reader.is_object()) continue;
    ErrorRetry rule{{}, retry.backoff};  // what a rule does not say is as in the retry around it
    parse_errors(rule_reader, rule, faults);
    parse_backoff(rule_reader, of, rule.backoff);
    retry.by_error.push_back(std::move(rule));
  }
}

void parse_undo_timeouts(JsonValue value, const std::string& at, Timeouts& timeouts, FaultList& faults) {
  ObjectReader reader(value, at, kTimeouts, faults);
  if (!reader.is_object()) return;
  reader.duration("attempt", timeouts.attempt, Duration{1});
  reader.duration("heartbeat", timeouts.heartbeat);
  for (const Names limit : {Names("queue"), Names("total")})
    if (reader.get(limit))
      reader.fault(limit, fmt::format("an undo has no {} timeout, it is tried until it is acknowledged; remove it",
                                      shown(limit)));
}

void parse_task_timeouts(JsonValue value, const std::string& at, const Scope& scope, Task& task, FaultList& faults) {
  ObjectReader reader(value, at, kTimeouts, faults);
  if (!reader.is_object()) return;
  const auto read = [&](Names field, Duration& fixed, std::string& pointer, Duration least) {
    if ((task.external || task.child) && field != "total" && reader.get(field))
      return reader.fault(field, fmt::format("{} is not handed out, so it has no {} timeout; remove it, `total` alone "
                                             "bounds it",
                                             task.child ? "a child transaction" : "an external task", shown(field)));
    if (reader.length(field, fixed, pointer, least)) check_pointer(pointer, reader.at(field), scope, faults);
  };
  read("queue", task.timeouts.queue, task.timeouts_from.queue, Duration{0});
  read("attempt", task.timeouts.attempt, task.timeouts_from.attempt, Duration{1});
  read("total", task.timeouts.total, task.timeouts_from.total, Duration{0});
  read("heartbeat", task.timeouts.heartbeat, task.timeouts_from.heartbeat, Duration{0});
}

}  // namespace dta::schema

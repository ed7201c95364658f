// Structured log lines: one event of the service, one line of logfmt on stderr, written with a single write so that
// lines of different threads never mix:
//   ts=2026-11-20T15:49:51.123Z level=info msg="listening" host=127.0.0.1 port=7117
// Lines tell of the service, not of payloads: no input, output or header value of a caller is ever a field.
// Any thread may log. There is one Logger, made by main's composition root and handed down.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "schema/error.h"
#include "schema/time.h"

namespace dta::server {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  template <class Integer>
    requires std::is_integral_v<Integer>
  LogField(std::string_view k, Integer v) : key(k), value(std::to_string(v)) {}

  std::string_view key;
  std::string value;
};

class Logger {
 public:
  using Clock = std::function<schema::Time()>;
  using Sink = std::function<void(std::string_view line)>;  // a whole line with its end

  Logger();  // stderr and the wall clock
  Logger(Sink sink, Clock clock);
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void set_level(LogLevel least) { least_ = least; }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::info, message, fields);
  }
  void warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::warning, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::error, message, fields);
  }

  // A refused request: at most one line a code and kRefusalInterval; the next line says how many were left out.
  void refused(schema::ErrorCode code, std::string_view method, std::string_view path, std::string_view detail);
  static constexpr schema::Duration kRefusalInterval{1000};

 private:
  struct Refusals {
    std::atomic<std::int64_t> last_ms{INT64_MIN};
    std::atomic<std::uint64_t> left_out{0};
  };

  Sink sink_;
  Clock clock_;
  std::atomic<LogLevel> least_{LogLevel::info};
  std::array<Refusals, schema::kErrorCodeCount> refusals_;
};

}  // namespace dta::server

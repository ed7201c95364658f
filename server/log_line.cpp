// Formatting and writing of log lines (log_line.h). Any thread.
#include "server/log_line.h"

#include <unistd.h>

#include <chrono>

namespace dta::server {
namespace {

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

// Bare when it is a plain word, else in quotes with everything escaped that could end the line or fool a terminal.
void append_value(std::string& out, std::string_view value) {
  bool plain = !value.empty();
  for (const char c : value) plain = plain && c > ' ' && c < 0x7f && c != '"' && c != '=' && c != '\\';
  if (plain) {
    out += value;
    return;
  }
  out += '"';
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void write_stderr(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written <= 0) return;  // nobody listens: a log line is never worth stopping for
    line.remove_prefix(static_cast<std::size_t>(written));
  }
}

schema::Time wall_clock() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
  return schema::Time{duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()};
}

}  // namespace

Logger::Logger() : Logger(write_stderr, wall_clock) {}
Logger::Logger(Sink sink, Clock clock) : sink_(std::move(sink)), clock_(std::move(clock)) {}

void Logger::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < least_.load(std::memory_order_relaxed)) return;
  std::string line = "ts=";
  line += schema::format_time(clock_());
  line += " level=";
  line += to_string(level);
  line += " msg=";
  append_value(line, message);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  line += '\n';
  sink_(line);
}

void Logger::refused(schema::ErrorCode code, std::string_view method, std::string_view path, std::string_view detail) {
  Refusals& refusals = refusals_[static_cast<std::size_t>(code)];
  const std::int64_t now = clock_().ms;
  std::int64_t last = refusals.last_ms.load(std::memory_order_relaxed);
  const bool due = last == INT64_MIN || now < last || now - last >= kRefusalInterval.ms;
  if (!due || !refusals.last_ms.compare_exchange_strong(last, now, std::memory_order_relaxed)) {
    refusals.left_out.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::uint64_t left_out = refusals.left_out.exchange(0, std::memory_order_relaxed);
  const bool refusal = schema::info(code).family == schema::ErrorFamily::refusal;
  write(refusal ? LogLevel::info : LogLevel::warning, "refused",
        {{"code", schema::to_string(code)},
         {"method", method},
         {"path", path},
         {"detail", detail},
         {"left_out", left_out}});
}

}  // namespace dta::server

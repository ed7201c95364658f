// Writing of answer heads (http_answer.h). Pure.
#include "server/http_answer.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace dta::server {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace

// RFC 9110, 5.6.7.
std::string http_date(schema::Time now) {
  const std::time_t seconds = static_cast<std::time_t>(now.ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

void append_answer_head(std::string& out, const AnswerHead& head, std::string_view date) {
  out += "HTTP/1.1 ";
  out += std::to_string(head.status);
  out += ' ';
  out += reason(head.status);
  out += "\r\nContent-Type: ";
  out += head.type;
  out += "\r\nDate: ";
  out += date;
  if (head.body_size == AnswerHead::kChunked) {
    out += "\r\nTransfer-Encoding: chunked";
  } else if (head.body_size != AnswerHead::kUntilClosed) {
    out += "\r\nContent-Length: ";
    out += std::to_string(head.body_size);
  }
  if (!head.allow.empty()) {
    out += "\r\nAllow: ";
    out += head.allow;
  }
  if (head.retry_after != 0) {
    out += "\r\nRetry-After: ";
    out += std::to_string(head.retry_after);
  }
  if (!head.keep) {
    out += "\r\nConnection: close";
  } else if (head.minor_version == 0) {
    out += "\r\nConnection: keep-alive";
  }
  out += "\r\n\r\n";
}

}  // namespace dta::server

// The head of an answer as bytes (RFC 9112, 4 and 5). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "schema/time.h"

namespace dta::server {

struct AnswerHead {
  static constexpr std::uint64_t kChunked = UINT64_MAX;  // in place of a length
  static constexpr std::uint64_t kUntilClosed = UINT64_MAX - 1;
  int status = 200;
  std::string_view type;
  std::uint64_t body_size = 0;
  std::string_view allow = {};  // left out when empty
  int retry_after = 0;          // seconds; left out when 0
  bool keep = true;             // the connection stays open
  int minor_version = 1;        // of the request
};
void append_answer_head(std::string& out, const AnswerHead& head, std::string_view date);

// "Fri, 20 Nov 2026 15:49:51 GMT" (RFC 9110, 5.6.7)
std::string http_date(schema::Time now);

}  // namespace dta::server

// What can go wrong, in three families that are never mixed:
//   refusal - the caller asked for something that is not allowed; nothing changed;
//   fault   - disk or wire failed; the outcome of what was under way may be unknown;
//   bug     - DTA broke its own rules (also raised by DTA_ASSERT, which ends the process).
// One table (error.cpp) maps every code to its name, HTTP status, exit code and advice. The name is the stable
// `code` of problem documents and the label of the refusal metric; names are never changed or reused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace dta::schema {

enum class ErrorFamily : std::uint8_t { refusal, fault, bug };

enum class ErrorCode : std::uint8_t {
  // The request itself.
  malformed_json,
  invalid_argument,
  unknown_field,
  missing_field,
  too_large,
  invalid_cursor,
  invalid_definition,
  not_supported,
  bad_request,
  not_found,
  method_not_allowed,
  unsupported_media_type,
  forbidden_host,
  forbidden_origin,
  request_timeout,
  headers_too_large,
  http_version_not_supported,
  // What it names.
  definition_not_found,
  transaction_not_found,
  task_not_found,
  lease_not_found,
  incident_not_found,
  // What it would change.
  definition_conflict,
  id_reused,
  wrong_sequence,
  illegal_event,
  reserved_kind,
  unknown_signal,
  closed,
  past_pivot,
  stale_lease,
  purged,
  deprecated,
  // The service.
  overloaded,
  unavailable,
  outcome_unknown,
  log_damaged,
  log_locked,
  storage_fault,
  connection_failed,
  internal,
};
inline constexpr std::size_t kErrorCodeCount = static_cast<std::size_t>(ErrorCode::internal) + 1;

struct ErrorInfo {
  ErrorCode code;
  std::string_view name;  // stable, snake_case
  ErrorFamily family;
  std::uint16_t http_status;
  std::uint8_t exit_code;   // of the command line; documented in docs/cli.md
  std::string_view title;   // short, the same for every occurrence
  std::string_view advice;  // one sentence: what the caller should do now
};

const ErrorInfo& info(ErrorCode code);
std::string_view to_string(ErrorCode code);
std::optional<ErrorCode> parse_error_code(std::string_view name);

// One fault inside a document; `pointer` is an RFC 6901 JSON Pointer into what the caller sent ("" = the whole).
struct Fault {
  std::string pointer;
  std::string message;
  bool operator==(const Fault&) const = default;
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;             // one sentence about this occurrence
  std::vector<Fault> faults = {};  // every fault of a document, when it is a document that is refused
  std::optional<std::uint64_t> current_sequence = {};  // wrong_sequence, illegal_event: where the transaction stands
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> refuse(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace dta::schema

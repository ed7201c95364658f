// The one table of error codes. Rows stand in the order of the enumeration; a test checks that.
#include "schema/error.h"

#include <array>

#include "schema/assert.h"

namespace dta::schema {
namespace {

using enum ErrorCode;
using enum ErrorFamily;

// Exit codes: 2 usage, 3 refused, 4 not found, 5 conflict, 6 service unavailable, 7 disk or damage, 8 bug.
// clang-format off: a row is one line, so that the table can be read down its columns.
constexpr std::array<ErrorInfo, kErrorCodeCount> kTable{{
    {malformed_json, "malformed_json", refusal, 400, 2, "The body is not valid JSON", "Send one JSON document as RFC 8259 defines it, in UTF-8."},
    {invalid_argument, "invalid_argument", refusal, 400, 2, "A value is not acceptable", "Correct the value that the pointer names and send the request again."},
    {unknown_field, "unknown_field", refusal, 400, 2, "A field is not known", "Remove the field or correct its name; the API description lists the fields of every call."},
    {missing_field, "missing_field", refusal, 400, 2, "A field is missing", "Add the field that the pointer names."},
    {too_large, "too_large", refusal, 413, 2, "Something is larger than its limit", "Send less at once, or keep large data elsewhere and send a reference to it."},
    {invalid_cursor, "invalid_cursor", refusal, 400, 2, "The cursor is not one of this server's", "Start again without a cursor, or use one exactly as an earlier answer gave it."},
    {invalid_definition, "invalid_definition", refusal, 422, 3, "The definition has faults", "Correct every fault in the list; each names its place by a JSON Pointer."},
    {not_supported, "not_supported", refusal, 422, 3, "This is not supported by this release", "Leave it out, or upgrade to a release that supports it."},
    {bad_request, "bad_request", refusal, 400, 2, "The request is not valid HTTP", "Send a request that follows RFC 9112."},
    {not_found, "not_found", refusal, 404, 4, "There is nothing at this path", "Check the path against the API description."},
    {method_not_allowed, "method_not_allowed", refusal, 405, 2, "This path does not take this method", "Use a method that the Allow header names."},
    {unsupported_media_type, "unsupported_media_type", refusal, 415, 2, "The body's media type is not taken", "Send application/json."},
    {forbidden_host, "forbidden_host", refusal, 403, 3, "The Host header names a foreign host", "Connect to the server by its loopback address, or start it with --insecure if its network is trusted."},
    {forbidden_origin, "forbidden_origin", refusal, 403, 3, "A page of another origin may not use this server", "Call the API from a program, not from a web page of another site."},
    {request_timeout, "request_timeout", refusal, 408, 6, "The request did not arrive in time", "Send headers and body without long pauses."},
    {headers_too_large, "headers_too_large", refusal, 431, 2, "The header section is too large", "Send fewer or shorter headers."},
    {http_version_not_supported, "http_version_not_supported", refusal, 505, 2, "This version of HTTP is not spoken", "Use HTTP/1.1."},
    {definition_not_found, "definition_not_found", refusal, 404, 4, "No such definition", "Publish it first, or list the published ones."},
    {transaction_not_found, "transaction_not_found", refusal, 404, 4, "No such transaction", "Check the id; ids are case-sensitive."},
    {task_not_found, "task_not_found", refusal, 404, 4, "No such task in this transaction", "Check step and task names against the definition."},
    {lease_not_found, "lease_not_found", refusal, 404, 4, "No such lease", "Use the token exactly as the hand-out gave it."},
    {incident_not_found, "incident_not_found", refusal, 404, 4, "No such incident", "Read the transaction: it lists its incidents with their numbers."},
    {definition_conflict, "definition_conflict", refusal, 409, 5, "This version is published with other content", "Published versions never change: publish under the next version number."},
    {id_reused, "id_reused", refusal, 409, 5, "This id was used for something else", "Use a new id for a new request; repeat a request only with the same content."},
    {wrong_sequence, "wrong_sequence", refusal, 409, 5, "The transaction has moved on", "Read it again from the current sequence given here, decide again, and append with that sequence."},
    {illegal_event, "illegal_event", refusal, 409, 5, "The event is not legal in this state", "Read the transaction's state; the message names the events that are legal now."},
    {reserved_kind, "reserved_kind", refusal, 422, 3, "This event belongs to the engine", "Append only transitions that the definition names."},
    {unknown_signal, "unknown_signal", refusal, 422, 3, "No step waits for this signal", "Send a signal that a `wait_for` of the definition names."},
    {closed, "closed", refusal, 409, 5, "The transaction's outcome is decided", "Nothing more can be changed; read its history."},
    {past_pivot, "past_pivot", refusal, 409, 5, "The point of no return has passed", "Let it go forward, or resolve its incident."},
    {stale_lease, "stale_lease", refusal, 409, 5, "The lease has ended", "Drop the result: the attempt already counts as unknown, and the task is retried or undone."},
    {purged, "purged", refusal, 410, 4, "The transaction was purged", "Ids are never reused: choose a new one."},
    {deprecated, "deprecated", refusal, 409, 5, "This version takes no new start", "Start a version that is not deprecated, or leave the version out to get the newest of those."},
    {overloaded, "overloaded", refusal, 503, 6, "The server is full", "Wait as long as Retry-After says and send the same request again."},
    {unavailable, "unavailable", fault, 503, 6, "The server is not ready", "Wait and send the same request again."},
    {outcome_unknown, "outcome_unknown", fault, 503, 6, "Whether this took effect is not known", "Send the same request with the same id again: it takes effect once."},
    {log_damaged, "log_damaged", fault, 500, 7, "The log is damaged", "Stop the server, keep a copy of the directory, and run 'dta log verify'."},
    {log_locked, "log_locked", fault, 500, 7, "Another process has the log open", "Stop that process, or choose another directory."},
    {storage_fault, "storage_fault", fault, 503, 7, "The disk did not do what was asked", "Check the disk's space and health; the server serves again once the log opens."},
    {connection_failed, "connection_failed", fault, 503, 6, "The server could not be reached", "Check that the server runs and that the address is right."},
    {internal, "internal", bug, 500, 8, "DTA broke its own rules", "Report this with the server's log."},
}};
// clang-format on

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].code != static_cast<ErrorCode>(i)) return false;
  return true;
}
static_assert(in_order(), "rows stand in the order of ErrorCode");

}  // namespace

const ErrorInfo& info(ErrorCode code) {
  const auto index = static_cast<std::size_t>(code);
  DTA_ASSERT(index < kTable.size());
  return kTable[index];
}

std::string_view to_string(ErrorCode code) {
  return info(code).name;
}

std::optional<ErrorCode> parse_error_code(std::string_view name) {
  for (const ErrorInfo& row : kTable)
    if (row.name == name) return row.code;
  return std::nullopt;
}

}  // namespace dta::schema

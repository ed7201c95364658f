// Reading the JSON object of a request: fields by name, everything that is wrong with it collected, so that a caller
// sees all faults at once. Unknown fields and fields given twice are refused, never ignored. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/event.h"
#include "schema/json.h"
#include "server/requests.h"

namespace dta::server {

// The faults of one document. The code of the whole is that of the gravest: unknown_field before missing_field before
// too_large before invalid_argument.
class Faults {
 public:
  void add(schema::ErrorCode code, std::string pointer, std::string message);
  bool none() const { return faults_.empty(); }
  schema::Error error() const;

 private:
  static constexpr std::size_t kFaultsMax = 50;  // told at once; a body with more has a systematic fault
  schema::ErrorCode code_ = schema::ErrorCode::invalid_argument;
  std::vector<schema::Fault> faults_;
};

// The JSON Pointer (RFC 6901) of a member or element of what `parent` points to.
std::string child_pointer(std::string_view parent, std::string_view token);

// The root of a body: one JSON object.
schema::Result<schema::JsonValue> parse_object(std::string_view body);

class Fields {
 public:
  // `at` is the pointer of the object in the document; a value that is no object is a fault.
  Fields(schema::JsonValue value, std::string at, Faults& faults);
  // Every field that no call named is a fault.
  void finish();

  bool has(std::string_view name) const;
  std::optional<schema::JsonValue> take(std::string_view name);
  schema::JsonValue* required(std::string_view name);  // null when it is missing; valid until the next call

  // Empty when absent or faulty. `most` in bytes.
  std::string text(std::string_view name, std::size_t most, bool is_required);
  std::string payload(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<bool> boolean(std::string_view name);
  Duration wait();  // wait_ms, clamped
  std::vector<schema::Attribute> pairs(std::string_view name, std::size_t most);
  // 1 to kResultsMax elements, each an object; empty when faulty.
  std::vector<schema::JsonValue> items(std::string_view name, std::size_t most);

  void fault(std::string_view name, std::string message, schema::ErrorCode code = schema::ErrorCode::invalid_argument);
  void fault_at(std::string_view name, std::size_t index, std::string message);  // of an element of the array `name`
  std::string pointer(std::string_view name) const;

 private:
  std::string at_;
  Faults& faults_;
  std::vector<schema::JsonMember> members_;
  std::vector<bool> taken_;
  schema::JsonValue last_;
  bool no_object_ = false;  // said once; that its fields are missing is no news
};

// Whether a caller may name a transaction so; the sentence says why not.
std::optional<std::string> id_fault(std::string_view id);

// {"queues","max","wait_ms","worker","poll_id"}
Poll read_poll(Fields& fields);

// The fields "error" and "effect" of a failure; "retryable" is not among them. `at` is the pointer of the object.
FailedResult read_failure(Fields& fields, const std::string& at, Faults& faults);

}  // namespace dta::server

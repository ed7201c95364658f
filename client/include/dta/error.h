// What a call of this library throws. A refusal of the server arrives here as the problem document it sent; a fault of
// the wire gets the code `connection_failed`. Values only: may be copied and passed between threads.
//
// `code()` is stable and is what programs test; docs/http_api.md and `advice()` say what each one means. Codes are kept
// as text so that a program built today understands the answers of a newer server.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace dta {

// One fault inside a document that was sent; `pointer` is an RFC 6901 JSON Pointer ("" is the whole document).
struct Fault {
  std::string pointer = {};
  std::string message = {};
  bool operator==(const Fault&) const = default;
};

// The problem document (RFC 9457) of a refusal or fault.
struct Problem {
  std::string code = {};                                 // stable, snake_case, for example "wrong_sequence"
  std::string title = {};                                // short, the same for every occurrence
  std::string detail = {};                               // one sentence about this occurrence
  std::string advice = {};                               // one sentence: what to do now
  unsigned status = 0;                                   // HTTP status; 0 when no answer came
  std::vector<Fault> faults = {};                        // every fault of a refused document
  std::optional<std::uint64_t> current_sequence = {};    // wrong_sequence, illegal_event: where the transaction is
  std::optional<std::chrono::seconds> retry_after = {};  // overloaded, unavailable
  std::string json = {};                                 // the document as it was received; empty when none came
  bool operator==(const Problem&) const = default;
};

class Error : public std::runtime_error {
 public:
  explicit Error(Problem problem);
  Error(std::string_view code, std::string_view detail);

  const std::string& code() const { return problem_.code; }
  const Problem& problem() const { return problem_; }
  // True when the same request with the same ids may succeed later and takes effect at most once: connection_failed,
  // request_timeout, overloaded, unavailable, outcome_unknown.
  bool may_retry() const;

 private:
  Problem problem_;
};

bool may_retry(std::string_view code);

}  // namespace dta

// The door to the partition as the HTTP floor sees it: hand a request in, read the log beside it. The implementation
// (partition_thread.h) owns the partition's thread and the committer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/requests.h"
#include "storage/log.h"

namespace dta::server {

class Port {
 public:
  virtual ~Port() = default;

  // Never blocks. When the inbox is full or the service is not ready the reply is called at once, on the caller's
  // thread, with overloaded or unavailable. `bytes` is the size of the request's body.
  virtual void submit(Request request, std::size_t bytes) = 0;

  // A consistent view of everything durable, for reader threads; nothing while the log is not open.
  virtual std::unique_ptr<storage::Reader> snapshot() = 0;

  // Empty when requests are served; else the reason, one sentence.
  virtual std::optional<std::string> not_ready() const = 0;
};

// The token of a lease as workers see it: "number.lease.leased_at". It is derived from the log alone, so it is the same
// after a restart; the time keeps a token of a lost time line (a restored backup) from naming another lease.
std::string lease_token(schema::TransactionNumber number, schema::Sequence lease, Time leased_at);
struct TokenParts {
  schema::TransactionNumber number;
  schema::Sequence lease;
  Time leased_at;
};
std::optional<TokenParts> parse_lease_token(std::string_view token);

}  // namespace dta::server

// A lease token is NUMBER.SEQUENCE.LEASED_AT of its hand-out: it names the lease in the log by itself, and the time
// tells a lease apart from one that was never acknowledged and lost (docs/decisions/0003-lease-token.md). Pure.
#include <charconv>

#include "server/port.h"

namespace dta::server {

std::string lease_token(schema::TransactionNumber number, schema::Sequence lease, Time leased_at) {
  return std::to_string(number.value) + "." + std::to_string(lease.value) + "." + std::to_string(leased_at.ms);
}

std::optional<TokenParts> parse_lease_token(std::string_view token) {
  std::uint64_t parts[3] = {};
  const char* at = token.data();
  const char* const end = at + token.size();
  for (int i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, status] = std::from_chars(at, end, parts[i]);
    if (status != std::errc{} || next == at || (*at == '0' && next - at > 1)) return std::nullopt;
    at = next;
  }
  if (at != end || parts[0] == 0 || parts[1] == 0) return std::nullopt;
  return TokenParts{schema::TransactionNumber(parts[0]), schema::Sequence(parts[1]),
                    Time{static_cast<std::int64_t>(parts[2])}};
}

}  // namespace dta::server

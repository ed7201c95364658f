// Lists of transactions, read from the directory rows that the partition writes with every record. Reading thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/event.h"
#include "server/log_reading.h"

namespace dta::server {

struct ListFilter {
  std::string status;                         // empty: any
  std::string definition;                     // empty: any
  std::optional<schema::Time> since;          // started at or after
  std::vector<schema::Attribute> attributes;  // all of them must be there
  std::size_t limit = 100;
  schema::TransactionNumber before;  // of the cursor; none: from the newest
};

bool is_status(std::string_view word);

// {"transactions":[…],"next":…}: newest first. A page ends early, with a cursor, when it has looked at kScanMax rows.
inline constexpr std::size_t kScanMax = 20'000;
schema::Result<std::string> list_json(const storage::Reader& reader, const ListFilter& filter);

std::string list_cursor(schema::TransactionNumber last);
std::optional<schema::TransactionNumber> parse_list_cursor(std::string_view text);

}  // namespace dta::server

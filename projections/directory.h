// The rows behind lists: one a transaction, under (status, ~number), so that each status reads newest first and a list
// of all of them is a merge of seven. Changes are returned as data for the write that holds their events: lists are
// never out of step with the log.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "engine/transaction.h"
#include "schema/ids.h"

namespace dta::projections {

struct DirectoryRow {
  std::string id, definition;
  std::uint32_t version = 0;
  engine::Phase phase = engine::Phase::none;
  bool attention = false, paused = false;
  schema::Time started_at;
  schema::Time ended_at = schema::Time::never();
  std::vector<schema::Attribute> attributes;
  bool operator==(const DirectoryRow&) const = default;
};

// Statuses with their byte in the key, in the order lists show them. The bytes are on disk: never reused.
struct StatusByte {
  std::string_view status;
  char byte;
};
inline constexpr std::array<StatusByte, 7> kStatuses{{{"attention", 'a'},
                                                      {"paused", 'p'},
                                                      {"running", 'r'},
                                                      {"compensating", 'g'},
                                                      {"completed", 'c'},
                                                      {"compensated", 'u'},
                                                      {"terminated", 't'}}};

std::string directory_key(std::string_view status, schema::TransactionNumber number);
std::string directory_prefix(std::string_view status);
// The number in a key; nothing for bytes that are no key.
std::optional<schema::TransactionNumber> number_of_key(std::string_view key);

DirectoryRow row_of(const engine::State& state);
std::string encode_row(const DirectoryRow& row);
std::optional<DirectoryRow> decode_row(std::string_view bytes);

}  // namespace dta::projections

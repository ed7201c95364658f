// Merging of the directory's lanes, one a status, into one list by number (directory_list.h). Reading thread.
#include "server/directory_list.h"

#include <algorithm>
#include <charconv>
#include <deque>

#include "projections/directory.h"
#include "schema/json.h"

namespace dta::server {
namespace {

using projections::DirectoryRow;
using schema::TransactionNumber;

constexpr std::size_t kLaneRows = 256;  // read at once

struct Row {
  TransactionNumber number;
  DirectoryRow row;
};

// The rows of one status, newest first, read in pieces.
class Lane {
 public:
  Lane(std::string_view status, TransactionNumber before)
      : status_(status),
        prefix_(projections::directory_prefix(status)),
        after_(before ? projections::directory_key(status, before) : std::string()) {}

  std::string_view status() const { return status_; }
  // Null when there are no more.
  schema::Result<const Row*> front(const storage::Reader& reader) {
    if (rows_.empty() && !exhausted_) {
      schema::Status damage;
      auto read = reader.directory(prefix_, after_, [&](const storage::DirectoryEntry& entry) {
        const auto number = projections::number_of_key(entry.key);
        auto row = projections::decode_row(entry.row);
        if (!number || !row) {
          damage = schema::refuse(schema::ErrorCode::log_damaged, "a directory row does not decode");
          return false;
        }
        rows_.push_back({*number, std::move(*row)});
        after_ = entry.key;
        return rows_.size() < kLaneRows;
      });
      if (!read) return tl::unexpected(read.error());
      if (!damage) return tl::unexpected(damage.error());
      exhausted_ = rows_.size() < kLaneRows;
    }
    return rows_.empty() ? nullptr : &rows_.front();
  }
  void pop() { rows_.pop_front(); }

 private:
  std::string_view status_;
  std::string prefix_, after_;
  std::deque<Row> rows_;
  bool exhausted_ = false;
};

bool passes(const DirectoryRow& row, const ListFilter& filter) {
  if (!filter.definition.empty() && row.definition != filter.definition) return false;
  if (filter.since && row.started_at < *filter.since) return false;
  return std::all_of(filter.attributes.begin(), filter.attributes.end(), [&](const schema::Attribute& wanted) {
    return std::find(row.attributes.begin(), row.attributes.end(), wanted) != row.attributes.end();
  });
}

void append_row(std::string& out, std::string_view status, const DirectoryRow& row) {
  out += out.back() == '[' ? "{\"id\":" : ",{\"id\":";
  schema::append_quoted(out, row.id);
  out += ",\"definition\":";
  schema::append_quoted(out, row.definition);
  out += ",\"version\":" + std::to_string(row.version) + ",\"status\":\"";
  out += status;
  out += "\",\"phase\":\"";
  out += engine::to_string(row.phase);
  out += row.attention ? "\",\"attention\":true" : "\",\"attention\":false";
  out += row.paused ? ",\"paused\":true" : ",\"paused\":false";
  out += ",\"attributes\":{";
  for (const schema::Attribute& attribute : row.attributes) {
    if (out.back() != '{') out += ',';
    schema::append_quoted(out, attribute.key);
    out += ':';
    schema::append_quoted(out, attribute.value);
  }
  out += "},\"started_at\":\"" + schema::format_time(row.started_at) + "\",\"ended_at\":";
  out += row.ended_at == schema::Time::never() ? "null" : "\"" + schema::format_time(row.ended_at) + "\"";
  out += '}';
}

}  // namespace

bool is_status(std::string_view word) {
  return std::any_of(projections::kStatuses.begin(), projections::kStatuses.end(),
                     [&](const auto& row) { return row.status == word; });
}

schema::Result<std::string> list_json(const storage::Reader& reader, const ListFilter& filter) {
  std::vector<Lane> lanes;
  for (const projections::StatusByte& row : projections::kStatuses)
    if (filter.status.empty() || filter.status == row.status) lanes.emplace_back(row.status, filter.before);
  std::string out = "{\"transactions\":[";
  TransactionNumber last;
  bool more = true;
  for (std::size_t listed = 0, scanned = 0; listed < filter.limit && scanned < kScanMax; ++scanned) {
    Lane* newest = nullptr;
    const Row* chosen = nullptr;
    for (Lane& lane : lanes) {
      auto row = lane.front(reader);
      if (!row) return tl::unexpected(row.error());
      if (*row != nullptr && (chosen == nullptr || (*row)->number > chosen->number)) {
        chosen = *row;
        newest = &lane;
      }
    }
    if (chosen == nullptr) {
      more = false;
      break;
    }
    last = chosen->number;
    if (passes(chosen->row, filter)) {
      append_row(out, newest->status(), chosen->row);
      ++listed;
    }
    newest->pop();
  }
  bool left = false;
  for (Lane& lane : lanes) {
    if (!more) break;
    auto row = lane.front(reader);
    if (!row) return tl::unexpected(row.error());
    left = left || *row != nullptr;
  }
  out += "],\"next\":";
  out += left ? "\"" + list_cursor(last) + "\"" : "null";
  return out + '}';
}

std::string list_cursor(TransactionNumber last) {
  return "t1." + std::to_string(last.value);
}

std::optional<TransactionNumber> parse_list_cursor(std::string_view text) {
  if (!text.starts_with("t1.")) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, status] = std::from_chars(text.data() + 3, text.data() + text.size(), number);
  if (status != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  return TransactionNumber(number);
}

}  // namespace dta::server

// Reads of the log over the key-value seam.
#include "storage/store_reader.h"

#include <fmt/format.h>

#include <cstring>

#include "storage/checkpoint_store.h"
#include "storage/keys.h"
#include "storage/record_frame.h"

namespace dta::storage {
namespace {

tl::unexpected<schema::Error> damaged(std::string message) {
  return schema::refuse(schema::ErrorCode::log_damaged, std::move(message));
}

}  // namespace

StoreReader::StoreReader(std::unique_ptr<View> view) : view_(std::move(view)) {}

Result<std::optional<PositionEntry>> StoreReader::last_entry() const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  cursor->seek_before(kind_end(KeyKind::position));
  if (Status ok = cursor->status(); !ok) return tl::unexpected(ok.error());
  if (!cursor->valid() || !is_kind(cursor->key(), KeyKind::position)) return std::nullopt;
  if (cursor->key().size() != kPositionKeyBytes)
    return damaged(fmt::format("The {} has a key of the wrong size.", describe_key(cursor->key())));
  Result<PositionEntry> entry = decode_position_entry(Position(get_u64(cursor->key().data() + 1)), cursor->value());
  if (!entry) return tl::unexpected(entry.error());
  return std::optional<PositionEntry>(std::move(*entry));
}

Position StoreReader::end() const {
  if (!end_) {
    // A last entry that cannot be read leaves "nothing"; every read that needs it reports the damage itself.
    const auto last = last_entry();
    end_ = last && *last ? (*last)->last : Position{};
  }
  return *end_;
}

Result<TransactionNumber> StoreReader::last_number() const {
  return last_entry().map(
      [](const std::optional<PositionEntry>& last) { return last ? last->last_number : TransactionNumber{}; });
}

Result<std::optional<TransactionNumber>> StoreReader::find_id(std::string_view callers_id) const {
  std::string value;
  const std::string key = id_key(callers_id);
  const Result<bool> found = view_->get(key, value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  if (value.size() != 8) return damaged(fmt::format("The {} has a value of the wrong size.", describe_key(key)));
  return TransactionNumber(get_u64(value.data()));
}

Status StoreReader::ids(std::string_view prefix,
                        const std::function<bool(std::string_view id, TransactionNumber)>& visit) const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  const std::string first = id_key(prefix);
  for (cursor->seek(first); cursor->valid() && cursor->key().starts_with(first); cursor->next()) {
    if (cursor->value().size() != 8)
      return damaged(fmt::format("The {} has a value of the wrong size.", describe_key(cursor->key())));
    if (!visit(cursor->key().substr(1), TransactionNumber(get_u64(cursor->value().data())))) return {};
  }
  return cursor->status();
}

Result<std::optional<RequestEntry>> StoreReader::find_request(TransactionNumber number,
                                                              std::string_view request_id) const {
  std::string value;
  const std::string key = request_key(number, request_id);
  const Result<bool> found = view_->get(key, value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  RequestEntry entry;
  if (value.size() != 8 + entry.digest.size())
    return damaged(fmt::format("The {} has a value of the wrong size.", describe_key(key)));
  entry.first_sequence = Sequence(get_u64(value.data()));
  std::memcpy(entry.digest.data(), value.data() + 8, entry.digest.size());
  return entry;
}

Result<std::optional<std::string>> StoreReader::payload(TransactionNumber number, Sequence sequence,
                                                        std::uint32_t index) const {
  std::string value;
  const Result<bool> found = view_->get(payload_key(number, sequence, index), value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  return std::optional<std::string>(std::move(value));
}

Result<Record> StoreReader::record_at(const RecordPlace& place, Position position) const {
  const ShortKey key = record_key(place.number, place.first_sequence);
  std::string value;
  const Result<bool> found = view_->get(key, value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return damaged(fmt::format("The {} at position {} is missing.", describe_key(key), position.value));
  Result<Record> record = decode_frame(place.number, place.first_sequence, std::move(value));
  if (record && record->position != position)
    return damaged(fmt::format("The {} says position {}, but the position index says {}.", describe_key(key),
                               record->position.value, position.value));
  return record;
}

Status StoreReader::records_of(TransactionNumber number, Sequence from,
                               const std::function<bool(const Record&)>& visit) const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  const auto of_number = [&] {
    return cursor->valid() && cursor->key().size() == kRecordKeyBytes && is_kind(cursor->key(), KeyKind::record) &&
           get_u64(cursor->key().data() + 1) == number.value;
  };
  // The record that holds `from` is the last one that does not begin after it.
  Sequence expected{};
  if (from.value < UINT64_MAX) cursor->seek_before(record_key(number, from.next()));
  if (Status ok = cursor->status(); !ok) return ok;
  if (!of_number()) {
    cursor->seek(record_key(number, Sequence{}));
    expected = Sequence(1);
  }
  for (; of_number(); cursor->next()) {
    Result<Record> record =
        decode_frame(number, Sequence(get_u64(cursor->key().data() + 9)), std::string(cursor->value()));
    if (!record) return tl::unexpected(record.error());
    if (expected && record->first_sequence != expected)
      return damaged(fmt::format("Transaction {} has a gap: sequence {} is missing, the next record begins at {}.",
                                 number.value, expected.value, record->first_sequence.value));
    expected = Sequence(record->first_sequence.value + record->event_count);
    if (expected <= from) continue;
    if (!visit(*record)) return {};
  }
  return cursor->status();
}

Status StoreReader::entries_from(Position from, const std::function<Result<bool>(const PositionEntry&)>& visit) const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  std::optional<Position> expected;
  if (from <= Position(1)) expected = Position(1);
  for (cursor->seek(position_key(from)); cursor->valid() && is_kind(cursor->key(), KeyKind::position); cursor->next()) {
    if (cursor->key().size() != kPositionKeyBytes)
      return damaged(fmt::format("The {} has a key of the wrong size.", describe_key(cursor->key())));
    Result<PositionEntry> entry = decode_position_entry(Position(get_u64(cursor->key().data() + 1)), cursor->value());
    if (!entry) return tl::unexpected(entry.error());
    if (expected ? entry->first != *expected : entry->first > from)
      return damaged(fmt::format("The log has a gap: position {} is missing, the next batch begins at {}.",
                                 expected.value_or(from).value, entry->first.value));
    expected = entry->last.next();
    const Result<bool> more = visit(*entry);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return {};
  }
  return cursor->status();
}

Status StoreReader::records_from(Position from, const std::function<bool(const Record&)>& visit) const {
  return entries_from(from, [&](const PositionEntry& entry) -> Result<bool> {
    Position position = entry.first;
    for (const RecordPlace& place : entry.records) {
      if (position >= from) {
        const Result<Record> record = record_at(place, position);
        if (!record) return tl::unexpected(record.error());
        if (!visit(*record)) return false;
      }
      position = position.next();
    }
    return true;
  });
}

Status StoreReader::open_transactions(const std::function<bool(TransactionNumber)>& visit) const {
  // Everything below the mark is closed for certain, and its deletions need not be stepped over.
  std::string mark;
  const Result<bool> marked = view_->get(meta_key(MetaKey::open_from), mark);
  if (!marked) return tl::unexpected(marked.error());
  if (*marked && mark.size() != 8) return damaged("The mark of the lowest open transaction has the wrong size.");
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  cursor->seek(open_key(TransactionNumber(*marked ? get_u64(mark.data()) : 0)));
  for (; cursor->valid() && is_kind(cursor->key(), KeyKind::open); cursor->next()) {
    if (cursor->key().size() != kOpenKeyBytes)
      return damaged(fmt::format("The {} has a key of the wrong size.", describe_key(cursor->key())));
    if (!visit(TransactionNumber(get_u64(cursor->key().data() + 1)))) return {};
  }
  return cursor->status();
}

Status StoreReader::directory(std::string_view prefix, std::string_view after,
                              const std::function<bool(const DirectoryEntry&)>& visit) const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  const std::string first = directory_key(after > prefix ? after : prefix);
  const std::string common = directory_key(prefix);
  cursor->seek(first);
  if (!after.empty() && cursor->valid() && cursor->key() == directory_key(after)) cursor->next();
  for (; cursor->valid() && cursor->key().starts_with(common); cursor->next())
    if (!visit({std::string(cursor->key().substr(1)), std::string(cursor->value())})) return {};
  return cursor->status();
}

Status StoreReader::definitions(const std::function<bool(const DefinitionEntry&)>& visit) const {
  const std::unique_ptr<Cursor> cursor = view_->cursor();
  cursor->seek(kind_begin(KeyKind::definition));
  for (; cursor->valid() && is_kind(cursor->key(), KeyKind::definition); cursor->next()) {
    const std::string_view key = cursor->key(), value = cursor->value();
    if (key.size() < 6 || value.size() != 16)
      return damaged(fmt::format("The {} has the wrong size.", describe_key(key)));
    if (!visit({std::string(key.substr(1, key.size() - 6)), get_u32(key.data() + key.size() - 4),
                TransactionNumber(get_u64(value.data())), Sequence(get_u64(value.data() + 8))}))
      return {};
  }
  return cursor->status();
}

Result<std::optional<Checkpoint>> StoreReader::checkpoint() const {
  return read_checkpoint(*view_);
}

}  // namespace dta::storage

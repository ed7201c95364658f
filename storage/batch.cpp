// Batch: encodes while it is built, on the thread that decides, so that the committer only writes.
#include "schema/assert.h"
#include "storage/batch_rep.h"
#include "storage/keys.h"
#include "storage/record_frame.h"

namespace dta::storage {
namespace {

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

Batch::Batch(Position first_position, Fence fence) : rep_(std::make_unique<Rep>()) {
  DTA_ASSERT(first_position);
  rep_->first = first_position;
  rep_->fence = fence;
}
Batch::~Batch() = default;
Batch::Batch(Batch&&) noexcept = default;
Batch& Batch::operator=(Batch&&) noexcept = default;

Hash Batch::add_record(Record record, const Hash& previous_chain) {
  DTA_ASSERT(record.number && record.first_sequence && record.event_count > 0);
  record.position = last_position().next();
  record.fence = rep_->fence;
  const Hash chain = encode_frame(record, previous_chain, rep_->scratch);
  rep_->puts.Put(slice(record_key(record.number, record.first_sequence)), rep_->scratch);
  rep_->records.push_back({record.number, record.first_sequence});
  rep_->chains.append(reinterpret_cast<const char*>(chain.data()), chain.size());
  rep_->highest_number = std::max(rep_->highest_number, record.number);
  return chain;
}

void Batch::put_payload(TransactionNumber number, Sequence sequence, std::uint32_t index, std::string_view bytes) {
  if (!bytes.empty()) rep_->puts.Put(slice(payload_key(number, sequence, index)), slice(bytes));
}

void Batch::bind_id(std::string_view callers_id, TransactionNumber number) {
  char value[8];
  put_u64(value, number.value);
  rep_->puts.Put(id_key(callers_id), {value, sizeof value});
}

void Batch::put_request(TransactionNumber number, std::string_view request_id, const RequestEntry& entry) {
  std::string value;
  append_u64(value, entry.first_sequence.value);
  value.append(reinterpret_cast<const char*>(entry.digest.data()), entry.digest.size());
  rep_->puts.Put(request_key(number, request_id), value);
}

void Batch::mark_open(TransactionNumber number) {
  rep_->puts.Put(slice(open_key(number)), {});
  if (!rep_->lowest_opened || number < rep_->lowest_opened) rep_->lowest_opened = number;
}

void Batch::mark_closed(TransactionNumber number) {
  rep_->puts.Delete(slice(open_key(number)));
  ++rep_->closed;
}

void Batch::put_directory(std::string_view key, std::string_view row) {
  rep_->puts.Put(directory_key(key), slice(row));
}

void Batch::erase_directory(std::string_view key) {
  rep_->puts.Delete(directory_key(key));
}

void Batch::put_definition(std::string_view name, std::uint32_t version, TransactionNumber number, Sequence sequence) {
  char value[16];
  put_u64(put_u64(value, number.value), sequence.value);
  rep_->puts.Put(definition_key(name, version), {value, sizeof value});
}

bool Batch::empty() const {
  return rep_->records.empty();
}
std::size_t Batch::record_count() const {
  return rep_->records.size();
}
std::size_t Batch::bytes() const {
  return rep_->puts.ApproximateSize();
}
Position Batch::first_position() const {
  return rep_->first;
}
Position Batch::last_position() const {
  return Position(rep_->first.value + rep_->records.size() - 1);
}

}  // namespace dta::storage

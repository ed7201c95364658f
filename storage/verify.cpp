// The full proof. Two walks: records in order of transaction (checksums, sequences, chains, payloads), then batches in
// order of position (gaps, digests, that both walks saw the same records); then everything that points at a record.
#include "storage/verify.h"

#include <fmt/format.h>
#include <leveldb/env.h>

#include <algorithm>
#include <tuple>

#include "storage/checkpoint_store.h"
#include "storage/directory_check.h"
#include "storage/keys.h"
#include "storage/leveldb_store.h"
#include "storage/overlay_env.h"
#include "storage/record_frame.h"
#include "storage/store_reader.h"

namespace dta::storage {
namespace {

constexpr std::size_t kFindingsMax = 1000;      // a log with more is beyond listing
constexpr std::uint64_t kProgressEvery = 1000;  // records

class Verifier {
 public:
  using PayloadsOf = std::function<Result<std::vector<PayloadName>>(const Record&)>;

  Verifier(std::unique_ptr<View> view, const PayloadsOf& payloads_of, const std::function<void(Position)>& progress,
           VerifyReport& report)
      : reader_(std::move(view)), payloads_of_(payloads_of), progress_(progress), report_(report) {}

  void run(const std::optional<HeadSlot>& head) {
    walk_records();
    walk_positions(head);
    walk_the_rest();
    if (auto checkpoint = prove_checkpoint(reader_.view()); !checkpoint) find(checkpoint.error().message);
  }

 private:
  void find(std::string what) {
    if (report_.findings.size() < kFindingsMax) report_.findings.push_back(std::move(what));
  }
  void check(const Status& status) {
    if (!status) find(status.error().message);
  }

  void walk_records() {
    const std::unique_ptr<Cursor> cursor = reader_.view().cursor();
    payloads_ = reader_.view().cursor();
    payloads_->seek(kind_begin(KeyKind::payload));
    TransactionNumber number;
    Sequence next(1);
    Hash chain{};
    bool sound = true;  // the chain is known up to here
    for (cursor->seek(kind_begin(KeyKind::record)); cursor->valid() && is_kind(cursor->key(), KeyKind::record);
         cursor->next()) {
      if (cursor->key().size() != kRecordKeyBytes) {
        find(fmt::format("The {} has a key of the wrong size.", describe_key(cursor->key())));
        continue;
      }
      const TransactionNumber of(get_u64(cursor->key().data() + 1));
      const Sequence first(get_u64(cursor->key().data() + 9));
      if (of != number) {
        if (number) end_transaction(number);
        ++report_.transactions;
        number = of;
        next = Sequence(1);
        chain = {};
        sound = true;
      }
      ++report_.records;
      report_.bytes += cursor->key().size() + cursor->value().size();
      Result<Record> record = decode_frame(of, first, std::string(cursor->value()));
      if (!record) {
        find(record.error().message);
        sound = false;
        complete_ = false;
        continue;
      }
      report_.events += record->event_count;
      if (sound && first != next)
        find(fmt::format("Transaction {}: sequence {} is missing, the next record begins at {}.", of.value, next.value,
                         first.value));
      else if (sound && record->chain != chain_of(*record, chain))
        find(
            fmt::format("The {} (position {}) breaks the chain.", describe_key(cursor->key()), record->position.value));
      sound = true;
      next = Sequence(first.value + record->event_count);
      chain = record->chain;
      name_payloads(*record);
    }
    check(cursor->status());
    if (number) end_transaction(number);
    orphans_below(TransactionNumber(UINT64_MAX));
    check(payloads_->status());
  }

  void name_payloads(const Record& record) {
    const Result<std::vector<PayloadName>> names = payloads_of_(record);
    if (names) {
      names_.insert(names_.end(), names->begin(), names->end());
      return;
    }
    complete_ = false;
    find(fmt::format("The record at position {} (transaction {}, sequence {}) cannot be decoded: {}",
                     record.position.value, record.number.value, record.first_sequence.value, names.error().message));
  }

  // Payload keys sort like records, so one more cursor meets every name on the way.
  void end_transaction(TransactionNumber number) {
    orphans_below(number);
    const auto place = [](const PayloadName& name) { return std::tuple(name.sequence, name.index); };
    std::sort(names_.begin(), names_.end(),
              [&](const PayloadName& a, const PayloadName& b) { return place(a) < place(b); });
    const PayloadName* before = nullptr;
    for (const PayloadName& name : names_) {
      if (name.size == 0) continue;  // empty payloads are not put
      const ShortKey key = payload_key(number, name.sequence, name.index);
      if (before != nullptr && place(*before) == place(name)) {
        if (before->digest != name.digest) find(fmt::format("The {} is named with two digests.", describe_key(key)));
        continue;
      }
      before = &name;
      while (payload_number() == number && payloads_->key() < std::string_view(key)) orphan();
      if (!payloads_->valid() || payloads_->key() != std::string_view(key)) {
        find(fmt::format("The {} is named by an event but missing.", describe_key(key)));
        continue;
      }
      if (payloads_->value().size() != name.size || schema::sha256(payloads_->value()) != name.digest)
        find(fmt::format("The {} is not the one that its event names.", describe_key(key)));
      count_payload();
    }
    names_.clear();
    orphans_below(number.next());
    complete_ = true;
  }

  TransactionNumber payload_number() const {
    if (!payloads_->valid() || !is_kind(payloads_->key(), KeyKind::payload)) return {};
    if (payloads_->key().size() != kPayloadKeyBytes) return {};
    return TransactionNumber(get_u64(payloads_->key().data() + 1));
  }
  void orphans_below(TransactionNumber number) {
    while (payload_number() && payload_number() < number) orphan();
  }
  // A payload that no event names; nothing can be said where a record of its transaction could not be read.
  void orphan() {
    if (complete_) find(fmt::format("The {} is named by no event.", describe_key(payloads_->key())));
    count_payload();
  }
  void count_payload() {
    ++report_.payloads;
    report_.bytes += payloads_->key().size() + payloads_->value().size();
    payloads_->next();
  }

  void walk_positions(const std::optional<HeadSlot>& head) {
    const std::unique_ptr<Cursor> cursor = reader_.view().cursor();
    Position next(1);
    Hash digest{};
    bool known = true;  // the digest is known up to here
    bool head_met = !head || !head->position;
    std::uint64_t listed = 0;
    for (cursor->seek(kind_begin(KeyKind::position)); cursor->valid() && is_kind(cursor->key(), KeyKind::position);
         cursor->next()) {
      if (cursor->key().size() != kPositionKeyBytes) {
        find(fmt::format("The {} has a key of the wrong size.", describe_key(cursor->key())));
        continue;
      }
      const Position last(get_u64(cursor->key().data() + 1));
      const Result<PositionEntry> entry = decode_position_entry(last, cursor->value());
      if (!entry) {
        find(entry.error().message);
        next = last.next();
        known = false;
        continue;
      }
      if (entry->first != next) {
        find(fmt::format("The log has a gap: position {} is missing, the next batch begins at {}.", next.value,
                         entry->first.value));
        known = false;
      }
      listed += entry->records.size();
      const std::optional<Hash> expected = digest_over(*entry, digest);
      if (known && expected && entry->digest != *expected)
        find(fmt::format("The digest over the batches does not hold at position {}.", last.value));
      if (head && head->position == last) {
        head_met = true;
        if (head->digest != entry->digest)
          find(fmt::format("HEAD holds another digest for position {} than the log.", last.value));
      }
      digest = entry->digest;
      known = true;
      next = last.next();
      report_.end = last;
    }
    check(cursor->status());
    progress_(report_.end);
    if (head) report_.head = head->position;
    if (head && head->position > report_.end)
      find(fmt::format("The log ends at position {}, but HEAD says that everything up to position {} was durable.",
                       report_.end.value, head->position.value));
    else if (!head_met)
      find(fmt::format("HEAD says that a batch ended at position {}; the log has none that does.",
                       head->position.value));
    if (listed != report_.records)
      find(fmt::format("The position index lists {} records, but there are {}.", listed, report_.records));
  }

  // Nothing when a record cannot be read: that was found already, or is found here.
  std::optional<Hash> digest_over(const PositionEntry& entry, const Hash& before) {
    std::string chains;
    Position position = entry.first;
    bool whole = true;
    for (const RecordPlace& place : entry.records) {
      const Result<Record> record = reader_.record_at(place, position);
      if (record) {
        chains.append(reinterpret_cast<const char*>(record->chain.data()), record->chain.size());
      } else {
        find(record.error().message);
        whole = false;
      }
      if (position.value % kProgressEvery == 0) progress_(position);
      position = position.next();
    }
    if (!whole) return std::nullopt;
    return batch_digest(before, entry.first, entry.last, chains);
  }

  // Ids, requests, open marks and definitions must point at records; rows and chunks must be readable.
  void walk_the_rest() {
    const std::unique_ptr<Cursor> cursor = reader_.view().cursor();
    for (cursor->seek({}); cursor->valid() && cursor->key() < std::string_view(kind_begin(KeyKind::record));
         cursor->next())
      if (!is_kind(cursor->key(), KeyKind::meta)) find(fmt::format("There is an {}.", describe_key(cursor->key())));
    check(cursor->status());
    for (cursor->seek(kind_begin(KeyKind::id)); cursor->valid(); cursor->next()) {
      const std::string_view key = cursor->key(), value = cursor->value();
      switch (static_cast<KeyKind>(key.front())) {
        case KeyKind::id:
          expect_record(key, value.size() == 8 ? get_u64(value.data()) : 0, 1);
          break;
        case KeyKind::request:
          expect_record(key, key.size() >= 9 ? get_u64(key.data() + 1) : 0,
                        value.size() == 40 ? get_u64(value.data()) : 0);
          break;
        case KeyKind::open:
          expect_record(key, key.size() == kOpenKeyBytes ? get_u64(key.data() + 1) : 0, 1);
          break;
        case KeyKind::definition:
          if (value.size() == 16)
            expect_record(key, get_u64(value.data()), get_u64(value.data() + 8));
          else
            expect_record(key, 0, 0);
          break;
        case KeyKind::directory:
        case KeyKind::chunk:
        case KeyKind::seal:
          break;
        default:
          find(fmt::format("There is an {}.", describe_key(key)));
      }
    }
    check(cursor->status());
  }

  void expect_record(std::string_view key, std::uint64_t number, std::uint64_t sequence) {
    bool found = false;
    if (number != 0 && sequence != 0)
      check(reader_.records_of(TransactionNumber(number), Sequence(sequence), [&](const Record& record) {
        found = record.first_sequence.value <= sequence;
        return false;
      }));
    if (!found)
      find(fmt::format("The {} points at sequence {} of transaction {}, which does not exist.", describe_key(key),
                       sequence, number));
  }

  const StoreReader reader_;
  const PayloadsOf& payloads_of_;
  const std::function<void(Position)>& progress_;
  VerifyReport& report_;
  std::unique_ptr<Cursor> payloads_;
  std::vector<PayloadName> names_;  // of the transaction under way
  bool complete_ = true;            // every record of it could be decoded
};

bool is_damage(const schema::Error& error) {
  return error.code == schema::ErrorCode::log_damaged;
}

}  // namespace

schema::Result<VerifyReport> verify_leveldb_log(
    const std::string& directory, const std::function<Result<std::vector<PayloadName>>(const Record&)>& payloads_of,
    const std::function<void(Position)>& progress, const LevelDbOptions& from) {
  OverlayEnv overlay(from.env != nullptr ? *from.env : *leveldb::Env::Default());
  LevelDbOptions options = from;
  options.env = &overlay;
  options.disk = &overlay;
  options.create_if_missing = false;
  VerifyReport report;
  DirectoryLock lock(overlay);
  if (Status ok = lock.take(directory); !ok) return tl::unexpected(ok.error());
  Result<DirectoryState> state = check_directory(overlay, directory);
  lock.release();  // LevelDB takes it itself
  if (!state) {
    if (!is_damage(state.error())) return tl::unexpected(state.error());
    report.findings.push_back(state.error().message);
    return report;
  }
  if (state->fresh)
    return schema::refuse(schema::ErrorCode::storage_fault, fmt::format("There is no log in {}.", directory));
  report.findings = std::move(state->notes);
  state->notes.clear();
  if (Status ok = cut_torn_tails(overlay, overlay, directory, *state); !ok) return tl::unexpected(ok.error());
  for (const DirectoryState::Cut& cut : state->cuts)
    report.notes.push_back(fmt::format("{}/{} has a torn tail from offset {} ({}); the next opening cuts it off.",
                                       directory, cut.file, cut.keep, cut.what));
  auto store = open_leveldb_store(directory, options);
  if (!store) {
    if (!is_damage(store.error())) return tl::unexpected(store.error());
    report.findings.push_back(store.error().message);
    return report;
  }
  if (!state->head)
    report.findings.push_back(fmt::format("{}/{} is missing or has no good slot.", directory, kHeadFileName));
  Verifier((*store)->view(), payloads_of, progress, report).run(state->head);
  return report;
}

}  // namespace dta::storage

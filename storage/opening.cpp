// Opening a log over the key-value seam: the proof of what follows the newest checkpoint, the comparison with HEAD, and
// the new fence. Runs once, on the thread that opens; nothing else has the store yet.
#include <fmt/format.h>
#include <leveldb/write_batch.h>

#include <unordered_map>

#include "storage/checkpoint_store.h"
#include "storage/keys.h"
#include "storage/record_frame.h"
#include "storage/stand.h"
#include "storage/store_log.h"
#include "storage/store_reader.h"

namespace dta::storage {
namespace {

constexpr std::uint32_t kFormat = 1;

tl::unexpected<schema::Error> damaged(std::string message) {
  return schema::refuse(schema::ErrorCode::log_damaged, std::move(message));
}

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

Result<std::optional<std::uint64_t>> read_meta(const View& view, MetaKey which) {
  std::string value;
  const ShortKey key = meta_key(which);
  const Result<bool> found = view.get(key, value);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  if (value.size() != 8) return damaged(fmt::format("The {} has a value of the wrong size.", describe_key(key)));
  return get_u64(value.data());
}

// Chain values of transactions, as far as the tail was read.
class Chains {
 public:
  explicit Chains(const StoreReader& reader) : reader_(reader) {}

  Status check(const Record& record) {
    Last& last = last_[record.number];
    if (!last.next) {
      if (Status ok = load(record, last); !ok) return ok;
    }
    if (record.first_sequence != last.next)
      return damaged(fmt::format("The record at position {} begins at sequence {} of transaction {}, not at {}.",
                                 record.position.value, record.first_sequence.value, record.number.value,
                                 last.next.value));
    if (record.chain != chain_of(record, last.chain))
      return damaged(fmt::format("The record at position {} (transaction {}, sequence {}) breaks the chain.",
                                 record.position.value, record.number.value, record.first_sequence.value));
    last = {Sequence(record.first_sequence.value + record.event_count), record.chain};
    return {};
  }

 private:
  struct Last {
    Sequence next;
    Hash chain{};
  };

  // The record before the first one of this transaction in the tail.
  Status load(const Record& record, Last& last) const {
    last = {Sequence(1), {}};
    if (record.first_sequence == Sequence(1)) return {};
    return reader_.records_of(record.number, Sequence(record.first_sequence.value - 1), [&](const Record& before) {
      if (before.first_sequence < record.first_sequence)
        last = {Sequence(before.first_sequence.value + before.event_count), before.chain};
      return false;
    });
  }

  const StoreReader& reader_;
  std::unordered_map<TransactionNumber, Last> last_;
};

// Reads what follows the checkpoint and checks checksums, positions, chains and the digest over the batches.
Status prove_tail(const StoreReader& reader, std::optional<Position> checkpoint, Standing& standing,
                  std::uint64_t& records_proved) {
  const Position from = checkpoint.value_or(Position{}).next();
  Chains chains(reader);
  std::string batch_chains;
  bool first = true;
  const Status proved = reader.entries_from(from, [&](const PositionEntry& entry) -> Result<bool> {
    if (first && entry.first > Position(1)) {
      // The digest of the batch before the tail is where the proof starts from.
      std::string value;
      const Position before(entry.first.value - 1);
      const Result<bool> found = reader.view().get(position_key(before), value);
      if (!found) return tl::unexpected(found.error());
      if (!*found) return damaged(fmt::format("The position entry {} is missing.", before.value));
      const Result<PositionEntry> known = decode_position_entry(before, value);
      if (!known) return tl::unexpected(known.error());
      standing.digest = known->digest;
    }
    first = false;
    batch_chains.clear();
    Position position = entry.first;
    for (const RecordPlace& place : entry.records) {
      const Result<Record> record = reader.record_at(place, position);
      if (!record) return tl::unexpected(record.error());
      if (Status ok = chains.check(*record); !ok) return tl::unexpected(ok.error());
      batch_chains.append(reinterpret_cast<const char*>(record->chain.data()), record->chain.size());
      position = position.next();
      ++records_proved;
    }
    if (entry.digest != batch_digest(standing.digest, entry.first, entry.last, batch_chains))
      return damaged(fmt::format("The digest over the batches does not hold at position {}.", entry.last.value));
    standing.digest = entry.digest;
    return true;
  });
  if (!proved) return proved;
  const auto last = reader.last_entry();
  if (!last) return tl::unexpected(last.error());
  if (*last) {
    standing.end = (*last)->last;
    standing.last_number = (*last)->last_number;
    if (first) standing.digest = (*last)->digest;  // the checkpoint is at the end: nothing was left to prove
  }
  if (checkpoint && *checkpoint > standing.end)
    return damaged(fmt::format("The log ends at position {}, before its checkpoint at position {}.", standing.end.value,
                               checkpoint->value));
  return {};
}

Status compare_with_head(const View& view, const Standing& standing, const HeadSlot& head) {
  if (head.position > standing.end)
    return damaged(
        fmt::format("The log ends at position {}, but HEAD says that everything up to position {} was durable: the "
                    "positions {} to {} are missing.",
                    standing.end.value, head.position.value, standing.end.value + 1, head.position.value));
  if (!head.position) return {};
  std::string value;
  const Result<bool> found = view.get(position_key(head.position), value);
  if (!found) return tl::unexpected(found.error());
  if (!*found)
    return damaged(
        fmt::format("HEAD says that a batch ended at position {}; the log has none that does.", head.position.value));
  const Result<PositionEntry> entry = decode_position_entry(head.position, value);
  if (!entry) return tl::unexpected(entry.error());
  if (entry->digest != head.digest)
    return damaged(fmt::format("The digest over the batches up to position {} is not the one that HEAD holds.",
                               head.position.value));
  return {};
}

Status check_format(const View& view, Position end) {
  const auto format = read_meta(view, MetaKey::format);
  if (!format) return tl::unexpected(format.error());
  if (*format && **format != kFormat)
    return schema::refuse(
        schema::ErrorCode::not_supported,
        fmt::format("The log has format {}; this release reads and writes format {}.", **format, kFormat));
  if (!*format && end) return damaged("The log holds records but does not say its format.");
  return {};
}

Status raise_fence(Store& store, const View& view, Standing& standing) {
  const auto fence = read_meta(view, MetaKey::fence);
  if (!fence) return tl::unexpected(fence.error());
  const auto open_from = read_meta(view, MetaKey::open_from);
  if (!open_from) return tl::unexpected(open_from.error());
  standing.fence = Fence(fence->value_or(0) + 1);
  standing.open_from = TransactionNumber(open_from->value_or(0));
  leveldb::WriteBatch puts;
  const auto put = [&puts](MetaKey which, std::uint64_t number) {
    char value[8];
    put_u64(value, number);
    puts.Put(slice(meta_key(which)), {value, sizeof value});
  };
  put(MetaKey::format, kFormat);
  put(MetaKey::fence, standing.fence.value);
  put_stand(puts, standing.end);
  return store.write(puts);
}

}  // namespace

Result<std::unique_ptr<Log>> open_store_log(std::unique_ptr<Store> store, std::optional<HeadAtOpen> head,
                                            OpenReport report) {
  Standing standing;
  Status ok;
  {
    const StoreReader reader(store->view());
    const auto last = reader.last_entry();
    if (!last) return tl::unexpected(last.error());
    if (ok = check_format(reader.view(), *last ? (*last)->last : Position{}); !ok) return tl::unexpected(ok.error());
    const auto checkpoint = prove_checkpoint(reader.view());
    if (!checkpoint) return tl::unexpected(checkpoint.error());
    standing.checkpoint = *checkpoint;
    ok = prove_tail(reader, *checkpoint, standing, report.records_proved);
    if (ok && head) ok = compare_with_head(reader.view(), standing, head->found);
    if (!ok) return tl::unexpected(ok.error());
  }
  const auto end = [&standing] { return standing.end; };
  if (ok = remove_other_checkpoints(*store, standing.checkpoint, end); !ok) return tl::unexpected(ok.error());
  if (ok = raise_fence(*store, *store->view(), standing); !ok) return tl::unexpected(ok.error());
  if (head) {
    if (ok = head->head->settle({standing.end, standing.digest}); !ok) return tl::unexpected(ok.error());
  }
  report.end = standing.end;
  report.head = head ? head->found.position : standing.end;
  return std::make_unique<StoreLog>(std::move(store), head ? std::move(head->head) : nullptr, standing,
                                    std::move(report));
}

}  // namespace dta::storage

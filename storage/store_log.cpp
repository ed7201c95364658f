// Appending, checkpoints and the clean stop.
#include "storage/store_log.h"

#include <fmt/format.h>

#include "storage/batch_rep.h"
#include "storage/checkpoint_store.h"
#include "storage/keys.h"
#include "storage/stand.h"
#include "storage/store_reader.h"

namespace dta::storage {
namespace {

// The low-water mark of open transactions moves after so many were closed: each deletion is stepped over once, then.
constexpr std::uint64_t kClosedPerMark = 4096;

tl::unexpected<schema::Error> fault(std::string message) {
  return schema::refuse(schema::ErrorCode::storage_fault, std::move(message));
}

leveldb::Slice slice(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

}  // namespace

StoreLog::StoreLog(std::unique_ptr<Store> store, std::unique_ptr<Head> head, const Standing& standing,
                   OpenReport report)
    : store_(std::move(store)),
      head_(std::move(head)),
      report_(std::move(report)),
      standing_(standing),
      durable_end_(standing.end.value) {}

Status StoreLog::write(leveldb::WriteBatch& puts) {
  Status written = store_->write(puts);
  if (!written) poisoned_ = true;
  return written;
}

// Two rules keep the mark a lower bound: it rises only to what is open in the durable log, looked at before this batch
// is written, and a batch that opens a transaction below it lowers it.
void StoreLog::put_open_mark(Batch::Rep& rep) {
  TransactionNumber mark = standing_.open_from;
  closed_since_mark_ += rep.closed;
  if (closed_since_mark_ >= kClosedPerMark) {
    closed_since_mark_ = 0;
    TransactionNumber lowest = standing_.last_number.next();
    const StoreReader reader(store_->view());
    const Status looked = reader.open_transactions([&](TransactionNumber number) {
      lowest = number;
      return false;
    });
    if (looked) mark = std::max(mark, lowest);  // a mark that stays low is slower, never wrong
  }
  if (rep.lowest_opened) mark = std::min(mark, rep.lowest_opened);
  if (mark == standing_.open_from) return;
  char value[8];
  put_u64(value, mark.value);
  rep.puts.Put(slice(meta_key(MetaKey::open_from)), {value, sizeof value});
  standing_.open_from = mark;
}

Status StoreLog::append(Batch& batch) {
  if (poisoned_)
    return fault("A write has failed or the log was closed: nothing can be appended until it is opened again.");
  Batch::Rep& rep = batch.rep();
  if (rep.first != standing_.end.next() || rep.fence != standing_.fence) {
    poisoned_ = true;
    return fault(fmt::format(
        "A batch for position {} under fence {} does not continue this log, which stands at {} under fence {}.",
        rep.first.value, rep.fence.value, standing_.end.value, standing_.fence.value));
  }
  put_open_mark(rep);
  if (batch.empty()) {
    if (rep.puts.ApproximateSize() == leveldb::WriteBatch().ApproximateSize()) return {};
    put_stand(rep.puts, standing_.end);
    return write(rep.puts);
  }
  PositionEntry entry;
  entry.first = rep.first;
  entry.last = batch.last_position();
  entry.last_number = std::max(standing_.last_number, rep.highest_number);
  entry.digest = batch_digest(standing_.digest, entry.first, entry.last, rep.chains);
  entry.records = std::move(rep.records);
  encode_position_entry(entry, scratch_);
  rep.puts.Put(slice(position_key(entry.last)), scratch_);
  if (Status ok = write(rep.puts); !ok) return ok;
  if (head_) {
    if (Status ok = head_->advance({entry.last, entry.digest}); !ok) {
      poisoned_ = true;
      return ok;
    }
  }
  standing_.end = entry.last;
  standing_.digest = entry.digest;
  standing_.last_number = entry.last_number;
  durable_end_ = entry.last.value;
  return {};
}

std::unique_ptr<Reader> StoreLog::snapshot() const {
  return std::make_unique<StoreReader>(store_->view());
}

Status StoreLog::write_checkpoint(Position position, const std::function<std::optional<std::string>()>& next_chunk) {
  if (poisoned_)
    return fault("A write has failed or the log was closed: no checkpoint can be written until it is opened again.");
  // A snapshot may show a batch whose append has not returned yet; it is durable all the same.
  if (const Position durable = StoreReader(store_->view()).end(); position > durable)
    return fault(fmt::format("A checkpoint at position {} would be ahead of the log, which ends at {}.", position.value,
                             durable.value));
  if (standing_.checkpoint && position <= *standing_.checkpoint) return {};  // the one there is serves as well
  const auto end = [this] { return Position(durable_end_); };
  Status written = write_sealed_checkpoint(*store_, position, end, next_chunk);
  if (written) written = remove_other_checkpoints(*store_, position, end);
  if (written)
    standing_.checkpoint = position;
  else
    poisoned_ = true;
  return written;
}

Status StoreLog::close() {
  if (poisoned_.exchange(true)) return fault("The log was closed already, or a write has failed.");
  if (head_) return head_->settle({standing_.end, standing_.digest});
  return {};
}

}  // namespace dta::storage

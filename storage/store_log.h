// Log over the key-value seam: everything about appending, checkpoints and opening that both logs share.
// Threads: append and close on one thread (the committer); write_checkpoint on that thread or beside it on another;
// snapshot anywhere. What they share is atomic.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "storage/head.h"
#include "storage/key_value.h"

namespace dta::storage {

// The HEAD of a log that has one: the file, and what it said when the log was opened.
struct HeadAtOpen {
  std::unique_ptr<Head> head;
  HeadSlot found;
};

// Proves what follows the newest checkpoint, compares it with HEAD, removes unsealed checkpoints, raises the fence, and
// hands out the log. `report` comes with what was found before (notes, bytes cut).
Result<std::unique_ptr<Log>> open_store_log(std::unique_ptr<Store> store, std::optional<HeadAtOpen> head,
                                            OpenReport report);

// Where a log stands: what the appending thread carries from batch to batch.
struct Standing {
  Fence fence;
  Position end;
  Hash digest{};  // over all batches up to `end`
  TransactionNumber last_number;
  TransactionNumber open_from;         // no transaction below is open; 0 when never said
  std::optional<Position> checkpoint;  // newest sealed one
};

class StoreLog final : public Log {
 public:
  StoreLog(std::unique_ptr<Store> store, std::unique_ptr<Head> head, const Standing& standing, OpenReport report);

  const OpenReport& open_report() const override { return report_; }
  Fence fence() const override { return standing_.fence; }
  Position end() const override { return standing_.end; }
  Status append(Batch& batch) override;
  std::unique_ptr<Reader> snapshot() const override;
  Status write_checkpoint(Position position, const std::function<std::optional<std::string>()>& next_chunk) override;
  Status close() override;

 private:
  Status write(leveldb::WriteBatch& puts);
  void put_open_mark(Batch::Rep& rep);

  const std::unique_ptr<Store> store_;
  const std::unique_ptr<Head> head_;  // null: a log without HEAD
  const OpenReport report_;
  Standing standing_;                       // of the appending thread
  std::uint64_t closed_since_mark_ = 0;     // of the appending thread
  std::string scratch_;                     // of the appending thread
  std::atomic<std::uint64_t> durable_end_;  // standing_.end, for a checkpoint that is written beside
  std::atomic<bool> poisoned_ = false;      // a write failed, or the log was closed
};

}  // namespace dta::storage

// The log of one partition: the narrow contract that a partition writes through and everybody reads through.
//
// A record is one append: the events that one command made for one transaction, as opaque bytes. Storage knows numbers,
// sequences, positions and checksums; it knows no saga words and never looks into events, payloads or directory rows.
//
// Two logs keep the contract: LevelDbLog (leveldb_log.h) and MemoryLog (memory_log.h); tests/storage/log_contract runs
// against both. Formats are documented in docs/log_format.md.
//
// Threads: append and close are called by one thread at a time (the committer). write_checkpoint is called by that
// thread or by one other beside it, never by two. snapshot() may be called from any thread; a Reader belongs to the
// thread that made it. Nothing else is shared. Readers must be gone before their log is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/hash.h"
#include "schema/ids.h"
#include "schema/time.h"

namespace dta::storage {

using schema::Fence;
using schema::Hash;
using schema::Position;
using schema::Result;
using schema::Sequence;
using schema::Status;
using schema::Time;
using schema::TransactionNumber;

// One append as it stands in the log.
struct Record {
  Position position;
  TransactionNumber number;
  Sequence first_sequence;
  std::uint32_t event_count = 0;
  Time recorded_at;
  std::uint32_t definition_version = 0;
  std::uint32_t epoch = 0;
  Fence fence;
  Hash chain{};        // SHA-256(previous chain value of this transaction, this record): proves order and content
  std::string events;  // opaque; schema/codec decodes it
  bool operator==(const Record&) const = default;
};

// What a request id was first answered with; looked up before anything else.
struct RequestEntry {
  Sequence first_sequence;
  Hash digest{};
  bool operator==(const RequestEntry&) const = default;
};

// Everything that becomes durable together. Built by the partition, written by Log::append; all or nothing.
// Keys and values are encoded while it is built, so that the committer only writes.
class Batch {
 public:
  // `first_position` is the position its first record will have; records that follow count on from there.
  Batch(Position first_position, Fence fence);
  ~Batch();
  Batch(Batch&&) noexcept;
  Batch& operator=(Batch&&) noexcept;

  // `record.position`, `.fence` and `.chain` are set by this call; returns the new chain value of the transaction,
  // which is `previous_chain` of its next record. `previous_chain` is all zero for the first record of a transaction.
  Hash add_record(Record record, const Hash& previous_chain);
  // Bytes of the payload `index` of the event `sequence`; empty payloads are not put at all.
  void put_payload(TransactionNumber number, Sequence sequence, std::uint32_t index, std::string_view bytes);
  void bind_id(std::string_view callers_id, TransactionNumber number);
  void put_request(TransactionNumber number, std::string_view request_id, const RequestEntry& entry);
  void mark_open(TransactionNumber number);
  void mark_closed(TransactionNumber number);
  void put_directory(std::string_view key, std::string_view row);
  void erase_directory(std::string_view key);
  // Where the text of a definition lies: payload 0 of that event.
  void put_definition(std::string_view name, std::uint32_t version, TransactionNumber number, Sequence sequence);

  bool empty() const;  // no record in it
  std::size_t record_count() const;
  std::size_t bytes() const;  // of keys and values so far
  Position first_position() const;
  Position last_position() const;  // first_position - 1 when empty

  struct Rep;
  Rep& rep() { return *rep_; }  // for the logs of this folder only

 private:
  std::unique_ptr<Rep> rep_;
};

struct DefinitionEntry {
  std::string name;
  std::uint32_t version = 0;
  TransactionNumber number;
  Sequence sequence;
};

struct DirectoryEntry {
  std::string key;
  std::string row;
};

// A checkpoint as found: whatever bytes its writer put in, in order.
struct Checkpoint {
  Position position;  // everything up to and including this position is folded in
  std::vector<std::string> chunks;
};

// A consistent view of everything durable at the moment it was made. Every read checks checksums; a visitor returns
// false to stop early. Damage is an error with code log_damaged that names key and place.
class Reader {
 public:
  virtual ~Reader() = default;

  virtual Position end() const = 0;  // position of the last durable record; none in an empty log
  virtual Result<std::optional<TransactionNumber>> find_id(std::string_view callers_id) const = 0;
  // Callers' ids that begin with `prefix`, in order.
  virtual Status ids(std::string_view prefix,
                     const std::function<bool(std::string_view id, TransactionNumber)>& visit) const = 0;
  virtual Result<std::optional<RequestEntry>> find_request(TransactionNumber number,
                                                           std::string_view request_id) const = 0;
  virtual Result<std::optional<std::string>> payload(TransactionNumber number, Sequence sequence,
                                                     std::uint32_t index) const = 0;
  // Records of one transaction whose first_sequence >= the record that holds `from`, in order.
  virtual Status records_of(TransactionNumber number, Sequence from,
                            const std::function<bool(const Record&)>& visit) const = 0;
  // All records from a position on, in order of position.
  virtual Status records_from(Position from, const std::function<bool(const Record&)>& visit) const = 0;
  virtual Status open_transactions(const std::function<bool(TransactionNumber)>& visit) const = 0;
  // Rows whose key begins with `prefix`, from the first key > `after` (`after` empty: from the start), in key order.
  virtual Status directory(std::string_view prefix, std::string_view after,
                           const std::function<bool(const DirectoryEntry&)>& visit) const = 0;
  virtual Status definitions(const std::function<bool(const DefinitionEntry&)>& visit) const = 0;
  virtual Result<TransactionNumber> last_number() const = 0;  // the highest number ever used; none in an empty log
  // The newest sealed checkpoint, if there is one.
  virtual Result<std::optional<Checkpoint>> checkpoint() const = 0;
};

// What opening found and did, for the log line and the metrics.
struct OpenReport {
  Position end;
  Position head;                     // as read from HEAD; equals `end` after a clean stop
  std::uint64_t records_proved = 0;  // of the tail after the checkpoint
  std::uint64_t bytes_cut = 0;       // torn tail beyond HEAD that was cut off (a copy is kept)
  std::vector<std::string> notes;    // whole sentences, e.g. a bad HEAD slot
};

class Log {
 public:
  virtual ~Log() = default;

  virtual const OpenReport& open_report() const = 0;
  virtual Fence fence() const = 0;   // raised and persisted when this log was opened
  virtual Position end() const = 0;  // last durable record; only the appending thread may ask
  // Writes the batch synced, then HEAD unsynced; returns after both. The batch must continue exactly at end() + 1 and
  // carry this log's fence. After an error nothing more may be appended: what became durable is unknown until the log
  // was closed and opened again (every later append answers storage_fault).
  virtual Status append(Batch& batch) = 0;
  virtual std::unique_ptr<Reader> snapshot() const = 0;
  // Chunks are written one by one and sealed by a last put; older checkpoints are removed after the seal. `position`
  // must not be beyond what is durable. `next_chunk` returns nothing when there are no more.
  virtual Status write_checkpoint(Position position, const std::function<std::optional<std::string>()>& next_chunk) = 0;
  // Clean stop: HEAD is set to the end and synced. The destructor without close() is what a crash looks like.
  virtual Status close() = 0;
};

}  // namespace dta::storage

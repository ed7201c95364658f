// See host.h.
#include "tests/simulation/host.h"

#include <map>

#include "schema/assert.h"
#include "schema/codec.h"
#include "server/recovery.h"
#include "storage/leveldb_log.h"
#include "storage/memory_log.h"
#include "storage/verify.h"
#include "tests/storage/fault_disk.h"

namespace dta::simulation {

using namespace schema;

Host::Host(bool leveldb, server::Partition::Settings settings, server::Metrics& metrics, Time now)
    : leveldb_(leveldb), settings_(settings), metrics_(metrics) {
  if (leveldb)
    disk_ = std::make_unique<storage::FaultDisk>();
  else
    memory_ = storage::make_memory_disk();
  open(now);
}

Host::~Host() {
  close();
}

void Host::open(Time now) {
  storage::LevelDbOptions options;
  options.env = disk_.get();
  options.disk = disk_.get();
  options.write_buffer_bytes = 64u << 10;
  options.block_cache_bytes = 64u << 10;
  auto log = leveldb_ ? storage::open_leveldb_log("/log", options) : storage::open_memory_log(memory_);
  if (!log) {
    broken.push_back("the log cannot be opened again: " + log.error().message);
    return;
  }
  log_ = std::move(*log);
  auto opened = server::Partition::open([this] { return log_->snapshot(); }, log_->fence(), settings_, metrics_, now);
  if (!opened) {
    broken.push_back("the partition cannot be opened again: " + opened.error().message);
    return;
  }
  partition_ = std::move(*opened);
  for (std::string& difference : partition_->compare_with_log())
    broken.push_back("after opening: " + std::move(difference));
}

void Host::close() {
  away_.reset();
  partition_.reset();
  log_.reset();
}

void Host::give_away(Time now) {
  if (!away_ && partition_->has_batch()) away_.emplace(partition_->take_batch(now));
}

void Host::finish(Time now) {
  if (!away_) return;
  const Status status = log_->append(*away_);
  away_.reset();
  if (!status) {
    broken.push_back("a sound disk refuses a batch: " + status.error().message);
    return;
  }
  partition_->committed(log_->end(), now);
}

void Host::write_all(Time now) {
  finish(now);
  while (broken.empty() && partition_->has_batch()) {
    give_away(now);
    finish(now);
  }
}

// The disk dies in the middle: some part of the batch was written, and perhaps synced.
void Host::append_torn(std::uint64_t draw) {
  disk_->die_at(disk_->operations() + 1 + draw % 6);
  static_cast<void>(log_->append(*away_));
}

void Host::crash(Fate fate, bool power_loss, std::uint64_t draw, Time reopened_at) {
  if (away_ && fate == Fate::durable && !log_->append(*away_)) broken.push_back("a sound disk refuses a batch");
  if (away_ && fate == Fate::torn && leveldb_) append_torn(draw);
  close();
  if (leveldb_ && power_loss)
    disk_->power_loss(draw % 3 == 0 ? storage::FaultDisk::Loss::everything : storage::FaultDisk::Loss::random_prefix,
                      draw);
  else if (leveldb_)
    disk_->restart();
  open(reopened_at);
}

bool Host::fail_write(Fate fate, std::uint64_t draw, Time now) {
  give_away(now);
  if (!away_) return false;
  Status status = refuse(ErrorCode::storage_fault, "the disk said no");
  if (leveldb_) {
    disk_->fail_once_at(disk_->operations() + 1 + draw % 6);
    status = log_->append(*away_);
  } else if (fate == Fate::durable) {
    static_cast<void>(log_->append(*away_));
  }
  if (status) {  // the fault lay beyond this write
    disk_->restart();
    away_.reset();
    partition_->committed(log_->end(), now);
    return true;
  }
  partition_->abandon(status.error());
  close();
  if (leveldb_) disk_->restart();
  open(now);
  return true;
}

void Host::restart(Time now) {
  partition_->stop(now);
  write_all(now);
  if (!broken.empty()) return;
  if (const Status closed = log_->close(); !closed)
    broken.push_back("the log cannot be closed: " + closed.error().message);
  close();
  if (leveldb_) disk_->restart();
  open(now);
}

void Host::checkpoint() {
  const auto reader = log_->snapshot();
  auto chunks = server::checkpoint_chunks(*reader);
  if (!chunks) {
    broken.push_back("no checkpoint can be made: " + chunks.error().message);
    return;
  }
  std::size_t next = 0;
  const Status status = log_->write_checkpoint(reader->end(), [&]() -> std::optional<std::string> {
    return next == chunks->size() ? std::nullopt : std::optional(std::move((*chunks)[next++]));
  });
  if (!status) broken.push_back("no checkpoint can be written: " + status.error().message);
}

std::vector<model::Logged> Host::history(const std::string& id) const {
  std::vector<model::Logged> events;
  const auto reader = log_->snapshot();
  const auto number = reader->find_id(id);
  if (!number || !*number) return events;
  std::size_t records = 0;
  const Status read = reader->records_of(**number, Sequence(1), [&](const storage::Record& record) {
    auto decoded = decode_events(record.events);
    DTA_ASSERT(decoded.has_value());
    Sequence sequence = record.first_sequence;
    ++records;
    for (Event& event : *decoded) {
      events.push_back({records, RecordedEvent{sequence, record.recorded_at, std::move(event)}});
      sequence = sequence.next();
    }
    return true;
  });
  DTA_ASSERT(read.has_value());
  return events;
}

std::string Host::payload(const std::string& id, Sequence sequence, std::uint32_t index) const {
  const auto reader = log_->snapshot();
  const auto number = reader->find_id(id);
  DTA_ASSERT(number && *number);
  const auto bytes = reader->payload(**number, sequence, index);
  return bytes && *bytes ? **bytes : "a payload that the log names is missing";
}

std::vector<std::string> Host::verify() {
  std::vector<std::string> findings;
  std::map<TransactionNumber, std::uint64_t> next_sequence;
  Position next(1);
  const Status read = log_->snapshot()->records_from(Position(1), [&](const storage::Record& record) {
    std::uint64_t& sequence = next_sequence.try_emplace(record.number, 1).first->second;
    if (record.position != next || record.first_sequence.value != sequence)
      findings.push_back("a gap before position " + std::to_string(record.position.value));
    next = record.position.next();
    sequence = record.first_sequence.value + record.event_count;
    return true;
  });
  if (!read) findings.push_back(read.error().message);
  if (!leveldb_) return findings;
  if (const Status closed = log_->close(); !closed) findings.push_back(closed.error().message);
  close();
  storage::LevelDbOptions options;
  options.env = disk_.get();
  options.disk = disk_.get();
  const auto payloads_of = [](const storage::Record& record) -> Result<std::vector<storage::PayloadName>> {
    auto events = decode_events(record.events);
    if (!events) return tl::unexpected<Error>(events.error());
    std::vector<storage::PayloadName> names;
    Sequence sequence = record.first_sequence;
    for (const Event& event : *events) {
      for_each_payload(event,
                       [&](const PayloadRef& ref) { names.push_back({sequence, ref.index, ref.size, ref.digest}); });
      sequence = sequence.next();
    }
    return names;
  };
  const auto report = storage::verify_leveldb_log("/log", payloads_of, [](Position) {}, options);
  if (!report) return {report.error().message};
  findings.insert(findings.end(), report->findings.begin(), report->findings.end());
  return findings;
}

std::vector<std::string> Host::differences() const {
  if (away_ || partition_->has_batch()) return {};
  return partition_->compare_with_log();
}

}  // namespace dta::simulation

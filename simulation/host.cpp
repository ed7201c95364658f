// See host.h.
#include "simulation/host.h"

#include <map>

#include "schema/assert.h"
#include "schema/codec.h"
#include "server/recovery.h"

namespace dta::simulation {

using namespace schema;

Host::Host(std::unique_ptr<Disk> disk, server::Partition::Settings settings, server::Metrics& metrics, Time now)
    : settings_(settings), metrics_(metrics), disk_(std::move(disk)) {
  open(now);
}

Host::~Host() {
  close();
}

void Host::open(Time now) {
  auto log = disk_->open();
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

void Host::crash(Fate fate, bool power_loss, std::uint64_t draw, Time reopened_at) {
  if (away_ && fate == Fate::durable && !log_->append(*away_)) broken.push_back("a sound disk refuses a batch");
  if (away_ && fate == Fate::torn) disk_->append_torn(*log_, *away_, draw);
  close();
  if (power_loss)
    disk_->power_loss(draw);
  else
    disk_->restart();
  open(reopened_at);
}

bool Host::fail_write(Fate fate, std::uint64_t draw, Time now) {
  give_away(now);
  if (!away_) return false;
  const Status status = disk_->append_failing(*log_, *away_, fate, draw);
  if (status) {  // the fault lay beyond this write
    disk_->restart();
    away_.reset();
    partition_->committed(log_->end(), now);
    return true;
  }
  partition_->abandon(status.error());
  close();
  disk_->restart();
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
  disk_->restart();
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

Events Host::history(const std::string& id) const {
  Events events;
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
  if (const Status closed = log_->close(); !closed) findings.push_back(closed.error().message);
  close();
  for (std::string& finding : disk_->verify()) findings.push_back(std::move(finding));
  auto log = disk_->open();
  if (!log) return {log.error().message};
  log_ = std::move(*log);
  return findings;
}

std::vector<Host::Entry> Host::log_entries() const {
  std::map<TransactionNumber, std::string> ids;
  std::vector<Entry> entries;
  const Status read = log_->snapshot()->records_from(Position(1), [&](const storage::Record& record) {
    auto decoded = decode_events(record.events);
    DTA_ASSERT(decoded.has_value());
    Entry entry;
    Sequence sequence = record.first_sequence;
    for (Event& event : *decoded) {
      if (const auto* started = std::get_if<TransactionStarted>(&event)) ids[record.number] = started->id;
      entry.events.push_back(RecordedEvent{sequence, record.recorded_at, std::move(event)});
      sequence = sequence.next();
    }
    const auto known = ids.find(record.number);
    if (known == ids.end()) return true;  // a definition
    entry.id = known->second;
    entries.push_back(std::move(entry));
    return true;
  });
  DTA_ASSERT(read.has_value());
  return entries;
}

std::vector<std::string> Host::differences() const {
  if (away_ || partition_->has_batch()) return {};
  return partition_->compare_with_log();
}

}  // namespace dta::simulation

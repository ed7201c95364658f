// Folding a log: checkpoint and tail, single transactions, new checkpoints (recovery.h). Whoever asks; it has no state.
#include "server/recovery.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/archive.h"
#include "engine/evolve.h"
#include "engine/state_codec.h"
#include "projections/directory.h"
#include "schema/codec.h"

namespace dta::server {

using namespace schema;
using storage::Reader;
using storage::Record;

namespace {

constexpr std::size_t kChunkBytes = 1u << 20;

tl::unexpected<Error> damaged(const Record& record, const std::string& what) {
  return refuse(ErrorCode::log_damaged, "record at position " + std::to_string(record.position.value) +
                                            " (transaction number " + std::to_string(record.number.value) +
                                            ", sequence " + std::to_string(record.first_sequence.value) + "): " + what);
}

// Applies the record's events up to `until` (none: all).
Status fold(Entry& entry, const Record& record, const DefinitionShelf& definitions, Sequence until) {
  auto events = decode_events(record.events);
  if (!events) return tl::unexpected<Error>(events.error());
  Sequence sequence = record.first_sequence;
  for (Event& event : *events) {
    if (until && sequence > until) break;
    if (const auto* started = std::get_if<TransactionStarted>(&event)) {
      const Published* published = definitions.find(started->definition, started->version);
      if (published == nullptr)
        return damaged(record, "definition " + started->definition + " version " + std::to_string(started->version) +
                                   " is not in the log");
      entry.machine = published->machine;
    }
    if (entry.machine == nullptr) return damaged(record, "the transaction does not begin with transaction_started");
    const RecordedEvent recorded{sequence, record.recorded_at, std::move(event)};
    if (Status status = engine::check(*entry.machine, entry.state, recorded); !status)
      return damaged(record, status.error().message);
    engine::evolve(*entry.machine, entry.state, recorded);
    sequence = sequence.next();
  }
  entry.chain = record.chain;
  entry.last_position = record.position;
  return {};
}

// Where its row stands, once everything is folded.
void place(Entry& entry) {
  entry.directory_key = projections::directory_key(engine::status(entry.state), entry.number);
}

using Open = std::map<TransactionNumber, std::unique_ptr<Entry>>;

template <class A>
void archive_entry(A& a, Entry& entry, std::string& state) {
  using engine::archive;
  archive(a, entry.number);
  archive(a, entry.chain);
  archive(a, entry.last_position);
  archive(a, state);
}

// False when the checkpoint cannot be used; the log itself then tells everything.
bool read_chunks(const storage::Checkpoint& checkpoint, const DefinitionShelf& definitions, Open& open) {
  for (const std::string& chunk : checkpoint.chunks) {
    engine::Reader reader(chunk);
    while (reader.ok() && !reader.at_end()) {
      auto entry = std::make_unique<Entry>();
      std::string bytes;
      archive_entry(reader, *entry, bytes);
      auto state = engine::decode_state(bytes);
      if (!reader.ok() || !state) return false;
      const Published* published = definitions.find(state->definition, state->version);
      if (published == nullptr) return false;
      entry->machine = published->machine;
      entry->state = std::move(*state);
      const TransactionNumber number = entry->number;
      open[number] = std::move(entry);
    }
    if (!reader.ok()) return false;
  }
  return true;
}

Result<bool> reopens(const Record& record) {
  const auto events = decode_events(record.events);
  if (!events) return tl::unexpected<Error>(events.error());
  return std::any_of(events->begin(), events->end(),
                     [](const Event& event) { return std::holds_alternative<EpochOpened>(event); });
}

// Everything after the checkpoint, in order of position. Records of transactions that ended before it are late results
// and the like: they change no open state.
Status fold_tail(const Reader& reader, Position from, const DefinitionShelf& definitions, Open& open,
                 std::uint64_t& records) {
  std::set<TransactionNumber> reserved;
  for (const auto& [name, log] : definitions.all_reserved()) reserved.insert(log.number);
  Status failed;
  const Status status = reader.records_from(from, [&](const Record& record) {
    ++records;
    if (reserved.contains(record.number)) return true;
    auto it = open.find(record.number);
    if (it == open.end() && record.first_sequence != Sequence(1)) {
      // It had ended. What opens a new epoch brings it back, with everything that follows.
      const auto again = reopens(record);
      if (!again) failed = tl::unexpected<Error>(again.error());
      if (!again || !*again) return failed.has_value();
      auto entry = load_entry(reader, definitions, record.number);
      if (!entry) failed = tl::unexpected<Error>(entry.error());
      if (!entry) return false;
      if (!(*entry)->state.ended()) open[record.number] = std::move(*entry);
      return true;
    }
    if (it == open.end()) {
      it = open.emplace(record.number, std::make_unique<Entry>()).first;
      it->second->number = record.number;
    }
    if (record.first_sequence <= it->second->state.sequence) return true;  // it was loaded whole
    failed = fold(*it->second, record, definitions, {});
    if (!failed) return false;
    if (it->second->state.ended()) open.erase(it);
    return true;
  });
  for (auto& [number, entry] : open) place(*entry);
  return status ? failed : status;
}

Status fold_open(const Reader& reader, const DefinitionShelf& definitions, Open& open, std::uint64_t& records) {
  Status failed;
  const Status status = reader.open_transactions([&](TransactionNumber number) {
    auto entry = load_entry(reader, definitions, number);
    if (!entry) {
      failed = tl::unexpected<Error>(entry.error());
      return false;
    }
    records += (*entry)->state.sequence.value;
    open[number] = std::move(*entry);
    return true;
  });
  return status ? failed : status;
}

}  // namespace

Result<DefinitionShelf> read_definitions(const Reader& reader) {
  DefinitionShelf shelf;
  Status failed;
  const Status status = reader.definitions([&](const storage::DefinitionEntry& found) {
    const auto text = reader.payload(found.number, found.sequence, 0);
    const std::string name = found.name + " version " + std::to_string(found.version);
    if (!text || !*text) {
      failed = text ? refuse(ErrorCode::log_damaged, "the text of definition " + name + " is missing")
                    : tl::unexpected<Error>(text.error());
      return false;
    }
    auto definition = parse_definition(**text);
    if (!definition) {
      failed = refuse(ErrorCode::log_damaged,
                      "definition " + name + " in the log cannot be read: " + definition.error().message);
      return false;
    }
    Time published_at;
    DefinitionShelf::Reserved& reserved = shelf.reserved(found.name);
    reserved.number = found.number;
    const Status read = reader.records_of(found.number, found.sequence, [&](const Record& record) {
      if (record.first_sequence == found.sequence) published_at = record.recorded_at;
      if (record.first_sequence >= reserved.sequence) {
        reserved.sequence = Sequence(record.first_sequence.value + record.event_count - 1);
        reserved.chain = record.chain;
        reserved.position = record.position;
      }
      return true;
    });
    if (!read) {
      failed = read;
      return false;
    }
    shelf.put(std::make_shared<const engine::Machine>(std::move(*definition)), published_at);
    return true;
  });
  if (!status) return tl::unexpected<Error>(status.error());
  if (!failed) return tl::unexpected<Error>(failed.error());
  return shelf;
}

Result<std::unique_ptr<Entry>> load_entry(const Reader& reader, const DefinitionShelf& definitions,
                                          TransactionNumber number, Sequence until) {
  auto entry = std::make_unique<Entry>();
  entry->number = number;
  Status failed;
  const Status status = reader.records_of(number, Sequence(1), [&](const Record& record) {
    if (until && record.first_sequence > until) return false;
    failed = fold(*entry, record, definitions, until);
    return failed.has_value();
  });
  if (!status) return tl::unexpected<Error>(status.error());
  if (!failed) return tl::unexpected<Error>(failed.error());
  if (entry->state.phase == engine::Phase::none)
    return refuse(ErrorCode::log_damaged, "transaction number " + std::to_string(number.value) + " has no records");
  place(*entry);
  return entry;
}

Result<Recovered> recover(const Reader& reader) {
  Recovered recovered;
  auto definitions = read_definitions(reader);
  if (!definitions) return tl::unexpected<Error>(definitions.error());
  recovered.definitions = std::move(*definitions);
  auto checkpoint = reader.checkpoint();
  if (!checkpoint) return tl::unexpected<Error>(checkpoint.error());
  Open open;
  Status folded;
  if (*checkpoint && read_chunks(**checkpoint, recovered.definitions, open)) {
    folded = fold_tail(reader, (*checkpoint)->position.next(), recovered.definitions, open, recovered.records);
  } else {
    open.clear();
    folded = fold_open(reader, recovered.definitions, open, recovered.records);
  }
  if (!folded) return tl::unexpected<Error>(folded.error());
  for (auto& [number, entry] : open) recovered.open.push_back(std::move(entry));
  auto last = reader.last_number();
  if (!last) return tl::unexpected<Error>(last.error());
  recovered.last_number = *last;
  recovered.end = reader.end();
  return recovered;
}

Result<std::vector<std::string>> checkpoint_chunks(const Reader& reader) {
  auto recovered = recover(reader);
  if (!recovered) return tl::unexpected<Error>(recovered.error());
  std::vector<std::string> chunks;
  engine::Writer writer;
  for (const auto& entry : recovered->open) {
    std::string state = engine::encode_state(entry->state);
    archive_entry(writer, *entry, state);
    if (writer.bytes.size() < kChunkBytes) continue;
    chunks.push_back(std::move(writer.bytes));
    writer.bytes.clear();
  }
  if (!writer.bytes.empty()) chunks.push_back(std::move(writer.bytes));
  return chunks;
}

}  // namespace dta::server

// Reading of names, definitions and events from snapshots (log_reading.h). Reading thread only.
#include "server/log_reading.h"

#include "schema/codec.h"

namespace dta::server {

using schema::ErrorCode;
using schema::refuse;
using schema::Sequence;
using schema::Status;
using schema::TransactionNumber;

schema::Result<std::unique_ptr<storage::Reader>> LogReading::snapshot() const {
  std::unique_ptr<storage::Reader> reader = port_.snapshot();
  if (!reader) return refuse(ErrorCode::unavailable, port_.not_ready().value_or("the log is not open"));
  return reader;
}

schema::Result<TransactionNumber> LogReading::find(const storage::Reader& reader, const std::string& id) const {
  auto found = reader.find_id(id);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return refuse(ErrorCode::transaction_not_found, "no transaction has the id " + id);
  return **found;
}

schema::Result<TransactionName> LogReading::name(const storage::Reader& reader, TransactionNumber number) {
  if (const auto known = names_.find(number); known != names_.end()) return known->second;
  TransactionName name;
  Status defined;
  auto read = events_of(reader, number, Sequence(1), [&](const schema::RecordedEvent& event, schema::Position) {
    if (const auto* started = std::get_if<schema::TransactionStarted>(&event.event)) {
      name.id = started->id;
      if (auto found = definition(reader, started->definition, started->version)) {
        name.definition = *found;
      } else {
        defined = tl::unexpected(found.error());
      }
    } else if (const auto* published = std::get_if<schema::DefinitionPublished>(&event.event)) {
      name.id = "$definition/" + published->name;
    }
    return false;
  });
  if (!read) return tl::unexpected(read.error());
  if (!defined) return tl::unexpected(defined.error());
  if (name.id.empty())
    return refuse(ErrorCode::log_damaged, "transaction number " + std::to_string(number.value) + " has no first event");
  if (names_.size() >= kNamesMax) names_.clear();
  return names_.emplace(number, std::move(name)).first->second;
}

schema::Result<schema::DefinitionPtr> LogReading::definition(const storage::Reader& reader, const std::string& name,
                                                             std::uint32_t version) {
  const std::pair key{name, version};
  if (const auto known = definitions_.find(key); known != definitions_.end()) return known->second;
  // Steps in place of a task are found in the definition that holds them.
  const std::string root = name.substr(0, name.find('/'));
  std::optional<storage::DefinitionEntry> entry;
  auto visited = reader.definitions([&](const storage::DefinitionEntry& candidate) {
    if (candidate.name != root || candidate.version != version) return true;
    entry = candidate;
    return false;
  });
  if (!visited) return tl::unexpected(visited.error());
  const std::string label = name + " " + std::to_string(version);
  if (!entry)
    return refuse(ErrorCode::log_damaged, "definition " + label + " is named by an event, but is not in the log");
  auto text = reader.payload(entry->number, entry->sequence, 0);
  if (!text) return tl::unexpected(text.error());
  if (!*text) return refuse(ErrorCode::log_damaged, "the text of definition " + label + " is not in the log");
  auto parsed = schema::parse_definition(**text);
  if (!parsed)
    return refuse(ErrorCode::log_damaged, "definition " + label + " does not compile: " + parsed.error().message);
  schema::DefinitionPtr found = schema::find_in_place(*parsed, name);
  if (!found) return refuse(ErrorCode::log_damaged, "definition " + label + " does not exist in " + root);
  return definitions_.emplace(key, std::move(found)).first->second;
}

schema::Result<std::vector<schema::RecordedEvent>> decode_record(const storage::Record& record) {
  auto events = schema::decode_events(record.events);
  if (!events) return tl::unexpected(events.error());
  std::vector<schema::RecordedEvent> recorded;
  recorded.reserve(events->size());
  Sequence sequence = record.first_sequence;
  for (schema::Event& event : *events) {
    recorded.push_back({sequence, record.recorded_at, std::move(event)});
    sequence = sequence.next();
  }
  return recorded;
}

Status events_of(const storage::Reader& reader, TransactionNumber number, Sequence from, const EventVisitor& visit) {
  Status damage;
  auto read = reader.records_of(number, from, [&](const storage::Record& record) {
    auto events = decode_record(record);
    if (!events) {
      damage = tl::unexpected(events.error());
      return false;
    }
    for (const schema::RecordedEvent& event : *events)
      if (event.sequence >= from && !visit(event, record.position)) return false;
    return true;
  });
  return read ? damage : read;
}

}  // namespace dta::server

// Writing of events with their tokens and payloads (event_writer.h). Reading thread.
#include "server/event_writer.h"

namespace dta::server {

using schema::Sequence;

void EventWriter::append(std::string& out, const schema::RecordedEvent& event, schema::Position position,
                         const schema::Definition* definition, std::string_view transaction) {
  if (std::holds_alternative<schema::TaskLeased>(event.event)) leased_at_[event.sequence.value] = event.recorded_at;
  schema::EventJsonContext context;
  context.definition = definition;
  context.position = position;
  context.transaction = transaction;
  context.token = [this](Sequence lease) { return lease_token(number_, lease, leased_at(lease)); };
  context.payload = [this, &event](const schema::PayloadRef& ref) -> std::optional<std::string> {
    auto bytes = reader_.payload(number_, event.sequence, ref.index);
    if (bytes) return std::move(*bytes);
    if (damage_) damage_ = tl::unexpected(bytes.error());
    return std::nullopt;
  };
  schema::append_event_json(out, event, context);
}

// A token holds the time of its hand-out; for a lease from before the page its record is read.
schema::Time EventWriter::leased_at(Sequence lease) {
  const auto [known, is_new] = leased_at_.try_emplace(lease.value);
  if (is_new) {
    auto read = reader_.records_of(number_, lease, [&, at = &known->second](const storage::Record& record) {
      *at = record.recorded_at;
      return false;
    });
    if (!read && damage_) damage_ = read;
  }
  return known->second;
}

}  // namespace dta::server

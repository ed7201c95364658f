// Events of one transaction as lines of histories and replays: names its leases, reads its payloads. Reading thread.
#pragma once

#include <string>
#include <unordered_map>

#include "schema/event_json.h"
#include "server/log_reading.h"

namespace dta::server {

class EventWriter {
 public:
  EventWriter(const storage::Reader& reader, schema::TransactionNumber number) : reader_(reader), number_(number) {}

  // Appends one JSON object without a line end; with the transaction's id when `transaction` is not empty.
  void append(std::string& out, const schema::RecordedEvent& event, schema::Position position,
              const schema::Definition* definition, std::string_view transaction = {});
  // What went wrong in reading payloads so far: then nothing that was appended may be shown.
  const schema::Status& damage() const { return damage_; }

 private:
  schema::Time leased_at(schema::Sequence lease);

  const storage::Reader& reader_;
  schema::TransactionNumber number_;
  schema::Status damage_;
  std::unordered_map<std::uint64_t, schema::Time> leased_at_;
};

}  // namespace dta::server

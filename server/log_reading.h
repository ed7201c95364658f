// What the reading thread keeps between jobs: definitions by version and names of transactions by number, both of which
// never change once they are in the log. Owned by the reading thread and used by it alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "schema/definition.h"
#include "schema/event.h"
#include "server/port.h"

namespace dta::server {

// Who a transaction number is.
struct TransactionName {
  std::string id;
  schema::DefinitionPtr definition;  // null: a reserved transaction
};

class LogReading {
 public:
  explicit LogReading(Port& port) : port_(port) {}

  Port& port() const { return port_; }
  // A snapshot of now, or unavailable.
  schema::Result<std::unique_ptr<storage::Reader>> snapshot() const;
  // transaction_not_found when nobody has the id.
  schema::Result<schema::TransactionNumber> find(const storage::Reader& reader, const std::string& id) const;
  schema::Result<TransactionName> name(const storage::Reader& reader, schema::TransactionNumber number);
  schema::Result<schema::DefinitionPtr> definition(const storage::Reader& reader, const std::string& name,
                                                   std::uint32_t version);

 private:
  static constexpr std::size_t kNamesMax = 65'536;  // then the cache begins anew

  Port& port_;
  std::map<std::pair<std::string, std::uint32_t>, schema::DefinitionPtr> definitions_;
  std::unordered_map<schema::TransactionNumber, TransactionName> names_;
};

// Calls `visit` with every event of one transaction from sequence `from` on, in order, until it returns false.
// `position` is the record's. Error log_damaged when a record does not decode.
using EventVisitor = std::function<bool(const schema::RecordedEvent& event, schema::Position position)>;
schema::Status events_of(const storage::Reader& reader, schema::TransactionNumber number, schema::Sequence from,
                         const EventVisitor& visit);

// The events of one record.
schema::Result<std::vector<schema::RecordedEvent>> decode_record(const storage::Record& record);

}  // namespace dta::server

// Gives the proof of a log the words that storage does not know: which payloads the events of a record name. Any
// thread.
#include "server/verify_log.h"

#include <vector>

#include "schema/codec.h"
#include "schema/event.h"

namespace dta::server {

schema::Result<storage::VerifyReport> verify_log(const std::string& directory,
                                                 const std::function<void(schema::Position)>& progress) {
  const auto payloads_of = [](const storage::Record& record) -> schema::Result<std::vector<storage::PayloadName>> {
    auto events = schema::decode_events(record.events);
    if (!events) return tl::unexpected<schema::Error>(events.error());
    if (events->size() != record.event_count)
      return schema::refuse(schema::ErrorCode::log_damaged, "the record says " + std::to_string(record.event_count) +
                                                                " events but holds " + std::to_string(events->size()));
    std::vector<storage::PayloadName> names;
    schema::Sequence sequence = record.first_sequence;
    for (const schema::Event& event : *events) {
      schema::for_each_payload(event, [&](const schema::PayloadRef& ref) {
        names.push_back(storage::PayloadName{sequence, ref.index, ref.size, ref.digest});
      });
      sequence = sequence.next();
    }
    return names;
  };
  return storage::verify_leveldb_log(directory, payloads_of, progress);
}

}  // namespace dta::server

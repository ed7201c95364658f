// What people say of queues and definitions, folded from the events of the reserved transactions "$queue/NAME" and
// "$definition/NAME". Each event says everything, so the last one counts; only when something was paused is gathered
// from all of them. Values; the partition's thread, and whoever folds a log.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "schema/event.h"
#include "schema/hash.h"
#include "schema/ids.h"
#include "schema/pause.h"

namespace dta::server {

// Where the log of a reserved transaction stands. It has a number like any other, but no row in the directory, is never
// open, and cannot be reached by its number.
struct ReservedLog {
  schema::TransactionNumber number;  // none: it has not begun
  schema::Sequence sequence;
  schema::Hash chain{};
  schema::Position position;  // of its last record
  bool operator==(const ReservedLog&) const = default;
};

struct QueueSettings {
  ReservedLog log;
  schema::QueueChanged said;
  schema::Time changed_at;
  schema::Pauses pauses;
  bool operator==(const QueueSettings&) const = default;

  void apply(schema::QueueChanged event, schema::Time at) {
    schema::note_pause(pauses, event.paused, at);
    said = std::move(event);
    changed_at = at;
  }
};
using QueueShelf = std::map<std::string, QueueSettings>;  // queues of which something was said

struct DefinitionSettings {
  schema::DefinitionChanged said;
  schema::Time changed_at;
  schema::Pauses pauses;
  bool operator==(const DefinitionSettings&) const = default;

  bool deprecates(std::uint32_t version) const {
    return std::binary_search(said.deprecated.begin(), said.deprecated.end(), version);
  }
  void apply(schema::DefinitionChanged event, schema::Time at) {
    schema::note_pause(pauses, event.paused, at);
    said = std::move(event);
    changed_at = at;
  }
};

}  // namespace dta::server

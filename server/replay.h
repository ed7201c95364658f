// Re-reading a transaction's history through the same fold the engine runs on: its state after any event, and what each
// event changed and made due. Reading thread; nothing is written.
#pragma once

#include <optional>
#include <string>

#include "server/http_server.h"

namespace dta::server {

// The document of GET /v1/transactions/{id}?at=SEQ. Error invalid_argument when there is no such event (yet).
schema::Result<std::string> state_at(LogReading& log, const std::string& id, schema::Sequence at);

// Lines of GET /v1/transactions/{id}/replay.
PageSource replay_pages(std::string id);

}  // namespace dta::server

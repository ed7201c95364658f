// Answers of the server as the values of include/dta/client.h. Unknown members are passed over: a newer server may say
// more. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dta/client.h"
#include "dta/json.h"

namespace dta::client {

// The answer as JSON; throws connection_failed when it is something else.
Json parse_answer(const std::string& body);

// RFC 3339 in UTC or with an offset; nothing for anything else.
std::optional<Time> read_time(const Json& value);
std::string write_time(Time time);

Transaction read_transaction(const Json& answer);
Event read_event(const Json& line);
// One value for each line that is not empty.
std::vector<Json> read_lines(const std::string& body);
Page read_page(const Json& answer);
Published read_published(const Json& answer);
std::vector<DefinitionSummary> read_definitions(const Json& answer);
DefinitionState read_definition_state(const Json& answer);
QueueState read_queue(const Json& answer);
std::vector<QueueState> read_queues(const Json& answer);
Cancelled read_cancelled(const Json& answer);
Appended read_appended(const Json& answer);

std::map<std::string, std::string> read_strings(const Json& object);
std::string write_strings(const std::map<std::string, std::string>& strings);

}  // namespace dta::client

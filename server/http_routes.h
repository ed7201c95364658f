// From method and path to the handler of a call, and what every call is checked for before its handler runs. Pure but
// for the handlers themselves, which run on the io thread, parse what they were sent, and submit it to the partition.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/error.h"
#include "server/http_message.h"
#include "server/http_server.h"

namespace dta::server {

using Query = std::vector<std::pair<std::string, std::string>>;  // decoded

// One request on its way into a handler. The views live until the handler returns.
struct Call {
  HttpServer& server;
  Ticket ticket;
  const RequestHead& head;
  const std::vector<std::string>& path;  // the decoded parts of the path that the route leaves open
  const Query& query;
  std::string_view body;

  void refuse(const schema::Error& error) { server.refuse(ticket, error); }
};
using Handler = void (*)(Call&);

// Whose requests are taken.
struct HostRules {
  std::string listen_host;
  bool any_host = false;
};

struct Routed {
  Handler handler = nullptr;  // null: refused
  schema::Error refusal;
  std::string_view allow;  // with method_not_allowed
  std::vector<std::string> path;
  Query query;
};
// Checks Host, Origin, path, method and media type of a request whose head has arrived.
void route(const RequestHead& head, const HostRules& rules, Routed& routed);

// Query parameters of a handler: every one it does not name is refused.
schema::Status check_query(const Query& query, std::initializer_list<std::string_view> known,
                           std::string_view known_prefix = {});
std::optional<std::string_view> query_value(const Query& query, std::string_view name);
// A number in [least, most]; nothing when the parameter is absent. invalid_argument for anything else.
schema::Result<std::optional<std::uint64_t>> query_number(const Query& query, std::string_view name,
                                                          std::uint64_t least, std::uint64_t most);
// wait_ms, clamped to its limit; 0 when absent.
schema::Result<schema::Duration> query_wait(const Query& query);

// Percent-decoding (RFC 3986, 2.1); nothing when an escape is broken.
std::optional<std::string> percent_decode(std::string_view text);
bool is_utf8(std::string_view text);

// The handlers, by noun.
void put_definition(Call& call);
void get_definition(Call& call);
void list_definitions(Call& call);
void pause_definition(Call& call);
void resume_definition(Call& call);
void deprecate_definition(Call& call);
void put_queue(Call& call);
void pause_queue(Call& call);
void resume_queue(Call& call);
void get_queue(Call& call);
void list_queues(Call& call);
void start_transaction(Call& call);
void start_by_input(Call& call);
void list_transactions(Call& call);
void get_transaction(Call& call);
void get_history(Call& call);
void get_replay(Call& call);
void cancel_transaction(Call& call);
void terminate_transaction(Call& call);
void resolve_incident(Call& call);
void pause_transaction(Call& call);
void resume_transaction(Call& call);
void signal_transaction(Call& call);
void append_events(Call& call);
void lease_tasks(Call& call);
void report_results(Call& call);
void complete_tasks(Call& call);
void fail_tasks(Call& call);
void heartbeat_tasks(Call& call);
void release_tasks(Call& call);
void get_events(Call& call);
void get_health(Call& call);
void get_readiness(Call& call);
void get_metrics(Call& call);

}  // namespace dta::server

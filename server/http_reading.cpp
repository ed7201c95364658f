// Calls that read the log: a transaction, lists, histories, replays, everything. They are parsed on the io thread and
// answered from snapshots on the reading thread; the state of now comes from the partition.
#include <algorithm>

#include "schema/limits.h"
#include "server/directory_list.h"
#include "server/history.h"
#include "server/http_routes.h"
#include "server/replay.h"
#include "server/view_json.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
using schema::Result;
namespace limits = schema::limits;

constexpr std::string_view kLines = "application/x-ndjson";

// Runs `make` on the reading thread and answers with the document or the error it gives.
template <class Make>
void answer_from_log(HttpServer& server, Ticket ticket, Make make) {
  server.read([&server, ticket, make = std::move(make), outbox = server.outbox()](LogReading& log) mutable {
    outbox->push([&server, ticket, made = Result<std::string>(make(log))]() mutable {
      if (made) {
        server.answer(ticket, Answer{200, "application/json", std::move(*made)});
      } else {
        server.refuse(ticket, made.error());
      }
    });
  });
}

Result<std::string> view_of(const TransactionReply& reply, schema::Time now, const storage::Reader& reader) {
  schema::Status damage;
  const ViewContext context{reply.number, now, [&](const engine::PayloadAt& at) -> std::optional<std::string> {
                              auto bytes = reader.payload(reply.number, at.sequence, at.index);
                              if (bytes) return std::move(*bytes);
                              if (damage) damage = tl::unexpected(bytes.error());
                              return std::nullopt;
                            }};
  std::string text = view_json(engine::Machine(reply.definition), reply.state, context);
  if (!damage) return tl::unexpected(damage.error());
  return text;
}

}  // namespace

void list_transactions(Call& call) {
  if (auto known = check_query(call.query, {"status", "definition", "since", "limit", "cursor"}, "attr."); !known)
    return call.refuse(known.error());
  ListFilter filter;
  filter.status = query_value(call.query, "status").value_or("");
  if (query_value(call.query, "status") && !is_status(filter.status))
    return call.refuse({invalid_argument, "\"" + filter.status + "\" is no status of transactions"});
  filter.definition = query_value(call.query, "definition").value_or("");
  if (const auto since = query_value(call.query, "since")) {
    // An offset's "+" that was not escaped arrives as a blank.
    std::string text(*since);
    if (const std::size_t blank = text.rfind(' '); blank != std::string::npos && blank > 11) text[blank] = '+';
    filter.since = schema::parse_time(text);
    if (!filter.since) return call.refuse({invalid_argument, "the query parameter \"since\" is no RFC 3339 time"});
  }
  for (const auto& [name, value] : call.query)
    if (name.starts_with("attr.")) filter.attributes.push_back({name.substr(5), value});
  auto limit = query_number(call.query, "limit", 1, UINT64_MAX);
  if (!limit) return call.refuse(limit.error());
  filter.limit = std::min<std::uint64_t>(limit->value_or(limits::kListPageDefault), limits::kListPageMax);
  if (const auto cursor = query_value(call.query, "cursor")) {
    const auto before = parse_list_cursor(*cursor);
    if (!before) return call.refuse({invalid_cursor, "the cursor of a list begins with \"t1.\""});
    filter.before = *before;
  }
  answer_from_log(call.server, call.ticket, [filter = std::move(filter)](LogReading& log) -> Result<std::string> {
    auto reader = log.snapshot();
    if (!reader) return tl::unexpected(reader.error());
    return list_json(**reader, filter);
  });
}

void get_transaction(Call& call) {
  if (auto known = check_query(call.query, {"at", "wait_ms"}); !known) return call.refuse(known.error());
  auto at = query_number(call.query, "at", 1, UINT64_MAX);
  if (!at) return call.refuse(at.error());
  auto wait = query_wait(call.query);
  if (!wait) return call.refuse(wait.error());
  if (*at) {
    if (wait->ms > 0)
      return call.refuse(
          {invalid_argument, "\"at\" asks for the past and \"wait_ms\" for the future: give one of them"});
    return answer_from_log(call.server, call.ticket,
                           [id = call.path[0], sequence = schema::Sequence(**at)](LogReading& log) {
                             return state_at(log, id, sequence);
                           });
  }
  if (wait->ms > 0) call.server.wait_expected(call.ticket);
  GetRequest request{call.path[0], *wait, {}};
  request.reply = [&server = call.server, ticket = call.ticket,
                   outbox = call.server.outbox()](Result<TransactionReply> reply) {
    // The snapshot is of the moment of the reply: a server that stops gives its last replies and then closes the log,
    // and what it has told must still be readable.
    std::shared_ptr<const storage::Reader> reader;
    if (reply) reader = server.port().snapshot();
    outbox->push([&server, ticket, reply = std::move(reply), reader = std::move(reader)]() mutable {
      if (!reply) return server.refuse(ticket, reply.error());
      if (reader == nullptr)
        return server.refuse(ticket, {unavailable, server.port().not_ready().value_or("the log is not open")});
      answer_from_log(server, ticket,
                      [reply = std::move(*reply), reader = std::move(reader), now = server.now()](LogReading&) {
                        return view_of(reply, now, *reader);
                      });
    });
  };
  call.server.port().submit(std::move(request), 0);
}

void get_history(Call& call) {
  if (auto known = check_query(call.query, {"from", "limit", "follow"}); !known) return call.refuse(known.error());
  auto from = query_number(call.query, "from", 1, UINT64_MAX - 1);
  auto limit = query_number(call.query, "limit", 1, UINT64_MAX);
  auto follow = query_number(call.query, "follow", 0, 1);
  for (const auto* number : {&from, &limit, &follow})
    if (!*number) return call.refuse(number->error());
  HistoryRange range;
  range.from = schema::Sequence(from->value_or(1));
  range.limit = limit->value_or(UINT64_MAX);
  range.follow = follow->value_or(0) == 1;
  call.server.stream(call.ticket, kLines, history_pages(call.path[0], range));
}

void get_replay(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  call.server.stream(call.ticket, kLines, replay_pages(call.path[0]));
}

void get_events(Call& call) {
  if (auto known = check_query(call.query, {"cursor", "limit", "wait_ms"}); !known) return call.refuse(known.error());
  EventsRange range;
  auto limit = query_number(call.query, "limit", 1, UINT64_MAX);
  if (!limit) return call.refuse(limit.error());
  range.limit = std::min<std::uint64_t>(limit->value_or(limits::kListPageMax), limits::kListPageMax);
  auto wait = query_wait(call.query);
  if (!wait) return call.refuse(wait.error());
  range.wait = *wait;
  if (const auto cursor = query_value(call.query, "cursor")) {
    const auto after = parse_events_cursor(*cursor);
    if (!after) return call.refuse({invalid_cursor, "the cursor of events begins with \"p1.\""});
    range.after = *after;
  }
  call.server.stream(call.ticket, kLines, events_pages(range));
}

}  // namespace dta::server

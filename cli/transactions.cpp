// dta tx: start, show, list, history, append; what people ask of one transaction is in transaction_control.cpp.
#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/transaction_view.h"
#include "cli/verb.h"
#include "dta/json.h"

namespace dta::cli {
namespace {

// The outcome that was waited for is another one than "completed", or is not decided yet.
constexpr int kNotCompleted = 1;

struct StartArguments {
  std::string definition, id, input, wait;
  std::optional<std::uint32_t> version;
  unsigned priority = 0;
  std::vector<std::string> attributes, headers;
};

int start(const Session& session, const StartArguments& a) {
  StartOptions options{.id = a.id,
                       .definition = a.definition,
                       .version = a.version,
                       .input = a.input.empty() ? "" : text_or_file(a.input),
                       .attributes = pairs(a.attributes),
                       .headers = pairs(a.headers),
                       .priority = a.priority};
  if (!a.wait.empty()) options.wait = length_of_time(a.wait);
  const Transaction t = session.client().start(options);
  if (session.json)
    print_line(t.json);
  else
    print_line(one_line(t) + (t.created ? "" : "\n(was started before with the same content)"));
  return a.wait.empty() || t.completed() ? 0 : kNotCompleted;
}

struct ShowArguments {
  std::string id, wait;
  std::optional<std::uint64_t> at;
};

int show(const Session& session, const ShowArguments& a) {
  Client client = session.client();
  const Transaction t = a.at             ? client.get_at(a.id, *a.at)
                        : a.wait.empty() ? client.get(a.id)
                                         : client.wait(a.id, length_of_time(a.wait));
  print_line(session.json ? t.json : whole(t, now()));
  return a.wait.empty() || t.completed() ? 0 : kNotCompleted;
}

struct ListArguments {
  std::string status, definition, since, cursor;
  std::vector<std::string> attributes;
  std::uint32_t limit = 0;
  bool all = false;
};

int list(const Session& session, const ListArguments& a) {
  ListFilter filter{.status = a.status,
                    .definition = a.definition,
                    .attributes = pairs(a.attributes),
                    .limit = a.limit,
                    .cursor = a.cursor};
  if (!a.since.empty()) filter.since = point_in_time(a.since);
  Client client = session.client();
  Table table({"ID", "DEFINITION", "STATUS", "STARTED", "ENDED", "ATTRIBUTES"});
  do {
    Page page = client.list(filter);
    if (session.json) print_line(page.json);
    for (const TransactionSummary& row : page.transactions) {
      std::string attributes;
      for (const auto& [name, value] : row.attributes)
        attributes += (attributes.empty() ? "" : " ") + name + "=" + value;
      table.add({row.id, row.definition + " " + std::to_string(row.version), row.status,
                 relative(row.started_at, now()), relative(row.ended_at, now()), attributes});
    }
    filter.cursor = std::move(page.next);
  } while (a.all && !filter.cursor.empty());
  if (session.json) return 0;
  print(table.empty() ? "no transaction matches\n" : table.text());
  if (!filter.cursor.empty()) std::cerr << "there are more: --all, or --cursor " << filter.cursor << '\n';
  return 0;
}

struct HistoryArguments {
  std::string id;
  std::uint64_t from = 1, limit = 0;
};

int history(const Session& session, const HistoryArguments& a) {
  const std::vector<Event> events = session.client().history(a.id, a.from, a.limit);
  Table table({"SEQUENCE", "RECORDED", "EVENT", "WHERE", "DETAILS"});
  for (const Event& event : events) {
    if (session.json) print_line(event.json);
    table.add({std::to_string(event.sequence), absolute(event.recorded_at), event.kind,
               event.task.empty() ? event.step : event.step + "/" + event.task, event_details(event)});
  }
  if (!session.json) print(table.text());
  return 0;
}

struct AppendArguments {
  std::string id, on, data, event_id, events, expected = "any";
};

std::vector<NewEvent> read_events(const std::string& text) {
  const auto list = Json::parse(text);
  if (!list || list->kind() != Json::Kind::array)
    throw Error("malformed_json", "--events is an array such as [{\"on\":\"Payment\",\"data\":{}}]");
  std::vector<NewEvent> events;
  for (const Json& item : list->items())
    events.push_back({.on = item["on"].string(), .data = std::string(item["data"].raw()), .id = item["id"].string()});
  return events;
}

int append(const Session& session, const AppendArguments& a) {
  if (a.on.empty() == a.events.empty()) throw Error("invalid_argument", "give either --on or --events");
  std::vector<NewEvent> events;
  if (a.events.empty())
    events.push_back({.on = a.on, .data = a.data.empty() ? "" : text_or_file(a.data), .id = a.event_id});
  else
    events = read_events(text_or_file(a.events));
  const Appended answer = session.client().append(a.id, read_expected(a.expected), std::move(events));
  print_line(session.json ? answer.json
                          : answer.id + "  " + answer.status + "  state " + answer.state + "  at " +
                                std::to_string(answer.sequence) + (answer.repeated ? "  (was appended before)" : ""));
  return 0;
}

void add_start(CLI::App& tx, Session& session) {
  auto [verb, a] = add_verb<StartArguments>(tx, session, "start", "Start a transaction", start);
  verb->add_option("DEFINITION", a->definition, "Name of the definition")->required();
  verb->add_option("--id", a->id, "Your key: the same id and content starts nothing twice")->required();
  verb->add_option("--input", a->input, "JSON, @FILE, or - for standard input");
  verb->add_option("--definition-version", a->version, "Version; the newest when left out");
  verb->add_option("--attr", a->attributes, "KEY=VALUE, shown in lists and usable as a filter; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--header", a->headers, "KEY=VALUE, handed to every worker; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--priority", a->priority, "0 to 9, of its tasks in their queues; higher first");
  verb->add_option("--wait", a->wait, "Wait so long for the outcome, e.g. 10s; exit code 1 unless it is 'completed'");
  verb->footer("Example:\n  dta tx start order --id o-17 --input @order.json --attr region=eu --wait 10s");
}

void add_show(CLI::App& tx, Session& session) {
  auto [verb, a] = add_verb<ShowArguments>(tx, session, "show", "Show a transaction with its steps and tasks", show);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  auto* at = verb->add_option("--at", a->at, "As it was after the event with this sequence");
  verb->add_option("--wait", a->wait, "Wait so long for the outcome first; exit code 1 unless it is 'completed'")
      ->excludes(at);
  verb->footer("Example:\n  dta tx show o-17 --at 12");
}

void add_list(CLI::App& tx, Session& session) {
  auto [verb, a] = add_verb<ListArguments>(tx, session, "list", "List transactions, newest first", list);
  verb->add_option("--status", a->status,
                   "attention, paused, running, compensating, completed, compensated or terminated");
  verb->add_option("--definition", a->definition, "Only of this definition");
  verb->add_option("--since", a->since, "Started at or after: a time, or a length of time ago, e.g. 2h");
  verb->add_option("--attr", a->attributes, "KEY=VALUE; may be repeated")->allow_extra_args(false);
  verb->add_option("--limit", a->limit, "Rows of a page, 1 to 1000")->check(CLI::Range(1, 1000));
  verb->add_option("--cursor", a->cursor, "Go on where an earlier list ended");
  verb->add_flag("--all", a->all, "All pages; with --json each page is one line");
  verb->footer("Example:\n  dta tx list --status attention --since 24h");
}

void add_history(CLI::App& tx, Session& session) {
  auto [verb, a] = add_verb<HistoryArguments>(tx, session, "history", "Print the events of a transaction", history);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  verb->add_option("--from", a->from, "First sequence")->capture_default_str();
  verb->add_option("--limit", a->limit, "Events at most; 0: all")->capture_default_str();
  verb->footer("Example:\n  dta tx history o-17 --json | jq 'select(.kind==\"task_failed\")'");
}

void add_append(CLI::App& tx, Session& session) {
  auto [verb, a] =
      add_verb<AppendArguments>(tx, session, "append", "Append events to a transaction in table form", append);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  auto* on = verb->add_option("--on", a->on, "Name of the event in the definition's transitions");
  verb->add_option("--data", a->data, "JSON, @FILE, or - for standard input")->needs(on);
  verb->add_option("--event-id", a->event_id, "Id of the event: appended once however often it is sent")->needs(on);
  verb->add_option("--events", a->events, "Several: a JSON array of {id, on, data}, @FILE, or -")->excludes(on);
  verb->add_option("--expected", a->expected, "Sequence the transaction must be at, 'none' or 'any'")
      ->capture_default_str();
  verb->footer("Example:\n  dta tx append A100 --on Payment --data '{\"amount\":\"35.00\"}' --expected 4");
}

}  // namespace

void add_transactions(CLI::App& app, Session& session) {
  CLI::App* tx = app.add_subcommand("tx", "Transactions: start, look at, cancel, append to");
  tx->require_subcommand(0, 1);
  add_start(*tx, session);
  add_show(*tx, session);
  add_list(*tx, session);
  add_history(*tx, session);
  add_control(*tx, session);
  add_append(*tx, session);
}

}  // namespace dta::cli

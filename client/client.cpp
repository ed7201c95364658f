// The calls of dta::Client, each a request of docs/http_api.md. Any thread; no state but the transport's.
#include "dta/client.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "client/answers.h"
#include "client/transport.h"
#include "dta/json.h"

namespace dta {

using client::percent_encode;
using client::Reply;
using client::Request;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kWaitMax{60'000};      // the server holds no answer longer
constexpr std::uint64_t kHistoryPage = 1000;  // events asked for in one request

// A payload goes into the request as it is, so it has to be one JSON value.
void add_payload(JsonObject& object, std::string_view name, const std::string& payload) {
  if (payload.empty()) return;
  if (!Json::parse(payload)) throw Error("malformed_json", "'" + std::string(name) + "' is not one valid JSON value");
  object.raw(name, payload);
}

// As JSON wants it, whatever the locale; nan and infinities have no text in JSON.
std::string decimal(double number) {
  if (!std::isfinite(number)) throw Error("invalid_argument", "a rate must be a finite number");
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

std::string transaction_path(std::string_view id) {
  if (id.empty()) throw Error("invalid_argument", "the id of a transaction is empty");
  return "/v1/transactions/" + percent_encode(id);
}

// Query parameters in the order they are added.
class Query {
 public:
  explicit Query(std::string path) : text_(std::move(path)) {}
  Query& add(std::string_view name, std::string_view value) {
    text_ += first_ ? '?' : '&';
    first_ = false;
    text_ += percent_encode(name) + '=' + percent_encode(value);
    return *this;
  }
  Query& add(std::string_view name, std::uint64_t value) { return add(name, std::string_view(std::to_string(value))); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool first_ = true;
};

std::string definition_path(std::string_view name, std::optional<std::uint32_t> version) {
  return "/v1/definitions/" + percent_encode(name) + '/' + (version ? std::to_string(*version) : "newest");
}

}  // namespace

class Client::Impl {
 public:
  Impl(std::string_view url, const ClientOptions& options) : transport_(client::parse_url(url), options) {}

  std::string get(std::string target, milliseconds wait = milliseconds(0)) {
    return transport_.call({.method = "GET", .target = std::move(target), .wait = wait}).body;
  }
  std::string send(std::string_view method, std::string target, std::string body, milliseconds wait = milliseconds(0)) {
    return transport_.call({.method = method, .target = std::move(target), .body = std::move(body), .wait = wait}).body;
  }
  Reply probe(std::string target) { return transport_.try_once({.method = "GET", .target = std::move(target)}); }

 private:
  client::Transport transport_;
};

Client::Client(std::string_view url, ClientOptions options) : impl_(std::make_unique<Impl>(url, options)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Published Client::publish(std::string_view definition_text) {
  const auto text = Json::parse(definition_text);
  if (!text) throw Error("malformed_json", "the definition is not valid JSON");
  const std::string name = (*text)["name"].string();
  const std::uint64_t version = (*text)["version"].natural();
  if (name.empty() || version == 0)
    throw Error("invalid_definition", "a definition needs a \"name\" (text) and a \"version\" (a number from 1)");
  const std::string path = "/v1/definitions/" + percent_encode(name) + '/' + std::to_string(version);
  const std::string body = impl_->send("PUT", path, std::string(definition_text));
  return client::read_published(client::parse_answer(body));
}

std::string Client::definition(std::string_view name, std::optional<std::uint32_t> version) {
  return impl_->get(definition_path(name, version));
}

std::string Client::definition_in_full(std::string_view name, std::optional<std::uint32_t> version) {
  return impl_->get(definition_path(name, version) + "?full=1");
}

std::vector<DefinitionSummary> Client::definitions() {
  const std::string body = impl_->get("/v1/definitions");
  return client::read_definitions(client::parse_answer(body));
}

Transaction Client::start(const StartOptions& options) {
  const milliseconds wait = std::clamp(options.wait, milliseconds(0), kWaitMax);
  const auto until = std::chrono::steady_clock::now() + options.wait;
  JsonObject body;
  body.add("id", options.id).add("definition", options.definition);
  if (options.version) body.add("version", *options.version);
  add_payload(body, "input", options.input);
  if (!options.attributes.empty()) body.raw("attributes", client::write_strings(options.attributes));
  if (!options.headers.empty()) body.raw("headers", client::write_strings(options.headers));
  if (options.priority > 0) body.add("priority", options.priority);
  if (wait.count() > 0) body.add("wait_ms", std::int64_t{wait.count()});
  const std::string answer = impl_->send("POST", "/v1/transactions", body.text(), wait);
  Transaction started = client::read_transaction(client::parse_answer(answer));
  // One request holds its answer for a minute at most; a longer wait goes on by reading.
  const auto left = std::chrono::duration_cast<milliseconds>(until - std::chrono::steady_clock::now());
  if (options.wait > kWaitMax && !started.decided() && left.count() > 0) {
    const bool created = started.created;
    started = this->wait(options.id, left);
    started.created = created;
  }
  return started;
}

Transaction Client::get(std::string_view id) {
  const std::string body = impl_->get(transaction_path(id));
  return client::read_transaction(client::parse_answer(body));
}

Transaction Client::get_at(std::string_view id, std::uint64_t sequence) {
  const std::string body = impl_->get(Query(transaction_path(id)).add("at", sequence).text());
  return client::read_transaction(client::parse_answer(body));
}

Transaction Client::wait(std::string_view id, milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    const milliseconds wait = std::clamp(left, milliseconds(0), kWaitMax);
    const auto waited = static_cast<std::uint64_t>(wait.count());
    const std::string body = impl_->get(Query(transaction_path(id)).add("wait_ms", waited).text(), wait);
    Transaction transaction = client::read_transaction(client::parse_answer(body));
    if (transaction.decided() || std::chrono::steady_clock::now() >= until) return transaction;
  }
}

std::vector<Event> Client::history(std::string_view id, std::uint64_t from, std::uint64_t limit) {
  std::vector<Event> events;
  // Page by page until one comes back empty: how many events the server puts into one is its own affair.
  while (limit == 0 || events.size() < limit) {
    const std::uint64_t page = limit == 0 ? kHistoryPage : std::min(kHistoryPage, limit - events.size());
    const std::uint64_t next = events.empty() ? from : events.back().sequence + 1;
    const std::string path = transaction_path(id) + "/history";
    const std::string body = impl_->get(Query(path).add("from", next).add("limit", page).text());
    const std::vector<Json> lines = client::read_lines(body);
    if (lines.empty()) break;
    for (const Json& line : lines) events.push_back(client::read_event(line));
  }
  return events;
}

std::vector<Event> Client::replay(std::string_view id) {
  const std::string body = impl_->get(transaction_path(id) + "/replay");
  std::vector<Event> events;
  for (const Json& line : client::read_lines(body)) events.push_back(client::read_event(line));
  return events;
}

Page Client::list(const ListFilter& filter) {
  Query query("/v1/transactions");
  if (!filter.status.empty()) query.add("status", filter.status);
  if (!filter.definition.empty()) query.add("definition", filter.definition);
  if (filter.since) query.add("since", client::write_time(*filter.since));
  for (const auto& [name, value] : filter.attributes) query.add("attr." + name, value);
  if (filter.limit > 0) query.add("limit", std::uint64_t{filter.limit});
  if (!filter.cursor.empty()) query.add("cursor", filter.cursor);
  const std::string body = impl_->get(query.text());
  return client::read_page(client::parse_answer(body));
}

void Client::list_all(ListFilter filter, const std::function<bool(const TransactionSummary&)>& each) {
  do {
    Page page = list(filter);
    for (const TransactionSummary& row : page.transactions)
      if (!each(row)) return;
    filter.cursor = std::move(page.next);
  } while (!filter.cursor.empty());
}

namespace {

JsonObject control_body(const CancelOptions& options) {
  JsonObject body;
  body.add("reason", options.reason);
  if (!options.who.empty()) body.add("who", options.who);
  body.add("request_id", options.request_id.empty() ? client::random_id() : options.request_id);
  return body;
}

}  // namespace

DefinitionState Client::pause_definition(std::string_view name, const CancelOptions& options) {
  const std::string path = "/v1/definitions/" + percent_encode(name) + "/pause";
  const std::string answer = impl_->send("POST", path, control_body(options).text());
  return client::read_definition_state(client::parse_answer(answer));
}

DefinitionState Client::resume_definition(std::string_view name, const CancelOptions& options) {
  const std::string path = "/v1/definitions/" + percent_encode(name) + "/resume";
  const std::string answer = impl_->send("POST", path, control_body(options).text());
  return client::read_definition_state(client::parse_answer(answer));
}

DefinitionState Client::deprecate_definition(std::string_view name, std::uint32_t version,
                                             const CancelOptions& options) {
  JsonObject body = control_body(options);
  body.add("version", version);
  const std::string path = "/v1/definitions/" + percent_encode(name) + "/deprecate";
  const std::string answer = impl_->send("POST", path, body.text());
  return client::read_definition_state(client::parse_answer(answer));
}

DefinitionState Client::restore_definition(std::string_view name, std::uint32_t version, const CancelOptions& options) {
  JsonObject body = control_body(options);
  body.add("version", version).add("deprecated", false);
  const std::string path = "/v1/definitions/" + percent_encode(name) + "/deprecate";
  const std::string answer = impl_->send("POST", path, body.text());
  return client::read_definition_state(client::parse_answer(answer));
}

std::vector<QueueState> Client::queues() {
  const std::string answer = impl_->get("/v1/queues");
  return client::read_queues(client::parse_answer(answer));
}

QueueState Client::queue(std::string_view name) {
  const std::string answer = impl_->get("/v1/queues/" + percent_encode(name));
  return client::read_queue(client::parse_answer(answer));
}

QueueState Client::set_queue(std::string_view name, const QueueLimits& limits, const CancelOptions& options) {
  JsonObject body = control_body(options);
  if (limits.rate) {
    JsonObject rate;
    rate.raw("per_second", decimal(limits.rate->per_second));
    if (limits.rate->burst) rate.add("burst", *limits.rate->burst);
    body.raw("rate", rate.text());
  }
  if (limits.concurrency) body.add("concurrency", *limits.concurrency);
  const std::string answer = impl_->send("PUT", "/v1/queues/" + percent_encode(name), body.text());
  return client::read_queue(client::parse_answer(answer));
}

QueueState Client::pause_queue(std::string_view name, const CancelOptions& options) {
  const std::string path = "/v1/queues/" + percent_encode(name) + "/pause";
  const std::string answer = impl_->send("POST", path, control_body(options).text());
  return client::read_queue(client::parse_answer(answer));
}

QueueState Client::resume_queue(std::string_view name, const CancelOptions& options) {
  const std::string path = "/v1/queues/" + percent_encode(name) + "/resume";
  const std::string answer = impl_->send("POST", path, control_body(options).text());
  return client::read_queue(client::parse_answer(answer));
}

Cancelled Client::cancel(std::string_view id, const CancelOptions& options) {
  const std::string answer = impl_->send("POST", transaction_path(id) + "/cancel", control_body(options).text());
  return client::read_cancelled(client::parse_answer(answer));
}

Cancelled Client::terminate(std::string_view id, const CancelOptions& options) {
  const std::string answer = impl_->send("POST", transaction_path(id) + "/terminate", control_body(options).text());
  return client::read_cancelled(client::parse_answer(answer));
}

Cancelled Client::pause(std::string_view id, const CancelOptions& options) {
  const std::string answer = impl_->send("POST", transaction_path(id) + "/pause", control_body(options).text());
  return client::read_cancelled(client::parse_answer(answer));
}

Cancelled Client::resume(std::string_view id, const CancelOptions& options) {
  const std::string answer = impl_->send("POST", transaction_path(id) + "/resume", control_body(options).text());
  return client::read_cancelled(client::parse_answer(answer));
}

Cancelled Client::signal(std::string_view id, std::string_view name, const std::string& payload,
                         std::string_view signal_id) {
  if (name.empty()) throw Error("invalid_argument", "the name of a signal is empty");
  JsonObject body;
  body.add("signal_id", signal_id.empty() ? client::random_id() : std::string(signal_id));
  add_payload(body, "payload", payload);
  const std::string path = transaction_path(id) + "/signals/" + percent_encode(name);
  return client::read_cancelled(client::parse_answer(impl_->send("POST", path, body.text())));
}

Cancelled Client::resolve(std::string_view id, std::uint32_t incident, std::string_view resolution,
                          const CancelOptions& options) {
  JsonObject body = control_body(options);
  body.add("resolution", resolution);
  const std::string path = transaction_path(id) + "/incidents/" + std::to_string(incident) + "/resolve";
  return client::read_cancelled(client::parse_answer(impl_->send("POST", path, body.text())));
}

Appended Client::append(std::string_view id, const Expected& expected, std::vector<NewEvent> events) {
  JsonArray list;
  for (const NewEvent& event : events) {
    JsonObject item;
    item.add("id", event.id.empty() ? client::random_id() : event.id).add("on", event.on);
    add_payload(item, "data", event.data);
    list.raw(item.text());
  }
  JsonObject body;
  body.raw("expected", expected.json()).raw("events", list.text());
  const std::string answer = impl_->send("POST", transaction_path(id) + "/events", body.text());
  return client::read_appended(client::parse_answer(answer));
}

Appended Client::report_external(std::string_view id, const Expected& expected, std::vector<ExternalReport> reports) {
  JsonArray list;
  for (const ExternalReport& report : reports) {
    JsonObject item;
    item.add("event_id", report.event_id.empty() ? client::random_id() : report.event_id)
        .add("task", report.step + "/" + report.task);
    if (report.instance != 0) item.add("instance", std::uint64_t{report.instance});
    item.add("result", report.failure ? "failed" : "done");
    if (report.failure) {
      JsonObject error;
      error.add("code", report.failure->code).add("message", report.failure->message);
      add_payload(error, "details", report.failure->details);
      item.raw("error", error.text()).add("effect", report.failure->effect_unknown ? "unknown" : "none");
    } else {
      add_payload(item, "output", report.output);
    }
    list.raw(item.text());
  }
  JsonObject body;
  body.raw("expected", expected.json()).raw("events", list.text());
  const std::string answer = impl_->send("POST", transaction_path(id) + "/events", body.text());
  return client::read_appended(client::parse_answer(answer));
}

EventPage Client::events(std::string_view cursor, std::uint32_t limit, milliseconds wait) {
  wait = std::clamp(wait, milliseconds(0), kWaitMax);
  Query query("/v1/events");
  if (!cursor.empty()) query.add("cursor", cursor);
  if (limit > 0) query.add("limit", std::uint64_t{limit});
  if (wait.count() > 0) query.add("wait_ms", static_cast<std::uint64_t>(wait.count()));
  const std::string body = impl_->get(query.text(), wait);
  EventPage page{.events = {}, .cursor = std::string(cursor)};
  for (const Json& line : client::read_lines(body)) {
    if (const Json next = line["cursor"]; next.exists() && !line["kind"].exists())
      page.cursor = next.string();
    else
      page.events.push_back(client::read_event(line));
  }
  return page;
}

bool Client::ready() {
  try {
    return impl_->probe("/readyz").status == 200;
  } catch (const Error& error) {
    if (error.code() == "connection_failed") return false;
    throw;
  }
}

}  // namespace dta

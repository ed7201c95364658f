// See answers.h.
#include "client/answers.h"

#include <charconv>
#include <cstdio>

#include "client/problem.h"

namespace dta::client {
namespace {

std::uint32_t small(const Json& value) {
  return static_cast<std::uint32_t>(value.natural());
}

// Reads digits at `at`; -1 when there are others.
int digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

// The offset at the end of an RFC 3339 time: "Z" or "+hh:mm".
std::optional<std::chrono::minutes> read_offset(std::string_view text) {
  if (text == "Z" || text == "z") return std::chrono::minutes(0);
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const int hours = digits(text, 1, 2), minutes = digits(text, 4, 2);
  if (hours < 0 || minutes < 0) return std::nullopt;
  const std::chrono::minutes offset(hours * 60 + minutes);
  return text[0] == '-' ? -offset : offset;
}

std::optional<Time> parse_time(std::string_view text) {
  using namespace std::chrono;
  const int y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2);
  const int h = digits(text, 11, 2), mi = digits(text, 14, 2), s = digits(text, 17, 2);
  if (y < 0 || mo < 0 || d < 0 || h < 0 || mi < 0 || s < 0) return std::nullopt;
  const year_month_day day{year(y), month(static_cast<unsigned>(mo)), std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok()) return std::nullopt;
  std::size_t at = 19;
  int ms = 0;
  if (at < text.size() && text[at] == '.')
    for (int unit = 100; ++at < text.size() && text[at] >= '0' && text[at] <= '9'; unit /= 10)
      ms += unit * (text[at] - '0');
  const auto offset = read_offset(text.substr(std::min(at, text.size())));
  if (!offset) return std::nullopt;
  return Time(sys_days(day)) + hours(h) + minutes(mi) + seconds(s) + milliseconds(ms) - *offset;
}

UndoState read_undo(const Json& undo) {
  return {.queue = undo["queue"].string(),
          .status = undo["status"].string("none"),
          .worker = undo["worker"].string(),
          .error = undo["error"].is_object() ? undo["error"]["code"].string() : undo["error"].string(),
          .attempt = small(undo["attempt"]),
          .lease_until = read_time(undo["lease_until"]),
          .retry_at = read_time(undo["retry_at"])};
}

TaskState read_task(const Json& task) {
  return {.name = task["name"].string(),
          .queue = task["queue"].string(),
          .worker = task["worker"].string(),
          .error = task["error"].is_object() ? task["error"]["code"].string() : task["error"].string(),
          .status = task["status"].string(),
          .instance = small(task["instance"]),
          .stopping = task["stopping"].boolean(),
          .attempt = small(task["attempt"]),
          .ready_at = read_time(task["ready_at"]),
          .lease_until = read_time(task["lease_until"]),
          .retry_at = read_time(task["retry_at"]),
          .undo = read_undo(task["undo"])};
}

std::optional<TransactionError> read_error(const Json& error) {
  if (!error.is_object()) return std::nullopt;
  return TransactionError{error["code"].string(), error["message"].string(), error["step"].string(),
                          error["task"].string()};
}

StepState read_step(const Json& step) {
  StepState state;
  for (const auto& [name, value] : step.members()) {
    if (name == "name") state.name = value.string();
    if (name == "state") state.state = value.string();
    if (name == "outcome") state.outcome = value.string();
    if (name == "held") state.held = value.boolean();
    if (name == "entered_at") state.entered_at = read_time(value);
    if (name == "deadline_at") state.deadline_at = read_time(value);
    if (name == "error") state.error = read_error(value);
    if (name == "instances") state.instances = small(value);
    if (name == "waits_for") {
      for (const Json& signal : value["signals"].items()) state.waits_for_signals.push_back(signal.string());
      state.waits_until = read_time(value["until"]);
    }
    if (name == "tasks")
      for (const Json& task : value.items()) state.tasks.push_back(read_task(task));
  }
  return state;
}

SignalState read_signal(const Json& signal) {
  return {.name = signal["name"].string(),
          .signal_id = signal["signal_id"].string(),
          .payload = std::string(signal["payload"].raw()),
          .step = signal["step"].string()};
}

Incident read_incident(const Json& incident) {
  return {.number = incident["number"].natural(),
          .step = incident["step"].string(),
          .task = incident["task"].string(),
          .kind = incident["kind"].string(),
          .code = incident["code"].string(),
          .message = incident["message"].string(),
          .open = incident["open"].boolean()};
}

std::vector<std::string> read_texts(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& item : list.items())
    texts.push_back(item.kind() == Json::Kind::string ? item.string() : std::string(item.raw()));
  return texts;
}

}  // namespace

Json parse_answer(const std::string& body) {
  if (const auto answer = Json::parse(body)) return *answer;
  throw Error("connection_failed", "the answer is not JSON; is this the address of a DTA server?");
}

std::optional<Time> read_time(const Json& value) {
  return value.kind() == Json::Kind::string ? parse_time(value.string()) : std::nullopt;
}

std::string write_time(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int(date.year()), unsigned(date.month()),
                unsigned(date.day()), int(clock.hours().count()), int(clock.minutes().count()),
                int(clock.seconds().count()), int(clock.subseconds().count()));
  return text;
}

Transaction read_transaction(const Json& answer) {
  Transaction t;
  t.json = answer.raw();
  for (const auto& [name, value] : answer.members()) {
    if (name == "id") t.id = value.string();
    if (name == "definition") t.definition = value.string();
    if (name == "version") t.version = small(value);
    if (name == "status") t.status = value.string();
    if (name == "phase") t.phase = value.string();
    if (name == "outcome") t.outcome = value.string();
    if (name == "sequence") t.sequence = value.natural();
    if (name == "output") t.output = value.raw();
    if (name == "error") t.error = read_error(value);
    if (name == "created") t.created = value.boolean();
    if (name == "number") t.number = value.natural();
    if (name == "form") t.form = value.string();
    if (name == "attention") t.attention = value.boolean();
    if (name == "paused") t.paused = value.boolean();
    if (name == "pivot_passed") t.pivot_passed = value.boolean();
    if (name == "cancel_requested" && value.is_object())
      t.cancel_requested = CancelRequested{value["reason"].string(), value["who"].string()};
    if (name == "epoch") t.epoch = small(value);
    if (name == "started_at") t.started_at = read_time(value);
    if (name == "ended_at") t.ended_at = read_time(value);
    if (name == "expires_at") t.expires_at = read_time(value);
    if (name == "attributes") t.attributes = read_strings(value);
    if (name == "headers") t.headers = read_strings(value);
    if (name == "input") t.input = value.raw();
    if (name == "reason") t.reason = value.string();
    if (name == "state") t.state = value.string();
    if (name == "visited") t.visited = read_texts(value);
    if (name == "legal") t.legal = read_texts(value);
    if (name == "not_undone") t.not_undone = read_texts(value);
    if (name == "steps")
      for (const Json& step : value.items()) t.steps.push_back(read_step(step));
    if (name == "signals")
      for (const Json& signal : value.items()) t.signals.push_back(read_signal(signal));
    if (name == "incidents")
      for (const Json& incident : value.items()) t.incidents.push_back(read_incident(incident));
  }
  return t;
}

Event read_event(const Json& line) {
  Event event;
  event.json = line.raw();
  for (const auto& [name, value] : line.members()) {
    if (name == "transaction") event.transaction = value.string();
    if (name == "sequence") event.sequence = value.natural();
    if (name == "position") event.position = value.natural();
    if (name == "recorded_at") event.recorded_at = read_time(value);
    if (name == "kind") event.kind = value.string();
    if (name == "step") event.step = value.string();
    if (name == "task") event.task = value.string();
  }
  return event;
}

std::vector<Json> read_lines(const std::string& body) {
  std::vector<Json> lines;
  std::string_view rest = body;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    const auto value = Json::parse(line);
    if (!value) throw Error("connection_failed", "a line of the answer is not JSON; the answer may have been cut off");
    lines.push_back(*value);
  }
  return lines;
}

Page read_page(const Json& answer) {
  Page page{.transactions = {}, .next = answer["next"].string(), .json = std::string(answer.raw())};
  for (const Json& row : answer["transactions"].items())
    page.transactions.push_back({.id = row["id"].string(),
                                 .definition = row["definition"].string(),
                                 .status = row["status"].string(),
                                 .phase = row["phase"].string(),
                                 .version = small(row["version"]),
                                 .attention = row["attention"].boolean(),
                                 .paused = row["paused"].boolean(),
                                 .attributes = read_strings(row["attributes"]),
                                 .started_at = read_time(row["started_at"]),
                                 .ended_at = read_time(row["ended_at"])});
  return page;
}

Published read_published(const Json& answer) {
  return {.name = answer["name"].string(),
          .digest = answer["digest"].string(),
          .version = small(answer["version"]),
          .created = answer["created"].boolean(),
          .warnings = read_faults(answer["warnings"]),
          .json = std::string(answer.raw())};
}

std::vector<DefinitionSummary> read_definitions(const Json& answer) {
  std::vector<DefinitionSummary> all;
  for (const Json& row : answer["definitions"].items())
    all.push_back({.name = row["name"].string(),
                   .form = row["form"].string(),
                   .digest = row["digest"].string(),
                   .version = small(row["version"]),
                   .published_at = read_time(row["published_at"]),
                   .paused = row["paused"].boolean(),
                   .deprecated = row["deprecated"].boolean()});
  return all;
}

DefinitionState read_definition_state(const Json& answer) {
  DefinitionState state{.name = answer["name"].string(),
                        .reason = answer["reason"].string(),
                        .who = answer["who"].string(),
                        .paused = answer["paused"].boolean(),
                        .changed_at = read_time(answer["changed_at"]),
                        .json = std::string(answer.raw())};
  for (const Json& version : answer["deprecated"].items()) state.deprecated.push_back(small(version));
  return state;
}

QueueState read_queue(const Json& answer) {
  QueueState state{.queue = answer["queue"].string(),
                   .reason = answer["reason"].string(),
                   .who = answer["who"].string(),
                   .paused = answer["paused"].boolean(),
                   .changed_at = read_time(answer["changed_at"]),
                   .ready = answer["ready"].natural(),
                   .leased = answer["leased"].natural(),
                   .waiting_polls = answer["waiting_polls"].natural(),
                   .json = std::string(answer.raw())};
  if (const Json rate = answer["rate"]; rate.is_object())
    state.limits.rate = QueueRate{.per_second = rate["per_second"].number(), .burst = small(rate["burst"])};
  if (const Json most = answer["concurrency"]; most.exists() && !most.is_null()) state.limits.concurrency = small(most);
  return state;
}

std::vector<QueueState> read_queues(const Json& answer) {
  std::vector<QueueState> all;
  for (const Json& row : answer["queues"].items()) all.push_back(read_queue(row));
  return all;
}

Cancelled read_cancelled(const Json& answer) {
  return {.id = answer["id"].string(),
          .status = answer["status"].string(),
          .phase = answer["phase"].string(),
          .sequence = answer["sequence"].natural(),
          .json = std::string(answer.raw())};
}

Appended read_appended(const Json& answer) {
  return {.id = answer["id"].string(),
          .state = answer["state"].string(),
          .status = answer["status"].string(),
          .phase = answer["phase"].string(),
          .first_sequence = answer["first_sequence"].natural(),
          .sequence = answer["sequence"].natural(),
          .repeated = answer["repeated"].boolean(),
          .json = std::string(answer.raw())};
}

std::map<std::string, std::string> read_strings(const Json& object) {
  std::map<std::string, std::string> strings;
  for (const auto& [name, value] : object.members()) strings.emplace(name, value.string());
  return strings;
}

std::string write_strings(const std::map<std::string, std::string>& strings) {
  JsonObject object;
  for (const auto& [name, value] : strings) object.add(name, value);
  return object.text();
}

}  // namespace dta::client

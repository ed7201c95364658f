// Calls that change one transaction: start, what people ask of it, signals, and what is appended to it. io thread.
#include <algorithm>
#include <charconv>

#include "schema/json.h"
#include "schema/limits.h"
#include "server/call_body.h"
#include "server/digest.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
using schema::append_quoted;
using schema::JsonValue;
namespace limits = schema::limits;

void append_word(std::string& out, std::string_view name, std::string_view word) {
  out += ",\"";
  out += name;
  out += "\":\"";
  out += word;
  out += '"';
}

std::string summary_json(const TransactionSummary& summary) {
  std::string out = "{\"id\":";
  append_quoted(out, summary.id);
  out += ",\"definition\":";
  append_quoted(out, summary.definition);
  out += ",\"version\":" + std::to_string(summary.version);
  out += summary.created ? ",\"created\":true" : ",\"created\":false";
  append_word(out, "status", summary.status);
  append_word(out, "phase", summary.phase);
  if (summary.outcome) {
    append_word(out, "outcome", *summary.outcome);
  } else {
    out += ",\"outcome\":null";
  }
  out += ",\"sequence\":" + std::to_string(summary.sequence);
  if (summary.output) {
    out += ",\"output\":";
    out += *summary.output;
  }
  if (summary.error) {
    out += ",\"error\":{\"code\":";
    append_quoted(out, summary.error->code);
    out += ",\"message\":";
    append_quoted(out, summary.error->message);
    auto place = [&](std::string_view name, const std::string& value) {
      out += ",\"";
      out += name;
      out += "\":";
      value.empty() ? void(out += "null") : append_quoted(out, value);
    };
    place("step", summary.error->step);
    place("task", summary.error->task);
    out += '}';
  }
  return out + '}';
}

void submit_start(Call& call, StartRequest request) {
  if (request.wait.ms > 0) call.server.wait_expected(call.ticket);
  request.reply = answer_with<TransactionSummary>(call.server, call.ticket, [](const TransactionSummary& summary) {
    return Answer{summary.created ? 201 : 200, "application/json", summary_json(summary)};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

}  // namespace

void start_transaction(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  StartRequest request;
  request.id = fields.text("id", limits::kIdBytesMax, true);
  if (!request.id.empty())
    if (auto fault = id_fault(request.id)) fields.fault("id", *fault);
  request.definition = fields.text("definition", limits::kNameBytesMax, true);
  if (const auto version = fields.integer("version", 1, UINT32_MAX))
    request.version = static_cast<std::uint32_t>(*version);
  const bool has_input = fields.has("input");
  request.input = fields.payload("input");
  request.attributes = fields.pairs("attributes", limits::kAttributesMax);
  request.headers = fields.pairs("headers", limits::kHeadersMax);
  request.priority = static_cast<std::uint8_t>(fields.integer("priority", 0, limits::kPriorityMax).value_or(0));
  request.wait = fields.wait();
  fields.finish();
  if (body.refused()) return;
  const auto input = has_input ? std::optional(JsonValue{request.input}) : std::nullopt;
  request.digest = start_digest(request.definition, input, request.attributes);
  submit_start(call, std::move(request));
}

void start_by_input(Call& call) {
  if (auto known = check_query(call.query, {"id_from", "version", "priority", "wait_ms"}); !known)
    return call.refuse(known.error());
  StartRequest request;
  request.definition = call.path[0];
  auto version = query_number(call.query, "version", 1, UINT32_MAX);
  if (!version) return call.refuse(version.error());
  if (*version) request.version = static_cast<std::uint32_t>(**version);
  auto wait = query_wait(call.query);
  if (!wait) return call.refuse(wait.error());
  request.wait = *wait;
  auto priority = query_number(call.query, "priority", 0, limits::kPriorityMax);
  if (!priority) return call.refuse(priority.error());
  request.priority = static_cast<std::uint8_t>(priority->value_or(0));
  const auto id_from = query_value(call.query, "id_from");
  if (!id_from) return call.refuse({missing_field, "the query parameter \"id_from\" is missing"});
  if (!schema::is_pointer(*id_from))
    return call.refuse({invalid_argument, "the query parameter \"id_from\" is no JSON Pointer"});
  if (call.body.empty()) return call.refuse({malformed_json, "the body is empty; it is the input"});
  const auto root = schema::check_json(call.body);
  if (!root) return call.refuse(root.error());
  if (root->raw.size() > limits::kPayloadBytesMax)
    return call.refuse({too_large, "the input is larger than " + std::to_string(limits::kPayloadBytesMax) + " bytes"});

  Faults faults;
  const std::string place(*id_from);
  const auto id = schema::find(*root, *id_from);
  if (!id) {
    faults.add(missing_field, place, "is missing; id_from says that it is the id");
  } else if (auto text = id->string()) {
    request.id = std::move(*text);
  } else if (id->integer()) {
    request.id = std::string(id->raw);
  } else {
    faults.add(invalid_argument, place, "must be a string or an integer to be the id");
  }
  if (faults.none())
    if (auto fault = id_fault(request.id)) faults.add(invalid_argument, place, *fault + " to be the id");
  if (!faults.none()) return call.refuse(faults.error());
  request.input = std::string(root->raw);
  request.digest = start_digest(request.definition, root.value(), {});
  submit_start(call, std::move(request));
}

namespace {

// Answered by where the transaction stands then.
template <class Request>
void submit_answered_by_standing(Call& call, Request request) {
  request.reply = answer_with<TransactionSummary>(call.server, call.ticket, [](const TransactionSummary& summary) {
    std::string out = "{\"id\":";
    append_quoted(out, summary.id);
    append_word(out, "status", summary.status);
    append_word(out, "phase", summary.phase);
    out += ",\"sequence\":" + std::to_string(summary.sequence) + "}";
    return Answer{200, "application/json", std::move(out)};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

// What a person asks of one transaction, and why. `read_more` takes the fields that only this call has.
template <class Request, class ReadMore>
void control(Call& call, ReadMore&& read_more) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  Request request;
  request.id = call.path[0];
  request.reason = fields.text("reason", limits::kReasonBytesMax, true);
  request.who = fields.text("who", limits::kIdBytesMax, false);
  request.request_id = fields.text("request_id", limits::kIdBytesMax, false);
  read_more(request, fields);
  fields.finish();
  if (body.refused()) return;
  submit_answered_by_standing(call, std::move(request));
}

}  // namespace

void cancel_transaction(Call& call) {
  control<CancelRequest>(call, [](CancelRequest&, Fields&) {});
}

void terminate_transaction(Call& call) {
  control<TerminateRequest>(call, [](TerminateRequest&, Fields&) {});
}

void resolve_incident(Call& call) {
  const std::string& number = call.path[1];
  std::uint32_t incident = 0;
  const auto [end, status] = std::from_chars(number.data(), number.data() + number.size(), incident);
  if (status != std::errc{} || end != number.data() + number.size() || incident == 0)
    return call.refuse({invalid_argument, "the number of the incident in the path must be an integer from 1"});
  control<ResolveRequest>(call, [&](ResolveRequest& request, Fields& fields) {
    request.incident = incident;
    const std::string word = fields.text("resolution", limits::kNameBytesMax, true);
    if (word.empty()) return;
    if (const auto resolution = schema::parse_resolution(word))
      request.resolution = *resolution;
    else
      fields.fault("resolution", "must be \"retry\", \"force_done\", \"force_failed\", \"give_up\" or \"accept\"");
  });
}

void pause_transaction(Call& call) {
  control<PauseRequest>(call, [](PauseRequest&, Fields&) {});
}

void resume_transaction(Call& call) {
  control<ResumeRequest>(call, [](ResumeRequest&, Fields&) {});
}

void signal_transaction(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  SignalRequest request;
  request.id = call.path[0];
  request.name = call.path[1];
  request.request_id = fields.text("signal_id", limits::kIdBytesMax, true);
  if (!request.request_id.empty())
    if (auto fault = id_fault(request.request_id)) fields.fault("signal_id", *fault);
  request.payload = fields.payload("payload");
  fields.finish();
  if (body.refused()) return;
  submit_answered_by_standing(call, std::move(request));
}

namespace {

// With ids for some only, a repetition could not be told from new events.
constexpr std::string_view kIdsForAllOrNone = "must be given to all events of an append, or to none";

std::string read_event_id(Fields& item, std::string_view name) {
  std::string id = item.text(name, limits::kIdBytesMax, false);
  if (!id.empty())
    if (auto fault = id_fault(id)) item.fault(name, *fault);
  return id;
}

NewTransition read_transition(JsonValue value, const std::string& at, Faults& faults, std::optional<bool>& with_ids) {
  Fields item(value, at, faults);
  NewTransition event;
  event.id = read_event_id(item, "id");
  event.on = item.text("on", limits::kIdBytesMax, true);
  event.data = item.payload("data");
  item.finish();
  if (faults.none() && with_ids.value_or(!event.id.empty()) == event.id.empty())
    item.fault("id", std::string(kIdsForAllOrNone));
  with_ids = with_ids.value_or(!event.id.empty());
  return event;
}

NewReport read_report(JsonValue value, const std::string& at, Faults& faults, std::optional<bool>& with_ids) {
  Fields item(value, at, faults);
  NewReport report;
  report.id = read_event_id(item, "event_id");
  const std::string place = item.text("task", 2 * limits::kNameBytesMax + 1, true);
  const std::size_t slash = place.find('/');
  if (slash != std::string::npos) {
    report.step = place.substr(0, slash);
    report.task = place.substr(slash + 1);
  } else if (!place.empty()) {
    item.fault("task", "must be a task as \"step/task\"");
  }
  report.instance = static_cast<std::uint32_t>(item.integer("instance", 0, UINT32_MAX).value_or(0));
  const std::string result = item.text("result", 16, true);
  if (result == "failed") {
    report.result = read_failure(item, at, faults);
  } else {
    if (!result.empty() && result != "done") item.fault("result", "must be \"done\" or \"failed\"");
    report.result = CompletedResult{item.payload("output"), {}};
  }
  item.finish();
  if (faults.none() && with_ids.value_or(!report.id.empty()) == report.id.empty())
    item.fault("event_id", std::string(kIdsForAllOrNone));
  with_ids = with_ids.value_or(!report.id.empty());
  return report;
}

template <class Request>
void read_expected(Request& request, Fields& fields) {
  const auto expected = fields.take("expected");
  if (!expected) return;
  const auto word = expected->string();
  const auto sequence = expected->integer();
  if (word == "none") {
    request.expect = Expect::none;
  } else if (sequence && *sequence >= 0) {
    request.expect = Expect::exactly;
    request.expected_sequence = static_cast<std::uint64_t>(*sequence);
  } else if (word != "any") {
    fields.fault("expected", "must be a sequence, \"none\" or \"any\"");
  }
}

template <class Request>
void submit_appended(Call& call, Request request) {
  request.reply = answer_with<AppendReply>(call.server, call.ticket, [id = request.id](const AppendReply& reply) {
    std::string out = "{\"id\":";
    append_quoted(out, id);
    out += ",\"first_sequence\":" + std::to_string(reply.first_sequence) +
           ",\"sequence\":" + std::to_string(reply.sequence);
    if (!reply.state.empty()) {
      out += ",\"state\":";
      append_quoted(out, reply.state);
    }
    append_word(out, "status", reply.status);
    append_word(out, "phase", reply.phase);
    out += reply.repeated ? ",\"repeated\":true}" : ",\"repeated\":false}";
    return Answer{200, "application/json", std::move(out)};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

}  // namespace

void append_events(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  AppendRequest transitions;
  ReportRequest reports;
  transitions.id = reports.id = call.path[0];
  read_expected(transitions, body.fields);
  reports.expect = transitions.expect;
  reports.expected_sequence = transitions.expected_sequence;
  const auto items = body.fields.items("events", limits::kAppendEventsMax);
  body.fields.finish();
  // The first one tells which they are: "task" names an external task, "on" a transition.
  const bool external =
      !items.empty() && items[0].kind() == schema::JsonKind::object && schema::find(items[0], "/task");
  std::optional<bool> with_ids;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string at = "/events/" + std::to_string(i);
    if (external) {
      reports.reports.push_back(read_report(items[i], at, body.faults, with_ids));
    } else {
      transitions.events.push_back(read_transition(items[i], at, body.faults, with_ids));
    }
  }
  if (body.refused()) return;
  if (external) return submit_appended(call, std::move(reports));
  submit_appended(call, std::move(transitions));
}

}  // namespace dta::server

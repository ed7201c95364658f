// Calls that change one transaction: start, cancel, terminate, resolve an incident, append. io thread.
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
  request.wait = fields.wait();
  fields.finish();
  if (body.refused()) return;
  const auto input = has_input ? std::optional(JsonValue{request.input}) : std::nullopt;
  request.digest = start_digest(request.definition, input, request.attributes);
  submit_start(call, std::move(request));
}

void start_by_input(Call& call) {
  if (auto known = check_query(call.query, {"id_from", "version", "wait_ms"}); !known)
    return call.refuse(known.error());
  StartRequest request;
  request.definition = call.path[0];
  auto version = query_number(call.query, "version", 1, UINT32_MAX);
  if (!version) return call.refuse(version.error());
  if (*version) request.version = static_cast<std::uint32_t>(**version);
  auto wait = query_wait(call.query);
  if (!wait) return call.refuse(wait.error());
  request.wait = *wait;
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
      fields.fault("resolution", "must be \"retry\", \"force_done\", \"give_up\" or \"accept\"");
  });
}

void append_events(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  AppendRequest request;
  request.id = call.path[0];
  if (const auto expected = fields.take("expected")) {
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
  const auto items = fields.items("events", limits::kAppendEventsMax);
  fields.finish();
  for (std::size_t i = 0; i < items.size(); ++i) {
    Fields item(items[i], "/events/" + std::to_string(i), body.faults);
    NewTransition event;
    event.id = item.text("id", limits::kIdBytesMax, false);
    if (!event.id.empty())
      if (auto fault = id_fault(event.id)) item.fault("id", *fault);
    event.on = item.text("on", limits::kIdBytesMax, true);
    event.data = item.payload("data");
    item.finish();
    request.events.push_back(std::move(event));
    // With ids for some only, a repetition could not be told from new events.
    if (body.faults.none() && request.events[i].id.empty() != request.events[0].id.empty())
      item.fault("id", "must be given to all events of an append, or to none");
  }
  if (body.refused()) return;
  request.reply = answer_with<AppendReply>(call.server, call.ticket, [id = request.id](const AppendReply& reply) {
    std::string out = "{\"id\":";
    append_quoted(out, id);
    out += ",\"first_sequence\":" + std::to_string(reply.first_sequence) +
           ",\"sequence\":" + std::to_string(reply.sequence);
    out += ",\"state\":";
    append_quoted(out, reply.state);
    append_word(out, "status", reply.status);
    append_word(out, "phase", reply.phase);
    out += reply.repeated ? ",\"repeated\":true}" : ",\"repeated\":false}";
    return Answer{200, "application/json", std::move(out)};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

}  // namespace dta::server

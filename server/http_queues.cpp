// Calls about queues, and what people say of definitions: limits, pause, resume, deprecate; and how queues stand. io
// thread.
#include <algorithm>

#include <charconv>
#include <cmath>

#include "schema/json.h"
#include "schema/limits.h"
#include "server/call_body.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
using schema::append_quoted;
namespace limits = schema::limits;

void append_words(std::string& out, std::string_view name, const std::string& words) {
  out += ",\"";
  out += name;
  out += "\":";
  if (words.empty())
    out += "null";
  else
    append_quoted(out, words);
}

// The fields that a queue's settings have wherever they are shown; limits that it has not are null.
void append_settings(std::string& out, const schema::QueueChanged& settings, schema::Time changed_at) {
  out += "\"queue\":";
  append_quoted(out, settings.queue);
  out += ",\"rate\":";
  if (settings.rate.per_1000s == 0)
    out += "null";
  else
    out +=
        "{\"per_second\":" + per_second_text(settings.rate) + ",\"burst\":" + std::to_string(settings.rate.burst) + "}";
  out += ",\"concurrency\":" + (settings.concurrency == 0 ? "null" : std::to_string(settings.concurrency));
  out += settings.paused ? ",\"paused\":true" : ",\"paused\":false";
  append_words(out, "reason", settings.reason);
  append_words(out, "who", settings.who);
  append_words(out, "changed_at", changed_at == schema::Time{} ? std::string() : schema::format_time(changed_at));
}

std::string queue_json(const QueueInfo& info) {
  std::string out = "{";
  append_settings(out, info.settings, info.changed_at);
  out += ",\"ready\":" + std::to_string(info.ready) + ",\"leased\":" + std::to_string(info.leased) +
         ",\"waiting_polls\":" + std::to_string(info.waiting_polls) + "}";
  return out;
}

// A queue's name in a path, where it may hold anything that it may hold elsewhere.
bool is_queue_name(Call& call) {
  const std::string& name = call.path[0];
  const bool printable = std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (name.size() <= limits::kQueueBytesMax && printable) return true;
  call.refuse({invalid_argument, "the name of a queue has at most " + std::to_string(limits::kQueueBytesMax) +
                                     " bytes and no control characters"});
  return false;
}

// {"per_second": 0.001 to 1e6, three decimals; "burst": from 1 [per_second, rounded up]}
schema::QueueRate read_rate(schema::JsonValue value, Faults& faults) {
  schema::QueueRate rate;
  Fields fields(value, "/rate", faults);
  if (const schema::JsonValue* given = fields.required("per_second")) {
    double per_second = 0;
    const char* const end = given->raw.data() + given->raw.size();
    const bool is_number = given->kind() == schema::JsonKind::number &&
                           std::from_chars(given->raw.data(), end, per_second).ec == std::errc();
    const double thousandths = std::round(per_second * 1000);
    if (!is_number || per_second > limits::kPerSecondMax || thousandths < 1 ||
        std::abs(per_second * 1000 - thousandths) > 1e-6 * thousandths)
      fields.fault("per_second", "must be a number from 0.001 to " + std::to_string(limits::kPerSecondMax) +
                                     " with at most three decimals");
    else
      rate.per_1000s = static_cast<std::uint64_t>(thousandths);
  }
  const auto burst = fields.integer("burst", 1, limits::kBurstMax);
  rate.burst = static_cast<std::uint32_t>(burst.value_or(static_cast<std::int64_t>((rate.per_1000s + 999) / 1000)));
  fields.finish();
  return rate;
}

// What a person says, and why: `read_more` takes the fields that only this call has.
template <class Request, class ReadMore>
bool read_said(Call& call, Request& request, ReadMore&& read_more) {
  CallBody body(call);
  if (body.refused()) return false;
  Fields& fields = body.fields;
  request.reason = fields.text("reason", limits::kReasonBytesMax, true);
  request.who = fields.text("who", limits::kIdBytesMax, false);
  request.request_id = fields.text("request_id", limits::kIdBytesMax, false);
  read_more(fields, body.faults);
  fields.finish();
  return !body.refused();
}

template <class ReadMore>
void change_queue(Call& call, QueueAct act, ReadMore&& read_more) {
  if (!is_queue_name(call)) return;
  ChangeQueueRequest request;
  request.queue = call.path[0];
  request.act = act;
  const auto more = [&](Fields& fields, Faults& faults) { read_more(request, fields, faults); };
  if (!read_said(call, request, more)) return;
  using Reply = ChangeReply<schema::QueueChanged>;
  request.reply = answer_with<Reply>(call.server, call.ticket, [](const Reply& reply) {
    std::string out = "{";
    append_settings(out, reply.settings, reply.changed_at);
    return Answer{200, "application/json", out + ",\"sequence\":" + std::to_string(reply.sequence) + "}"};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

template <class ReadMore>
void change_definition(Call& call, DefinitionAct act, ReadMore&& read_more) {
  ChangeDefinitionRequest request;
  request.name = call.path[0];
  request.act = act;
  const auto more = [&](Fields& fields, Faults&) { read_more(request, fields); };
  if (!read_said(call, request, more)) return;
  using Reply = ChangeReply<schema::DefinitionChanged>;
  request.reply = answer_with<Reply>(call.server, call.ticket, [](const Reply& reply) {
    std::string out = "{\"name\":";
    append_quoted(out, reply.settings.name);
    out += reply.settings.paused ? ",\"paused\":true" : ",\"paused\":false";
    out += ",\"deprecated\":[";
    for (const std::uint32_t version : reply.settings.deprecated)
      out += (out.back() == '[' ? "" : ",") + std::to_string(version);
    out += "]";
    append_words(out, "reason", reply.settings.reason);
    append_words(out, "who", reply.settings.who);
    append_words(out, "changed_at", schema::format_time(reply.changed_at));
    return Answer{200, "application/json", out + ",\"sequence\":" + std::to_string(reply.sequence) + "}"};
  });
  call.server.port().submit(std::move(request), call.body.size());
}

}  // namespace

void put_queue(Call& call) {
  change_queue(call, QueueAct::set_limits, [](ChangeQueueRequest& request, Fields& fields, Faults& faults) {
    if (const auto rate = fields.take("rate"); rate && rate->kind() != schema::JsonKind::null)
      request.rate = read_rate(*rate, faults);
    if (const auto given = fields.take("concurrency"); given && given->kind() != schema::JsonKind::null) {
      const auto number = given->integer();
      if (number && *number >= 1 && *number <= limits::kConcurrencyMax)
        request.concurrency = static_cast<std::uint32_t>(*number);
      else
        fields.fault("concurrency", "must be an integer from 1 to " + std::to_string(limits::kConcurrencyMax) +
                                        ", or null for no limit (a pause is POST /v1/queues/{queue}/pause)");
    }
  });
}

void pause_queue(Call& call) {
  change_queue(call, QueueAct::pause, [](ChangeQueueRequest&, Fields&, Faults&) {});
}

void resume_queue(Call& call) {
  change_queue(call, QueueAct::resume, [](ChangeQueueRequest&, Fields&, Faults&) {});
}

void get_queue(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  if (!is_queue_name(call)) return;
  auto reply = answer_with<QueuesReply>(call.server, call.ticket, [](const QueuesReply& queues) {
    return Answer{200, "application/json", queue_json(queues.queues.at(0))};
  });
  call.server.port().submit(QueuesRequest{call.path[0], std::move(reply)}, 0);
}

void list_queues(Call& call) {
  if (auto known = check_query(call.query, {}); !known) return call.refuse(known.error());
  auto reply = answer_with<QueuesReply>(call.server, call.ticket, [](const QueuesReply& queues) {
    std::string out = "{\"queues\":[";
    for (const QueueInfo& info : queues.queues) {
      if (out.back() == '}') out += ',';
      out += queue_json(info);
    }
    return Answer{200, "application/json", out + "]}"};
  });
  call.server.port().submit(QueuesRequest{{}, std::move(reply)}, 0);
}

void pause_definition(Call& call) {
  change_definition(call, DefinitionAct::pause, [](ChangeDefinitionRequest&, Fields&) {});
}

void resume_definition(Call& call) {
  change_definition(call, DefinitionAct::resume, [](ChangeDefinitionRequest&, Fields&) {});
}

void deprecate_definition(Call& call) {
  change_definition(call, DefinitionAct::deprecate, [](ChangeDefinitionRequest& request, Fields& fields) {
    if (!fields.has("version")) fields.fault("version", "is missing", missing_field);
    request.version = static_cast<std::uint32_t>(fields.integer("version", 1, UINT32_MAX).value_or(0));
    if (!fields.boolean("deprecated").value_or(true)) request.act = DefinitionAct::restore;
  });
}

}  // namespace dta::server

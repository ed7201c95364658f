// Calls of workers: lease, results, heartbeat, release. io thread.
#include <algorithm>

#include "schema/json.h"
#include "schema/limits.h"
#include "server/call_body.h"
#include "server/problem.h"

namespace dta::server {
namespace {

using enum schema::ErrorCode;
using schema::append_quoted;
using schema::JsonValue;
namespace limits = schema::limits;

constexpr std::size_t kTokenBytesMax = 128;

enum class Only : std::uint8_t { any, completed, failed };

void append_text(std::string& out, std::string_view name, std::string_view value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_quoted(out, value);
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
  out += ",\"";
  out += name;
  out += "\":";
  out += std::to_string(value);
}

void append_hand_out(std::string& out, const HandOut& task, Time now) {
  out += "{\"token\":";
  append_quoted(out, task.token);
  append_text(out, "transaction", task.transaction);
  append_text(out, "definition", task.definition);
  append_number(out, "version", task.version);
  append_text(out, "step", task.step);
  append_text(out, "task", task.task);
  append_number(out, "instance", task.instance);
  const bool undo = task.action == schema::Action::undo;
  out += undo ? ",\"kind\":\"undo\"" : ",\"kind\":\"do\"";
  append_number(out, "attempt", task.attempt);
  append_number(out, "generation", task.generation);
  append_number(out, "order", task.order);
  append_text(out, "queue", task.queue);
  append_text(out, "idempotency_key", task.idempotency_key);
  append_number(out, "lease_ms", std::max<std::int64_t>(0, (task.lease_until - now).ms));
  if (task.heartbeat.ms > 0) {
    append_number(out, "heartbeat_ms", task.heartbeat.ms);
  } else {
    out += ",\"heartbeat_ms\":null";
  }
  out += ",\"input\":";
  out += task.input.empty() ? std::string_view("null") : std::string_view(task.input);
  if (undo) {
    out += task.output ? ",\"output_known\":true,\"output\":" : ",\"output_known\":false";
    if (task.output) out += task.output->empty() ? std::string_view("null") : std::string_view(*task.output);
  }
  if (task.heartbeat_detail) {
    out += ",\"heartbeat\":";
    out += *task.heartbeat_detail;
  }
  out += ",\"headers\":{";
  for (std::size_t i = 0; i < task.headers.size(); ++i) {
    if (i != 0) out += ',';
    append_quoted(out, task.headers[i].key);
    out += ':';
    append_quoted(out, task.headers[i].value);
  }
  out += "}}";
}

void append_tasks(std::string& out, std::vector<HandOut>& tasks, Time now, Answer& answer) {
  out += "\"tasks\":[";
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (i != 0) out += ',';
    append_hand_out(out, tasks[i], now);
    answer.hand_outs.push_back(std::move(tasks[i].token));
  }
  out += ']';
}

void append_item(std::string& out, std::string_view token, const Error* refusal) {
  out += out.back() == '[' ? "{\"token\":" : ",{\"token\":";
  append_quoted(out, token);
  if (refusal == nullptr) {
    out += ",\"ok\":true";
  } else {
    out += ",\"ok\":false,\"problem\":";
    append_item_problem(out, *refusal);
  }
}

// A poll that waits must learn that its caller has gone; one that does not is answered before that could matter.
std::function<bool()> alive_of(Call& call, const Poll& poll) {
  if (poll.wait.ms == 0) return {};
  return [gone = call.server.watch(call.ticket)] { return !gone->load(std::memory_order_relaxed); };
}

TaskResult read_result(JsonValue value, const std::string& at, Only only, Faults& faults) {
  Fields fields(value, at, faults);
  TaskResult result;
  result.token = fields.text("token", kTokenBytesMax, true);
  if (only == Only::completed || (only == Only::any && !fields.has("error"))) {
    CompletedResult completed;
    completed.output = fields.payload("output");
    completed.found = fields.boolean("found");
    result.result = std::move(completed);
  } else {
    FailedResult failed = read_failure(fields, at, faults);
    failed.retryable = fields.boolean("retryable").value_or(true);
    result.result = std::move(failed);
  }
  fields.finish();
  return result;
}

void submit_results(Call& call, ResultsRequest request, bool with_tasks) {
  std::vector<std::string> tokens;
  tokens.reserve(request.results.size());
  for (const TaskResult& result : request.results) tokens.push_back(result.token);
  request.reply = answer_with<ResultsReply>(
      call.server, call.ticket, [&server = call.server, tokens = std::move(tokens), with_tasks](ResultsReply reply) {
        Answer answer;
        std::string& out = answer.body;
        out = "{\"results\":[";
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          append_item(out, tokens[i], reply.results.at(i) ? nullptr : &reply.results[i].error());
          out += '}';
        }
        out += ']';
        if (with_tasks) {
          out += ',';
          append_tasks(out, reply.tasks, server.now(), answer);
        }
        out += '}';
        return answer;
      });
  call.server.port().submit(std::move(request), call.body.size());
}

// The body's one field: what is to be said of which leases.
std::vector<JsonValue> read_leases(CallBody& body) {
  auto items = body.fields.items("leases", limits::kResultsMax);
  body.fields.finish();
  if (body.faults.none() && items.empty()) body.fields.fault("leases", "is empty");
  return items;
}

void take_results(Call& call, Only only) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  const auto items = fields.items("results", limits::kResultsMax);
  ResultsRequest request;
  if (const auto poll = fields.take("then_lease")) {
    Fields parts(*poll, "/then_lease", body.faults);
    request.then_lease = read_poll(parts);
    parts.finish();
  }
  fields.finish();
  if (body.faults.none() && items.empty()) fields.fault("results", "is empty");
  request.results.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i)
    request.results.push_back(read_result(items[i], "/results/" + std::to_string(i), only, body.faults));
  if (body.refused()) return;
  const bool with_tasks = request.then_lease.has_value();
  if (with_tasks) request.alive = alive_of(call, *request.then_lease);
  submit_results(call, std::move(request), with_tasks);
}

}  // namespace

void lease_tasks(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  Fields& fields = body.fields;
  LeaseRequest request;
  request.poll = read_poll(fields);
  fields.finish();
  if (body.refused()) return;
  request.alive = alive_of(call, request.poll);
  request.reply = answer_with<LeaseReply>(call.server, call.ticket, [&server = call.server](LeaseReply reply) {
    Answer answer;
    answer.body = "{";
    append_tasks(answer.body, reply.tasks, server.now(), answer);
    answer.body += '}';
    return answer;
  });
  call.server.port().submit(std::move(request), call.body.size());
}

void report_results(Call& call) {
  take_results(call, Only::any);
}
void complete_tasks(Call& call) {
  take_results(call, Only::completed);
}
void fail_tasks(Call& call) {
  take_results(call, Only::failed);
}

void heartbeat_tasks(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  const auto items = read_leases(body);
  HeartbeatRequest request;
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Fields item(items[i], "/leases/" + std::to_string(i), body.faults);
    HeartbeatItem beat;
    beat.token = item.text("token", kTokenBytesMax, true);
    beat.detail = item.payload("detail");
    item.finish();
    tokens.push_back(beat.token);
    request.leases.push_back(std::move(beat));
  }
  if (body.refused()) return;
  request.reply = answer_with<HeartbeatReply>(
      call.server, call.ticket, [&server = call.server, tokens = std::move(tokens)](const HeartbeatReply& reply) {
        std::string out = "{\"results\":[";
        const Time now = server.now();
        for (std::size_t i = 0; i < tokens.size(); ++i) {
          const auto& result = reply.results.at(i);
          append_item(out, tokens[i], result ? nullptr : &result.error());
          if (result) {
            append_number(out, "lease_ms", std::max<std::int64_t>(0, (result->lease_until - now).ms));
            out += result->stop ? ",\"stop\":true" : ",\"stop\":false";
          }
          out += '}';
        }
        return Answer{200, "application/json", out + "]}"};
      });
  call.server.port().submit(std::move(request), call.body.size());
}

void release_tasks(Call& call) {
  CallBody body(call);
  if (body.refused()) return;
  const auto items = read_leases(body);
  ResultsRequest request;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Fields item(items[i], "/leases/" + std::to_string(i), body.faults);
    TaskResult result;
    result.token = item.text("token", kTokenBytesMax, true);
    result.result = ReleasedResult{Duration{item.integer("delay_ms", 0, schema::kDurationMax.ms).value_or(0)}};
    item.finish();
    request.results.push_back(std::move(result));
  }
  if (body.refused()) return;
  submit_results(call, std::move(request), false);
}

}  // namespace dta::server

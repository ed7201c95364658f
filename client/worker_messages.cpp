// See worker_messages.h.
#include "client/worker_messages.h"

#include "client/answers.h"
#include "client/problem.h"

namespace dta::client {

using std::chrono::milliseconds;

namespace {

// A code that the server would refuse must not take the whole batch with it.
bool is_worker_code(std::string_view code) {
  return !code.empty() && code.size() <= kErrorCodeBytesMax && !code.starts_with("dta.");
}

std::optional<std::string_view> payload_fault(std::string_view payload) {
  if (payload.size() > kPayloadBytesMax) return "is larger than 4 MiB";
  if (!Json::parse(payload)) return "is not one valid JSON value";
  return std::nullopt;
}

}  // namespace

std::string write_poll(const Poller& poller, const Poll& poll) {
  JsonArray queues;
  for (const std::string& queue : poller.queues) queues.add(queue);
  return JsonObject()
      .raw("queues", queues.text())
      .add("max", std::uint64_t{poll.max})
      .add("wait_ms", std::int64_t{poll.wait.count()})
      .add("worker", poller.worker)
      .add("poll_id", poll.id)
      .text();
}

std::string write_results(const std::vector<Result>& results, const std::string& then_lease) {
  JsonArray items;
  for (const Result& result : results) items.raw(result.json);
  JsonObject body;
  body.raw("results", items.text());
  if (!then_lease.empty()) body.raw("then_lease", then_lease);
  return body.text();
}

std::string write_releases(const std::vector<Release>& releases) {
  JsonArray items;
  for (const Release& release : releases)
    items.raw(JsonObject().add("token", release.token).add("delay_ms", std::int64_t{release.delay.count()}).text());
  return JsonObject().raw("leases", items.text()).text();
}

Result done_result(const std::string& token, const std::string& output) {
  JsonObject item;
  item.add("token", token);
  if (!output.empty()) {
    if (const auto fault = payload_fault(output))
      return failed_result(token, TaskFailed("invalid_output", "the output of the handler " + std::string(*fault),
                                             false, Effect::unknown));
    item.raw("output", output);
  }
  return {token, item.text(), false};
}

Result undone_result(const std::string& token, Undone undone) {
  JsonObject item;
  item.add("token", token);
  if (undone != Undone::undone) item.add("found", undone == Undone::found);
  return {token, item.text(), false};
}

Result failed_result(const std::string& token, const TaskFailed& failure) {
  JsonObject error;
  if (is_worker_code(failure.code))
    error.add("code", failure.code).add("message", failure.what());
  else
    error.add("code", "invalid_error_code").add("message", "'" + failure.code + "': " + failure.what());
  if (!failure.details.empty() && !payload_fault(failure.details)) error.raw("details", failure.details);
  const std::string json = JsonObject()
                               .add("token", token)
                               .raw("error", error.text())
                               .add("retryable", failure.retryable)
                               .add("effect", failure.effect == Effect::none ? "none" : "unknown")
                               .text();
  return {token, json, true};
}

std::vector<ItemAnswer> read_item_answers(const Json& answer, std::size_t count) {
  std::vector<ItemAnswer> all;
  for (const Json& item : answer["results"].items()) {
    ItemAnswer one{.ok = item["ok"].boolean(), .problem = {}, .lease = {}, .stop = item["stop"].boolean()};
    if (!one.ok) one.problem = read_problem(item["problem"]);
    if (const Json lease = item["lease_ms"]; lease.kind() == Json::Kind::number)
      one.lease = milliseconds(lease.integer());
    all.push_back(std::move(one));
  }
  if (all.size() != count)
    throw Error("connection_failed", "the answer has " + std::to_string(all.size()) + " results for " +
                                         std::to_string(count) + " items sent");
  return all;
}

LeaseLengths read_task(const Json& item, Task& task) {
  LeaseLengths lengths;
  for (const auto& [name, value] : item.members()) {
    if (name == "token") task.token = value.string();
    if (name == "transaction") task.transaction = value.string();
    if (name == "definition") task.definition = value.string();
    if (name == "version") task.version = static_cast<std::uint32_t>(value.natural());
    if (name == "instance") task.instance = static_cast<std::uint32_t>(value.natural());
    if (name == "step") task.step = value.string();
    if (name == "task") task.task = value.string();
    if (name == "kind") task.kind = value.string() == "undo" ? TaskKind::undo : TaskKind::action;
    if (name == "attempt") task.attempt = static_cast<std::uint32_t>(value.natural());
    if (name == "generation") task.generation = static_cast<std::uint32_t>(value.natural());
    if (name == "order") task.order = static_cast<std::uint32_t>(value.natural());
    if (name == "queue") task.queue = value.string();
    if (name == "idempotency_key") task.idempotency_key = value.string();
    if (name == "input") task.input = value.raw();
    if (name == "output") task.output = value.raw();
    if (name == "output_known") task.output_known = value.boolean();
    if (name == "heartbeat") task.heartbeat_detail = value.raw();
    if (name == "headers") task.headers = read_strings(value);
    if (name == "lease_ms") lengths.lease = milliseconds(value.integer());
    if (name == "heartbeat_ms" && !value.is_null()) lengths.heartbeat = milliseconds(value.integer());
  }
  return lengths;
}

}  // namespace dta::client

// Every endpoint's mapping: what a body becomes on its way to the partition, what a reply becomes on its way back, and
// what is refused before the partition sees it.
// Calls that change one transaction are in control_routes_test.cpp.
//
// Size: one test an endpoint, to be read beside the API page.
#include <gmock/gmock.h>

#include "schema/json.h"
#include "server/digest.h"
#include "tests/http/routes.h"

namespace dta::test {
namespace {

using namespace server;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kDefinition =
    R"({"name":"order","version":3,"steps":[{"name":"a","tasks":[{"name":"t","queue":"q"}]}]})";

TEST_F(Routes, PublishDefinition) {
  fake.on<PublishRequest>([](PublishRequest& request) {
    request.reply(
        PublishReply{request.definition->name, request.definition->version, request.definition->digest, true});
  });
  const Response response = call("PUT", "/v1/definitions/order/3", kDefinition);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.header("content-type"), "application/json");
  EXPECT_THAT(response.body,
              HasSubstr("{\"name\":\"order\",\"version\":3,\"digest\":\"" +
                        schema::to_hex(schema::sha256(kDefinition)) + "\",\"created\":true,\"warnings\":["));
  EXPECT_TRUE(schema::check_json(response.body).has_value());
  fake.on<PublishRequest>([](PublishRequest& request) { request.reply(PublishReply{"order", 3, {}, false}); });
  EXPECT_EQ(call("PUT", "/v1/definitions/order/3", kDefinition).status, 200);
}

TEST_F(Routes, PublishDefinitionRefuses) {
  expect_refused(call("PUT", "/v1/definitions/other/4", kDefinition), 400, "invalid_argument", R"({"pointer":"/name")");
  expect_refused(call("PUT", "/v1/definitions/order/0", kDefinition), 400, "invalid_argument");
  expect_refused(call("PUT", "/v1/definitions/order/4294967296", kDefinition), 400, "invalid_argument");
  expect_refused(call("PUT", "/v1/definitions/order/3", R"({"name":"order","version":3})"), 422, "invalid_definition",
                 "\"faults\":[");
  expect_refused(call("PUT", "/v1/definitions/order/3", "{"), 400, "malformed_json");
  fake.on<PublishRequest>(
      [](PublishRequest& request) { request.reply(schema::refuse(schema::ErrorCode::definition_conflict, "taken")); });
  expect_refused(call("PUT", "/v1/definitions/order/3", kDefinition), 409, "definition_conflict", "taken");
}

TEST_F(Routes, ReadDefinition) {
  auto definition = schema::parse_definition(kDefinition);
  ASSERT_TRUE(definition);
  fake.on<DefinitionsRequest>([&](DefinitionsRequest& request) {
    if (request.name == "nobody") return request.reply(schema::refuse(schema::ErrorCode::definition_not_found, "none"));
    if (request.name == "empty") return request.reply(DefinitionsReply{});
    EXPECT_EQ(request.name, "order");
    EXPECT_TRUE(request.version == 0 || request.version == 3);
    request.reply(DefinitionsReply{{{*definition, schema::Time{1500}}}});
  });
  EXPECT_EQ(call("GET", "/v1/definitions/order/3").body, kDefinition);
  EXPECT_EQ(call("GET", "/v1/definitions/order/newest").body, kDefinition);
  EXPECT_EQ(call("GET", "/v1/definitions/order/3?full=1").body, schema::full_text(**definition));
  expect_refused(call("GET", "/v1/definitions/order/3?full=2"), 400, "invalid_argument");
  expect_refused(call("GET", "/v1/definitions/order/latest"), 400, "invalid_argument");
  expect_refused(call("GET", "/v1/definitions/nobody/1"), 404, "definition_not_found");
  expect_refused(call("GET", "/v1/definitions/empty/newest"), 404, "definition_not_found");
}

TEST_F(Routes, ListDefinitions) {
  auto definition = schema::parse_definition(kDefinition);
  fake.on<DefinitionsRequest>([&](DefinitionsRequest& request) {
    EXPECT_EQ(request.name, "");
    request.reply(DefinitionsReply{{{*definition, schema::Time{1500}, true}, {*definition, schema::Time{2500}}}});
  });
  const Response response = call("GET", "/v1/definitions");
  EXPECT_THAT(response.body, HasSubstr(R"({"definitions":[{"name":"order","version":3,"form":"steps","digest":")"));
  EXPECT_THAT(response.body,
              HasSubstr(R"("published_at":"1970-01-01T00:00:01.500Z","paused":true,"deprecated":false},{"name")"));
}

TEST_F(Routes, StartTransaction) {
  fake.on<StartRequest>([](StartRequest& request) {
    EXPECT_EQ(request.id, "o-17");
    EXPECT_EQ(request.definition, "order");
    EXPECT_EQ(request.version, 3u);
    EXPECT_EQ(request.input, "{\"total\": 1.0}");
    EXPECT_EQ(request.attributes, (std::vector<schema::Attribute>{{"region", "eu"}}));
    EXPECT_EQ(request.headers, (std::vector<schema::Attribute>{{"traceparent", "00"}}));
    EXPECT_EQ(request.wait.ms, 60'000);
    EXPECT_EQ(request.digest, start_digest("order", schema::JsonValue{"{\"total\":1}"}, {{"region", "eu"}}));
    TransactionSummary reply = summary(request.id);
    reply.outcome = "completed";
    reply.output = "[1.0]";
    reply.error = FailureSummary{"card_refused", "no", "reserve", ""};
    request.reply(reply);
  });
  const Response response =
      post("/v1/transactions", R"({"id":"o-17","definition":"order","version":3,"input":{"total": 1.0},)"
                               R"("attributes":{"region":"eu"},"headers":{"traceparent":"00"},"wait_ms":99999999})");
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body,
            R"({"id":"o-17","definition":"order","version":3,"created":true,"status":"running","phase":"running",)"
            R"("outcome":"completed","sequence":2,"output":[1.0],)"
            R"("error":{"code":"card_refused","message":"no","step":"reserve","task":null}})");
}

TEST_F(Routes, StartTransactionAgain) {
  fake.on<StartRequest>([](StartRequest& request) {
    EXPECT_FALSE(request.version);
    EXPECT_EQ(request.input, "");
    TransactionSummary reply = summary(request.id);
    reply.created = false;
    request.reply(reply);
  });
  const Response response = post("/v1/transactions", R"({"id":"\u00fc","definition":"order"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body,
            R"({"id":"ü","definition":"order","version":3,"created":false,"status":"running","phase":"running",)"
            R"("outcome":null,"sequence":2})");
}

TEST_F(Routes, StartTransactionRefuses) {
  const auto refused = [&](std::string_view body, std::string_view code, std::string_view detail) {
    SCOPED_TRACE(body);
    expect_refused(post("/v1/transactions", body), code == "too_large" ? 413 : 400, code, detail);
  };
  refused("", "malformed_json", "empty");
  refused("{", "malformed_json", "");
  refused("[]", "invalid_argument", R"("faults":[{"pointer":"")");
  refused("{}", "missing_field", R"({"pointer":"/id","message":"is missing"},{"pointer":"/definition")");
  refused(R"({"id":"a","definition":"d","wait":1})", "unknown_field", R"("pointer":"/wait")");
  refused(R"({"id":"a","definition":"d","x/y~":1})", "unknown_field", R"("pointer":"/x~1y~0")");
  refused(R"({"id":"a","id":"a","definition":"d"})", "invalid_argument", "is given twice");
  refused(R"({"id":7,"definition":"d"})", "invalid_argument", "must be a string, not a number");
  refused(R"({"id":"","definition":"d"})", "invalid_argument", "/id");
  refused(R"({"id":"$a","definition":"d"})", "invalid_argument", "must not begin");
  refused(R"({"id":"a/b","definition":"d"})", "invalid_argument", "must not contain");
  refused(R"({"id":"a\u0000","definition":"d"})", "invalid_argument", "control");
  refused(R"({"id":"a\u0085","definition":"d"})", "invalid_argument", "control");
  refused("{\"id\":\"" + std::string(257, 'a') + "\",\"definition\":\"d\"}", "invalid_argument", "256");
  refused(R"({"id":"a","definition":"d","version":0})", "invalid_argument", "/version");
  refused(R"({"id":"a","definition":"d","version":1.0})", "invalid_argument", "/version");
  refused(R"({"id":"a","definition":"d","wait_ms":-1})", "invalid_argument", "/wait_ms");
  refused(R"({"id":"a","definition":"d","attributes":{"k":1}})", "invalid_argument", "/attributes/k");
  refused(R"({"id":"a","definition":"d","attributes":{"a/b~c":1}})", "invalid_argument",
          R"("pointer":"/attributes/a~1b~0c")");
  refused(R"({"id":"a","definition":"d","attributes":{"k":"1","k":"2"}})", "invalid_argument", "twice");
  std::string many = "{\"k0\":\"v\"";
  for (int i = 1; i < 17; ++i) many += ",\"k" + std::to_string(i) + "\":\"v\"";
  refused(R"({"id":"a","definition":"d","attributes":)" + many + "}}", "invalid_argument", "more than 16");
  refused(R"({"id":"a","definition":"d","headers":)" + many + "}}", "invalid_argument", "more than 16");
  refused("{\"id\":\"a\",\"definition\":\"d\",\"input\":\"" + std::string(4u << 20, 'x') + "\"}", "too_large",
          "/input");
  EXPECT_EQ(fake.submitted(), 0u);
}

TEST_F(Routes, StartByInput) {
  fake.on<StartRequest>([](StartRequest& request) {
    EXPECT_EQ(request.id, "77");
    EXPECT_EQ(request.definition, "my order");
    EXPECT_EQ(request.version, 2u);
    EXPECT_EQ(request.wait.ms, 5);
    EXPECT_EQ(request.input, R"({"a":{"tx":77}})");
    request.reply(summary(request.id));
  });
  EXPECT_EQ(post("/v1/start/my%20order?id_from=/a/tx&wait_ms=5&version=2", R"( {"a":{"tx":77}} )").status, 201);
  expect_refused(post("/v1/start/d", "{}"), 400, "missing_field", "id_from");
  expect_refused(post("/v1/start/d?id_from=a", "{}"), 400, "invalid_argument", "JSON Pointer");
  expect_refused(post("/v1/start/d?id_from=/a", "{}"), 400, "missing_field", R"("pointer":"/a")");
  expect_refused(post("/v1/start/d?id_from=/a", R"({"a":1.5})"), 400, "invalid_argument");
  expect_refused(post("/v1/start/d?id_from=/a", R"({"a":"$"})"), 400, "invalid_argument");
  expect_refused(post("/v1/start/d?id_from=/a&id=1", R"({"a":"b"})"), 400, "unknown_field");
  expect_refused(post("/v1/start/d?id_from=/a&id_from=/a", R"({"a":"b"})"), 400, "invalid_argument", "twice");
  expect_refused(post("/v1/start/d?id_from=/a", "nul"), 400, "malformed_json");
}

HandOut hand_out() {
  HandOut task;
  task.token = "42.3.1";
  task.transaction = "o-17";
  task.definition = "order";
  task.version = 3;
  task.step = "reserve";
  task.task = "stock";
  task.queue = "inventory.reserve";
  task.idempotency_key = "o-17/reserve/stock/0/1/do/1";
  task.lease_until = schema::Time{1'030'000};
  task.heartbeat = Duration{5000};
  task.input = "{\"n\":1.0}";
  return task;
}

TEST_F(Routes, Lease) {
  fake.on<LeaseRequest>([](LeaseRequest& request) {
    EXPECT_EQ(request.poll.queues, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(request.poll.max, 1000u);
    EXPECT_EQ(request.poll.worker, "w1");
    EXPECT_EQ(request.poll.poll_id, "p-9");
    EXPECT_FALSE(request.alive);
    HandOut undo = hand_out();
    undo.action = schema::Action::undo;
    undo.output = "7";
    undo.heartbeat = Duration{0};
    undo.lease_until = schema::Time{0};
    undo.headers = {{"traceparent", "00"}, {"b", "c"}};
    HandOut unknown = undo;
    unknown.output.reset();
    unknown.heartbeat_detail = "{\"at\":5}";
    unknown.instance = 4;
    request.reply(LeaseReply{{hand_out(), undo, unknown}});
  });
  const Response response = post("/v1/lease", R"({"queues":["a","b"],"max":5000,"worker":"w1","poll_id":"p-9"})");
  EXPECT_THAT(
      response.body,
      HasSubstr(
          R"({"tasks":[{"token":"42.3.1","transaction":"o-17","definition":"order","version":3,"step":"reserve","task":"stock",)"
          R"("instance":0,"kind":"do","attempt":1,"generation":1,"order":1,"queue":"inventory.reserve",)"
          R"("idempotency_key":"o-17/reserve/stock/0/1/do/1","lease_ms":30000,"heartbeat_ms":5000,"input":{"n":1.0},"headers":{}},)"));
  EXPECT_THAT(response.body, HasSubstr(R"("instance":0,"kind":"undo","attempt":1)"));
  EXPECT_THAT(response.body,
              HasSubstr(R"("lease_ms":0,"heartbeat_ms":null,"input":{"n":1.0},"output_known":true,"output":7,)"
                        R"("headers":{"traceparent":"00","b":"c"}})"));
  EXPECT_THAT(response.body, HasSubstr(R"("output_known":false,"heartbeat":{"at":5},)"));
  EXPECT_THAT(response.body, HasSubstr(R"("instance":4)"));
  EXPECT_TRUE(schema::check_json(response.body).has_value());
}

TEST_F(Routes, LeaseRefuses) {
  expect_refused(post("/v1/lease", "{}"), 400, "missing_field", "/queues");
  expect_refused(post("/v1/lease", R"({"queues":[],"worker":"w"})"), 400, "invalid_argument", "1 to 64");
  expect_refused(post("/v1/lease", R"({"queues":"q","worker":"w"})"), 400, "invalid_argument", "an array");
  expect_refused(post("/v1/lease", R"({"queues":[""],"worker":"w"})"), 400, "invalid_argument", "/queues/0");
  expect_refused(post("/v1/lease", R"({"queues":["q"],"worker":"w","max":0})"), 400, "invalid_argument", "/max");
  std::string queues = "\"q\"";
  for (int i = 0; i < 64; ++i) queues += ",\"q\"";
  expect_refused(post("/v1/lease", "{\"queues\":[" + queues + "],\"worker\":\"w\"}"), 400, "invalid_argument",
                 "1 to 64");
  expect_refused(post("/v1/lease", "{\"queues\":[\"q\"],\"worker\":\"" + std::string(129, 'w') + "\"}"), 400,
                 "invalid_argument", "/worker");
  fake.on<LeaseRequest>(
      [](LeaseRequest& request) { request.reply(schema::refuse(schema::ErrorCode::overloaded, "full")); });
  const Response full = post("/v1/lease", R"({"queues":["q"],"worker":"w"})");
  expect_refused(full, 503, "overloaded");
  EXPECT_EQ(full.header("retry-after"), "1");
}

TEST_F(Routes, Results) {
  fake.on<ResultsRequest>([](ResultsRequest& request) {
    ASSERT_EQ(request.results.size(), 3u);
    EXPECT_EQ(std::get<CompletedResult>(request.results[0].result).output, "{\"a\": 1}");
    const auto& failed = std::get<FailedResult>(request.results[1].result);
    EXPECT_EQ(failed.code, "card_refused");
    EXPECT_EQ(failed.message.size(), 4096u);
    EXPECT_EQ(failed.details, "[0]");
    EXPECT_FALSE(failed.retryable);
    EXPECT_EQ(failed.effect, schema::Effect::unknown);
    EXPECT_EQ(std::get<CompletedResult>(request.results[0].result).found, std::nullopt);
    EXPECT_EQ(std::get<CompletedResult>(request.results[2].result).found, false);
    ASSERT_TRUE(request.then_lease);
    EXPECT_EQ(request.then_lease->max, 4u);
    EXPECT_TRUE(request.alive);
    ResultsReply reply;
    reply.results = {{}, schema::refuse(schema::ErrorCode::stale_lease, "gone"), {}};
    reply.tasks = {hand_out()};
    request.reply(std::move(reply));
  });
  const Response response =
      post("/v1/tasks/results",
           R"({"results":[{"token":"a","output":{"a": 1}},{"token":"b","error":{"code":"card_refused","message":")" +
               std::string(5000, 'm') +
               R"(","details":[0]},"retryable":false,"effect":"unknown"},{"token":"c","found":false}],)"
               R"("then_lease":{"queues":["q"],"max":4,"wait_ms":30000,"worker":"w1","poll_id":"p"}})");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(
      response.body,
      HasSubstr(
          R"({"results":[{"token":"a","ok":true},{"token":"b","ok":false,"problem":{"title":"The lease has ended",)"
          R"("code":"stale_lease","detail":"gone","advice":")"));
  EXPECT_THAT(response.body, HasSubstr(R"({"token":"c","ok":true}],"tasks":[{"token":"42.3.1")"));
}

TEST_F(Routes, CompleteAndFailTakeOnlyTheirKind) {
  fake.on<ResultsRequest>([](ResultsRequest& request) {
    ResultsReply reply;
    reply.results.resize(request.results.size());
    request.reply(std::move(reply));
  });
  EXPECT_EQ(post("/v1/tasks/complete", R"({"results":[{"token":"a"}]})").body,
            R"({"results":[{"token":"a","ok":true}]})");
  EXPECT_EQ(post("/v1/tasks/fail", R"({"results":[{"token":"a","error":{"code":"x"}}]})").status, 200);
  expect_refused(post("/v1/tasks/complete", R"({"results":[{"token":"a","error":{"code":"x"}}]})"), 400,
                 "unknown_field", "/results/0/error");
  expect_refused(post("/v1/tasks/fail", R"({"results":[{"token":"a"}]})"), 400, "missing_field", "/results/0/error");
  expect_refused(post("/v1/tasks/fail", R"({"results":[{"token":"a","error":{"code":"x"},"output":1}]})"), 400,
                 "unknown_field");
  expect_refused(post("/v1/tasks/results", R"({"results":[]})"), 400, "invalid_argument", "is empty");
  expect_refused(post("/v1/tasks/results", R"({"results":[{}]})"), 400, "missing_field", "/results/0/token");
  expect_refused(post("/v1/tasks/results", R"({"results":[{"token":"a","error":{"code":"dta.x"}}]})"), 400,
                 "invalid_argument", "dta.");
  expect_refused(post("/v1/tasks/results", R"({"results":[{"token":"a","error":{"code":"x"},"effect":"maybe"}]})"), 400,
                 "invalid_argument", "/effect");
  expect_refused(post("/v1/tasks/results", R"({"results":[{"token":"a","found":1}]})"), 400, "invalid_argument",
                 "/found");
}

TEST_F(Routes, Heartbeat) {
  fake.on<HeartbeatRequest>([](HeartbeatRequest& request) {
    ASSERT_EQ(request.leases.size(), 2u);
    EXPECT_EQ(request.leases[0].detail, "{\"p\": 5}");
    HeartbeatReply reply;
    reply.results.emplace_back(HeartbeatAnswer{schema::Time{1'005'000}, true});
    reply.results.emplace_back(schema::refuse(schema::ErrorCode::lease_not_found, "no"));
    request.reply(std::move(reply));
  });
  EXPECT_THAT(
      post("/v1/tasks/heartbeat", R"({"leases":[{"token":"a","detail":{"p": 5}},{"token":"b"}]})").body,
      HasSubstr(
          R"({"results":[{"token":"a","ok":true,"lease_ms":5000,"stop":true},{"token":"b","ok":false,"problem":{)"));
  expect_refused(post("/v1/tasks/heartbeat", R"({"leases":[]})"), 400, "invalid_argument");
}

TEST_F(Routes, Release) {
  fake.on<ResultsRequest>([](ResultsRequest& request) {
    ASSERT_EQ(request.results.size(), 2u);
    EXPECT_EQ(std::get<ReleasedResult>(request.results[0].result).delay.ms, 70);
    EXPECT_EQ(std::get<ReleasedResult>(request.results[1].result).delay.ms, 0);
    ResultsReply reply;
    reply.results.resize(2);
    request.reply(std::move(reply));
  });
  EXPECT_EQ(post("/v1/tasks/release", R"({"leases":[{"token":"a","delay_ms":70},{"token":"b"}]})").body,
            R"({"results":[{"token":"a","ok":true},{"token":"b","ok":true}]})");
  expect_refused(post("/v1/tasks/release", R"({"leases":[{"token":"a","delay_ms":-1}]})"), 400, "invalid_argument");
}

TEST_F(Routes, Service) {
  EXPECT_EQ(call("GET", "/readyz").body, R"({"ready":true})");
  fake.set_not_ready("the log is being opened");
  const Response response = call("GET", "/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, R"({"ready":false,"reason":"the log is being opened"})");
  EXPECT_EQ(call("GET", "/healthz").status, 200);
  EXPECT_THAT(call("GET", "/metrics").header("content-type"), HasSubstr("text/plain; version=0.0.4"));
}

TEST_F(Routes, UnknownPathsMethodsAndParametersAreRefused) {
  expect_refused(call("GET", "/"), 404, "not_found");
  expect_refused(call("GET", "/v1/transactions/"), 404, "not_found");
  expect_refused(call("GET", "/v1/transactions/a/b/c"), 404, "not_found");
  const Response response = call("DELETE", "/v1/transactions");
  expect_refused(response, 405, "method_not_allowed");
  EXPECT_EQ(response.header("allow"), "GET, HEAD, POST");
  EXPECT_EQ(call("GET", "/v1/lease").header("allow"), "POST");
  EXPECT_EQ(call("POST", "/v1/definitions/a/1").header("allow"), "GET, HEAD, PUT");
  EXPECT_EQ(call("BREW", "/healthz").header("allow"), "GET, HEAD");
  expect_refused(call("GET", "/healthz?verbose=1"), 400, "unknown_field", "verbose");
  expect_refused(call("GET", "/v1/transactions/%zz"), 400, "invalid_argument");
  expect_refused(call("GET", "/v1/transactions/%ff"), 400, "invalid_argument");
  expect_refused(call("GET", "/v1/transactions?status=late"), 400, "invalid_argument");
  expect_refused(call("GET", "/v1/transactions?cursor=x"), 400, "invalid_cursor");
  expect_refused(call("GET", "/v1/events?cursor=p1.5"), 400, "invalid_cursor");
  expect_refused(call("GET", "/v1/transactions/a?at=1&wait_ms=5"), 400, "invalid_argument");
  expect_refused(call("POST", "/v1/lease", "{}", "Content-Type: text/plain\r\n"), 415, "unsupported_media_type");
  EXPECT_EQ(call("POST", "/v1/lease", "{}", "Content-Type: Application/JSON ; charset=utf-8\r\n").code(),
            "missing_field");
}

TEST_F(Routes, ForeignHostsAndOriginsAreRefused) {
  const auto with_host = [&](std::string_view host) {
    Client client(port());
    client.send("GET /healthz HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    return client.read_response();
  };
  for (const auto* host : {"localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]", "[::1]:7117"})
    EXPECT_EQ(with_host(host).status, 200) << host;
  for (const auto* host : {"example.com", "", "127.0.0.1.example.com", "128.0.0.1", "127.0.0", "127.0.0.1:x",
                           "localhost.", "[::2]", "[::1", "[::1]x"})
    expect_refused(with_host(host), 403, "forbidden_host");
  EXPECT_EQ(call("GET", "/healthz", "", "Origin: http://localhost\r\n").status, 200);
  for (const auto* origin : {"null", "http://localhost:3000", "https://localhost", "http://example.com"})
    expect_refused(call("GET", "/healthz", "", "Origin: " + std::string(origin) + "\r\n"), 403, "forbidden_origin");
  Client absolute(port());
  absolute.send(
      "GET http://example.com/healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET http://127.0.0.1/healthz "
      "HTTP/1.1\r\nHost: x\r\n\r\n");
  expect_refused(absolute.read_response(), 403, "forbidden_host");
  EXPECT_EQ(absolute.read_response().status, 200);
}

TEST_F(Routes, AnyHostWhenItIsAskedFor) {
  settings.any_host = true;
  Client client(port());
  client.send("GET /healthz HTTP/1.1\r\nHost: example.com\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 200);
}

TEST_F(Routes, RefusalsAreCountedAndLoggedWithoutFlooding) {
  for (int i = 0; i < 5; ++i) post("/v1/lease", "{}");
  EXPECT_THAT(call("GET", "/metrics").body, HasSubstr("dta_refusals_total{code=\"missing_field\"} 5\n"));
  server().stop();
  ASSERT_EQ(log_lines.size(), 1u);
  EXPECT_THAT(log_lines[0], HasSubstr("level=info msg=refused code=missing_field method=POST path=/v1/lease"));
}

}  // namespace
}  // namespace dta::test

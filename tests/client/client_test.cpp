// dta::Client against a fake server: what each call sends, how answers are read, and what is sent again.
//
// Size: one test a call or a fault, over one fake server.
#include "dta/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "client/answers.h"
#include "client/http_connection.h"
#include "dta/json.h"
#include "schema/error.h"
#include "tests/client/fake_server.h"

namespace dta {
namespace {

using client_test::FakeAnswer;
using client_test::FakeRequest;
using client_test::FakeServer;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

const ClientOptions kOnce{.retry_for = milliseconds(0)};

// A server that gives these answers in order, the last one for ever.
FakeServer::Handler in_order(std::vector<FakeAnswer> answers) {
  auto next = std::make_shared<std::atomic<std::size_t>>(0);
  return [answers = std::move(answers), next](const FakeRequest&) {
    return answers[std::min(next->fetch_add(1), answers.size() - 1)];
  };
}

Problem problem_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.problem();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(ParseUrl, ReadsHostAndPort) {
  const auto text = [](std::string_view url) {
    const client::Address a = client::parse_url(url);
    return a.host + " " + std::to_string(a.port) + " " + a.host_header;
  };
  EXPECT_EQ(text("http://127.0.0.1:80"), "127.0.0.1 80 127.0.0.1:80");
  EXPECT_EQ(text("http://localhost/"), "localhost 7117 localhost:7117");
  EXPECT_EQ(text("http://[::1]:9"), "::1 9 [::1]:9");
  for (const char* bad : {"", "localhost", "https://a", "http://", "http://a:0", "http://a:65536", "http://a:b",
                          "http://a/b", "http://[::1", "http://u@h", "http://a?b"})
    EXPECT_EQ(problem_of([&] { Client client(bad); }).code, "invalid_argument") << bad;
}

TEST(Client, StartSendsPayloadBytesUntouchedAndReadsTheAnswer) {
  FakeServer server(in_order(
      {{.status = 201, .body = R"({"id":"o-17","definition":"order","version":3,"created":true,"status":"completed",
      "phase":"completed","outcome":"completed","sequence":9,"output":{"total":1.0,"n":100000000000000000000}})"}}));
  Client client(server.url());
  const Transaction t = client.start({.id = "o-17",
                                      .definition = "order",
                                      .version = 3,
                                      .input = R"({"a": 1.0, "b":1e400})",
                                      .attributes = {{"region", "eu"}},
                                      .headers = {{"traceparent", "00-1"}},
                                      .wait = milliseconds(10'000)});
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].method + " " + requests[0].target, "POST /v1/transactions");
  EXPECT_EQ(requests[0].body, R"({"id":"o-17","definition":"order","version":3,"input":{"a": 1.0, "b":1e400},)"
                              R"("attributes":{"region":"eu"},"headers":{"traceparent":"00-1"},"wait_ms":10000})");
  EXPECT_TRUE(t.created);
  EXPECT_TRUE(t.completed());
  EXPECT_EQ(t.sequence, 9u);
  EXPECT_EQ(t.output, R"({"total":1.0,"n":100000000000000000000})");
  EXPECT_FALSE(t.error);
}

TEST(Client, RefusesPayloadsThatWouldBreakOutOfTheRequest) {
  FakeServer server(in_order({{}}));
  Client client(server.url());
  EXPECT_EQ(problem_of([&] { client.start({.id = "a", .definition = "d", .input = R"(1,"version":2)"}); }).code,
            "malformed_json");
  EXPECT_EQ(problem_of([&] { client.append("a", Expected::any(), {{.on = "x", .data = "}"}}); }).code,
            "malformed_json");
  EXPECT_TRUE(server.requests().empty());
}

TEST(Client, GetReadsTheWholeState) {
  FakeServer server(in_order({{.body = R"({"id":"o-17","number":42,"definition":"order","version":3,"form":"steps",
   "status":"attention","phase":"compensating","attention":true,"paused":false,"outcome":null,"sequence":19,"epoch":1,
   "started_at":"2026-11-20T15:49:51.123Z","ended_at":null,"expires_at":"2026-11-21T16:49:51.123+01:00",
   "attributes":{"k":"v"},"headers":{},"input":{"x":[1.0]},"error":{"code":"card_refused","message":"no","step":"reserve","task":"credit"},
   "reason":null,
   "steps":[{"name":"reserve","state":"failed","entered_at":"2026-11-20T15:49:51Z","deadline_at":null,
     "tasks":[{"name":"stock","queue":"inventory.reserve","status":"leased","stopping":true,"attempt":2,"worker":"w1","error":null,
               "ready_at":null,"lease_until":"2026-11-20T15:50:00.500Z","retry_at":null,
               "undo":{"queue":"inventory.release","status":"backoff","attempt":1,"worker":"w2","error":{"code":"e"},"lease_until":null,"retry_at":"2026-11-20T15:51:00Z"}}]}],
   "incidents":[{"number":1,"step":"reserve","task":"stock","kind":"undo_failed","code":"c","message":"m","open":true}],
   "not_undone":["reserve/stock"]})"}}));
  Client client(server.url());
  const Transaction t = client.get("o 17");
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/o%2017");
  EXPECT_EQ(t.number, 42u);
  EXPECT_FALSE(t.decided());
  EXPECT_TRUE(t.attention);
  EXPECT_EQ(client::write_time(t.started_at.value()), "2026-11-20T15:49:51.123Z");
  EXPECT_EQ(client::write_time(t.expires_at.value()), "2026-11-21T15:49:51.123Z");
  EXPECT_FALSE(t.ended_at);
  EXPECT_EQ(t.input, R"({"x":[1.0]})");
  EXPECT_EQ(t.error, (TransactionError{"card_refused", "no", "reserve", "credit"}));
  ASSERT_EQ(t.steps.size(), 1u);
  ASSERT_EQ(t.steps[0].tasks.size(), 1u);
  const TaskState& task = t.steps[0].tasks[0];
  EXPECT_TRUE(task.stopping);
  EXPECT_EQ(task.attempt, 2u);
  EXPECT_EQ(task.undo.status, "backoff");
  EXPECT_EQ(task.undo.error, "e");
  EXPECT_EQ(client::write_time(task.undo.retry_at.value()), "2026-11-20T15:51:00.000Z");
  ASSERT_EQ(t.incidents.size(), 1u);
  EXPECT_TRUE(t.incidents[0].open);
  EXPECT_THAT(t.not_undone, ElementsAre("reserve/stock"));
}

TEST(Client, ThrowsWhatTheProblemDocumentSays) {
  FakeServer server(in_order({FakeAnswer::problem(
      422, "invalid_definition", R"(,"faults":[{"pointer":"/steps/0/name","message":"m"}],"current_sequence":6)")}));
  Client client(server.url());
  const Problem p = problem_of([&] { client.publish(R"({"name":"order","version":3})"); });
  EXPECT_EQ(server.requests()[0].method + " " + server.requests()[0].target, "PUT /v1/definitions/order/3");
  EXPECT_EQ(p.code, "invalid_definition");
  EXPECT_EQ(p.status, 422u);
  EXPECT_EQ(p.detail, "D of invalid_definition");
  EXPECT_EQ(p.advice, "A");
  EXPECT_THAT(p.faults, ElementsAre(Fault{"/steps/0/name", "m"}));
  EXPECT_EQ(p.current_sequence, 6u);
  EXPECT_EQ(server.requests().size(), 1u) << "a refusal is not sent again";
}

TEST(Client, AnswersOfForeignServersAreNotTakenForOurs) {
  FakeServer server(
      in_order({{.status = 404, .body = "<html>"}, {.status = 200, .body = "<html>"}, {.status = 502, .body = ""}}));
  Client client(server.url(), kOnce);
  EXPECT_EQ(problem_of([&] { client.get("a"); }).code, "not_found");
  EXPECT_EQ(problem_of([&] { client.get("a"); }).code, "connection_failed");
  EXPECT_EQ(problem_of([&] { client.get("a"); }).code, "connection_failed");
}

TEST(Client, SendsTheSameBytesAgainUntilAnswered) {
  FakeServer server(in_order(
      {FakeAnswer::dropped(),
       FakeAnswer::problem(503, "outcome_unknown"),
       FakeAnswer::problem(503, "overloaded"),
       {.body =
            R"({"id":"A","first_sequence":5,"sequence":6,"state":"Paid","status":"running","phase":"running","repeated":true})"}}));
  Client client(server.url());
  const Appended answer =
      client.append("A", Expected::at(4), {{.on = "Payment", .data = "1.0"}, {.on = "Close", .id = "e-2"}});
  EXPECT_TRUE(answer.repeated);
  EXPECT_EQ(answer.state, "Paid");
  EXPECT_EQ(answer.first_sequence, 5u);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 4u);
  for (const FakeRequest& request : requests) EXPECT_EQ(request, requests[0]) << "the ids made by the client stay";
  const auto body = Json::parse(requests[0].body);
  EXPECT_EQ(body->at("/expected").integer(), 4);
  EXPECT_EQ(body->at("/events/0/id").string().size(), 32u);
  EXPECT_EQ(body->at("/events/0/data").raw(), "1.0");
  EXPECT_EQ(body->at("/events/1/id").string(), "e-2");
}

TEST(Client, DoesNotSendAgainWhenToldNotTo) {
  FakeServer server(in_order({FakeAnswer{FakeAnswer::problem(503, "overloaded")}}));
  Client client(server.url(), kOnce);
  EXPECT_EQ(problem_of([&] { client.get("a"); }).code, "overloaded");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Client, ReadsRetryAfter) {
  FakeAnswer busy = FakeAnswer::problem(503, "overloaded");
  busy.headers = "Retry-After: 7\r\n";
  FakeServer server(in_order({busy}));
  Client client(server.url(), kOnce);
  EXPECT_EQ(problem_of([&] { client.get("a"); }).retry_after, std::chrono::seconds(7));
}

TEST(Client, AConnectionClosedWhileIdleIsNoFailure) {
  FakeServer server(in_order({{.body = R"({"id":"a"})", .connection = FakeAnswer::Connection::close_silently}}));
  Client client(server.url(), kOnce);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.get("a").id, "a");
}

TEST(Client, NobodyThereIsConnectionFailed) {
  std::string url;
  {
    FakeServer server(in_order({{}}));
    url = server.url();
  }
  Client client(url, kOnce);
  const Problem p = problem_of([&] { client.get("a"); });
  EXPECT_EQ(p.code, "connection_failed");
  EXPECT_THAT(p.detail, HasSubstr(url.substr(7)));
  EXPECT_FALSE(client.ready());
}

TEST(Client, AnAnswerThatNeverComesIsConnectionFailed) {
  std::mutex gate;
  gate.lock();
  FakeServer server([&](const FakeRequest&) {
    const std::scoped_lock lock(gate);
    return FakeAnswer{};
  });
  Client client(server.url(), {.answer_timeout = milliseconds(20), .retry_for = milliseconds(0)});
  EXPECT_EQ(problem_of([&] { client.get("a"); }).code, "connection_failed");
  gate.unlock();
}

TEST(Client, WaitAsksAgainUntilDecided) {
  FakeServer server(
      in_order({{.body = R"({"id":"a","outcome":null})"}, {.body = R"({"id":"a","outcome":"compensated"})"}}));
  Client client(server.url());
  EXPECT_EQ(client.wait("a", std::chrono::hours(1)).outcome, "compensated");
  ASSERT_EQ(server.requests().size(), 2u);
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/a?wait_ms=60000");
}

TEST(Client, WaitEndsWithItsTime) {
  FakeServer server(in_order({{.body = R"({"id":"a","outcome":null})"}}));
  Client client(server.url());
  EXPECT_FALSE(client.wait("a", milliseconds(0)).decided());
  EXPECT_EQ(server.requests()[0].target, "/v1/transactions/a?wait_ms=0");
}

TEST(Client, HistoryReadsPageByPage) {
  FakeServer server(
      in_order({{.body = R"({"sequence":1,"position":7,"recorded_at":"2026-11-20T15:49:51.123Z","kind":"started"}
{"sequence":2,"position":7,"kind":"task_leased","step":"s","task":"t","attempt":1}
)"},
                {.body = R"({"sequence":3,"position":8,"kind":"completed"})"},
                {.body = ""}}));
  Client client(server.url());
  const std::vector<Event> events = client.history("a");
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].kind, "started");
  EXPECT_EQ(events[1].task, "t");
  EXPECT_EQ(events[2].position, 8u);
  EXPECT_EQ(events[2].json, R"({"sequence":3,"position":8,"kind":"completed"})");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0].target, "/v1/transactions/a/history?from=1&limit=1000");
  EXPECT_EQ(requests[1].target, "/v1/transactions/a/history?from=3&limit=1000");
  EXPECT_EQ(requests[2].target, "/v1/transactions/a/history?from=4&limit=1000");
}

TEST(Client, ACutOffHistoryIsAnError) {
  FakeServer server(in_order({{.body = "{\"sequence\":1}\n{\"sequ"}}));
  Client client(server.url());
  EXPECT_EQ(problem_of([&] { client.history("a"); }).code, "connection_failed");
}

TEST(Client, ListAllFollowsCursors) {
  FakeServer server(
      in_order({{.body = R"({"transactions":[{"id":"b","status":"running","attributes":{"k":"v"}}],"next":"c1=/"})"},
                {.body = R"({"transactions":[{"id":"a","status":"completed"}],"next":null})"}}));
  Client client(server.url());
  std::vector<std::string> ids;
  client.list_all({.status = "running", .since = Time(milliseconds(0)), .attributes = {{"k", "v w"}}, .limit = 1},
                  [&](const TransactionSummary& row) {
                    ids.push_back(row.id);
                    return true;
                  });
  EXPECT_THAT(ids, ElementsAre("b", "a"));
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].target,
            "/v1/transactions?status=running&since=1970-01-01T00%3A00%3A00.000Z&attr.k=v%20w&limit=1");
  EXPECT_THAT(requests[1].target, HasSubstr("&cursor=c1%3D%2F"));
}

TEST(Client, CancelCarriesAnIdOfItsOwn) {
  FakeServer server(in_order({{.body = R"({"id":"a","status":"compensating","phase":"compensating","sequence":20})"}}));
  Client client(server.url());
  EXPECT_EQ(client.cancel("a", {.reason = "why", .who = "anna"}).sequence, 20u);
  const auto requests = server.requests();
  const auto body = Json::parse(requests[0].body);
  EXPECT_EQ((*body)["reason"].string(), "why");
  EXPECT_EQ((*body)["who"].string(), "anna");
  EXPECT_EQ((*body)["request_id"].string().size(), 32u);
}

TEST(Client, TerminateAndResolveSayWhatAndWhy) {
  const std::string answer = R"({"id":"a","status":"terminated","phase":"terminated","sequence":20})";
  FakeServer server(in_order({{.body = answer}, {.body = answer}}));
  Client client(server.url());
  EXPECT_EQ(client.terminate("a b", {.reason = "why", .who = "anna"}).phase, "terminated");
  EXPECT_EQ(client.resolve("a", 3, "give_up", {.reason = "lost", .request_id = "r-1"}).sequence, 20u);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].target, "/v1/transactions/a%20b/terminate");
  EXPECT_EQ((*Json::parse(requests[0].body))["reason"].string(), "why");
  EXPECT_EQ((*Json::parse(requests[0].body))["request_id"].string().size(), 32u);
  EXPECT_EQ(requests[1].target, "/v1/transactions/a/incidents/3/resolve");
  EXPECT_EQ((*Json::parse(requests[1].body))["resolution"].string(), "give_up");
  EXPECT_EQ((*Json::parse(requests[1].body))["request_id"].string(), "r-1");
}

TEST(Client, QueuesAndDefinitionsAreToldWhatAndWhy) {
  const std::string queue =
      R"({"queue":"a/b","rate":{"per_second":0.5,"burst":3},"concurrency":8,"paused":true,"reason":"slow","who":"anna",)"
      R"("changed_at":"1970-01-01T00:00:01.500Z","ready":1,"leased":2,"waiting_polls":3})";
  const std::string definition = R"({"name":"d","paused":true,"deprecated":[1,3],"reason":"r","who":null})";
  FakeServer server([&](const FakeRequest& request) -> FakeAnswer {
    if (request.target == "/v1/queues") return {.body = R"({"queues":[)" + queue + R"(,{"queue":"c","rate":null}]})"};
    return {.body = request.target.starts_with("/v1/queues") ? queue : definition};
  });
  Client client(server.url());
  const QueueState set =
      client.set_queue("a/b", {.rate = QueueRate{0.5, 3}, .concurrency = 8}, {.reason = "slow", .request_id = "r"});
  EXPECT_EQ(set.limits.rate->per_second, 0.5);
  EXPECT_EQ(set.limits.rate->burst, 3u);
  EXPECT_EQ(set.limits.concurrency, 8u);
  EXPECT_TRUE(set.paused);
  EXPECT_EQ(set.leased, 2u);
  client.set_queue("q", {}, {.reason = "free", .request_id = "r"});
  client.pause_queue("q", {.reason = "r", .request_id = "r"});
  client.resume_queue("q", {.reason = "r", .request_id = "r"});
  const auto all = client.queues();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].queue, "c");
  EXPECT_FALSE(all[1].limits.rate || all[1].limits.concurrency);
  EXPECT_EQ(client.queue("a/b").waiting_polls, 3u);
  EXPECT_EQ(client.pause_definition("d", {.reason = "r"}).deprecated, (std::vector<std::uint32_t>{1, 3}));
  EXPECT_TRUE(client.resume_definition("d", {.reason = "r"}).paused);
  client.deprecate_definition("d", 3, {.reason = "r", .request_id = "r"});
  client.restore_definition("d", 3, {.reason = "r", .request_id = "r"});
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 10u);
  EXPECT_EQ(requests[0].method, "PUT");
  EXPECT_EQ(requests[0].target, "/v1/queues/a%2Fb");
  EXPECT_EQ(requests[0].body,
            R"({"reason":"slow","request_id":"r","rate":{"per_second":0.5,"burst":3},"concurrency":8})");
  EXPECT_EQ(requests[1].body, R"({"reason":"free","request_id":"r"})");
  EXPECT_EQ(requests[2].target, "/v1/queues/q/pause");
  EXPECT_EQ(requests[3].target, "/v1/queues/q/resume");
  EXPECT_EQ(requests[6].target, "/v1/definitions/d/pause");
  EXPECT_EQ(requests[7].target, "/v1/definitions/d/resume");
  EXPECT_EQ(requests[8].target, "/v1/definitions/d/deprecate");
  EXPECT_EQ(requests[8].body, R"({"reason":"r","request_id":"r","version":3})");
  EXPECT_EQ(requests[9].body, R"({"reason":"r","request_id":"r","version":3,"deprecated":false})");
}

TEST(Client, PauseResumeAndSignalSayWhatAndWhy) {
  const std::string answer = R"({"id":"a","status":"paused","phase":"running","sequence":20})";
  FakeServer server(in_order({{.body = answer}, {.body = answer}, {.body = answer}, {.body = answer}}));
  Client client(server.url());
  EXPECT_EQ(client.pause("a b", {.reason = "why", .who = "anna"}).status, "paused");
  EXPECT_EQ(client.resume("a", {.reason = "go on", .request_id = "r-1"}).sequence, 20u);
  client.signal("a", "the decision", R"({"answer":1.0})", "s-1");
  client.signal("a", "go");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[0].target, "/v1/transactions/a%20b/pause");
  EXPECT_EQ((*Json::parse(requests[0].body))["who"].string(), "anna");
  EXPECT_EQ(requests[1].target, "/v1/transactions/a/resume");
  EXPECT_EQ((*Json::parse(requests[1].body))["request_id"].string(), "r-1");
  EXPECT_EQ(requests[2].target, "/v1/transactions/a/signals/the%20decision");
  EXPECT_EQ(requests[2].body, R"({"signal_id":"s-1","payload":{"answer":1.0}})");
  const auto body = Json::parse(requests[3].body);
  EXPECT_EQ((*body)["signal_id"].string().size(), 32u);
  EXPECT_FALSE((*body)["payload"].exists());
  EXPECT_EQ(problem_of([&] { client.signal("a", "go", "{"); }).code, "malformed_json");
  EXPECT_EQ(problem_of([&] { client.signal("a", ""); }).code, "invalid_argument");
}

TEST(Client, ReportsOfExternalTasksSayWhatBecameOfThem) {
  FakeServer server(in_order(
      {{.body =
            R"({"id":"a","first_sequence":5,"sequence":6,"status":"running","phase":"running","repeated":false})"}}));
  Client client(server.url());
  const Appended answer = client.report_external(
      "a", Expected::at(4),
      {{.step = "ship", .task = "book", .output = "1.0", .event_id = "e-1"},
       {.step = "ship",
        .task = "label",
        .instance = 3,
        .failure = ExternalFailure{.code = "no_room", .message = "full", .details = "[]", .effect_unknown = true},
        .event_id = "e-2"},
       {.step = "ship", .task = "weigh"}});
  EXPECT_EQ(answer.first_sequence, 5u);
  EXPECT_EQ(answer.sequence, 6u);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].target, "/v1/transactions/a/events");
  const auto body = Json::parse(requests[0].body);
  EXPECT_EQ(body->at("/expected").integer(), 4);
  EXPECT_EQ(body->at("/events/0").raw(), R"({"event_id":"e-1","task":"ship/book","result":"done","output":1.0})");
  EXPECT_EQ(body->at("/events/1").raw(),
            R"({"event_id":"e-2","task":"ship/label","instance":3,"result":"failed",)"
            R"("error":{"code":"no_room","message":"full","details":[]},"effect":"unknown"})");
  EXPECT_EQ(body->at("/events/2/event_id").string().size(), 32u);
}

TEST(Client, GetReadsWhatAStepWaitsForAndWhatHoldsIt) {
  FakeServer server(in_order({{.body = R"({"id":"o","phase":"running","status":"attention","paused":true,
   "pivot_passed":true,"cancel_requested":{"reason":"why","who":"anna"},
   "signals":[{"name":"decision","signal_id":"s-1","payload":{"a":1.0},"step":"approve"},
              {"name":"go","signal_id":"s-2","step":null}],
   "steps":[{"name":"pick","state":"failed","outcome":"failed","error":{"code":"dta.deadline","message":"m","task":null},
             "instances":2,"tasks":[{"name":"box","instance":0,"status":"held"},{"name":"box","instance":1,"status":"waiting"}]},
            {"name":"approve","state":"entered","outcome":"open","held":true,"error":null,
             "waits_for":{"signals":["decision","go"],"until":"1970-01-01T00:00:01Z"},"tasks":[]},
            {"name":"tell","state":"not_entered","outcome":null,"waits_for":null,"tasks":[]}]})"}}));
  const Transaction t = Client(server.url()).get("o");
  EXPECT_TRUE(t.paused && t.pivot_passed);
  EXPECT_EQ(t.cancel_requested->who, "anna");
  ASSERT_EQ(t.signals.size(), 2u);
  EXPECT_EQ(t.signals[0].payload, R"({"a":1.0})");
  EXPECT_EQ(t.signals[0].step, "approve");
  EXPECT_EQ(t.signals[1].step, "");
  ASSERT_EQ(t.steps.size(), 3u);
  EXPECT_EQ(t.steps[0].outcome, "failed");
  EXPECT_EQ(t.steps[0].error->code, "dta.deadline");
  EXPECT_EQ(t.steps[0].instances, 2u);
  EXPECT_EQ(t.steps[0].tasks[1].instance, 1u);
  EXPECT_TRUE(t.steps[1].held);
  EXPECT_EQ(t.steps[1].waits_for_signals, (std::vector<std::string>{"decision", "go"}));
  EXPECT_EQ(t.steps[1].waits_until, Time(milliseconds(1000)));
  EXPECT_FALSE(t.steps[2].instances || t.steps[2].waits_until || t.steps[2].error);
}

TEST(Client, EventsEndWithACursor) {
  FakeServer server(
      in_order({{.body = "{\"transaction\":\"a\",\"sequence\":1,\"kind\":\"started\"}\n{\"cursor\":\"n1\"}\n"}}));
  Client client(server.url());
  const EventPage page = client.events("n0", 10, milliseconds(5));
  EXPECT_EQ(server.requests()[0].target, "/v1/events?cursor=n0&limit=10&wait_ms=5");
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].transaction, "a");
  EXPECT_EQ(page.cursor, "n1");
}

TEST(Client, CodesItKnowsAreCodesOfTheTable) {
  using schema::ErrorCode;
  for (std::size_t i = 0; i < schema::kErrorCodeCount; ++i) {
    const auto& row = schema::info(static_cast<ErrorCode>(i));
    const bool again = row.code == ErrorCode::connection_failed || row.code == ErrorCode::request_timeout ||
                       row.code == ErrorCode::overloaded || row.code == ErrorCode::unavailable ||
                       row.code == ErrorCode::outcome_unknown;
    EXPECT_EQ(may_retry(row.name), again) << row.name;
  }
  for (const char* code :
       {"not_found", "invalid_argument", "malformed_json", "invalid_definition", "connection_failed"})
    EXPECT_TRUE(schema::parse_error_code(code)) << code;
}

}  // namespace
}  // namespace dta

// Connections: keep-alive, pipelining, limits, slow and vanishing callers, hand-outs that nobody takes. The server's
// own deadlines, set short, decide how long these tests take; no test sleeps or compares times.
#include "schema/limits.h"
#include "tests/http/served.h"

namespace dta::test {
namespace {

using server::HandOut;
using server::LeaseReply;
using server::LeaseRequest;
using server::ResultsRequest;

class Connections : public Served {
 protected:
  Connections() {
    settings.times.stop = schema::Duration{50};
    fake.on<server::StartRequest>([](server::StartRequest& request) {
      server::TransactionSummary summary;
      summary.id = request.id;
      summary.status = summary.phase = "running";
      summary.created = true;
      request.reply(summary);
    });
  }
  static std::string start(std::string_view id) { return "{\"id\":\"" + std::string(id) + "\",\"definition\":\"d\"}"; }
  static LeaseReply one_task(std::string token) {
    LeaseReply reply;
    HandOut task;
    task.token = std::move(token);
    reply.tasks.push_back(task);
    return reply;
  }
  static constexpr std::string_view kPoll = R"({"queues":["q"],"worker":"w","wait_ms":60000})";
  // Whatever the io thread had under way before is done when this returns.
  void settle() { EXPECT_EQ(call("GET", "/healthz").status, 200); }
};

TEST_F(Connections, StayOpenForTheNextRequest) {
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    client.send(request_text("GET", "/healthz"));
    const Response response = client.read_response();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"status":"ok"})");
    EXPECT_EQ(response.header("connection"), "");
    EXPECT_NE(response.header("date"), "");
  }
}

TEST_F(Connections, PipelinedRequestsAreAnsweredInOrder) {
  Client client(port());
  std::string all;
  for (int i = 0; i < 200; ++i) all += request_text("POST", "/v1/transactions", start("t-" + std::to_string(i)));
  client.send(all);
  for (int i = 0; i < 200; ++i) {
    const Response response = client.read_response();
    ASSERT_EQ(response.status, 201);
    EXPECT_NE(response.body.find("\"t-" + std::to_string(i) + "\""), std::string::npos);
  }
}

TEST_F(Connections, CloseWhenAskedTo) {
  Client client(port());
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].header("connection"), "close");
}

TEST_F(Connections, OldVersionClosesUnlessAskedToStay) {
  Client closing(port());
  closing.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(parse_responses(closing.read_to_end()).size(), 1u);
  Client staying(port());
  staying.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(staying.read_response().header("connection"), "keep-alive");
  staying.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_EQ(staying.read_response().status, 200);
}

TEST_F(Connections, RequestsMayArriveByteByByte) {
  Client client(port());
  for (const char c : request_text("POST", "/v1/transactions", start("slow"))) client.send(std::string_view(&c, 1));
  EXPECT_EQ(client.read_response().status, 201);
}

TEST_F(Connections, ChunkedBodiesAreTaken) {
  Client client(port());
  const std::string body = start("c");
  client.send("POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const char c : body) client.send("1\r\n" + std::string(1, c) + "\r\n");
  client.send("0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 201);
}

TEST_F(Connections, HeadsAnswerWithoutBody) {
  Client client(port());
  client.send(request_text("HEAD", "/healthz") + request_text("GET", "/healthz"));
  const Response head = client.read_response(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "15");
  EXPECT_EQ(client.read_response().body, R"({"status":"ok"})");
}

TEST_F(Connections, ExpectContinueIsAnswered) {
  Client client(port());
  const std::string body = start("e");
  client.send("POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send(body);
  EXPECT_EQ(client.read_response().status, 201);
}

TEST_F(Connections, ExpectContinueIsRefusedBeforeTheBody) {
  Client client(port());
  client.send("POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 404);
}

TEST_F(Connections, HalfClosedCallersGetTheirAnswers) {
  Client client(port());
  client.send(request_text("POST", "/v1/transactions", start("a")) +
              request_text("POST", "/v1/transactions", start("b")));
  client.shut_write();
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 2u);
  EXPECT_EQ(responses[1].status, 201);
}

TEST_F(Connections, HalfClosedCallersGetAnswersThatComeLater) {
  Client client(port());
  client.send(request_text("GET", "/v1/definitions"));
  auto request = fake.take<server::DefinitionsRequest>();
  client.shut_write();
  settle();
  request.reply(server::DefinitionsReply{});
  EXPECT_EQ(parse_responses(client.read_to_end()).at(0).body, R"({"definitions":[]})");
}

TEST_F(Connections, RequestsCutShortAreRefused) {
  for (const std::string text :
       {"GET /healthz HTT", "POST /v1/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"}) {
    Client client(port());
    client.send(text);
    client.shut_write();
    const auto responses = parse_responses(client.read_to_end());
    ASSERT_EQ(responses.size(), 1u) << text;
    EXPECT_EQ(responses[0].code(), "bad_request");
  }
}

TEST_F(Connections, SlowHeadsTimeOut) {
  settings.times.head = schema::Duration{20};
  Client client(port());
  client.send("GET /healthz HTTP/1.1\r\nHost: loc");
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 408);
  EXPECT_EQ(responses[0].code(), "request_timeout");
  EXPECT_EQ(responses[0].header("connection"), "close");
}

TEST_F(Connections, SlowBodiesTimeOut) {
  settings.times.body_idle = schema::Duration{20};
  Client client(port());
  client.send("POST /v1/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].code(), "request_timeout");
}

TEST_F(Connections, IdleOnesAreClosedWithoutAWord) {
  settings.times.keep_alive = schema::Duration{20};
  Client fresh(port());
  EXPECT_EQ(fresh.read_to_end(), "");
  Client used(port());
  used.send(request_text("GET", "/healthz"));
  EXPECT_EQ(parse_responses(used.read_to_end()).size(), 1u);
}

TEST_F(Connections, CallersThatDoNotReadAreClosed) {
  settings.times.write_idle = schema::Duration{20};
  fake.on<server::DefinitionsRequest>([](server::DefinitionsRequest& request) {
    auto definition = std::make_shared<schema::Definition>();
    definition->text = std::string(64u << 20, 'x');  // more than the kernel buffers
    request.reply(server::DefinitionsReply{{{definition, schema::Time{0}}}});
  });
  Client client(port());
  client.send(request_text("GET", "/v1/definitions/d/1"));
  const std::string first = client.read_until("\r\n\r\n");
  EXPECT_NE(first.find("Content-Length: 67108864"), std::string::npos);
  // The gauge falls when the server gives the connection up; other requests are served meanwhile.
  while (call("GET", "/metrics").body.find("dta_http_connections_open 1\n") == std::string::npos) {
  }
  EXPECT_LT(client.read_to_end().size(), 67108864u);
}

TEST_F(Connections, TooLargeHeadsAreRefused) {
  Client client(port());
  client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(schema::limits::kHeaderBytesMax, 'x'));
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 431);
  EXPECT_EQ(responses[0].code(), "headers_too_large");
}

TEST_F(Connections, TooLargeBodiesAreRefusedBeforeTheyAreSent) {
  Client client(port());
  client.send("POST /v1/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777217\r\n\r\n");
  const auto responses = parse_responses(client.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 413);
  EXPECT_EQ(responses[0].code(), "too_large");
}

TEST_F(Connections, TooLargeChunkedBodiesAreRefused) {
  Client client(port());
  client.send("POST /v1/lease HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n");
  EXPECT_EQ(parse_responses(client.read_to_end()).at(0).code(), "too_large");
}

TEST_F(Connections, BodiesAtTheLimitAreTaken) {
  std::string body = start("big");
  body.insert(1, std::string(schema::limits::kBodyBytesMax - body.size(), ' '));
  EXPECT_EQ(call("POST", "/v1/transactions", body).status, 201);
  EXPECT_EQ(fake.last_bytes(), schema::limits::kBodyBytesMax);
}

TEST_F(Connections, MoreThanTheLimitAreTurnedAway) {
  settings.connections_max = 1;
  Client first(port());
  first.send(request_text("GET", "/healthz"));
  EXPECT_EQ(first.read_response().status, 200);
  Client second(port());
  const auto responses = parse_responses(second.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 503);
  EXPECT_EQ(responses[0].code(), "overloaded");
  EXPECT_EQ(responses[0].header("retry-after"), "1");
}

TEST_F(Connections, WaitingPollsOfClosedConnectionsAreCancelled) {
  Client client(port());
  client.send(request_text("POST", "/v1/lease", kPoll));
  const auto poll = fake.take<LeaseRequest>();
  ASSERT_TRUE(poll.alive);
  EXPECT_TRUE(poll.alive());
  client.close();
  while (poll.alive()) settle();
}

TEST_F(Connections, HandOutsForClosedConnectionsAreReleased) {
  Client client(port());
  client.send(request_text("POST", "/v1/lease", kPoll));
  const auto poll = fake.take<LeaseRequest>();
  client.close();
  while (poll.alive()) settle();
  poll.reply(one_task("7.8.9"));
  const auto release = fake.take<ResultsRequest>();
  ASSERT_EQ(release.results.size(), 1u);
  EXPECT_EQ(release.results[0].token, "7.8.9");
  EXPECT_TRUE(std::holds_alternative<server::ReleasedResult>(release.results[0].result));
}

TEST_F(Connections, HandOutsForResetConnectionsAreReleased) {
  Client client(port());
  client.send(request_text("POST", "/v1/lease", R"({"queues":["q"],"worker":"w"})"));
  const auto poll = fake.take<LeaseRequest>();
  EXPECT_FALSE(poll.alive);  // it does not wait
  client.reset();
  while (call("GET", "/metrics").body.find("dta_http_connections_open 1\n") == std::string::npos) {
  }
  poll.reply(one_task("1.2.3"));
  EXPECT_EQ(fake.take<ResultsRequest>().results.at(0).token, "1.2.3");
}

TEST_F(Connections, ThenLeaseHandOutsAreReleasedToo) {
  Client client(port());
  client.send(request_text("POST", "/v1/tasks/complete",
                           R"({"results":[{"token":"t"}],"then_lease":{"queues":["q"],"worker":"w","wait_ms":1000}})"));
  const auto results = fake.take<ResultsRequest>();
  ASSERT_TRUE(results.alive);
  client.close();
  while (results.alive()) settle();
  server::ResultsReply reply;
  reply.results.emplace_back();
  reply.tasks = one_task("4.5.6").tasks;
  results.reply(std::move(reply));
  EXPECT_EQ(fake.take<ResultsRequest>().results.at(0).token, "4.5.6");
}

TEST_F(Connections, PollsThatFindTasksBeforeTheCallerHalfClosesKeepThem) {
  Client client(port());
  client.send(request_text("POST", "/v1/lease", R"({"queues":["q"],"worker":"w"})"));
  const auto poll = fake.take<LeaseRequest>();
  client.shut_write();
  settle();
  poll.reply(one_task("1.1.1"));
  EXPECT_NE(parse_responses(client.read_to_end()).at(0).body.find("1.1.1"), std::string::npos);
}

TEST_F(Connections, TogetherKeepOnlySoManyBytesOfBodies) {
  settings.bodies_bytes_max = 1000;
  std::string body = start("a");
  body.resize(700, ' ');
  const std::string request = request_text("POST", "/v1/transactions", body);
  const std::string chunked = "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const bool in_chunks : {false, true}) {
    const auto begin = [&](Client& client) {
      client.send(in_chunks ? chunked + "258\r\n" + body.substr(0, 600) + "\r\n"
                            : request.substr(0, request.size() - body.size() + 600));
    };
    Client one(port()), other(port());
    begin(one);
    begin(other);
    // Which of them is refused is a matter of whose bytes came first.
    const auto [refused, taken] = Client::first_to_hear(one, other);
    const Response full = refused->read_response();
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(full.code(), "overloaded");
    EXPECT_EQ(full.header("retry-after"), "1");
    EXPECT_EQ(full.header("connection"), "close");
    const std::string rest = body.substr(600);
    taken->send(in_chunks ? "64\r\n" + rest + "\r\n0\r\n\r\n" : rest);
    EXPECT_EQ(taken->read_response().status, 201);
    // What was taken or refused counts no more, and neither does what a caller left behind.
    Client gone(port());
    begin(gone);
    gone.reset();
    Client next(port());
    next.send(request);
    EXPECT_EQ(next.read_response().status, 201);
  }
}

TEST_F(Connections, AnswersUnderWayAreFinishedWhenDraining) {
  Client busy(port()), idle(port());
  idle.send(request_text("GET", "/healthz"));
  EXPECT_EQ(idle.read_response().status, 200);
  busy.send(request_text("GET", "/v1/definitions"));
  const auto request = fake.take<server::DefinitionsRequest>();
  server().drain();
  EXPECT_EQ(idle.read_to_end(), "");
  request.reply(server::DefinitionsReply{});
  const auto responses = parse_responses(busy.read_to_end());
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].header("connection"), "close");
}

TEST_F(Connections, RepliesAfterTheEndTouchNothing) {
  Client client(port());
  client.send(request_text("GET", "/v1/definitions"));
  const auto request = fake.take<server::DefinitionsRequest>();
  server().stop();
  EXPECT_EQ(client.read_to_end(), "");
  request.reply(server::DefinitionsReply{});
}

}  // namespace
}  // namespace dta::test

// The calls about queues and what people say of definitions: what is read from a body, what is answered, what is
// refused. Conformance: K5.
#include <gmock/gmock.h>

#include "schema/json.h"
#include "tests/http/served.h"

namespace dta::test {
namespace {

using namespace server;
using schema::DefinitionChanged;
using schema::QueueChanged;
using testing::HasSubstr;
using QueueReply = ChangeReply<QueueChanged>;
using DefinitionReply = ChangeReply<DefinitionChanged>;

class Queues : public Served {
 protected:
  // What was asked, answered as if it had been done.
  std::vector<ChangeQueueRequest> asked;
  Queues() {
    fake.on<ChangeQueueRequest>([this](ChangeQueueRequest& request) {
      request.reply(QueueReply{{request.queue, request.rate, request.concurrency, request.act == QueueAct::pause,
                                request.reason, request.who},
                               7,
                               schema::Time{1500}});
      asked.push_back(std::move(request));
    });
  }
};

TEST_F(Queues, SetsLimits) {
  const Response all = call("PUT", "/v1/queues/payment.authorize",
                            R"({"rate":{"per_second":0.5,"burst":3},"concurrency":8,"reason":"slow","who":"anna",)"
                            R"("request_id":"r"})");
  EXPECT_EQ(all.status, 200);
  EXPECT_EQ(all.body,
            R"({"queue":"payment.authorize","rate":{"per_second":0.5,"burst":3},"concurrency":8,"paused":false,)"
            R"("reason":"slow","who":"anna","changed_at":"1970-01-01T00:00:01.500Z","sequence":7})");
  const Response none = call("PUT", "/v1/queues/a%2Fb%20c", R"({"rate":null,"concurrency":null,"reason":"done"})");
  EXPECT_EQ(none.body, R"({"queue":"a/b c","rate":null,"concurrency":null,"paused":false,"reason":"done","who":null,)"
                       R"("changed_at":"1970-01-01T00:00:01.500Z","sequence":7})");
  for (const char* rate : {"1e1", "10", "10.000", "0.001", "1000000"}) {
    const Response response =
        call("PUT", "/v1/queues/q", R"({"rate":{"per_second":)" + std::string(rate) + R"(},"reason":"r"})");
    EXPECT_EQ(response.status, 200) << rate << response.body;
  }
  ASSERT_EQ(asked.size(), 7u);
  EXPECT_EQ(asked[0].act, QueueAct::set_limits);
  EXPECT_EQ(asked[0].rate, (schema::QueueRate{500, 3}));
  EXPECT_EQ(asked[0].request_id, "r");
  EXPECT_EQ(asked[1].rate, schema::QueueRate{});
  EXPECT_EQ(asked[1].concurrency, 0u);
  EXPECT_EQ(asked[2].rate, (schema::QueueRate{10'000, 10}));
  EXPECT_EQ(asked[4].rate, asked[2].rate);
  EXPECT_EQ(asked[5].rate, (schema::QueueRate{1, 1}));
  EXPECT_EQ(asked[6].rate, (schema::QueueRate{1'000'000'000, 1'000'000}));
}

TEST_F(Queues, RefusesWhatIsNoLimit) {
  const std::vector<std::pair<std::string, std::string>> bodies{
      {R"({})", R"("pointer":"/reason")"},
      {R"({"reason":"r","concurrency":0})", "/concurrency must be an integer from 1 to 1000000"},
      {R"({"reason":"r","concurrency":1000001})", R"("pointer":"/concurrency")"},
      {R"({"reason":"r","concurrency":1.5})", R"("pointer":"/concurrency")"},
      {R"({"reason":"r","rate":{}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":5})", R"("pointer":"/rate")"},
      {R"({"reason":"r","rate":{"per_second":0}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":-1}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":0.0005}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":1000001}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":1e999}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":"5"}})", R"("pointer":"/rate/per_second")"},
      {R"({"reason":"r","rate":{"per_second":5,"burst":0}})", R"("pointer":"/rate/burst")"},
      {R"({"reason":"r","rate":{"per_second":5,"more":1}})", R"("pointer":"/rate/more")"},
      {R"({"reason":"r","paused":true})", R"("pointer":"/paused")"}};
  for (const auto& [body, part] : bodies) {
    const Response response = call("PUT", "/v1/queues/q", body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr(part)) << body;
  }
  const std::string long_name(129, 'q');
  EXPECT_EQ(call("PUT", "/v1/queues/" + long_name, R"({"reason":"r"})").code(), "invalid_argument");
  EXPECT_EQ(call("GET", "/v1/queues/" + long_name).code(), "invalid_argument");
  EXPECT_TRUE(asked.empty());
}

TEST_F(Queues, PausesAndResumes) {
  EXPECT_THAT(call("POST", "/v1/queues/q/pause", R"({"reason":"down","who":"anna"})").body,
              HasSubstr(R"("paused":true,"reason":"down","who":"anna")"));
  EXPECT_THAT(call("POST", "/v1/queues/q/resume", R"({"reason":"up"})").body, HasSubstr(R"("paused":false)"));
  EXPECT_EQ(call("POST", "/v1/queues/q/pause", "{}").code(), "missing_field");
  EXPECT_EQ(call("POST", "/v1/queues/q/pause", R"({"reason":"r","concurrency":1})").code(), "unknown_field");
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].act, QueueAct::pause);
  EXPECT_EQ(asked[1].act, QueueAct::resume);
}

TEST_F(Queues, AreShown) {
  const QueueInfo known{{"a", {1500, 2}, 3, true, "why", "anna"}, schema::Time{1500}, 4, 5, 6};
  fake.on<QueuesRequest>([&](QueuesRequest& request) {
    if (!request.queue.empty()) return request.reply(QueuesReply{{QueueInfo{{request.queue}, {}, 1, 0, 0}}});
    request.reply(QueuesReply{{known, QueueInfo{{"b"}, {}, 0, 0, 0}}});
  });
  const std::string b = R"({"queue":"b","rate":null,"concurrency":null,"paused":false,"reason":null,"who":null,)"
                        R"("changed_at":null,"ready":0,"leased":0,"waiting_polls":0})";
  EXPECT_EQ(call("GET", "/v1/queues").body,
            R"({"queues":[{"queue":"a","rate":{"per_second":1.5,"burst":2},"concurrency":3,"paused":true,)"
            R"("reason":"why","who":"anna","changed_at":"1970-01-01T00:00:01.500Z","ready":4,"leased":5,)"
            R"("waiting_polls":6},)" +
                b + "]}");
  EXPECT_THAT(call("GET", "/v1/queues/x%2Fy").body, HasSubstr(R"({"queue":"x/y",)"));
  EXPECT_EQ(call("GET", "/v1/queues?all=1").code(), "unknown_field");
  EXPECT_EQ(call("POST", "/v1/queues").header("allow"), "GET, HEAD");
  EXPECT_EQ(call("POST", "/v1/queues/q").header("allow"), "GET, HEAD, PUT");
  EXPECT_EQ(call("DELETE", "/v1/queues/q/pause").header("allow"), "POST");
  EXPECT_EQ(call("DELETE", "/v1/definitions/d/pause").header("allow"), "GET, HEAD, POST, PUT");
}

TEST_F(Queues, DefinitionsArePausedAndDeprecated) {
  std::vector<ChangeDefinitionRequest> said;
  fake.on<ChangeDefinitionRequest>([&](ChangeDefinitionRequest& request) {
    request.reply(DefinitionReply{{request.name, true, {1, 3}, request.reason, request.who}, 4, schema::Time{1500}});
    said.push_back(std::move(request));
  });
  EXPECT_EQ(call("POST", "/v1/definitions/order/pause", R"({"reason":"r","who":"w","request_id":"i"})").body,
            R"({"name":"order","paused":true,"deprecated":[1,3],"reason":"r","who":"w",)"
            R"("changed_at":"1970-01-01T00:00:01.500Z","sequence":4})");
  EXPECT_EQ(call("POST", "/v1/definitions/order/resume", R"({"reason":"r"})").status, 200);
  EXPECT_EQ(call("POST", "/v1/definitions/order/deprecate", R"({"version":3,"reason":"r"})").status, 200);
  EXPECT_EQ(call("POST", "/v1/definitions/order/deprecate", R"({"version":3,"deprecated":false,"reason":"r"})").status,
            200);
  EXPECT_EQ(call("POST", "/v1/definitions/order/deprecate", R"({"reason":"r"})").code(), "missing_field");
  EXPECT_EQ(call("POST", "/v1/definitions/order/deprecate", R"({"version":0,"reason":"r"})").code(),
            "invalid_argument");
  EXPECT_EQ(call("POST", "/v1/definitions/order/pause", R"({"version":3,"reason":"r"})").code(), "unknown_field");
  ASSERT_EQ(said.size(), 4u);
  EXPECT_EQ(said[0].act, DefinitionAct::pause);
  EXPECT_EQ(said[0].request_id, "i");
  EXPECT_EQ(said[1].act, DefinitionAct::resume);
  EXPECT_EQ(said[2].act, DefinitionAct::deprecate);
  EXPECT_EQ(said[2].version, 3u);
  EXPECT_EQ(said[3].act, DefinitionAct::restore);
}

TEST_F(Queues, StartsSayTheirPriority) {
  std::vector<int> priorities;
  fake.on<StartRequest>([&](StartRequest& request) {
    priorities.push_back(request.priority);
    request.reply(schema::refuse(schema::ErrorCode::deprecated, "gone"));
  });
  const Response refused = call("POST", "/v1/transactions", R"({"id":"a","definition":"d","priority":9})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.code(), "deprecated");
  call("POST", "/v1/transactions", R"({"id":"a","definition":"d"})");
  call("POST", "/v1/start/d?id_from=/id&priority=4", R"({"id":"a"})");
  EXPECT_EQ(priorities, (std::vector<int>{9, 0, 4}));
  EXPECT_EQ(call("POST", "/v1/transactions", R"({"id":"a","definition":"d","priority":10})").code(),
            "invalid_argument");
  EXPECT_EQ(call("POST", "/v1/start/d?id_from=/id&priority=10", R"({"id":"a"})").code(), "invalid_argument");
}

}  // namespace
}  // namespace dta::test

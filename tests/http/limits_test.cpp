// Every limit of a request (schema/limits.h) from both sides: exactly at it a request is taken, one more is refused
// with the code that stands beside the limit, before the partition hears of it.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "schema/limits.h"
#include "tests/http/served.h"

namespace dta::test {
namespace {

using namespace server;
namespace limits = schema::limits;

std::string text(std::size_t bytes) {
  return std::string(bytes, 'x');
}

// A JSON string of so many bytes, quotes included.
std::string payload(std::size_t bytes) {
  return '"' + text(bytes - 2) + '"';
}

// So many pieces between commas; '#' in a piece is replaced by its number.
std::string list(std::size_t count, std::string_view piece) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    if (i != 0) out += ',';
    for (const char c : piece) c == '#' ? out += std::to_string(i) : out += c;
  }
  return out;
}

struct Limit {
  std::string name;
  std::string method, target;
  std::function<std::string(std::size_t)> body;  // of a request with so much of it
  std::size_t most;
  std::string code;
  friend void PrintTo(const Limit& limit, std::ostream* out) { *out << limit.name; }
};

std::string start(const std::string& id, const std::string& more) {
  return R"({"id":")" + id + R"(","definition":"d")" + more + "}";
}
std::string poll(const std::string& queues, const std::string& worker) {
  return R"({"queues":[)" + queues + R"(],"worker":")" + worker + "\"}";
}
std::string define(const std::string& name, const std::string& queue) {
  return R"({"name":")" + name + R"(","version":1,"steps":[{"name":"s","tasks":[{"name":"t","queue":")" + queue +
         R"("}]}]})";
}
std::string result(const std::string& fields) {
  return R"({"results":[{"token":"1.1.1",)" + fields + "}]}";
}

std::vector<Limit> all_limits() {
  using N = std::size_t;
  const std::string starts = "/v1/transactions", results = "/v1/tasks/results";
  return {
      {"Id", "POST", starts, [](N n) { return start(text(n), ""); }, limits::kIdBytesMax, "invalid_argument"},
      {"Input", "POST", starts, [](N n) { return start("a", ",\"input\":" + payload(n)); }, limits::kPayloadBytesMax,
       "too_large"},
      {"WholeBodyAsInput", "POST", "/v1/start/d?id_from=/id",
       [](N n) { return R"({"id":"a","p":)" + payload(n - 15) + "}"; }, limits::kPayloadBytesMax, "too_large"},
      {"DefinitionOfAStart", "POST", starts, [](N n) { return R"({"id":"a","definition":")" + text(n) + "\"}"; },
       limits::kNameBytesMax, "invalid_argument"},
      {"Attributes", "POST", starts, [](N n) { return start("a", ",\"attributes\":{" + list(n, R"("k#":"v")") + "}"); },
       limits::kAttributesMax, "invalid_argument"},
      {"AttributeValue", "POST", starts, [](N n) { return start("a", R"(,"attributes":{"k":")" + text(n) + "\"}"); },
       limits::kAttributeBytesMax, "invalid_argument"},
      {"Headers", "POST", starts, [](N n) { return start("a", ",\"headers\":{" + list(n, R"("k#":"v")") + "}"); },
       limits::kHeadersMax, "invalid_argument"},
      {"Reason", "POST", starts + "/a/cancel", [](N n) { return R"({"reason":")" + text(n) + "\"}"; },
       limits::kReasonBytesMax, "too_large"},
      {"AppendedEvents", "POST", starts + "/a/events",
       [](N n) { return "{\"events\":[" + list(n, R"({"on":"e"})") + "]}"; }, limits::kAppendEventsMax, "too_large"},
      {"EventData", "POST", starts + "/a/events",
       [](N n) { return R"({"events":[{"on":"e","data":)" + payload(n) + "}]}"; }, limits::kPayloadBytesMax,
       "too_large"},
      {"Queues", "POST", "/v1/lease", [](N n) { return poll(list(n, "\"q#\""), "w"); }, limits::kPollQueuesMax,
       "invalid_argument"},
      {"QueueOfAPoll", "POST", "/v1/lease", [](N n) { return poll('"' + text(n) + '"', "w"); }, limits::kQueueBytesMax,
       "invalid_argument"},
      {"Worker", "POST", "/v1/lease", [](N n) { return poll("\"q\"", text(n)); }, limits::kWorkerBytesMax,
       "invalid_argument"},
      {"Results", "POST", results, [](N n) { return "{\"results\":[" + list(n, R"({"token":"1.#.1"})") + "]}"; },
       limits::kResultsMax, "too_large"},
      {"Output", "POST", results, [](N n) { return result("\"output\":" + payload(n)); }, limits::kPayloadBytesMax,
       "too_large"},
      {"Details", "POST", results, [](N n) { return result(R"("error":{"code":"c","details":)" + payload(n) + "}"); },
       limits::kPayloadBytesMax, "too_large"},
      {"ErrorCode", "POST", results, [](N n) { return result(R"("error":{"code":")" + text(n) + "\"}"); },
       limits::kErrorCodeBytesMax, "invalid_argument"},
      {"Heartbeats", "POST", "/v1/tasks/heartbeat",
       [](N n) { return "{\"leases\":[" + list(n, R"({"token":"1.#.1"})") + "]}"; }, limits::kResultsMax, "too_large"},
      {"Releases", "POST", "/v1/tasks/release",
       [](N n) { return "{\"leases\":[" + list(n, R"({"token":"1.#.1"})") + "]}"; }, limits::kResultsMax, "too_large"},
      {"QueueOfADefinition", "PUT", "/v1/definitions/d/1", [](N n) { return define("d", text(n)); },
       limits::kQueueBytesMax, "invalid_definition"},
      {"Definition", "PUT", "/v1/definitions/d/1",
       [](N n) {
         const std::string whole = define("d", "q");
         return whole + std::string(n - whole.size(), ' ');
       },
       limits::kDefinitionBytesMax, "too_large"},
  };
}

class Limits : public Served, public testing::WithParamInterface<Limit> {
 protected:
  Limits() {
    take<StartRequest>([](const auto&) { return TransactionSummary{}; });
    take<CancelRequest>([](const auto&) { return TransactionSummary{}; });
    take<AppendRequest>([](const auto&) { return AppendReply{}; });
    take<LeaseRequest>([](const auto&) { return LeaseReply{}; });
    take<ResultsRequest>(
        [](const auto& request) { return ResultsReply{std::vector<schema::Status>(request.results.size()), {}}; });
    take<HeartbeatRequest>([](const auto& request) {
      return HeartbeatReply{std::vector<schema::Result<HeartbeatAnswer>>(request.leases.size())};
    });
    take<PublishRequest>([](const auto&) { return PublishReply{}; });
  }
  template <class Kind, class Make>
  void take(Make make) {
    fake.on<Kind>([make](Kind& request) { request.reply(make(request)); });
  }
};

TEST_P(Limits, TakeWhatIsAtThemAndRefuseOneMore) {
  const Limit& limit = GetParam();
  const Response at = call(limit.method, limit.target, limit.body(limit.most));
  EXPECT_EQ(at.status, 200) << at.body.substr(0, 500);
  EXPECT_EQ(fake.submitted(), 1u);
  const Response beyond = call(limit.method, limit.target, limit.body(limit.most + 1));
  EXPECT_EQ(beyond.code(), limit.code) << beyond.body.substr(0, 500);
  EXPECT_EQ(beyond.status / 100, 4);
  EXPECT_EQ(fake.submitted(), 1u);
}

INSTANTIATE_TEST_SUITE_P(OfRequests, Limits, testing::ValuesIn(all_limits()),
                         [](const testing::TestParamInfo<Limit>& limit) { return limit.param.name; });

}  // namespace
}  // namespace dta::test

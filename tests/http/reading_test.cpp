// What is read from the log: the state now and at an event, lists, histories, replays, everything; over a log in memory
// that the test writes record by record.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/evolve.h"
#include "projections/directory.h"
#include "schema/codec.h"
#include "schema/json.h"
#include "tests/http/served.h"

namespace dta::test {
namespace {

using namespace schema;
using server::GetRequest;
using server::TransactionReply;
using server::WaitReply;
using server::WaitRequest;
using storage::Batch;
using testing::HasSubstr;

constexpr std::string_view kOrder =
    R"({"name":"order","version":3,"steps":[{"name":"reserve","join":{"deadline":"1m"},"tasks":[)"
    R"({"name":"stock","queue":"inventory","undo":{"queue":"inventory.release"}}]},{"name":"ship","tasks":[{"name":"courier","queue":"ship"}]}]})";

class Reading : public Served {
 protected:
  Reading() {
    settings.now = [] { return Time{10'000}; };
    fake.set_log(std::move(*storage::open_memory_log(storage::make_memory_disk())));
    fake.on<GetRequest>([this](GetRequest& request) {
      const auto found = states_.find(request.id);
      if (found == states_.end()) return request.reply(refuse(ErrorCode::transaction_not_found, "no " + request.id));
      request.reply(TransactionReply{found->second.first, found->second.second, definition_});
    });
    publish();
  }

  void append(std::uint64_t number, std::vector<Event> events, std::vector<std::string> payloads = {},
              const std::string& id = {}) {
    Batch batch(fake.log().end().next(), fake.log().fence());
    storage::Record record;
    record.number = TransactionNumber(number);
    record.first_sequence = Sequence(last_[number] + 1);
    record.event_count = static_cast<std::uint32_t>(events.size());
    record.recorded_at = Time{1000 * static_cast<std::int64_t>(fake.log().end().value + 1)};
    record.definition_version = 3;
    record.epoch = 1;
    record.events = encode_events(events);
    if (!id.empty()) batch.bind_id(id, record.number);
    for (std::size_t i = 0; i < payloads.size(); ++i)
      batch.put_payload(record.number, record.first_sequence, static_cast<std::uint32_t>(i), payloads[i]);
    if (number > 1) fold(batch, record, events);
    last_[number] += events.size();
    if (number == 1) batch.put_definition("order", 3, record.number, record.first_sequence);
    chain_[number] = batch.add_record(std::move(record), chain_[number]);
    ASSERT_TRUE(fake.log().append(batch));
  }
  void fold(Batch& batch, const storage::Record& record, const std::vector<Event>& events) {
    const engine::Machine machine(definition_);
    engine::State& state = folded_[record.number.value];
    const bool begun = state.phase != engine::Phase::none;
    const std::string before(engine::status(state));
    Sequence sequence = record.first_sequence;
    for (const Event& event : events) {
      engine::evolve(machine, state, {sequence, record.recorded_at, event});
      sequence = sequence.next();
    }
    if (begun) batch.erase_directory(projections::directory_key(before, record.number));
    batch.put_directory(projections::directory_key(engine::status(state), record.number),
                        projections::encode_row(projections::row_of(state)));
    states_[state.id] = {record.number, state};
  }
  void publish() {
    definition_ = parse_definition(kOrder).value();
    append(1, {DefinitionPublished{"order", 3, ref(kOrder)}}, {std::string(kOrder)}, "$definition/order");
  }
  static PayloadRef ref(std::string_view bytes) { return {0, static_cast<std::uint32_t>(bytes.size()), sha256(bytes)}; }
  void start(std::uint64_t number, const std::string& id, std::vector<Attribute> attributes = {}) {
    TransactionStarted started;
    started.id = id;
    started.definition = "order";
    started.version = 3;
    started.input = ref("{\"n\": 1.0}");
    started.attributes = std::move(attributes);
    append(number, {started, StepEntered{0, {}}}, {"{\"n\": 1.0}"}, id);
  }
  void lease(std::uint64_t number) {
    TaskLeased leased;
    leased.worker = "w1";
    leased.attempt_timeout = Duration{60'000};
    append(number, {leased});
  }
  Attempt attempt(std::uint64_t lease) {
    Attempt a;
    a.lease = Sequence(lease);
    return a;
  }
  // Start, lease, completion of the first step, the second one entered: sequences 1 to 6.
  void half_done(std::uint64_t number, const std::string& id) {
    start(number, id);
    lease(number);
    append(number, {TaskCompleted{attempt(3), ref("{\"s\":7}")}, StepMet{0}, StepEntered{1, {}}}, {"{\"s\":7}"});
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      all.push_back(text.substr(at, end - at));
      EXPECT_TRUE(check_json(all.back())) << all.back();
      at = end + 1;
    }
    return all;
  }

  DefinitionPtr definition_;
  std::map<std::uint64_t, std::uint64_t> last_;
  std::map<std::uint64_t, Hash> chain_;
  std::map<std::uint64_t, engine::State> folded_;
  std::map<std::string, std::pair<TransactionNumber, engine::State>> states_;
};

TEST_F(Reading, TransactionNow) {
  half_done(2, "o-17");
  const Response response = call("GET", "/v1/transactions/o-17");
  ASSERT_EQ(response.status, 200) << response.body;
  auto root = check_json(response.body);
  ASSERT_TRUE(root) << response.body;
  EXPECT_THAT(response.body,
              HasSubstr(R"({"id":"o-17","number":2,"definition":"order","version":3,"form":"steps","status":"running",)"
                        R"("phase":"running","attention":false,"paused":false,"outcome":null,"sequence":6,"epoch":1)"));
  EXPECT_THAT(response.body, HasSubstr(R"("input":{"n": 1.0},"error":null)"));
  EXPECT_THAT(
      response.body,
      HasSubstr(
          R"({"name":"reserve","state":"met","outcome":"met","error":null,"entered_at":"1970-01-01T00:00:02.000Z","deadline_at":null)"));
  EXPECT_THAT(response.body, HasSubstr(R"("status":"done","attempt":1,"worker":null)"));
  EXPECT_THAT(response.body, HasSubstr(R"("output":{"s":7},"undo":{"queue":"inventory.release","status":"idle")"));
  EXPECT_THAT(response.body, HasSubstr(R"({"name":"courier","queue":"ship","status":"ready")"));
  EXPECT_EQ(find(*root, "/steps/1/tasks/0/undo/status")->string(), "none");
  EXPECT_EQ(call("GET", "/v1/transactions/nobody").code(), "transaction_not_found");
}

TEST_F(Reading, TransactionAtAnEvent) {
  half_done(2, "o-17");
  EXPECT_THAT(call("GET", "/v1/transactions/o-17?at=3").body,
              HasSubstr(R"("status":"leased","attempt":1,"worker":"w1","lease_until":"1970-01-01T00:01:03.000Z")"));
  EXPECT_THAT(call("GET", "/v1/transactions/o-17?at=1").body, HasSubstr(R"("state":"not_entered")"));
  EXPECT_THAT(call("GET", "/v1/transactions/o-17?at=2").body, HasSubstr(R"("deadline_at")"));
  EXPECT_EQ(call("GET", "/v1/transactions/o-17?at=6").body, call("GET", "/v1/transactions/o-17").body);
  EXPECT_EQ(call("GET", "/v1/transactions/o-17?at=7").code(), "invalid_argument");
  EXPECT_EQ(call("GET", "/v1/transactions/o-17?at=0").code(), "invalid_argument");
  EXPECT_EQ(call("GET", "/v1/transactions/nobody?at=1").code(), "transaction_not_found");
}

TEST_F(Reading, History) {
  half_done(2, "o-17");
  const Response response = call("GET", "/v1/transactions/o-17/history");
  EXPECT_EQ(response.header("content-type"), "application/x-ndjson");
  const auto all = lines(response.body);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_THAT(
      all[0],
      HasSubstr(R"({"sequence":1,"position":2,"recorded_at":"1970-01-01T00:00:02.000Z","kind":"transaction_started")"));
  EXPECT_THAT(all[0], HasSubstr(R"("input":{"n": 1.0})"));
  EXPECT_THAT(all[2],
              HasSubstr("\"token\":\"" + server::lease_token(TransactionNumber(2), Sequence(3), Time{3000}) + "\""));
  EXPECT_THAT(all[3],
              HasSubstr("\"token\":\"" + server::lease_token(TransactionNumber(2), Sequence(3), Time{3000}) + "\""));
  EXPECT_EQ(call("GET", "/v1/transactions/o-17/history?from=4&limit=2").body, all[3] + "\n" + all[4] + "\n");
  EXPECT_EQ(call("GET", "/v1/transactions/o-17/history?from=100").body, "");
  EXPECT_EQ(call("GET", "/v1/transactions/nobody/history").code(), "transaction_not_found");
  EXPECT_THAT(call("GET", "/v1/transactions/%24definition%2Forder/history").body, HasSubstr("definition_published"));
  EXPECT_EQ(call("HEAD", "/v1/transactions/o-17/history").status, 200);
}

TEST_F(Reading, LongHistoriesComeInPieces) {
  start(2, "long");
  std::string big = "\"" + std::string(200'000, 'x') + "\"";
  for (int i = 0; i < 12; ++i) {
    lease(2);
    append(2, {TaskFailed{attempt(last_[2]), "e", "m", ref(big), Effect::none, true, Time{5000}}}, {big});
  }
  const Response response = call("GET", "/v1/transactions/long/history");
  EXPECT_EQ(response.header("transfer-encoding"), "chunked");
  EXPECT_EQ(lines(response.body).size(), 26u);
  EXPECT_GT(response.body.size(), 12u * 200'000u);
  Client old(port());
  old.send("GET /v1/transactions/long/history HTTP/1.0\r\n\r\n");
  EXPECT_EQ(parse_responses(old.read_to_end()).at(0).body, response.body);
  EXPECT_EQ(lines(call("GET", "/v1/transactions/long/replay").body).size(), 26u);
}

TEST_F(Reading, FollowedHistoriesEndWithTheTransaction) {
  start(2, "o-17");
  Client client(port());
  client.send(request_text("GET", "/v1/transactions/o-17/history?follow=1"));
  EXPECT_THAT(client.read_until("step_entered"), HasSubstr("transaction_started"));
  auto wait = fake.take<WaitRequest>();
  EXPECT_EQ(wait.after, fake.log().end());
  append(2, {TransactionTerminated{"r", "w", {}}});
  wait.reply(WaitReply{fake.log().end()});
  EXPECT_THAT(client.read_until("\r\n0\r\n\r\n"), HasSubstr("transaction_terminated"));
}

TEST_F(Reading, FollowersOfAnEndedTransactionAreNotKeptWaiting) {
  start(2, "o-17");
  append(2, {TransactionTerminated{"r", "w", {}}});
  const auto all = lines(call("GET", "/v1/transactions/o-17/history").body);
  const std::string last = std::to_string(all.size()), beyond = std::to_string(all.size() + 1);
  EXPECT_EQ(lines(call("GET", "/v1/transactions/o-17/history?follow=1&from=" + last).body).size(), 1u);
  const Response none = call("GET", "/v1/transactions/o-17/history?follow=1&from=" + beyond);
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, "");
  EXPECT_EQ(fake.submitted(), 0u);
}

TEST_F(Reading, FollowersAreCutOffWhenThePartitionTakesNoWaiting) {
  start(2, "o-17");
  fake.on<WaitRequest>([](WaitRequest& wait) { wait.reply(refuse(ErrorCode::overloaded, "too much")); });
  Client client(port());
  client.send(request_text("GET", "/v1/transactions/o-17/history?follow=1"));
  const std::string got = client.read_to_end();
  EXPECT_THAT(got, HasSubstr("step_entered"));
  EXPECT_THAT(got, testing::Not(HasSubstr("\r\n0\r\n\r\n")));  // no end: there is more to follow
  EXPECT_EQ(fake.submitted(), 1u);
}

TEST_F(Reading, FollowersWhoLeaveAreForgotten) {
  start(2, "o-17");
  Client client(port());
  client.send(request_text("GET", "/v1/transactions/o-17/history?follow=1"));
  auto wait = fake.take<WaitRequest>();
  client.close();
  while (call("GET", "/metrics").body.find("dta_http_connections_open 1\n") == std::string::npos) {
  }
  wait.reply(WaitReply{fake.log().end()});
  EXPECT_EQ(call("GET", "/healthz").status, 200);
}

TEST_F(Reading, Replay) {
  half_done(2, "o-17");
  const auto all = lines(call("GET", "/v1/transactions/o-17/replay").body);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_THAT(
      all[2],
      HasSubstr(
          R"({"sequence":3,"recorded_at":"1970-01-01T00:00:03.000Z","kind":"task_leased","event":{"sequence":3,"position":3,)"));
  EXPECT_THAT(all[2], HasSubstr(R"("changes":["task reserve/stock: ready -> leased"],"due":[)"));
  EXPECT_THAT(all[3], HasSubstr(R"("task reserve/stock: leased -> done")"));
  EXPECT_THAT(
      all[5],
      HasSubstr(R"("changes":["step ship: not_entered -> entered","task ship/courier: not_entered -> ready"])"));
  EXPECT_THAT(all[5], HasSubstr(R"("phase":"running"})"));
}

TEST_F(Reading, ReplaySaysWhatRetriesAndUndosChange) {
  half_done(2, "o-17");
  const TaskRef courier{1, 0, 0};
  TaskLeased leased;
  leased.task = courier;
  leased.worker = "w1";
  append(2, {leased});
  append(2, {TaskFailed{{courier, Action::perform, 1, Sequence(7)}, "busy", "", {}, Effect::none, true, Time{6500}}});
  leased.attempt = 2;
  append(2, {leased});  // at 7000, when the wait is over
  append(2, {TaskFailed{{courier, Action::perform, 2, Sequence(9)}, "no", "", {}, Effect::none, false, Time::never()},
             StepFailed{1, true, courier, "no", ""}, CompensationStarted{CompensationCause::step_failed, "no", ""},
             StepUndone{1}});
  const auto all = lines(call("GET", "/v1/transactions/o-17/replay").body);
  ASSERT_EQ(all.size(), 13u);
  EXPECT_THAT(all[7], HasSubstr(R"("changes":["task ship/courier: leased -> backoff"])"));
  EXPECT_THAT(all[8], HasSubstr(R"("changes":["task ship/courier: ready -> leased"])"));
  EXPECT_THAT(all[9], HasSubstr(R"("changes":["task ship/courier: leased -> failed"])"));
  EXPECT_THAT(all[10], HasSubstr(R"("changes":["step ship: entered -> failed"])"));
  EXPECT_THAT(all[11], HasSubstr(R"("changes":["phase: running -> compensating"])"));
  EXPECT_THAT(all[12], HasSubstr(R"("changes":["undo reserve/stock: idle -> ready","step ship: failed -> undone"])"));
}

TEST_F(Reading, Lists) {
  for (std::uint64_t i = 2; i <= 40; ++i) start(i, "t-" + std::to_string(i), {{"region", i % 2 == 0 ? "eu" : "us"}});
  append(7, {TransactionTerminated{"r", "w", {}}});
  const auto ids = [&](const std::string& query) {
    const Response response = call("GET", "/v1/transactions" + query);
    EXPECT_EQ(response.status, 200) << response.body;
    auto root = check_json(response.body);
    std::vector<std::string> found;
    for (const JsonValue& row : elements(*find(*root, "/transactions"))) found.push_back(*find(row, "/id")->string());
    return std::pair(found, find(*root, "/next")->string());
  };
  const auto [all, none] = ids("");
  ASSERT_EQ(all.size(), 39u);
  EXPECT_EQ(all[0], "t-40");
  EXPECT_EQ(all[33], "t-7");  // newest first, whatever the status
  EXPECT_FALSE(none);
  EXPECT_EQ(ids("?status=terminated").first, std::vector<std::string>{"t-7"});
  EXPECT_EQ(ids("?attr.region=us&status=running").first.size(), 18u);
  EXPECT_EQ(ids("?definition=other").first.size(), 0u);
  EXPECT_EQ(ids("?since=1970-01-01T00:00:40Z").first.size(), 1u);
  std::vector<std::string> paged;
  std::optional<std::string> cursor;
  do {
    auto [page, next] = ids("?limit=7" + (cursor ? "&cursor=" + *cursor : ""));
    EXPECT_LE(page.size(), 7u);
    paged.insert(paged.end(), page.begin(), page.end());
    cursor = next;
  } while (cursor);
  EXPECT_EQ(paged, all);
  EXPECT_THAT(
      call("GET", "/v1/transactions?status=terminated").body,
      HasSubstr(
          R"({"transactions":[{"id":"t-7","definition":"order","version":3,"status":"terminated","phase":"terminated",)"
          R"("attention":false,"paused":false,"attributes":{"region":"us"},"started_at":"1970-01-01T00:00:07.000Z",)"
          R"("ended_at":"1970-01-01T00:00:41.000Z"}],"next":null})"));
}

TEST_F(Reading, EverythingInOrderOfPosition) {
  half_done(2, "a");
  start(3, "b");
  const auto all = lines(call("GET", "/v1/events").body);
  ASSERT_EQ(all.size(), 10u);  // one of the definition, six and two of the transactions, the cursor
  EXPECT_THAT(all[0], HasSubstr(R"("transaction":"$definition/order")"));
  EXPECT_THAT(all[1], HasSubstr(R"("transaction":"a")"));
  EXPECT_THAT(all[8], HasSubstr(R"("transaction":"b")"));
  // Page by page of any size, the same lines come, none twice.
  for (const int limit : {1, 2, 4}) {
    std::vector<std::string> paged;
    std::string cursor;
    while (true) {
      auto page = lines(
          call("GET", "/v1/events?limit=" + std::to_string(limit) + (cursor.empty() ? "" : "&cursor=" + cursor)).body);
      auto root = check_json(page.back());
      cursor = *find(*root, "/cursor")->string();
      if (page.size() == 1) break;
      paged.insert(paged.end(), page.begin(), page.end() - 1);
    }
    EXPECT_EQ(paged, std::vector<std::string>(all.begin(), all.end() - 1)) << limit;
  }
  EXPECT_EQ(call("GET", "/v1/events?cursor=p1.99.0").code(), "invalid_cursor");
}

TEST_F(Reading, EverythingWaitsForMore) {
  Client client(port());
  client.send(request_text("GET", "/v1/events?cursor=p1.1.0&wait_ms=5000"));
  auto wait = fake.take<WaitRequest>();
  EXPECT_EQ(wait.wait.ms, 5000);
  EXPECT_EQ(wait.after, Position(1));
  start(2, "a");
  wait.reply(WaitReply{Position(2)});
  EXPECT_EQ(lines(client.read_response().body).size(), 3u);
  client.send(request_text("GET", "/v1/events?cursor=p1.2.0&wait_ms=1"));
  fake.take<WaitRequest>().reply(WaitReply{Position(2)});
  EXPECT_EQ(client.read_response().body, "{\"cursor\":\"p1.2.0\"}\n");
}

// A server that stops answers whoever waits, and closes its log right after.
TEST_F(Reading, WhatWasAnsweredBeforeTheLogClosedIsStillSaid) {
  half_done(2, "o-17");
  const auto& [number, state] = states_.at("o-17");
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<GetRequest> waiting;
  fake.on<GetRequest>([&](GetRequest& request) {
    const std::lock_guard lock(mutex);
    waiting = std::move(request);
    arrived.notify_one();
  });
  Client client(port());
  client.send(request_text("GET", "/v1/transactions/o-17?wait_ms=60000"));
  {
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return waiting.has_value(); });
  }
  server().drain();
  waiting->reply(TransactionReply{number, state, definition_});
  fake.set_log(nullptr);
  server().stop();
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_THAT(response.body, HasSubstr(R"("input":{"n": 1.0})"));
}

TEST_F(Reading, UnavailableWhileTheLogIsClosed) {
  fake.set_log(nullptr);
  fake.set_not_ready("the log is being opened");
  for (const auto* target : {"/v1/transactions", "/v1/transactions/a/history", "/v1/transactions/a/replay",
                             "/v1/transactions/a?at=1", "/v1/events"}) {
    const Response response = call("GET", target);
    EXPECT_EQ(response.status, 503) << target;
    EXPECT_EQ(response.code(), "unavailable");
    EXPECT_EQ(response.header("retry-after"), "1");
  }
}

}  // namespace
}  // namespace dta::test

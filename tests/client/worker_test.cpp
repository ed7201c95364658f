// dta::Worker against a fake broker: what it takes, what it reports, what it sends again, and how it stops.
// Nothing here waits for time to pass except where the worker's own timers are the subject; then only the order of what
// happens is looked at, never how long it took.
//
// Size: one test for each promise of worker.h, all over the one fake broker at the top.
#include "dta/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <map>

#include "dta/json.h"
#include "tests/client/fake_server.h"

namespace dta {
namespace {

using client_test::FakeAnswer;
using client_test::FakeRequest;
using client_test::FakeServer;
using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::string lease(const std::string& token, const std::string& more = "", const std::string& kind = "do") {
  return R"({"token":")" + token +
         R"(","transaction":"o-1","definition":"order","version":3,"step":"reserve","task":"stock",)" + R"("kind":")" +
         kind + R"(","attempt":1,"generation":1,"order":1,"queue":"q","idempotency_key":"key-)" + token + "\"" +
         (more.empty() ? R"(,"lease_ms":600000,"heartbeat_ms":null)" : more) + "}";
}

// Hands out what tests give it, one batch a poll, and records what comes back. A poll for which nothing is there waits.
class FakeBroker {
 public:
  FakeBroker() : server_([this](const FakeRequest& request) { return answer(request); }) {}
  ~FakeBroker() {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
    changed_.notify_all();
  }

  std::string url() const { return server_.url(); }
  const FakeServer& server() const { return server_; }

  void hand_out(std::vector<std::string> batch) {
    const std::scoped_lock lock(mutex_);
    batches_.push_back(std::move(batch));
    changed_.notify_all();
  }
  // The next requests to this path are answered by these instead.
  void answer_next(const std::string& path, std::vector<FakeAnswer> answers) {
    const std::scoped_lock lock(mutex_);
    auto& queue = instead_[path];
    queue.insert(queue.end(), answers.begin(), answers.end());
  }
  // Every request to this path that contains this text is answered so.
  void always(const std::string& path, const std::string& text, FakeAnswer answer) {
    const std::scoped_lock lock(mutex_);
    always_[path].emplace_back(text, std::move(answer));
  }
  void wait_for_results(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return results_.size() >= count; });
  }
  std::map<std::string, std::string> results() const {  // token -> item
    const std::scoped_lock lock(mutex_);
    return results_;
  }
  std::vector<FakeRequest> sent_to(const std::string& path) const {
    auto all = server_.requests();
    std::erase_if(all, [&](const FakeRequest& request) { return request.target != path; });
    return all;
  }

 private:
  FakeAnswer answer(const FakeRequest& request) {
    {
      const std::scoped_lock lock(mutex_);
      if (auto& queue = instead_[request.target]; !queue.empty()) {
        FakeAnswer first = queue.front();
        queue.pop_front();
        return first;
      }
      for (const auto& [text, answer] : always_[request.target])
        if (request.body.find(text) != std::string::npos) return answer;
    }
    const Json body = *Json::parse(request.body);
    JsonArray items;
    for (const Json& item : (request.target == "/v1/tasks/results" ? body["results"] : body["leases"]).items()) {
      items.raw(JsonObject().raw("token", item["token"].raw()).add("ok", true).text());
      if (request.target != "/v1/tasks/results") continue;
      const std::scoped_lock lock(mutex_);
      results_[item["token"].string()] = item.raw();
      changed_.notify_all();
    }
    JsonObject answer;
    answer.raw("results", items.text());
    if (request.target == "/v1/lease") answer.raw("tasks", poll(body));
    if (body["then_lease"].exists()) answer.raw("tasks", poll(body["then_lease"]));
    return {.body = answer.text()};
  }

  std::string poll(const Json& poll) {
    std::unique_lock lock(mutex_);
    if (poll["wait_ms"].integer() > 0) changed_.wait(lock, [&] { return closing_ || !batches_.empty(); });
    JsonArray tasks;
    if (!batches_.empty()) {
      for (const std::string& task : batches_.front()) tasks.raw(task);
      batches_.pop_front();
    }
    return tasks.text();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<std::string>> batches_;
  std::map<std::string, std::deque<FakeAnswer>> instead_;
  std::map<std::string, std::vector<std::pair<std::string, FakeAnswer>>> always_;
  std::map<std::string, std::string> results_;
  bool closing_ = false;
  FakeServer server_;  // last: its threads use the rest
};

// What on_problem was told.
class Problems {
 public:
  auto sink() {
    return [this](std::string_view sentence) {
      const std::scoped_lock lock(mutex_);
      all_ += std::string(sentence) + "\n";
    };
  }
  std::string all() const {
    const std::scoped_lock lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::string all_;
};

WorkerOptions quick(Problems& problems) {
  WorkerOptions options;
  options.name = "w1";
  options.backoff_first = milliseconds(1);
  options.backoff_cap = milliseconds(2);
  options.on_problem = problems.sink();
  return options;
}

TEST(Worker, GivesTheHandlerTheTaskAndReportsItsOutput) {
  FakeBroker broker;
  Problems problems;
  broker.hand_out({lease(
      "t1",
      R"(,"instance":4,"lease_ms":30000,"heartbeat_ms":5000,"input":{"n": 1.0},"heartbeat":[1],"headers":{"traceparent":"x"})")});
  std::promise<std::string> seen;
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [&](Task& task) -> std::string {
    seen.set_value(task.transaction + " " + task.definition + " " + std::to_string(task.version) + " " + task.step +
                   "/" + task.task + " " + std::to_string(task.instance) + " " + task.idempotency_key + " " +
                   task.input + " " + task.heartbeat_detail + " " + task.headers.at("traceparent") +
                   (task.kind == TaskKind::action ? " do" : " undo") + (task.stopping() ? " stopping" : ""));
    return R"({"shelf": "B7", "n":1.0})";
  });
  worker.start();
  EXPECT_EQ(seen.get_future().get(), "o-1 order 3 reserve/stock 4 key-t1 {\"n\": 1.0} [1] x do");
  broker.wait_for_results(1);
  EXPECT_EQ(broker.results().at("t1"), R"({"token":"t1","output":{"shelf": "B7", "n":1.0}})");
  worker.stop();
  worker.wait();
  EXPECT_EQ(worker.counts().leased, 1u);
  EXPECT_EQ(worker.counts().done, 1u);
  EXPECT_EQ(problems.all(), "");
  const auto polls = broker.sent_to("/v1/lease");
  const auto poll = Json::parse(polls[0].body);
  EXPECT_EQ((*poll)["queues"].raw(), R"(["q"])");
  EXPECT_EQ((*poll)["max"].integer(), 8);
  EXPECT_EQ((*poll)["worker"].string(), "w1");
  EXPECT_EQ((*poll)["wait_ms"].integer(), 30000);
}

TEST(Worker, ReportsFailuresByWhatIsKnownOfTheirEffect) {
  FakeBroker broker;
  Problems problems;
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task& task) -> std::string {
    if (task.token == "refused") throw TaskFailed::refused("card_refused", "no money");
    if (task.token == "unknown") throw TaskFailed("lost", "timed out", true, Effect::unknown, R"({"at":1.0})");
    if (task.token == "thrown") throw std::runtime_error("boom");
    if (task.token == "odd") throw 42;
    if (task.token == "reserved") throw TaskFailed("dta.timeout", "not mine");
    if (task.token == "garbage") return R"({"a":1},{"token":"x"})";
    return "";
  });
  broker.hand_out({lease("refused"), lease("unknown"), lease("thrown"), lease("odd"), lease("reserved"),
                   lease("garbage"), lease("silent")});
  worker.start();
  broker.wait_for_results(7);
  worker.stop();
  worker.wait();
  auto results = broker.results();
  EXPECT_EQ(
      results["refused"],
      R"({"token":"refused","error":{"code":"card_refused","message":"no money"},"retryable":false,"effect":"none"})");
  EXPECT_EQ(
      results["unknown"],
      R"({"token":"unknown","error":{"code":"lost","message":"timed out","details":{"at":1.0}},"retryable":true,"effect":"unknown"})");
  EXPECT_EQ(results["thrown"],
            R"({"token":"thrown","error":{"code":"exception","message":"boom"},"retryable":true,"effect":"unknown"})");
  EXPECT_THAT(results["odd"], HasSubstr(R"("retryable":true,"effect":"unknown")"));
  EXPECT_THAT(results["reserved"], HasSubstr(R"("code":"invalid_error_code")"));
  EXPECT_THAT(results["garbage"], HasSubstr(R"("code":"invalid_output")"));
  EXPECT_THAT(results["garbage"], HasSubstr(R"("retryable":false,"effect":"unknown")"));
  EXPECT_EQ(results["silent"], R"({"token":"silent"})");
  EXPECT_EQ(worker.counts().failed, 6u);
  EXPECT_EQ(worker.counts().done, 1u);
}

TEST(Worker, UndoHandlersSayWhetherThereWasAnythingToUndo) {
  FakeBroker broker;
  Problems problems;
  Worker worker(broker.url(), quick(problems));
  worker.on_undo("q", [](Task& task) {
    EXPECT_EQ(task.kind, TaskKind::undo);
    if (!task.output_known) return Undone::nothing_found;
    return task.output == "[1.0]" ? Undone::found : Undone::undone;
  });
  broker.hand_out({lease("u1", R"(,"lease_ms":9000,"heartbeat_ms":null,"output":[1.0],"output_known":true)", "undo"),
                   lease("u2", R"(,"lease_ms":9000,"heartbeat_ms":null,"output_known":false)", "undo"),
                   lease("u3", R"(,"lease_ms":9000,"heartbeat_ms":null,"output":2,"output_known":true)", "undo")});
  worker.start();
  broker.wait_for_results(3);
  EXPECT_EQ(broker.results().at("u1"), R"({"token":"u1","found":true})");
  EXPECT_EQ(broker.results().at("u2"), R"({"token":"u2","found":false})");
  EXPECT_EQ(broker.results().at("u3"), R"({"token":"u3"})");
}

TEST(Worker, TasksThatCameTogetherGoBackTogetherWithTheNextPoll) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.concurrency = 4;
  options.gather = std::chrono::hours(1);  // only that nothing is in hand any more sends them
  Worker worker(broker.url(), options);
  worker.on_do("q", [](Task&) { return std::string(); });
  broker.hand_out({lease("a"), lease("b"), lease("c"), lease("d")});
  broker.hand_out({lease("e")});
  worker.start();
  broker.wait_for_results(5);
  const auto batches = broker.sent_to("/v1/tasks/results");
  ASSERT_GE(batches.size(), 2u);
  const auto first = Json::parse(batches[0].body);
  EXPECT_EQ((*first)["results"].items().size(), 4u);
  EXPECT_EQ(first->at("/then_lease/max").integer(), 4);
  EXPECT_EQ(broker.sent_to("/v1/lease").size(), 1u) << "every further poll travels with results";
}

TEST(Worker, AQuickResultDoesNotWaitForASlowTask) {
  FakeBroker broker;
  Problems problems;
  Worker worker(broker.url(), quick(problems));
  std::promise<void> gate;
  auto opened = gate.get_future().share();
  worker.on_do("q", [&](Task& task) {
    if (task.token == "slow") opened.wait();
    return std::string();
  });
  broker.hand_out({lease("slow"), lease("quick")});
  worker.start();
  broker.wait_for_results(1);
  EXPECT_TRUE(broker.results().contains("quick"));
  gate.set_value();
  broker.wait_for_results(2);
}

TEST(Worker, ALostPollIsSentAgainWithItsId) {
  FakeBroker broker;
  Problems problems;
  broker.answer_next("/v1/lease",
                     {FakeAnswer::dropped(), FakeAnswer::problem(503, "overloaded"),
                      FakeAnswer::problem(503, "unavailable"), FakeAnswer::problem(503, "outcome_unknown")});
  broker.hand_out({lease("t1")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string("1"); });
  worker.start();
  broker.wait_for_results(1);
  const auto polls = broker.sent_to("/v1/lease");
  ASSERT_GE(polls.size(), 5u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(polls[i].body, polls[0].body);
  EXPECT_THAT(problems.all(), HasSubstr("will send again"));
}

TEST(Worker, ALostReportIsSentAgainWithTheSameBytes) {
  FakeBroker broker;
  Problems problems;
  broker.answer_next("/v1/tasks/results", {FakeAnswer::dropped(), FakeAnswer::problem(503, "outcome_unknown")});
  broker.hand_out({lease("t1")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string("1"); });
  worker.start();
  broker.wait_for_results(1);
  const auto reports = broker.sent_to("/v1/tasks/results");
  ASSERT_EQ(reports.size(), 3u);
  EXPECT_EQ(reports[1].body, reports[0].body) << "poll id and token stay";
  EXPECT_EQ(reports[2].body, reports[0].body) << "poll id and token stay";
}

TEST(Worker, AnItemWhoseOutcomeIsUnknownIsSentAgainAlone) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.gather = std::chrono::hours(1);
  options.concurrency = 2;
  broker.answer_next(
      "/v1/tasks/results",
      {{.body = R"({"results":[{"ok":true},{"ok":false,"problem":{"code":"outcome_unknown"}}],"tasks":[]})"}});
  broker.hand_out({lease("a"), lease("b")});
  Worker worker(broker.url(), options);
  worker.on_do("q", [](Task&) { return std::string(); });
  worker.start();
  broker.wait_for_results(1);
  const auto reports = broker.sent_to("/v1/tasks/results");
  const std::string last = Json::parse(reports[0].body)->at("/results/1/token").string();
  EXPECT_EQ(Json::parse(reports[1].body)->at("/results").raw(), "[{\"token\":\"" + last + "\"}]");
}

TEST(Worker, ARefusedItemIsToldAndNotSentAgain) {
  FakeBroker broker;
  Problems problems;
  broker.answer_next(
      "/v1/tasks/results",
      {{.body =
            R"({"results":[{"ok":false,"problem":{"code":"stale_lease","detail":"the lease has ended"}}],"tasks":[]})"}});
  broker.hand_out({lease("late")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string(); });
  worker.start();
  broker.server().wait_for([](const FakeRequest& r) { return r.target == "/v1/tasks/results"; });
  worker.stop();
  worker.wait();
  EXPECT_EQ(worker.counts().refused + broker.results().size(), 1u)
      << "refused once, or given its first answer again when the stop came between";
}

TEST(Worker, OneResultThatIsRefusedDoesNotTakeTheOthersWithIt) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.gather = std::chrono::hours(1);
  options.concurrency = 3;
  broker.always("/v1/tasks/results", "poison", FakeAnswer::problem(400, "invalid_argument"));
  broker.hand_out({lease("a"), lease("poison"), lease("b")});
  Worker worker(broker.url(), options);
  worker.on_do("q", [](Task&) { return std::string(); });
  worker.start();
  broker.wait_for_results(2);
  worker.stop();
  worker.wait();
  EXPECT_EQ(worker.counts().done, 2u);
  EXPECT_EQ(worker.counts().refused, 1u);
  EXPECT_THAT(problems.all(), HasSubstr("the result of lease poison was not taken"));
}

std::vector<std::string> tokens_released(const FakeBroker& broker) {
  std::vector<std::string> tokens;
  for (const FakeRequest& request : broker.sent_to("/v1/tasks/release"))
    for (const Json& item : Json::parse(request.body)->at("/leases").items()) tokens.push_back(item["token"].string());
  return tokens;
}

TEST(Worker, StopGivesBackWhatIsNotBegunAndFinishesWhatIs) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.concurrency = 1;
  options.prefetch = 2;
  std::promise<void> begun, gate;
  Worker worker(broker.url(), options);
  worker.on_do("q", [&](Task&) {
    begun.set_value();
    gate.get_future().wait();
    return std::string("1");
  });
  broker.hand_out({lease("a"), lease("b"), lease("c")});
  worker.start();
  begun.get_future().wait();
  worker.stop();
  broker.server().wait_for([](const FakeRequest& r) { return r.target == "/v1/tasks/release"; });
  EXPECT_THAT(tokens_released(broker), UnorderedElementsAre("b", "c"));
  EXPECT_TRUE(broker.results().empty());
  gate.set_value();
  worker.wait();
  EXPECT_EQ(broker.results().at("a"), R"({"token":"a","output":1})");
  EXPECT_EQ(worker.counts().released, 2u);
  EXPECT_EQ(worker.counts().done, 1u);
}

TEST(Worker, StopFetchesAndGivesBackWhatAnInterruptedPollWasGiven) {
  FakeBroker broker;
  Problems problems;
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string("1"); });
  worker.start();
  const FakeRequest poll = broker.server().wait_for([](const FakeRequest& r) { return r.target == "/v1/lease"; });
  const std::string id = (*Json::parse(poll.body))["poll_id"].string();
  // What the fake broker says when the same poll comes again without waiting.
  broker.always("/v1/lease", R"("wait_ms":0)", {.body = R"({"tasks":[)" + lease("found") + "]}"});
  worker.stop();
  worker.wait();
  const auto again = broker.sent_to("/v1/lease").back();
  EXPECT_EQ(Json::parse(again.body)->at("/poll_id").string(), id);
  EXPECT_THAT(tokens_released(broker), UnorderedElementsAre("found"));
  EXPECT_TRUE(broker.results().empty());
}

TEST(Worker, StopDeliversResultsThatTravelWithAWaitingPoll) {
  FakeBroker broker;
  Problems problems;
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string("1"); });
  broker.hand_out({lease("a")});
  worker.start();
  broker.wait_for_results(1);  // recorded, but not answered: the poll beside it waits
  worker.stop();
  worker.wait();
  EXPECT_EQ(worker.counts().done, 1u);
}

// Waits on the stop token, as a handler that obeys does.
void until_stopped(const Task& task) {
  std::promise<void> stopped;
  const std::stop_callback on_stop(task.stop_token(), [&] { stopped.set_value(); });
  stopped.get_future().wait();
}

TEST(Worker, AStopHeardByHeartbeatReachesTheHandler) {
  FakeBroker broker;
  Problems problems;
  broker.answer_next("/v1/tasks/heartbeat",
                     {{.body = R"({"results":[{"token":"a","ok":true,"lease_ms":60000,"stop":false}]})"},
                      {.body = R"({"results":[{"token":"a","ok":true,"lease_ms":60000,"stop":true}]})"}});
  broker.hand_out({lease("a", R"(,"lease_ms":60000,"heartbeat_ms":30)")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task& task) -> std::string {
    until_stopped(task);
    throw TaskFailed("stopped", "as asked", false, Effect::none);
  });
  worker.start();
  broker.wait_for_results(1);
  EXPECT_THAT(broker.results().at("a"), HasSubstr(R"("code":"stopped")"));
  EXPECT_GE(broker.sent_to("/v1/tasks/heartbeat").size(), 2u);
}

TEST(Worker, ALeaseThatTheServerNoLongerKnowsStopsTheHandler) {
  FakeBroker broker;
  Problems problems;
  broker.answer_next(
      "/v1/tasks/heartbeat",
      {FakeAnswer::dropped(), {.body = R"({"results":[{"token":"a","ok":false,"problem":{"code":"stale_lease"}}]})"}});
  broker.hand_out({lease("a", R"(,"lease_ms":60000,"heartbeat_ms":30)")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task& task) -> std::string {
    until_stopped(task);
    return "";
  });
  worker.start();
  broker.wait_for_results(1);  // only a stop ends the handler
  EXPECT_TRUE(broker.results().contains("a"));
  EXPECT_GE(broker.sent_to("/v1/tasks/heartbeat").size(), 2u);  // the dropped one was sent again
}

TEST(Worker, TheEndOfTheLeaseStopsTheHandler) {
  FakeBroker broker;
  Problems problems;
  broker.hand_out({lease("a", R"(,"lease_ms":40,"heartbeat_ms":null)")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task& task) -> std::string {
    until_stopped(task);
    throw TaskFailed("stopped", "the lease ends", false, Effect::unknown);
  });
  worker.start();
  broker.wait_for_results(1);
  EXPECT_THAT(broker.results().at("a"), HasSubstr(R"("code":"stopped")"));
}

TEST(Worker, StopAsksHandlersToStopWhenTheGraceIsOver) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.stop_grace = milliseconds(20);
  broker.hand_out({lease("a")});
  std::promise<void> begun;
  Worker worker(broker.url(), options);
  worker.on_do("q", [&](Task& task) -> std::string {
    begun.set_value();
    until_stopped(task);
    throw TaskFailed("stopped", "the worker ends", true, Effect::none);
  });
  worker.start();
  begun.get_future().wait();
  worker.stop();
  worker.wait();
  EXPECT_THAT(broker.results().at("a"), HasSubstr(R"("code":"stopped")"));
}

TEST(Worker, ProgressTravelsWithAHeartbeat) {
  FakeBroker broker;
  Problems problems;
  std::promise<void> gate;
  broker.hand_out({lease("a")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [&](Task& task) {
    EXPECT_THROW(task.report_progress("{"), Error);
    task.report_progress(R"({"page": 1.0})");
    gate.get_future().wait();
    return std::string();
  });
  worker.start();
  const FakeRequest beat =
      broker.server().wait_for([](const FakeRequest& r) { return r.target == "/v1/tasks/heartbeat"; });
  EXPECT_EQ(beat.body, R"({"leases":[{"token":"a","detail":{"page": 1.0}}]})");
  gate.set_value();
}

TEST(Worker, ATaskWithoutHandlerIsGivenBackForLater) {
  FakeBroker broker;
  Problems problems;
  broker.hand_out({lease("a", "", "undo")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [](Task&) { return std::string(); });
  worker.start();
  const FakeRequest release =
      broker.server().wait_for([](const FakeRequest& r) { return r.target == "/v1/tasks/release"; });
  EXPECT_EQ(release.body, R"({"leases":[{"token":"a","delay_ms":5000}]})");
  EXPECT_THAT(problems.all(), HasSubstr("no handler for undos of queue q"));
}

TEST(Worker, ALeaseThatEndedBeforeAHandWasFreeIsNotBegun) {
  FakeBroker broker;
  Problems problems;
  std::atomic<int> begun = 0;
  broker.hand_out({lease("a", R"(,"lease_ms":0,"heartbeat_ms":null)"), lease("b")});
  Worker worker(broker.url(), quick(problems));
  worker.on_do("q", [&](Task&) {
    ++begun;
    return std::string();
  });
  worker.start();
  broker.wait_for_results(1);
  worker.stop();
  worker.wait();
  EXPECT_EQ(begun, 1);
  EXPECT_THAT(tokens_released(broker), UnorderedElementsAre("a"));
}

TEST(Worker, ManyTasksAllGetExactlyOneResult) {
  FakeBroker broker;
  Problems problems;
  WorkerOptions options = quick(problems);
  options.prefetch = 16;
  std::mutex mutex;
  std::map<std::string, int> runs;
  Worker worker(broker.url(), options);
  worker.on_do("q", [&](Task& task) {
    const std::scoped_lock lock(mutex);
    ++runs[task.token];
    return std::string("1");
  });
  worker.start();
  constexpr int kBatches = 200, kEach = 5;
  for (int i = 0; i < kBatches; ++i) {
    std::vector<std::string> batch;
    for (int j = 0; j < kEach; ++j) batch.push_back(lease("t" + std::to_string(i * kEach + j)));
    broker.hand_out(std::move(batch));
  }
  broker.wait_for_results(kBatches * kEach);
  worker.stop();
  worker.wait();
  EXPECT_EQ(runs.size(), std::size_t{kBatches * kEach});
  for (const auto& [token, count] : runs) EXPECT_EQ(count, 1) << token;
  EXPECT_EQ(worker.counts().done, std::uint64_t{kBatches * kEach});
}

TEST(Worker, RefusesToStartWithNothingToDo) {
  Worker worker("http://127.0.0.1:1");
  EXPECT_THROW(worker.start(), Error);
  EXPECT_THROW(Worker("nonsense"), Error);
  EXPECT_THROW(Worker("http://127.0.0.1:1", WorkerOptions{.concurrency = 0}), Error);
}

}  // namespace
}  // namespace dta

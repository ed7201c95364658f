// The partition with its real threads over a directory: many callers at once, stops, a full inbox, a disk that is full
// for a while. Nothing here waits by the clock: callers wait for replies. Conformance: G7 I9 K7.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "schema/assert.h"
#include "schema/limits.h"
#include "server/partition_thread.h"
#include "tests/partition/definitions.h"

namespace dta::partition {
namespace {

using namespace server;
using schema::ErrorCode;

class Service {
 public:
  Service() : directory_(testing::TempDir() + "/dta-partition-XXXXXX") {
    DTA_ASSERT(mkdtemp(directory_.data()) != nullptr);
    open();
  }
  ~Service() {
    thread.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void open() {
    thread.reset();
    Options options;
    options.data = directory_ + "/log";
    auto started = PartitionThread::start(options, metrics, logger_);
    DTA_ASSERT(started.has_value());
    thread = std::move(*started);
  }

  template <class Reply, class Request>
  std::future<Result<Reply>> submit(Request request) {
    const auto promise = std::make_shared<std::promise<Result<Reply>>>();  // a second reply throws, and ends the test
    auto future = promise->get_future();
    request.reply = [promise](Result<Reply> reply) { promise->set_value(std::move(reply)); };
    thread->submit(std::move(request), 100);
    return future;
  }
  template <class Reply, class Request>
  Result<Reply> ask(Request request) {
    return submit<Reply>(std::move(request)).get();
  }
  Result<TransactionSummary> start(const std::string& id, const std::string& definition,
                                   const std::string& input = "1") {
    StartRequest request;
    request.id = id;
    request.definition = definition;
    request.input = input;
    return ask<TransactionSummary>(std::move(request));
  }
  void publish(const char* text) {
    DTA_ASSERT(ask<PublishReply>(PublishRequest{*schema::parse_definition(text), {}}).has_value());
  }

  Metrics metrics;
  std::unique_ptr<PartitionThread> thread;

 private:
  Logger logger_{[](std::string_view) {}, [] { return schema::Time{}; }};
  std::string directory_;
};

TEST(PartitionThread, ServesManyCallersAtOnce) {
  Service service;
  service.publish(kPair);
  constexpr int kCallers = 4, kEach = 40;
  std::atomic<int> left{kCallers * kEach};
  std::vector<std::thread> threads;
  for (int caller = 0; caller < kCallers; ++caller) {
    threads.emplace_back([&, caller] {
      // Every id is started by two callers: one of them creates it.
      std::vector<std::future<Result<TransactionSummary>>> outcomes;
      for (int i = 0; i < kEach; ++i) {
        StartRequest request;
        request.id = "t" + std::to_string(caller / 2 * kEach + i);
        request.definition = "pair";
        request.wait = schema::Duration{60'000};
        outcomes.push_back(service.submit<TransactionSummary>(std::move(request)));
      }
      for (auto& outcome : outcomes) {
        const auto summary = outcome.get();
        EXPECT_TRUE(summary && summary->status == "completed");
        --left;
      }
    });
  }
  std::mutex mutex;
  std::set<std::string> tokens;
  for (int worker = 0; worker < 2; ++worker) {
    threads.emplace_back([&] {
      const Poll poll{{"qx", "qy", "qz"}, 8, schema::Duration{20}, "worker", {}};
      auto tasks = service.ask<LeaseReply>(LeaseRequest{poll, {}, {}}).value().tasks;
      while (left > 0) {
        ResultsRequest request;
        for (const HandOut& task : tasks) {
          {
            const std::lock_guard lock(mutex);
            EXPECT_TRUE(tokens.insert(task.token).second) << "handed out twice";
          }
          request.results.push_back(TaskResult{task.token, CompletedResult{"1", true}});
        }
        request.then_lease = poll;
        auto reply = service.ask<ResultsReply>(std::move(request));
        ASSERT_TRUE(reply.has_value());
        for (const auto& status : reply->results) EXPECT_TRUE(status.has_value());
        tasks = std::move(reply->tasks);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tokens.size(), 3u * kCallers / 2 * kEach);
  EXPECT_EQ(service.metrics.starts.Value(), kCallers / 2 * kEach);
  service.thread->stop();
  service.open();
  for (int i = 0; i < kCallers / 2 * kEach; ++i) {
    const auto found = service.ask<TransactionReply>(GetRequest{"t" + std::to_string(i), {}, {}});
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->state.phase, engine::Phase::completed);
  }
}

TEST(PartitionThread, AnswersEverybodyWhenItStops) {
  Service service;
  service.publish(kOne);
  ASSERT_TRUE(service.start("t", "one").has_value());
  std::vector<std::future<Result<LeaseReply>>> polls;
  for (int i = 0; i < 10; ++i)
    polls.push_back(
        service.submit<LeaseReply>(LeaseRequest{Poll{{"nobody"}, 1, schema::Duration{60'000}, "w", {}}, {}, {}}));
  auto outcome = service.submit<TransactionReply>(GetRequest{"t", schema::Duration{60'000}, {}});
  auto last = service.submit<LeaseReply>(LeaseRequest{Poll{{"q"}, 1, schema::Duration{60'000}, "w", {}}, {}, {}});
  service.thread->stop();
  for (auto& poll : polls) {
    const auto reply = poll.get();
    ASSERT_TRUE(reply.has_value());
    EXPECT_TRUE(reply->tasks.empty());
  }
  EXPECT_EQ(outcome.get()->state.phase, engine::Phase::running);
  const auto handed = last.get();
  ASSERT_EQ(handed->tasks.size(), 1u);
  EXPECT_EQ(service.start("late", "one").error().code, ErrorCode::unavailable);
  EXPECT_TRUE(service.thread->not_ready().has_value());
  EXPECT_EQ(service.thread->snapshot(), nullptr);
  // The lease was left standing; its worker reports to the next server.
  service.open();
  ResultsRequest results;
  results.results.push_back(TaskResult{handed->tasks[0].token, CompletedResult{}});
  EXPECT_TRUE(service.ask<ResultsReply>(std::move(results)).value().results[0].has_value());
}

TEST(PartitionThread, IsNotReadyFromTheBeginningOfItsStopAndDecidesWhatItHasTaken) {
  Service service;
  service.publish(kOne);
  std::promise<void> held, release;
  GetRequest first{"nobody", {}, [&](Result<TransactionReply>) {
                     held.set_value();
                     release.get_future().wait();
                   }};
  service.thread->submit(std::move(first), 100);
  held.get_future().wait();
  StartRequest inside;
  inside.id = "inside";
  inside.definition = "one";
  auto decided = service.submit<TransactionSummary>(std::move(inside));
  bool readable = false;
  service.thread->submit(GetRequest{"inside", schema::Duration{60'000},
                                    [&](const Result<TransactionReply>& reply) {
                                      readable = reply.has_value() && service.thread->snapshot() != nullptr;
                                    }},
                         100);
  std::thread stopping([&] { service.thread->stop(); });
  while (!service.thread->not_ready()) std::this_thread::yield();
  EXPECT_EQ(service.start("outside", "one").error().code, ErrorCode::unavailable);
  release.set_value();
  stopping.join();
  EXPECT_TRUE(decided.get().value().created);
  EXPECT_TRUE(readable) << "the log is still open when the last waits are answered";
}

TEST(PartitionThread, AnswersEachRequestOnceWhileItStops) {
  for (int round = 0; round < 5; ++round) {
    Service service;
    service.publish(kOne);
    std::atomic<int> sent{0}, acknowledged{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 3; ++caller) {
      callers.emplace_back([&, caller] {
        for (int i = 0;; ++i) {
          const auto reply = service.start("t" + std::to_string(caller) + "-" + std::to_string(i), "one");
          ++sent;
          if (!reply) {
            EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
            return;
          }
          ++acknowledged;
        }
      });
    }
    while (sent < 20) std::this_thread::yield();
    service.thread->stop();
    for (std::thread& caller : callers) caller.join();
    service.open();
    EXPECT_EQ(service.metrics.recovered_transactions.Value(), acknowledged.load())
        << "no more and no fewer than were acknowledged";
  }
}

TEST(PartitionThread, RefusesWhatTheInboxCannotHold) {
  Service service;
  service.publish(kOne);
  // A reply runs on the partition's thread: while this one is held, nothing is taken from the inbox.
  std::promise<void> held, release;
  GetRequest first{"nobody", {}, [&](Result<TransactionReply>) {
                     held.set_value();
                     release.get_future().wait();
                   }};
  service.thread->submit(std::move(first), 100);
  held.get_future().wait();
  std::vector<std::future<Result<TransactionReply>>> inside;
  for (std::size_t i = 0; i < schema::limits::kInboxMax; ++i)
    inside.push_back(service.submit<TransactionReply>(GetRequest{"nobody", {}, {}}));
  EXPECT_EQ(service.ask<TransactionReply>(GetRequest{"nobody", {}, {}}).error().code, ErrorCode::overloaded)
      << "at once, on the caller's thread";
  release.set_value();
  for (auto& reply : inside) EXPECT_EQ(reply.get().error().code, ErrorCode::transaction_not_found);
}

TEST(PartitionThread, RefusesMoreBytesThanTheInboxHolds) {
  Inbox inbox;
  Request small = GetRequest{}, big = GetRequest{};
  EXPECT_EQ(inbox.push(small, 1), Inbox::Push::taken);
  EXPECT_EQ(inbox.push(big, schema::limits::kInboxBytesMax), Inbox::Push::full);
  EXPECT_EQ(inbox.take({}).requests.size(), 1u);
  EXPECT_EQ(inbox.push(big, schema::limits::kInboxBytesMax), Inbox::Push::taken);
  inbox.close();
  EXPECT_EQ(inbox.push(big, 1), Inbox::Push::closed);
  const Inbox::Taken taken = inbox.take(std::chrono::steady_clock::time_point::max());
  EXPECT_EQ(taken.requests.size(), 1u);
  EXPECT_TRUE(taken.closed);
}

// One batch never holds more than its limit and the request that went over it, however much waits.
TEST(PartitionThread, WritesNoBatchBeyondItsLimit) {
  Service service;
  service.publish(kOne);
  const std::string input = "\"" + std::string(1u << 20, 'x') + "\"";
  constexpr std::size_t kStarts = 40;
  const double appends = service.metrics.appends.Value();
  std::vector<std::future<Result<TransactionSummary>>> replies;
  for (std::size_t i = 0; i < kStarts; ++i) {
    StartRequest request;
    request.id = "t" + std::to_string(i);
    request.definition = "one";
    request.input = input;
    replies.push_back(service.submit<TransactionSummary>(std::move(request)));
  }
  for (auto& reply : replies) EXPECT_TRUE(reply.get().has_value());
  EXPECT_GE(service.metrics.appends.Value() - appends, kStarts / 5) << "at most five of these fit";
}

// I9: a limit on the size of files is as good as a full disk.
TEST(PartitionThread, ComesBackOnceTheDiskTakesWritesAgain) {
  Service service;
  service.publish(kOne);
  ASSERT_TRUE(service.start("before", "one").has_value());
  auto poll = service.submit<LeaseReply>(LeaseRequest{Poll{{"nobody"}, 1, schema::Duration{60'000}, "w", {}}, {}, {}});
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 256u << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string input = "\"" + std::string(1u << 20, 'x') + "\"";
  const auto lost = service.start("lost", "one", input);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, ErrorCode::outcome_unknown);
  EXPECT_EQ(poll.get().error().code, ErrorCode::outcome_unknown);
  // Until the log is open again callers are told so; the same request then takes effect once.
  Result<TransactionSummary> again = service.start("lost", "one", input);
  for (; !again; again = service.start("lost", "one", input)) {
    EXPECT_TRUE(again.error().code == ErrorCode::unavailable || again.error().code == ErrorCode::outcome_unknown);
    std::this_thread::yield();
  }
  EXPECT_FALSE(service.start("before", "one").value().created);
  EXPECT_EQ(service.metrics.reopened.Value(), 1);
  EXPECT_FALSE(service.thread->not_ready().has_value());
}

}  // namespace
}  // namespace dta::partition

// Limits, pauses, priorities and fairness of queues, and what people say of definitions.
// Conformance: C13 F9 H1 K5.
//
// Size: one rule of a queue a test, beside the same few helpers.
#include <algorithm>

#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using schema::DefinitionChanged;
using schema::EventKind;
using schema::Pauses;
using schema::QueueChanged;
using server::ChangeDefinitionRequest;
using server::ChangeQueueRequest;
using server::DefinitionAct;
using server::HandOut;
using server::LeaseReply;
using server::QueueAct;
using server::QueueInfo;
using server::QueuesReply;
using server::QueuesRequest;
using server::TransactionSummary;
using QueueReply = server::ChangeReply<QueueChanged>;
using DefinitionReply = server::ChangeReply<DefinitionChanged>;

ChangeQueueRequest queue_act(const std::string& queue, QueueAct act, const std::string& request_id = {}) {
  ChangeQueueRequest request;
  request.queue = queue;
  request.act = act;
  request.reason = "because";
  request.who = "anna";
  request.request_id = request_id;
  return request;
}

void limit(Driver& d, const std::string& queue, std::uint32_t concurrency, schema::QueueRate rate = {}) {
  auto request = queue_act(queue, QueueAct::set_limits);
  request.concurrency = concurrency;
  request.rate = rate;
  ASSERT_TRUE(d.ask<QueueReply>(request).ok());
}

void act(Driver& d, const std::string& queue, QueueAct what) {
  ASSERT_TRUE(d.ask<QueueReply>(queue_act(queue, what)).ok());
}

ChangeDefinitionRequest definition_act(const std::string& name, DefinitionAct act, std::uint32_t version = 0,
                                       const std::string& request_id = {}) {
  return {name, act, version, "because", "anna", request_id, {}};
}

QueueInfo info(Driver& d, const std::string& queue) {
  return d.ask<QueuesReply>(QueuesRequest{queue, {}})->queues.at(0);
}

std::vector<HandOut> take_up_to(Driver& d, const std::string& queue, std::size_t most) {
  return d.ask<LeaseReply>(lease_of(poll_of({queue}, most)))->tasks;
}

std::vector<std::string> transactions_of(const std::vector<HandOut>& tasks) {
  std::vector<std::string> ids;
  for (const HandOut& task : tasks) ids.push_back(task.transaction);
  return ids;
}

using Ids = std::vector<std::string>;

// The same single task on one queue, under another name.
std::string one_of(const std::string& name, const std::string& queue = "q", std::uint32_t version = 1) {
  return R"({"name":")" + name + R"(","version":)" + std::to_string(version) + R"(,"steps":[{"name":"s","tasks":[
    {"name":"t","queue":")" +
         queue + R"(","undo":{"queue":")" + queue + R"("},
     "retry":{"max_attempts":3,"first":"1s","rate":1,"jitter":0},"timeouts":{"attempt":"30s"}}]}]})";
}

TEST(Queue, OpensNoMoreLeasesThanItsLimit) {
  Driver d;
  publish(d, one_of("one"));
  limit(d, "q", 2);
  for (const char* id : {"a", "b", "c", "d"}) start(d, id, "one");
  const auto first = take_up_to(d, "q", 10);
  ASSERT_EQ(transactions_of(first), (Ids{"a", "b"}));
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  EXPECT_EQ(d.metrics().held_by_concurrency.Value(), 2) << "each poll had to do without";
  const QueueInfo at_limit = info(d, "q");
  EXPECT_EQ(at_limit.ready, 2u);
  EXPECT_EQ(at_limit.leased, 2u);
  EXPECT_EQ(at_limit.settings.concurrency, 2u);
  // What a result frees goes to whoever waits longest, in the same write.
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 5, Duration{60'000})));
  ASSERT_TRUE(report(d, completed(first[0].token)));
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(transactions_of(waiting->tasks), Ids{"c"});
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  // A lease that ends by its time frees its place as well; the attempt that failed comes back after its backoff.
  const auto last = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 5, Duration{60'000})));
  d.run_until(d.now + Duration{30'000});
  ASSERT_TRUE(last.ok());
  EXPECT_EQ(transactions_of(last->tasks), Ids{"d"});
  d.expect_consistent();
}

TEST(Queue, CountsOpenLeasesOverARestart) {
  Driver d;
  publish(d, one_of("one"));
  limit(d, "q", 3);
  for (const char* id : {"a", "b", "c", "d"}) start(d, id, "one");
  const auto taken = take_up_to(d, "q", 2);
  ASSERT_EQ(taken.size(), 2u);
  d.reopen();
  EXPECT_EQ(info(d, "q").leased, 2u);
  EXPECT_EQ(transactions_of(take_up_to(d, "q", 10)), Ids{"c"});
  d.crash(Fate::lost);
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  ASSERT_TRUE(report(d, completed(taken[1].token)));
  EXPECT_EQ(transactions_of(take_up_to(d, "q", 10)), Ids{"d"});
}

TEST(Queue, AppliesItsLimitToTasksThatWorkersWaitFor) {
  Driver d;
  publish(d, kMany);
  limit(d, "m", 3);
  const auto poll = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 10, Duration{60'000})));
  d.submit<TransactionSummary>(start_of("t", "many"));
  d.write();
  ASSERT_TRUE(poll.ok());
  EXPECT_EQ(poll->tasks.size(), 3u);
  EXPECT_EQ(d.record_sizes("t"), std::vector<std::size_t>{5}) << "sync match: in the record of the start";
  // A result and its place are used by the poll that comes with it.
  const auto next =
      d.ask<server::ResultsReply>(results_of({completed(poll->tasks[0].token)}, poll_of({"m"}, 10, Duration{60'000})));
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next->tasks.size(), 1u);
}

TEST(Queue, RaisingALimitServesThoseWhoWait) {
  Driver d;
  publish(d, kMany);
  limit(d, "m", 1);
  start(d, "t", "many");
  EXPECT_EQ(take_up_to(d, "m", 10).size(), 1u);
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 10, Duration{60'000})));
  limit(d, "m", 3);
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(waiting->tasks.size(), 2u);
  const auto more = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 10, Duration{60'000})));
  limit(d, "m", 0);
  ASSERT_TRUE(more.ok());
  EXPECT_EQ(more->tasks.size(), 1u) << "no limit any more";
  limit(d, "m", 1);
  EXPECT_EQ(info(d, "m").leased, 4u) << "a lower limit takes nothing back";
}

TEST(Queue, HandsOutAtItsRate) {
  Driver d;
  publish(d, one_of("one"));
  limit(d, "q", 0, {2000, 2});  // two a second, two at once
  for (int i = 0; i < 6; ++i) start(d, "t" + std::to_string(i), "one");
  EXPECT_EQ(take_up_to(d, "q", 10).size(), 2u);
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  EXPECT_GT(d.metrics().held_by_rate.Value(), 0);
  // A poll that waits gets its task when its token comes, not when someone asks again.
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 10, Duration{60'000})));
  EXPECT_EQ(d.partition().next_due(), d.now + Duration{500});
  d.run_until(d.now + Duration{499});
  EXPECT_FALSE(waiting.given());
  d.run_until(d.now + Duration{1});
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(transactions_of(waiting->tasks), Ids{"t2"});
  d.wait(Duration{60'000});
  EXPECT_EQ(take_up_to(d, "q", 10).size(), 2u) << "never more than the burst";
  // In no log: after a restart the bucket is full.
  d.reopen();
  EXPECT_EQ(take_up_to(d, "q", 10).size(), 1u);
}

TEST(Queue, AppliesItsRateToTasksThatWorkersWaitFor) {
  Driver d;
  publish(d, one_of("one"));
  limit(d, "q", 0, {1000, 1});
  const auto poll = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000})));
  const auto next = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000})));
  for (const char* id : {"a", "b"}) d.submit<TransactionSummary>(start_of(id, "one"));
  d.write();
  EXPECT_TRUE(poll.ok());
  EXPECT_FALSE(next.given());
  d.run_until(d.now + Duration{1000});
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(transactions_of(next->tasks), Ids{"b"});
}

TEST(Queue, HandsNothingOutWhilePausedAndTakesResults) {
  Driver d;
  publish(d, one_of("one"));
  start(d, "a", "one");
  start(d, "b", "one");
  const HandOut a = take(d, "q");
  act(d, "q", QueueAct::pause);
  const Time paused = d.now;
  d.wait(Duration{1000});
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 10, Duration{60'000})));
  start(d, "c", "one");
  EXPECT_TRUE(report(d, completed(a.token)));
  EXPECT_EQ(status_of(d, "a"), "completed");
  EXPECT_FALSE(waiting.given());
  EXPECT_EQ(info(d, "q").ready, 2u) << "work stays queued";
  d.reopen();
  EXPECT_TRUE(info(d, "q").settings.paused);
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  const auto again = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 10, Duration{60'000})));
  act(d, "q", QueueAct::resume);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(transactions_of(again->tasks), (Ids{"b", "c"})) << "at once, to the poll that waits";
  EXPECT_EQ(d.partition().pauses_of_queue("q"), (Pauses{{paused, d.now}}));
  EXPECT_TRUE(d.partition().pauses_of_queue("other").empty());
}

TEST(Queue, KeepsWhenItWasPaused) {
  Driver d;
  act(d, "q", QueueAct::resume);
  EXPECT_TRUE(d.partition().pauses_of_queue("q").empty()) << "it never was";
  Pauses expected;
  for (int i = 0; i < 3; ++i) {
    act(d, "q", QueueAct::pause);
    expected.push_back({d.now});
    d.wait(Duration{100});
    act(d, "q", QueueAct::pause);  // said twice
    limit(d, "q", 5);              // and said of something else
    EXPECT_EQ(d.partition().pauses_of_queue("q"), expected);
    d.wait(Duration{100});
    if (i == 2) break;
    act(d, "q", QueueAct::resume);
    expected.back().to = d.now;
  }
  d.reopen();
  EXPECT_EQ(d.partition().pauses_of_queue("q"), expected);
  EXPECT_EQ(info(d, "q").settings.concurrency, 5u);
  EXPECT_EQ(d.kinds("$queue/q").size(), 12u);
}

TEST(Queue, PausingADefinitionHoldsItsWorkAlone) {
  Driver d;
  publish(d, one_of("held"));
  publish(d, one_of("free"));
  start(d, "h1", "held");
  const HandOut h1 = take(d, "q");
  start(d, "h2", "held");
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("held", DefinitionAct::pause)).ok());
  const Time paused = d.now;
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000})));
  start(d, "h3", "held");
  start(d, "f1", "free");
  ASSERT_TRUE(waiting.ok());
  EXPECT_EQ(transactions_of(waiting->tasks), Ids{"f1"});
  EXPECT_EQ(info(d, "q").ready, 2u);
  EXPECT_TRUE(report(d, completed(h1.token))) << "results are taken";
  EXPECT_EQ(status_of(d, "h1"), "completed");
  d.wait(Duration{500});
  d.reopen();
  EXPECT_TRUE(take_up_to(d, "q", 10).empty());
  const auto again = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 10, Duration{60'000})));
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("held", DefinitionAct::resume)).ok());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(transactions_of(again->tasks), (Ids{"h2", "h3"}));
  EXPECT_EQ(d.partition().pauses_of_definition("held"), (Pauses{{paused, d.now}}));
  EXPECT_TRUE(d.partition().pauses_of_definition("free").empty());
}

// A timer counts the time in which its definition and its queue were not paused; the attempt under way runs on.
TEST(Queue, TimersLeaveOutTheTimeInWhichAQueueOrADefinitionWasPaused) {
  Driver d;
  const auto timed = [](const std::string& name, const std::string& queue) {
    return R"({"name":")" + name +
           R"(","version":1,"steps":[{"name":"s","join":{"deadline":"60s"},"tasks":[{"name":"t","queue":")" + queue +
           R"(","timeouts":{"queue":"10s"}}]}]})";
  };
  publish(d, timed("one", "a"));
  publish(d, timed("two", "b"));
  start(d, "t1", "one");
  start(d, "t2", "two");
  d.wait(Duration{4'000});
  act(d, "a", QueueAct::pause);
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("two", DefinitionAct::pause)).ok());
  d.reopen();
  d.run_until(d.now + Duration{50'000});
  EXPECT_EQ(status_of(d, "t1"), "running") << "no worker could have taken it";
  EXPECT_EQ(status_of(d, "t2"), "running");
  d.run_until(d.now + Duration{5'000});
  EXPECT_EQ(status_of(d, "t1"), "running") << "the deadline of the step is not held by a queue";
  d.run_until(d.now + Duration{2'000});
  EXPECT_EQ(status_of(d, "t1"), "compensated") << "and passes after 60 s";
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("two", DefinitionAct::resume)).ok());
  d.run_until(d.now + Duration{5'999});
  EXPECT_EQ(status_of(d, "t2"), "running");
  d.run_until(d.now + Duration{1});
  EXPECT_EQ(status_of(d, "t2"), "compensated") << "10 s without the pause";
  d.expect_consistent();
}

TEST(Queue, HandsOutHigherPriorityFirst) {
  Driver d;
  publish(d, one_of("one"));
  const auto start_with = [&](const std::string& id, std::uint8_t priority) {
    auto request = start_of(id, "one");
    request.priority = priority;
    ASSERT_TRUE(d.ask<TransactionSummary>(request).ok());
    d.wait(Duration{1});
  };
  start_with("low", 0);
  start_with("high", 9);
  start_with("mid", 5);
  start_with("high2", 9);
  d.reopen();
  EXPECT_EQ(transactions_of(take_up_to(d, "q", 10)), (Ids{"high", "high2", "mid", "low"}));
  EXPECT_EQ(std::get<schema::TransactionStarted>(d.history("mid")[0]).priority, 5);
  EXPECT_EQ(std::get<schema::TransactionStarted>(d.history("low")[0]).priority, 0);
  // A start sent again with another one is the same start.
  start_with("low", 7);
  EXPECT_EQ(d.kinds("low").size(), 3u);
}

TEST(Queue, HandsOutUndosBeforeTasks) {
  Driver d;
  publish(d, one_of("one"));
  start(d, "undone", "one");
  const HandOut task = take(d, "q");
  auto urgent = start_of("urgent", "one");
  urgent.priority = 9;
  ASSERT_TRUE(d.ask<TransactionSummary>(urgent).ok());
  ASSERT_TRUE(d.ask<TransactionSummary>(cancel_of("undone")).ok());
  ASSERT_TRUE(report(d, completed(task.token)));
  const auto next = take_up_to(d, "q", 2);
  EXPECT_EQ(transactions_of(next), (Ids{"undone", "urgent"}));
  EXPECT_EQ(next.at(0).action, schema::Action::undo);
}

// A flood of one definition does not keep the others waiting; inside a definition the oldest comes first.
TEST(Queue, SharesItsWorkersBetweenDefinitions) {
  Driver d;
  for (const char* name : {"flood", "calm", "rare"}) publish(d, one_of(name));
  for (int i = 0; i < 50; ++i) start(d, "f" + std::to_string(i), "flood");
  for (int i = 0; i < 3; ++i) start(d, "c" + std::to_string(i), "calm");
  start(d, "r0", "rare");
  EXPECT_EQ(transactions_of(take_up_to(d, "q", 8)), (Ids{"c0", "f0", "r0", "c1", "f1", "c2", "f2", "f3"}));
  // The same when every place has to be waited for.
  limit(d, "q", 8);
  start(d, "r1", "rare");
  EXPECT_TRUE(take_up_to(d, "q", 8).empty());
  d.reopen();
  limit(d, "q", 10);
  EXPECT_EQ(transactions_of(take_up_to(d, "q", 8)), (Ids{"f4", "r1"}));
}

// The task that kills its workers uses up its attempts and follows its join; the others are done meanwhile.
TEST(Queue, GoesOnWhileOneTaskKeepsKillingItsWorkers) {
  Driver d;
  publish(d, one_of("one"));
  limit(d, "q", 2);
  start(d, "poison", "one");
  for (int i = 0; i < 20; ++i) start(d, "t" + std::to_string(i), "one");
  std::size_t deaths = 0, done = 0;
  for (int round = 0; round < 200 && (deaths < 3 || done < 20); ++round) {
    for (const HandOut& task : take_up_to(d, "q", 2)) {
      if (task.transaction == "poison" && task.action == schema::Action::perform) {
        EXPECT_EQ(task.attempt, ++deaths) << "this worker is never heard of again";
        continue;
      }
      ASSERT_TRUE(report(d, completed(task.token)));
      done += task.transaction != "poison";
    }
    d.run_until(d.now + Duration{1000});
  }
  EXPECT_EQ(deaths, 3u);
  EXPECT_EQ(done, 20u);
  d.run_until(d.now + Duration{60'000});
  const HandOut undo = take(d, "q");
  EXPECT_EQ(undo.action, schema::Action::undo) << "it may have happened, so it is undone";
  ASSERT_TRUE(report(d, completed(undo.token)));
  EXPECT_EQ(status_of(d, "poison"), "compensated");
  const auto kinds = d.kinds("poison");
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::attempt_timed_out), 3);
  EXPECT_EQ(info(d, "q").ready + info(d, "q").leased, 0u);
}

TEST(Queue, WhatIsWithdrawnLeavesAtOnce) {
  Driver d;
  publish(d, kPair);
  for (const char* id : {"a", "b", "c"}) start(d, id, "pair");
  EXPECT_EQ(info(d, "qx").ready, 3u);
  ASSERT_TRUE(d.ask<TransactionSummary>(cancel_of("b")).ok());
  ASSERT_TRUE(d.ask<TransactionSummary>(terminate_of("c")).ok());
  EXPECT_EQ(info(d, "qx").ready, 1u);
  EXPECT_EQ(info(d, "qy").ready, 1u);
  d.partition().export_gauges(d.now);
  EXPECT_EQ(d.metrics().queue_ready("qx").Value(), 1);
  EXPECT_EQ(transactions_of(take_up_to(d, "qx", 9)), Ids{"a"});
  d.partition().export_gauges(d.now);
  EXPECT_EQ(d.metrics().queue_leased("qx").Value(), 1);
}

TEST(Queue, KnowsARequestAgain) {
  Driver d;
  auto set = queue_act("q", QueueAct::set_limits, "r1");
  set.concurrency = 4;
  const auto first = d.ask<QueueReply>(set);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->sequence, 1u);
  ASSERT_TRUE(d.ask<QueueReply>(queue_act("q", QueueAct::pause, "r2")).ok());
  for (int round = 0; round < 2; ++round) {
    const auto again = d.ask<QueueReply>(set);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->settings, first->settings) << "as it was answered first, before the pause";
    EXPECT_EQ(again->sequence, 1u);
    EXPECT_EQ(d.ask<QueueReply>(queue_act("q", QueueAct::resume, "r2")).code(), ErrorCode::id_reused);
    EXPECT_TRUE(info(d, "q").settings.paused);
    d.crash(Fate::lost);
  }
  EXPECT_EQ(d.kinds("$queue/q"), (std::vector{EventKind::queue_changed, EventKind::queue_changed}));
  const auto other = d.ask<QueueReply>(queue_act("p", QueueAct::pause, "r2"));
  EXPECT_TRUE(other.ok()) << "an id is the queue's";
  // Sent twice before it is written, and while it is written.
  const auto a = d.submit<QueueReply>(queue_act("q", QueueAct::resume, "r3"));
  const auto b = d.submit<QueueReply>(queue_act("q", QueueAct::resume, "r3"));
  ASSERT_TRUE(d.begin_write());
  const auto c = d.submit<QueueReply>(queue_act("q", QueueAct::resume, "r3"));
  EXPECT_FALSE(a.given() || b.given() || c.given()) << "it takes effect with its record";
  d.finish_write();
  d.write();
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(b->sequence, 3u);
  EXPECT_EQ(c->sequence, 3u);
}

TEST(Queue, ListsWhatHasSettingsWorkOrPolls) {
  Driver d;
  publish(d, one_of("one", "work"));
  publish(d, one_of("two", "leased"));
  EXPECT_TRUE(d.ask<QueuesReply>(QueuesRequest{})->queues.empty());
  limit(d, "settings", 3);
  start(d, "a", "one");
  start(d, "b", "two");
  take(d, "leased");
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"polled", "settings"}, 1, Duration{60'000})));
  const auto listed = d.ask<QueuesReply>(QueuesRequest{});
  ASSERT_EQ(listed->queues.size(), 4u);
  const auto names = [&](std::size_t i) { return listed->queues[i].settings.queue; };
  EXPECT_EQ((Ids{names(0), names(1), names(2), names(3)}), (Ids{"leased", "polled", "settings", "work"}));
  EXPECT_EQ(listed->queues[0].leased, 1u);
  EXPECT_EQ(listed->queues[1].waiting_polls, 1u);
  EXPECT_EQ(listed->queues[2].settings.concurrency, 3u);
  EXPECT_EQ(listed->queues[2].changed_at, d.now);
  EXPECT_EQ(listed->queues[3].ready, 1u);
  EXPECT_EQ(info(d, "unheard of").ready, 0u);
  EXPECT_FALSE(waiting.given());
}

// What was said while the disk failed is taken back with everything else, or stays with it.
TEST(Queue, SettingsAreAsDurableAsTheirRecord) {
  for (const Fate fate : {Fate::lost, Fate::durable}) {
    Driver d;
    const auto answer = d.submit<QueueReply>(queue_act("q", QueueAct::pause, "r"));
    ASSERT_TRUE(d.begin_write());
    d.fail_write(fate);
    EXPECT_EQ(answer.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(info(d, "q").settings.paused, fate == Fate::durable);
    ASSERT_TRUE(d.ask<QueueReply>(queue_act("q", QueueAct::pause, "r")).ok());
    EXPECT_EQ(d.kinds("$queue/q").size(), 1u);
  }
}

TEST(Definition, ADeprecatedVersionTakesNoNewStart) {
  Driver d;
  for (std::uint32_t version : {1u, 2u, 3u}) publish(d, one_of("one", "q", version));
  const auto started = [&](const std::string& id, std::optional<std::uint32_t> version) {
    auto request = start_of(id, "one");
    request.version = version;
    return d.ask<TransactionSummary>(request);
  };
  ASSERT_EQ(started("old", std::nullopt)->version, 3u);
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("one", DefinitionAct::deprecate, 3)).ok());
  d.reopen();
  EXPECT_EQ(started("a", 3).code(), ErrorCode::deprecated);
  EXPECT_EQ(started("a", std::nullopt)->version, 2u) << "the newest that is not deprecated";
  EXPECT_EQ(started("b", 1)->version, 1u);
  EXPECT_TRUE(started("old", std::nullopt).ok()) << "a start sent again is known, whatever was said since";
  EXPECT_TRUE(started("old", 3).ok());
  const auto all = d.ask<DefinitionReply>(definition_act("one", DefinitionAct::deprecate, 1));
  EXPECT_EQ(all->settings.deprecated, (std::vector<std::uint32_t>{1, 3}));
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("one", DefinitionAct::deprecate, 2)).ok());
  EXPECT_EQ(started("c", std::nullopt).code(), ErrorCode::deprecated);
  const auto list = d.ask<server::DefinitionsReply>(server::DefinitionsRequest{});
  EXPECT_TRUE(
      std::all_of(list->definitions.begin(), list->definitions.end(), [](const auto& i) { return i.deprecated; }));
  // Running ones run on; and it can be taken back.
  const HandOut old = take(d, "q");
  EXPECT_EQ(old.transaction, "old");
  ASSERT_TRUE(d.ask<DefinitionReply>(definition_act("one", DefinitionAct::restore, 3)).ok());
  EXPECT_EQ(started("c", std::nullopt)->version, 3u);
  EXPECT_EQ(d.ask<DefinitionReply>(definition_act("one", DefinitionAct::deprecate, 4)).code(),
            ErrorCode::definition_not_found);
  EXPECT_EQ(d.ask<DefinitionReply>(definition_act("nobody", DefinitionAct::pause)).code(),
            ErrorCode::definition_not_found);
}

TEST(Definition, IsPublishedAfterThingsWereSaidOfIt) {
  Driver d;
  publish(d, one_of("one"));
  const auto paused = d.ask<DefinitionReply>(definition_act("one", DefinitionAct::pause, 0, "r"));
  EXPECT_EQ(paused->sequence, 2u);
  publish(d, one_of("one", "q", 2));
  d.reopen();
  publish(d, one_of("one", "q", 3));
  EXPECT_EQ(d.kinds("$definition/one"),
            (std::vector{EventKind::definition_published, EventKind::definition_changed,
                         EventKind::definition_published, EventKind::definition_published}));
  const auto again = d.ask<DefinitionReply>(definition_act("one", DefinitionAct::pause, 0, "r"));
  EXPECT_EQ(again->sequence, 2u);
  EXPECT_EQ(d.ask<DefinitionReply>(definition_act("one", DefinitionAct::resume, 0, "r")).code(), ErrorCode::id_reused);
  start(d, "t", "one");
  EXPECT_TRUE(take_up_to(d, "q", 1).empty()) << "a version that came later is paused as well";
  d.reopen();
}

}  // namespace
}  // namespace dta::partition

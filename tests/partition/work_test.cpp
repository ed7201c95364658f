// Polls and hand-outs. Conformance: C4 C8 C13 I5 K7.
#include <algorithm>

#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using schema::EventKind;
using server::HandOut;
using server::LeaseReply;
using server::Poll;
using server::ResultsReply;
using server::TransactionSummary;

// The start, the entry of its step and the hand-outs to those who wait are one record: no write of their own.
TEST(Partition, LeasesInTheRecordThatMadeTheTaskReady) {
  Driver d;
  publish(d, kPair);
  const auto x = d.submit<LeaseReply>(lease_of(poll_of({"qx"}, 1, Duration{60'000})));
  const auto y = d.submit<LeaseReply>(lease_of(poll_of({"qy", "other"}, 5, Duration{60'000})));
  EXPECT_FALSE(d.partition().has_batch()) << "a poll that finds nothing writes nothing";
  const auto started = d.submit<TransactionSummary>(start_of("t", "pair"));
  ASSERT_TRUE(d.begin_write());
  EXPECT_FALSE(x.given() || y.given()) << "intent is durable before a task is handed out";
  d.finish_write();
  ASSERT_TRUE(x.ok() && y.ok() && started.ok());
  ASSERT_EQ(x->tasks.size(), 1u);
  ASSERT_EQ(y->tasks.size(), 1u);
  EXPECT_EQ(d.record_sizes("t"), (std::vector<std::size_t>{4}));
  EXPECT_EQ(x->tasks[0].step, "a");
  EXPECT_EQ(x->tasks[0].task, "x");
  EXPECT_EQ(x->tasks[0].input, "{\"n\":1}");
  EXPECT_EQ(d.partition().next_due(), d.now + Duration{60'000}) << "only the leases are left to end by time";
}

// The poll is registered before the results are decided: what they make ready is handed out in their own record.
TEST(Partition, RegistersThenLeaseBeforeTheResultsAreDecided) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const HandOut x = take(d, "qx"), y = take(d, "qy");
  const std::size_t records = d.record_sizes("t").size();
  const auto answer = d.submit<ResultsReply>(
      results_of({completed(x.token, "5"), completed(y.token)}, poll_of({"qz"}, 4, Duration{1000}, "p1")));
  ASSERT_TRUE(d.begin_write());
  EXPECT_FALSE(answer.given());
  d.finish_write();
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->tasks.size(), 1u);
  EXPECT_EQ(answer->tasks[0].input, "{\"from\":5}");
  EXPECT_EQ(d.record_sizes("t").size(), records + 1);
  // The answer was lost: the same request again gets the same answers and the same lease, and writes nothing.
  for (int round = 0; round < 2; ++round) {
    const auto again = d.ask<ResultsReply>(
        results_of({completed(x.token, "5"), completed(y.token)}, poll_of({"qz"}, 4, Duration{1000}, "p1")));
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->results[0] && again->results[1]);
    ASSERT_EQ(again->tasks.size(), 1u);
    EXPECT_EQ(again->tasks[0].token, answer->tasks[0].token);
    EXPECT_EQ(d.record_sizes("t").size(), records + 1);
    d.crash(Fate::lost);
  }
}

// Four writes for a whole saga when its worker takes and returns a step's tasks in one request.
TEST(Partition, WritesAnOrderlySagaWithOneWriteAStep) {
  Driver d;
  publish(d, kPair);
  const double before = d.metrics().records.Value();
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"qx", "qy"}, 9, Duration{60'000})));
  d.submit<TransactionSummary>(start_of("t", "pair"));
  d.write();
  ASSERT_EQ(waiting->tasks.size(), 2u);
  const auto second =
      d.ask<ResultsReply>(results_of({completed(waiting->tasks[0].token, "1"), completed(waiting->tasks[1].token)},
                                     poll_of({"qz"}, 9, Duration{60'000})));
  ASSERT_EQ(second->tasks.size(), 1u);
  ASSERT_TRUE(report(d, completed(second->tasks[0].token)));
  EXPECT_EQ(d.metrics().records.Value() - before, 3);
  EXPECT_EQ(status_of(d, "t"), "completed");
}

TEST(Partition, HandsOutNoMoreThanAPollWants) {
  Driver d;
  publish(d, kMany);
  publish(d, kPair);
  const auto poll = d.submit<LeaseReply>(lease_of(poll_of({"m", "qx"}, 6, Duration{60'000})));
  d.submit<TransactionSummary>(start_of("t1", "many"));
  d.submit<TransactionSummary>(start_of("t2", "pair"));
  d.submit<TransactionSummary>(start_of("t3", "many"));
  d.write();
  ASSERT_TRUE(poll.ok());
  EXPECT_EQ(poll->tasks.size(), 6u) << "of several transactions and queues, in one answer";
  const auto rest = d.ask<LeaseReply>(lease_of(poll_of({"m"}, 100)));
  EXPECT_EQ(rest->tasks.size(), 3u);
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"m", "qx"}, 100)))->tasks.empty());
  d.expect_consistent();
}

TEST(Partition, ServesPollsInOrderOfArrival) {
  Driver d;
  publish(d, kMany);
  const auto first = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 1, Duration{1000})));
  const auto second = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 2, Duration{1000})));
  const auto third = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 9, Duration{1000})));
  d.submit<TransactionSummary>(start_of("t", "many"));
  d.write();
  ASSERT_TRUE(first.ok() && second.ok() && third.ok());
  EXPECT_EQ(first->tasks.size(), 1u);
  EXPECT_EQ(second->tasks.size(), 2u);
  EXPECT_EQ(third->tasks.size(), 1u);
}

TEST(Partition, AnswersAPollThatFindsNothing) {
  Driver d;
  publish(d, kOne);
  const auto at_once = d.submit<LeaseReply>(lease_of(poll_of({"q"})));
  ASSERT_TRUE(at_once.ok());
  EXPECT_TRUE(at_once->tasks.empty());
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{1000})));
  d.wait(Duration{999});
  d.tick();
  EXPECT_FALSE(waiting.given());
  d.wait(Duration{1});
  d.tick();
  ASSERT_TRUE(waiting.ok());
  EXPECT_TRUE(waiting->tasks.empty());
  // Nobody is left to be handed something.
  start(d, "t", "one");
  EXPECT_EQ(d.kinds("t"), (std::vector<EventKind>{EventKind::transaction_started, EventKind::step_entered}));
}

TEST(Partition, AnswersTheSamePollIdWithItsOpenLeases) {
  Driver d;
  publish(d, kMany);
  start(d, "t", "many");
  const auto first = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")));
  const auto built = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")));
  ASSERT_TRUE(d.begin_write());
  const auto away = d.submit<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")));
  EXPECT_FALSE(first.given() || built.given() || away.given());
  d.finish_write();
  ASSERT_TRUE(first.ok() && built.ok() && away.ok());
  ASSERT_EQ(first->tasks.size(), 2u);
  const auto same = [&](const std::vector<HandOut>& tasks) {
    ASSERT_EQ(tasks.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(tasks[i].token, first->tasks[i].token);
      EXPECT_EQ(tasks[i].input, first->tasks[i].input);
      EXPECT_EQ(tasks[i].lease_until, first->tasks[i].lease_until);
    }
  };
  same(built->tasks);
  same(away->tasks);
  d.crash(Fate::lost);
  same(d.ask<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")))->tasks);
  // Only those still open; and once none is, the poll is a new one.
  ASSERT_TRUE(report(d, completed(first->tasks[0].token)));
  const auto fewer = d.ask<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")));
  ASSERT_EQ(fewer->tasks.size(), 1u);
  EXPECT_EQ(fewer->tasks[0].token, first->tasks[1].token);
  ASSERT_TRUE(report(d, completed(first->tasks[1].token)));
  const auto fresh = d.ask<LeaseReply>(lease_of(poll_of({"m"}, 2, {}, "p")));
  EXPECT_EQ(fresh->tasks.size(), 2u);
  EXPECT_NE(fresh->tasks[0].token, first->tasks[0].token);
}

// The hand-out may have become durable although nobody was told: the same poll finds it.
TEST(Partition, FindsTheLeasesOfAPollWhoseWriteFailed) {
  for (const Fate fate : {Fate::lost, Fate::durable}) {
    Driver d;
    publish(d, kOne);
    start(d, "t", "one");
    const auto poll = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{1000}, "p")));
    ASSERT_TRUE(d.begin_write());
    d.fail_write(fate);
    EXPECT_EQ(poll.code(), ErrorCode::outcome_unknown);
    const auto again = d.ask<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{1000}, "p")));
    ASSERT_TRUE(again.ok());
    ASSERT_EQ(again->tasks.size(), 1u);
    EXPECT_EQ(again->tasks[0].attempt, 1u);
    const auto kinds = d.kinds("t");
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::task_leased), 1);
    ASSERT_TRUE(report(d, completed(again->tasks[0].token)));
    EXPECT_EQ(status_of(d, "t"), "completed");
  }
}

// K7: a poll whose caller has gone gets nothing; the next one does.
TEST(Partition, HandsNothingToAPollWhoseCallerHasGone) {
  Driver d;
  publish(d, kOne);
  bool here = true;
  auto request = lease_of(poll_of({"q"}, 1, Duration{60'000}));
  request.alive = [&here] { return here; };
  const auto dead = d.submit<LeaseReply>(request);
  const auto live = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000})));
  here = false;
  d.submit<TransactionSummary>(start_of("t", "one"));
  d.write();
  EXPECT_FALSE(dead.given());
  ASSERT_TRUE(live.ok());
  EXPECT_EQ(live->tasks.size(), 1u);
  // Ready work goes past it as well, whether it was queued or comes out of a backoff.
  ASSERT_TRUE(report(d, released(live->tasks[0].token, Duration{100})));
  d.run_until(d.now + Duration{100});
  EXPECT_FALSE(dead.given());
  const auto next = d.ask<LeaseReply>(lease_of(poll_of({"q"})));
  EXPECT_EQ(next->tasks.size(), 1u);
  auto gone = lease_of(poll_of({"q"}, 1, Duration{60'000}));
  gone.alive = [] { return false; };
  EXPECT_TRUE(d.submit<LeaseReply>(gone).ok()) << "a poll that is dead on arrival does not wait";
}

TEST(Partition, AnswersAnOlderPollOfTheSameNameEmpty) {
  Driver d;
  publish(d, kOne);
  const auto older = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000}, "p")));
  const auto newer = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{60'000}, "p")));
  ASSERT_TRUE(older.ok());
  EXPECT_TRUE(older->tasks.empty());
  d.submit<TransactionSummary>(start_of("t", "one"));
  d.write();
  ASSERT_TRUE(newer.ok());
  EXPECT_EQ(newer->tasks.size(), 1u);
}

// C13: entries of the work queue are hints. One for a task that was withdrawn meanwhile is passed over.
TEST(Partition, PassesOverWorkThatIsNoLongerReady) {
  Driver d;
  publish(d, kPair);
  start(d, "t1", "pair");
  start(d, "t2", "pair");
  ASSERT_TRUE(d.ask<TransactionSummary>(cancel_of("t1")).ok());
  const auto poll = d.ask<LeaseReply>(lease_of(poll_of({"qx", "qy"}, 9)));
  ASSERT_EQ(poll->tasks.size(), 2u);
  for (const HandOut& task : poll->tasks) EXPECT_EQ(task.transaction, "t2");
  d.expect_consistent();
}

// I5, C8: a task that nobody finished is undone when it may have begun, and only then.
TEST(Partition, AsksForTheUndoOfWhatMayHaveHappened) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const HandOut x = take(d, "qx");
  const auto undo = d.submit<LeaseReply>(lease_of(poll_of({"ux", "uy"}, 9, Duration{300'000})));
  ASSERT_TRUE(d.ask<TransactionSummary>(cancel_of("t")).ok());
  EXPECT_FALSE(undo.given()) << "an undo never runs beside an open lease of its task";
  const auto beat = d.ask<server::HeartbeatReply>(beat_of(x.token));
  ASSERT_TRUE(beat.ok() && beat->results[0]);
  EXPECT_TRUE(beat->results[0]->stop);
  d.run_until(d.now + Duration{60'000});
  ASSERT_TRUE(undo.ok());
  ASSERT_EQ(undo->tasks.size(), 1u) << "y was never handed out";
  EXPECT_EQ(undo->tasks[0].action, schema::Action::undo);
  EXPECT_EQ(undo->tasks[0].task, "x");
  EXPECT_FALSE(undo->tasks[0].output.has_value());
  EXPECT_EQ(undo->tasks[0].input, "{\"n\":1}");
  ASSERT_TRUE(report(d, completed(undo->tasks[0].token)));
  EXPECT_EQ(status_of(d, "t"), "compensated");
}

TEST(Partition, AnswersWaitingPollsWhenItStops) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const auto empty = d.submit<LeaseReply>(lease_of(poll_of({"other"}, 1, Duration{60'000})));
  const auto handed = d.submit<LeaseReply>(lease_of(poll_of({"q"}, 2, Duration{60'000})));
  const auto outcome = d.submit<TransactionSummary>(start_of("t", "one", "{\"n\":1}", Duration{60'000}));
  const auto follower = d.submit<server::WaitReply>(server::WaitRequest{schema::Position(1000), Duration{60'000}, {}});
  d.partition().stop(d.now);
  ASSERT_TRUE(empty.ok() && follower.ok());
  EXPECT_FALSE(handed.given() || outcome.given()) << "they depend on what is still being written";
  d.write();
  ASSERT_TRUE(handed.ok() && outcome.ok());
  EXPECT_EQ(handed->tasks.size(), 1u);
  EXPECT_EQ(outcome->status, "running");
  d.reopen();
  EXPECT_TRUE(report(d, completed(handed->tasks[0].token))) << "leases are left standing";
}

}  // namespace
}  // namespace dta::partition

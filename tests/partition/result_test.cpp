// Results of leases: the token decides. Conformance: C1 C2 C3 C4 C5 C6 C7 C12 E15 F10 I2.
#include <algorithm>

#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using schema::EventKind;
using schema::Sequence;
using schema::TransactionNumber;
using server::HandOut;
using server::ResultsReply;
using server::TaskResult;

std::size_t count(const Driver& d, const std::string& id, EventKind kind) {
  const auto kinds = d.kinds(id);
  return static_cast<std::size_t>(std::count(kinds.begin(), kinds.end(), kind));
}

// C1, C5, C7, C12: before it is durable, after, after the end, after a restart, from a transaction that left memory.
TEST(Partition, AnswersTheSameResultAsTheFirstTime) {
  Driver::Setup setup;
  setup.settings.closed_cache = 0;
  Driver d(setup);
  publish(d, kPair);
  start(d, "t", "pair");
  const HandOut x = take(d, "qx");
  const TaskResult good = completed(x.token, "{\"v\":1}"), other = completed(x.token, "{\"v\":2}"),
                   bad = failed(x.token);
  const auto check = [&](const char* when) {
    const auto answer = d.ask<ResultsReply>(results_of({good, other, bad, released(x.token)}));
    ASSERT_TRUE(answer.ok()) << when;
    EXPECT_TRUE(answer->results[0]) << when;
    for (std::size_t i = 1; i < 4; ++i)
      EXPECT_EQ(code_of(answer->results[i]), ErrorCode::id_reused) << when << " " << i;
  };
  const auto first = d.submit<ResultsReply>(results_of({good}));
  const auto built = d.submit<ResultsReply>(results_of({good}));
  const auto built_other = d.submit<ResultsReply>(results_of({bad}));
  ASSERT_TRUE(d.begin_write());
  const auto away = d.submit<ResultsReply>(results_of({good}));
  EXPECT_FALSE(first.given() || built.given() || built_other.given() || away.given());
  EXPECT_FALSE(d.partition().has_batch());
  d.finish_write();
  ASSERT_TRUE(first.ok() && built.ok() && built_other.ok() && away.ok());
  EXPECT_TRUE(first->results[0] && built->results[0] && away->results[0]);
  EXPECT_EQ(code_of(built_other->results[0]), ErrorCode::id_reused);
  check("durable");
  d.crash(Fate::lost);
  check("after a restart");
  ASSERT_TRUE(report(d, completed(take(d, "qy").token)));
  ASSERT_TRUE(report(d, completed(take(d, "qz").token)));
  EXPECT_TRUE(d.partition().entries().empty()) << "the ended transaction left memory";
  check("after the end");
  d.crash(Fate::lost);
  check("after the end and a restart");
  EXPECT_EQ(count(d, "t", EventKind::task_completed), 3u);
  EXPECT_EQ(count(d, "t", EventKind::late_result), 0u);
}

TEST(Partition, JudgesTwoResultsForOneTokenInOneRequest) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const HandOut x = take(d, "qx");
  const auto answer = d.ask<ResultsReply>(results_of({completed(x.token), failed(x.token), completed(x.token)}));
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->results[0]);
  EXPECT_EQ(code_of(answer->results[1]), ErrorCode::id_reused);
  EXPECT_TRUE(answer->results[2]);
  EXPECT_EQ(count(d, "t", EventKind::task_completed), 1u);
}

TEST(Partition, MakesOneRecordForEachTransactionOfARequest) {
  Driver d;
  publish(d, kPair);
  start(d, "t1", "pair");
  start(d, "t2", "pair");
  const HandOut x1 = take(d, "qx"), x2 = take(d, "qx"), y1 = take(d, "qy"), y2 = take(d, "qy");
  const std::size_t records = d.record_sizes("t1").size();
  const auto answer = d.ask<ResultsReply>(results_of(
      {completed(x1.token), completed(y2.token), completed("nonsense"), completed(x2.token), completed(y1.token)}));
  ASSERT_TRUE(answer.ok());
  for (std::size_t i : {0u, 1u, 3u, 4u}) EXPECT_TRUE(answer->results[i]) << i;
  EXPECT_EQ(code_of(answer->results[2]), ErrorCode::lease_not_found);
  EXPECT_EQ(d.record_sizes("t1").size(), records + 1);
  EXPECT_EQ(d.record_sizes("t2").size(), records + 1);
}

// C6: whatever a token names that was never handed out, with any result, in any state of the lease it is like.
TEST(Partition, KnowsNoTokenThatWasNeverHandedOut) {
  Driver d;
  publish(d, kOne);
  publish(d, kTable);
  start(d, "t", "one");
  start(d, "f", "fine");
  const HandOut task = take(d, "q");
  const server::TokenParts parts = *server::parse_lease_token(task.token);
  const std::string other_time = server::lease_token(parts.number, parts.lease, parts.leased_at + Duration{1});
  const auto check = [&](const char* when) {
    for (const std::string& token :
         std::vector<std::string>{"", "1.2", "x.y.z", task.token + "0x", other_time,
                                  server::lease_token(parts.number, Sequence(1), parts.leased_at),
                                  server::lease_token(parts.number, Sequence(999), parts.leased_at),
                                  server::lease_token(TransactionNumber(999), Sequence(1), d.now),
                                  server::lease_token(parts.number.next(), Sequence(1), kBegin)}) {
      EXPECT_EQ(code_of(report(d, completed(token, "{}"))), ErrorCode::lease_not_found) << when << ": " << token;
      EXPECT_EQ(code_of(report(d, failed(token))), ErrorCode::lease_not_found) << when << ": " << token;
      const auto beat = d.ask<server::HeartbeatReply>(beat_of(token));
      ASSERT_TRUE(beat.ok());
      ASSERT_FALSE(beat->results[0]);
      EXPECT_EQ(beat->results[0].error().code, ErrorCode::lease_not_found) << when << ": " << token;
    }
  };
  check("open");
  d.wait(Duration{5000});
  d.tick();
  d.write();
  EXPECT_EQ(count(d, "t", EventKind::attempt_timed_out), 1u);
  check("timed out");
  EXPECT_EQ(count(d, "t", EventKind::late_result), 0u);
  d.run_until(d.now + Duration{1000});
  const HandOut second = take(d, "q");
  ASSERT_TRUE(report(d, completed(second.token, "{}")));
  const server::TokenParts done = *server::parse_lease_token(second.token);
  EXPECT_EQ(
      code_of(report(d, completed(server::lease_token(done.number, done.lease, done.leased_at + Duration{1}), "{}"))),
      ErrorCode::lease_not_found);
  check("answered");
}

// C2, C3, C4: the old attempt's result is recorded once, changes nothing and never completes the new attempt.
TEST(Partition, RecordsAStaleResultOnceAsLate) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut first = take(d, "q");
  d.run_until(d.now + Duration{6000});
  const HandOut second = take(d, "q");
  EXPECT_NE(first.token, second.token);
  EXPECT_EQ(first.idempotency_key, second.idempotency_key) << "a retry is the same piece of work";
  EXPECT_EQ(second.attempt, 2u);
  const auto late = d.submit<ResultsReply>(results_of({completed(first.token, "{}"), completed(first.token, "{}")}));
  const auto again = d.submit<ResultsReply>(results_of({completed(first.token, "{}")}));
  EXPECT_FALSE(late.given() || again.given());
  d.write();
  ASSERT_TRUE(late.ok() && again.ok());
  for (const Status& status : late->results) EXPECT_EQ(code_of(status), ErrorCode::stale_lease);
  EXPECT_EQ(code_of(again->results[0]), ErrorCode::stale_lease);
  EXPECT_EQ(count(d, "t", EventKind::late_result), 1u);
  d.crash(Fate::lost);
  EXPECT_EQ(code_of(report(d, completed(first.token, "{}"))), ErrorCode::stale_lease);
  EXPECT_EQ(status_of(d, "t"), "running");
  ASSERT_TRUE(report(d, completed(second.token)));
  EXPECT_EQ(status_of(d, "t"), "completed");
  EXPECT_EQ(code_of(report(d, failed(first.token))), ErrorCode::stale_lease) << "after the end too";
  EXPECT_EQ(count(d, "t", EventKind::late_result), 1u);
  EXPECT_EQ(code_of(report(d, completed(second.token, "{}"))), ErrorCode::id_reused);
  d.expect_consistent();
}

// A termination ends every open lease: what its worker still sends is late, before and after the write and a restart.
TEST(Partition, TakesResultsOfLeasesThatATerminationEndedAsLate) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  const HandOut x = take(d, "qx"), y = take(d, "qy");
  ASSERT_TRUE(d.ask<server::HeartbeatReply>(beat_of(x.token))->results[0]);
  const auto ended = d.submit<server::TransactionSummary>(terminate_of("t", "r-1"));
  const auto early = d.submit<ResultsReply>(results_of({completed(x.token, "{}")}));
  d.write();
  ASSERT_TRUE(ended.ok() && early.ok());
  EXPECT_EQ(ended->phase, "terminated");
  EXPECT_EQ(code_of(early->results[0]), ErrorCode::stale_lease);
  const auto check = [&](const char* when) {
    EXPECT_EQ(code_of(report(d, completed(x.token, "{}"))), ErrorCode::stale_lease) << when;
    EXPECT_EQ(code_of(report(d, failed(y.token))), ErrorCode::stale_lease) << when;
    EXPECT_EQ(code_of(report(d, released(y.token))), ErrorCode::stale_lease) << when;
    const auto beat = d.ask<server::HeartbeatReply>(beat_of(x.token));
    ASSERT_TRUE(beat.ok()) << when;
    EXPECT_EQ(beat->results[0] ? std::nullopt : std::optional(beat->results[0].error().code), ErrorCode::stale_lease);
    EXPECT_EQ(count(d, "t", EventKind::late_result), 2u) << when;
    const auto again = d.ask<server::TransactionSummary>(terminate_of("t", "r-1"));
    ASSERT_TRUE(again.ok()) << when;
    EXPECT_EQ(again->sequence, ended->sequence) << when;
    EXPECT_EQ(d.ask<server::TransactionSummary>(terminate_of("t", "r-2")).code(), ErrorCode::closed) << when;
    EXPECT_EQ(count(d, "t", EventKind::transaction_terminated), 1u) << when;
    d.expect_consistent();
  };
  check("durable");
  d.crash(Fate::lost);
  check("after a restart");
  d.run_until(d.now + Duration{600'000});
  EXPECT_EQ(count(d, "t", EventKind::attempt_timed_out), 0u) << "nothing is left that could be due";
}

TEST(Partition, RecordsALateResultOfATransactionThatLeftMemory) {
  Driver::Setup setup;
  setup.settings.closed_cache = 0;
  Driver d(setup);
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut first = take(d, "q");
  d.run_until(d.now + Duration{6000});
  ASSERT_TRUE(report(d, completed(take(d, "q").token)));
  ASSERT_TRUE(d.partition().entries().empty());
  EXPECT_EQ(code_of(report(d, completed(first.token, "{\"big\":1}"))), ErrorCode::stale_lease);
  EXPECT_EQ(code_of(report(d, completed(first.token, "{\"big\":1}"))), ErrorCode::stale_lease);
  EXPECT_EQ(count(d, "t", EventKind::late_result), 1u);
  EXPECT_EQ(status_of(d, "t"), "completed");
  d.crash(Fate::lost);
  EXPECT_TRUE(d.partition().entries().empty());
  EXPECT_EQ(status_of(d, "t"), "completed");
}

// A release of a lease that has ended is no result: there is nothing to record.
TEST(Partition, RecordsNoReleaseOfAnEndedLease) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut first = take(d, "q");
  d.run_until(d.now + Duration{6000});
  EXPECT_EQ(code_of(report(d, released(first.token))), ErrorCode::stale_lease);
  EXPECT_EQ(count(d, "t", EventKind::late_result), 0u);
}

TEST(Partition, HandsAReleasedTaskOutAgainAfterItsDelay) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut first = take(d, "q");
  ASSERT_TRUE(report(d, released(first.token, Duration{700})));
  ASSERT_TRUE(report(d, released(first.token, Duration{700})));
  const auto poll = d.submit<server::LeaseReply>(lease_of(poll_of({"q"}, 1, Duration{10'000})));
  d.run_until(d.now + Duration{699});
  EXPECT_FALSE(poll.given());
  d.run_until(d.now + Duration{1});
  ASSERT_TRUE(poll.ok());
  ASSERT_EQ(poll->tasks.size(), 1u);
  EXPECT_EQ(poll->tasks[0].attempt, 1u) << "a released attempt does not count";
  EXPECT_NE(poll->tasks[0].token, first.token);
  EXPECT_EQ(code_of(report(d, completed(first.token))), ErrorCode::id_reused);
}

// I2: finished tasks are not run again, whatever is lost around them.
TEST(Partition, HandsNoFinishedTaskOutAgainAfterARestart) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  ASSERT_TRUE(report(d, completed(take(d, "qx").token, "{\"v\":1.0}")));
  d.crash(Fate::lost);
  EXPECT_TRUE(d.ask<server::LeaseReply>(lease_of(poll_of({"qx"})))->tasks.empty());
  ASSERT_TRUE(report(d, completed(take(d, "qy").token)));
  d.crash(Fate::lost);
  const HandOut z = take(d, "qz");
  EXPECT_EQ(z.input, "{\"from\":{\"v\":1.0}}");
  ASSERT_TRUE(report(d, completed(z.token, "7")));
  const auto end = d.ask<server::TransactionSummary>(start_of("t", "pair"));
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->output, "{\"z\":7}");
}

}  // namespace
}  // namespace dta::partition

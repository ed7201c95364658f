// Failed writes and crashes: what was not answered gets outcome_unknown, and the same request afterwards takes effect
// once, whether the batch had become durable or not. Conformance: A10 C12 I1 I2 I4 I9.
#include <algorithm>

#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"
#include "tests/storage/fault_disk.h"

namespace dta::partition {
namespace {

using schema::EventKind;
using server::AppendReply;
using server::HandOut;
using server::LeaseReply;
using server::PublishReply;
using server::PublishRequest;
using server::ResultsReply;
using server::TransactionReply;
using server::TransactionSummary;

// A10: nothing is left half open; everybody is told; the same requests again are answered right.
TEST(Partition, TellsEverybodyThatTheOutcomeOfAFailedWriteIsUnknown) {
  for (const Fate fate : {Fate::lost, Fate::durable}) {
    Driver d;
    publish(d, kPair);
    publish(d, kTable);
    start(d, "t", "pair");
    start(d, "f", "fine");
    const HandOut x = take(d, "qx");
    const auto waiter = d.submit<TransactionReply>(get_of("t", Duration{60'000}));
    const auto poll = d.submit<LeaseReply>(lease_of(poll_of({"nobody"}, 1, Duration{60'000})));
    const auto follower =
        d.submit<server::WaitReply>(server::WaitRequest{schema::Position(1000), Duration{60'000}, {}});
    // In the batch that is away.
    const auto published = d.submit<PublishReply>(PublishRequest{define(kOne), {}});
    const auto started = d.submit<TransactionSummary>(start_of("n", "pair"));
    const auto result = d.submit<ResultsReply>(results_of({completed(x.token, "1")}));
    const auto appended = d.submit<AppendReply>(append_of("f", {{"e1", "send", ""}}));
    ASSERT_TRUE(d.begin_write());
    // In the batch that is built meanwhile: it never reaches the log.
    const auto cancelled = d.submit<TransactionSummary>(cancel_of("n", "c1"));
    const auto read = d.submit<TransactionReply>(get_of("f"));
    const auto refused = d.submit<TransactionSummary>(start_of("n", "pair", "{\"n\":9}"));
    d.fail_write(fate);
    EXPECT_EQ(waiter.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(poll.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(follower.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(published.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(started.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(result.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(appended.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(cancelled.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(read.code(), ErrorCode::outcome_unknown);
    EXPECT_EQ(refused.code(), ErrorCode::outcome_unknown) << "never a refusal";

    const bool durable = fate == Fate::durable;
    const auto published_again = d.ask<PublishReply>(PublishRequest{define(kOne), {}});
    ASSERT_TRUE(published_again.ok());
    EXPECT_EQ(published_again->created, !durable);
    const auto started_again = d.ask<TransactionSummary>(start_of("n", "pair"));
    ASSERT_TRUE(started_again.ok());
    EXPECT_EQ(started_again->created, !durable);
    const auto appended_again = d.ask<AppendReply>(append_of("f", {{"e1", "send", ""}}));
    ASSERT_TRUE(appended_again.ok());
    EXPECT_EQ(appended_again->repeated, durable);
    EXPECT_EQ(appended_again->state, "sent");
    EXPECT_TRUE(report(d, completed(x.token, "1")));
    EXPECT_EQ(code_of(report(d, failed(x.token))), ErrorCode::id_reused);
    EXPECT_EQ(status_of(d, "n"), "running") << "the cancel was never in the log";
    EXPECT_TRUE(d.ask<TransactionSummary>(cancel_of("n", "c1")).ok());
    EXPECT_EQ(d.history("f").size(), 2u);
    const auto kinds = d.kinds("t");
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::task_completed), 1);
    d.expect_consistent();
  }
}

// I9: the disk itself says no, at every operation of a write; LevelDB and HEAD see the same fault.
TEST(Partition, ComesBackFromADiskThatFailsAtAnyOperation) {
  std::size_t failures = 0;
  for (std::uint64_t at = 1; at < 40; ++at) {
    storage::FaultDisk disk;
    Driver::Setup setup;
    setup.disk = &disk;
    Driver d(setup);
    publish(d, kPair);
    start(d, "t", "pair");
    const HandOut x = take(d, "qx");
    const auto before = d.submit<ResultsReply>(results_of({completed(x.token, "1")}, poll_of({"qy"}, 1, {}, "p")));
    disk.fail_once_at(disk.operations() + at);
    const Status written = d.write_on_failing_disk();
    disk.fail_once_at(UINT64_MAX);  // it was to fail in the write, not in the opening after it
    const bool failed = !written;
    failures += failed;
    ASSERT_TRUE(before.given());
    if (failed) {
      EXPECT_EQ(before.code(), ErrorCode::outcome_unknown);
    } else {
      EXPECT_TRUE(before.ok());
    }
    d.reopen();
    const auto again = d.ask<ResultsReply>(results_of({completed(x.token, "1")}, poll_of({"qy"}, 1, {}, "p")));
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(again->results[0]);
    ASSERT_EQ(again->tasks.size(), 1u);
    const auto kinds = d.kinds("t");
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::task_completed), 1);
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::task_leased), 2);
    d.expect_consistent();
    if (!failed) break;  // beyond the write's last operation
  }
  EXPECT_GT(failures, 1u);
}

// I1, I4: the same saga, killed after each of its writes in turn, ends as it does without.
TEST(Partition, EndsTheSameWhereverItIsKilled) {
  const auto run = [](std::size_t kill_after, Fate fate) {
    Driver d;
    std::size_t writes = 0;
    // Asks again until there is an answer, as callers do.
    const auto insist = [&]<class Reply, class Request>(Request request, Reply*) {
      for (;;) {
        const auto answer = d.submit<Reply>(request);
        while (d.begin_write()) {
          if (++writes == kill_after) {
            d.crash(fate);
            break;
          }
          d.finish_write();
        }
        if (answer.given()) return *answer;
      }
    };
    insist(PublishRequest{define(kPair), {}}, static_cast<PublishReply*>(nullptr));
    insist(start_of("t", "pair"), static_cast<TransactionSummary*>(nullptr));
    const auto worker = [&](const std::string& queue, const std::string& poll_id, bool good) {
      const auto lease = insist(lease_of(poll_of({queue}, 1, {}, poll_id)), static_cast<LeaseReply*>(nullptr));
      DTA_ASSERT(lease.tasks.size() == 1);
      const std::string token = lease.tasks[0].token;
      insist(results_of({good ? completed(token, "1") : failed(token)}), static_cast<ResultsReply*>(nullptr));
    };
    worker("qx", "p1", true);
    worker("qy", "p2", true);
    worker("qz", "p3", false);
    worker("ux", "p4", true);
    worker("uy", "p5", true);
    d.expect_consistent();
    EXPECT_EQ(status_of(d, "t"), "compensated");
    return std::pair(d.kinds("t"), writes);
  };
  const auto [expected, writes] = run(0, Fate::lost);
  EXPECT_EQ(writes, 12u);
  for (std::size_t at = 1; at <= writes; ++at)
    for (const Fate fate : {Fate::lost, Fate::durable})
      EXPECT_EQ(run(at, fate).first, expected) << "killed in write " << at;
}

// Loses the machine, not only the process: what was acknowledged is there.
TEST(Partition, KeepsWhatWasAcknowledgedOverAPowerLoss) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    storage::FaultDisk disk;
    Driver::Setup setup;
    setup.disk = &disk;
    Driver d(setup);
    publish(d, kPair);
    start(d, "t", "pair");
    const HandOut x = take(d, "qx");
    ASSERT_TRUE(report(d, completed(x.token, "1")));
    d.submit<TransactionSummary>(start_of("n", "pair"));
    d.power_loss(seed);
    EXPECT_EQ(status_of(d, "t"), "running");
    EXPECT_TRUE(report(d, completed(x.token, "1")));
    EXPECT_EQ(code_of(report(d, failed(x.token))), ErrorCode::id_reused);
    EXPECT_TRUE(d.ask<TransactionSummary>(start_of("n", "pair")).ok());
    d.expect_consistent();
  }
}

}  // namespace
}  // namespace dta::partition

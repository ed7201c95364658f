// Heartbeats, backoff, timeouts and the grace after an opening. Conformance: D6 D12 I6.
#include <algorithm>

#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using schema::EventKind;
using server::HandOut;
using server::HeartbeatReply;
using server::LeaseReply;
using server::TransactionSummary;

std::size_t count(const Driver& d, const std::string& id, EventKind kind) {
  const auto kinds = d.kinds(id);
  return static_cast<std::size_t>(std::count(kinds.begin(), kinds.end(), kind));
}

// A definition with one task, whose `more` are members of the task; `head` members of the definition.
std::string single(const std::string& more, const std::string& step = {}, const std::string& head = {}) {
  return "{\"name\":\"single\",\"version\":1" + head + ",\"steps\":[{\"name\":\"s\"" + step +
         ",\"tasks\":[{\"name\":\"t\",\"queue\":\"q\",\"undo\":{\"queue\":\"u\"}" + more + "}]}]}";
}

// D6, I6.
TEST(Partition, KeepsALeaseAsLongAsItsWorkerBeats) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut task = take(d, "q");
  EXPECT_EQ(task.lease_until, d.now + Duration{5000});
  for (int i = 0; i < 5; ++i) {
    d.run_until(d.now + Duration{4999});
    const auto beat = d.ask<HeartbeatReply>(beat_of(task.token));
    ASSERT_TRUE(beat.ok() && beat->results[0]) << i;
    EXPECT_EQ(beat->results[0]->lease_until, std::min(d.now + Duration{5000}, task.lease_until + Duration{25'000}));
    EXPECT_FALSE(beat->results[0]->stop);
  }
  EXPECT_EQ(d.history("t").size(), 3u) << "a heartbeat without detail writes nothing";
  d.run_until(d.now + Duration{5000});
  EXPECT_EQ(count(d, "t", EventKind::attempt_timed_out), 1u);
  const auto beat = d.ask<HeartbeatReply>(beat_of(task.token));
  ASSERT_FALSE(beat->results[0]);
  EXPECT_EQ(beat->results[0].error().code, ErrorCode::stale_lease);
  d.run_until(d.now + Duration{1000});
  EXPECT_EQ(take(d, "q").attempt, 2u);
}

// D6: the detail is kept at most once a period, and the next attempt is given the last one that was kept.
TEST(Partition, KeepsChangedHeartbeatDetailOncePerPeriod) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut task = take(d, "q");
  const auto beat = [&](const std::string& detail) {
    const auto answer = d.ask<HeartbeatReply>(beat_of(task.token, detail));
    EXPECT_TRUE(answer.ok() && answer->results[0]);
    return count(d, "t", EventKind::heartbeat_recorded);
  };
  EXPECT_EQ(beat("1"), 1u);
  d.run_until(d.now + Duration{2500});
  EXPECT_EQ(beat("2"), 1u) << "the period is not over";
  d.run_until(d.now + Duration{2500});
  EXPECT_EQ(beat("1"), 1u) << "unchanged";
  EXPECT_EQ(beat("3"), 2u);
  d.crash(Fate::lost);
  EXPECT_EQ(beat("3"), 2u) << "unchanged, and known over a restart";
  d.run_until(d.now + Duration{40'000});
  const HandOut second = take(d, "q");
  EXPECT_EQ(second.attempt, 2u);
  EXPECT_EQ(second.heartbeat_detail, "3");
  d.expect_consistent();
}

// What a heartbeat tells depends on what is durable, like every other answer.
TEST(Partition, TellsNoStopThatIsNotDurable) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut task = take(d, "q");
  d.submit<TransactionSummary>(cancel_of("t"));
  ASSERT_TRUE(d.begin_write());
  const auto beat = d.submit<HeartbeatReply>(beat_of(task.token));
  EXPECT_FALSE(beat.given());
  d.crash(Fate::lost);
  EXPECT_FALSE(beat.given());
  const auto now = d.ask<HeartbeatReply>(beat_of(task.token));
  ASSERT_TRUE(now.ok() && now->results[0]);
  EXPECT_FALSE(now->results[0]->stop) << "the cancel was lost";
}

TEST(Partition, RetriesExactlyWhenTheBackoffIsOver) {
  Driver d;
  publish(d, kPair);
  start(d, "t", "pair");
  ASSERT_TRUE(report(d, failed(take(d, "qx").token, true)));
  const Time first = d.now + Duration{1000};
  EXPECT_EQ(d.partition().next_due(), first);
  d.now = Time{first.ms - 1};
  d.tick();
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"qx"})))->tasks.empty());
  d.now = first;
  const HandOut second = take(d, "qx");  // asked at that very moment, before any timer was looked at
  EXPECT_EQ(second.attempt, 2u);
  const auto waiting = d.submit<LeaseReply>(lease_of(poll_of({"qx"}, 1, Duration{60'000})));
  ASSERT_TRUE(report(d, failed(second.token, true)));
  EXPECT_EQ(d.partition().next_due(), d.now + Duration{2000});
  d.run_until(d.now + Duration{1999});
  EXPECT_FALSE(waiting.given());
  d.run_until(d.now + Duration{1});
  ASSERT_TRUE(waiting.ok());
  ASSERT_EQ(waiting->tasks.size(), 1u);
  EXPECT_EQ(waiting->tasks[0].attempt, 3u);
  ASSERT_TRUE(report(d, failed(waiting->tasks[0].token, true)));
  EXPECT_EQ(status_of(d, "t"), "compensated");
}

struct Timer {
  const char* name;
  std::string definition;
  Duration length;
  EventKind event;
  bool handed_out;
};

class Timers : public testing::TestWithParam<Timer> {};

// D12: each timer at its millisecond, not before, also when the process was down in between.
TEST_P(Timers, FireOnTimeAndSurviveARestart) {
  const Timer& timer = GetParam();
  for (const bool restart : {false, true}) {
    Driver::Setup setup;
    setup.settings.grace = Duration{0};
    Driver d(setup);
    publish(d, timer.definition);
    start(d, "t", "single");
    const Time begun = d.now;
    if (timer.handed_out) take(d, "q");
    if (restart) {
      d.wait(Duration{timer.length.ms / 2});
      d.crash(Fate::lost);
    }
    // A restart counts as a heartbeat: the worker could not reach anybody.
    const Time due = (restart && timer.event == EventKind::attempt_timed_out &&
                              timer.definition.find("heartbeat") != std::string::npos
                          ? d.now
                          : begun) +
                     timer.length;
    d.run_until(Time{due.ms - 1});
    EXPECT_EQ(count(d, "t", timer.event), 0u) << timer.name << " fires early, restart " << restart;
    EXPECT_EQ(d.partition().next_due(), due) << timer.name;
    d.run_until(due);
    EXPECT_EQ(count(d, "t", timer.event), 1u) << timer.name << ", restart " << restart;
    d.expect_consistent();
  }
}

INSTANTIATE_TEST_SUITE_P(Partition, Timers,
                         testing::Values(Timer{"Queue", single(",\"timeouts\":{\"queue\":\"10s\"}"), Duration{10'000},
                                               EventKind::task_timed_out, false},
                                         Timer{"Attempt", single(",\"timeouts\":{\"attempt\":\"10s\"}"),
                                               Duration{10'000}, EventKind::attempt_timed_out, true},
                                         Timer{"Heartbeat", single(",\"timeouts\":{\"heartbeat\":\"10s\"}"),
                                               Duration{10'000}, EventKind::attempt_timed_out, true},
                                         Timer{"Total", single(",\"timeouts\":{\"total\":\"10s\"}"), Duration{10'000},
                                               EventKind::task_timed_out, true},
                                         Timer{"StepDeadline", single("", ",\"join\":{\"deadline\":\"10s\"}"),
                                               Duration{10'000}, EventKind::step_failed, true},
                                         Timer{"Expiry", single("", "", ",\"expires_after\":\"10s\""), Duration{10'000},
                                               EventKind::compensation_started, true}),
                         [](const auto& timer) { return std::string(timer.param.name); });

TEST(Partition, ExpiresATable) {
  Driver d;
  publish(d, kTable);
  start(d, "f", "fine");
  d.run_until(d.now + Duration{3'599'999});
  EXPECT_EQ(status_of(d, "f"), "running");
  d.run_until(d.now + Duration{1});
  EXPECT_EQ(status_of(d, "f"), "terminated");
}

// A short outage does not compensate the world.
TEST(Partition, FiresNothingButBackoffInTheGraceAfterOpening) {
  Driver d;
  publish(d, kOne);
  publish(d, kPair);
  publish(d, single("", "", ",\"expires_after\":\"10s\""));
  start(d, "leased", "one");
  start(d, "backoff", "pair");
  start(d, "expiring", "single");
  const auto both = d.ask<LeaseReply>(lease_of(poll_of({"q"}, 2)));
  ASSERT_EQ(both->tasks.size(), 2u);
  ASSERT_TRUE(report(d, failed(take(d, "qx").token, true)));
  d.wait(Duration{3'600'000});  // a long outage, even
  d.crash(Fate::lost);
  const Time opened = d.now;
  EXPECT_EQ(take(d, "qx").attempt, 2u) << "a backoff that is over holds nothing up";
  d.run_until(opened + Duration{29'999});
  EXPECT_EQ(count(d, "leased", EventKind::attempt_timed_out), 0u);
  EXPECT_EQ(status_of(d, "expiring"), "running");
  const Time before = d.now;
  EXPECT_GT(d.partition().next_due(), before);
  d.run_until(opened + Duration{30'000});
  EXPECT_EQ(count(d, "leased", EventKind::attempt_timed_out), 1u);
  EXPECT_EQ(status_of(d, "expiring"), "compensating");
}

TEST(Partition, CountsAnOpenLeaseAsBeatenAtOpening) {
  Driver::Setup setup;
  setup.settings.grace = Duration{1000};
  Driver d(setup);
  publish(d, kOne);
  start(d, "t", "one");
  const HandOut task = take(d, "q");
  d.wait(Duration{22'000});
  d.crash(Fate::lost);
  const Time opened = d.now;
  d.run_until(opened + Duration{4999});
  EXPECT_EQ(count(d, "t", EventKind::attempt_timed_out), 0u);
  const auto beat = d.ask<HeartbeatReply>(beat_of(task.token));
  ASSERT_TRUE(beat.ok() && beat->results[0]);
  EXPECT_EQ(beat->results[0]->lease_until, task.lease_until + Duration{25'000})
      << "the attempt itself is not prolonged";
  ASSERT_TRUE(report(d, completed(task.token)));
  EXPECT_EQ(status_of(d, "t"), "completed");
}

// However long the log takes to be folded, the grace begins after it.
TEST(Partition, CountsTheGraceFromTheEndOfTheOpening) {
  Driver d;
  publish(d, kOne);
  start(d, "t", "one");
  take(d, "q");
  server::Metrics metrics;
  const auto opened = server::Partition::open([&] { return d.log().snapshot(); }, d.log().fence(), {}, metrics,
                                              [&] {
                                                EXPECT_EQ(metrics.recovered_transactions.Value(), 1)
                                                    << "asked before everything was folded";
                                                return d.now + Duration{100'000};
                                              });
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ((*opened)->next_due(), d.now + Duration{130'000});
}

// D12: a thousand and one timers at the same moment, in rounds, every one of them once.
TEST(Partition, FiresManyTimersThatAreDueAtOnce) {
  Driver d;
  publish(d, single(",\"timeouts\":{\"queue\":\"10s\"}"));
  for (int i = 0; i < 1500; ++i) d.submit<TransactionSummary>(start_of("t" + std::to_string(i), "single"));
  d.write();
  d.wait(Duration{10'000});
  int rounds = 0;
  while (d.partition().next_due() <= d.now && ++rounds < 10) {
    d.tick();
    d.write();
  }
  EXPECT_EQ(rounds, 2);
  for (int i = 0; i < 1500; ++i) ASSERT_EQ(status_of(d, "t" + std::to_string(i)), "compensated") << i;
  EXPECT_EQ(d.partition().deadlines().size(), 0u);
  d.expect_consistent();
}

}  // namespace
}  // namespace dta::partition

// What is due next: exact times, and nothing that is not due.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

using namespace schema;

constexpr TaskRef kTask{0, 0, 0};

Live started(const std::string& task, const std::string& step = "", const std::string& definition = "") {
  Live t(machine_of(R"({"name":"p","version":1)" + definition + R"(,"steps":[{"name":"s")" + step +
                    R"(,"tasks":[{"name":"t","queue":"q","undo":{"queue":"u"})" + task + "}]}]}"));
  t.start();
  return t;
}

TEST(Pending, OffersTheTasksOfTheStepAndNoTimerThatWasNotAskedFor) {
  const Live t = started("");
  EXPECT_EQ(t.due().ready, (std::vector<Ready>{{kTask, Action::perform, t.now}}));
  EXPECT_EQ(t.due().due, Time::never());
}

TEST(Pending, NamesTheEarliestOfAllTimers) {
  const Live t =
      started(R"(,"timeouts":{"queue":"7s","total":"9s"})", R"(,"join":{"deadline":"8s"})", R"(,"expires_after":"6s")");
  EXPECT_EQ(t.due().due, t.now + Duration{6000});
  const Live q =
      started(R"(,"timeouts":{"queue":"5s","total":"9s"})", R"(,"join":{"deadline":"8s"})", R"(,"expires_after":"6s")");
  EXPECT_EQ(q.due().due, q.now + Duration{5000});
  const Live d = started(R"(,"timeouts":{"queue":"5s","total":"9s"})", R"(,"join":{"deadline":"4s"})");
  EXPECT_EQ(d.due().due, d.now + Duration{4000});
  const Live all = started(R"(,"timeouts":{"queue":"5s","total":"3s"})", R"(,"join":{"deadline":"4s"})");
  EXPECT_EQ(all.due().due, all.now + Duration{3000});
}

TEST(Pending, CountsALeaseFromItsHandOutOrItsLastHeartbeat) {
  Live t = started(R"(,"timeouts":{"attempt":"20s","heartbeat":"5s","queue":"1m"})");
  t.now = t.now + Duration{1000};
  const Time handed_out = t.now;
  const Sequence lease = t.hand_out(kTask);
  EXPECT_TRUE(t.due().ready.empty());
  EXPECT_EQ(t.due().due, handed_out + Duration{5000});
  t.beats = {{lease, handed_out + Duration{4000}}};
  EXPECT_EQ(t.due().due, handed_out + Duration{9000});
  t.beats = {{lease, handed_out + Duration{19'000}}};
  EXPECT_EQ(t.due().due, handed_out + Duration{20'000}) << "heartbeats do not lengthen the attempt";
  t.beats = {{Sequence(99), handed_out + Duration{4000}}};
  EXPECT_EQ(t.due().due, handed_out + Duration{5000}) << "another lease's heartbeat is not ours";
}

TEST(Pending, MovesABackoffToItsTimeAndTheQueueTimeoutWithIt) {
  Live t = started(R"(,"timeouts":{"queue":"10s"},"retry":{"first":"3s","jitter":0})");
  const Sequence lease = t.hand_out(kTask);
  t.now = t.now + Duration{500};
  ASSERT_TRUE(t.report(lease, Failed{"busy", "", "", true, Effect::none}));
  EXPECT_EQ(t.due().ready, (std::vector<Ready>{{kTask, Action::perform, t.now + Duration{3000}}}));
  EXPECT_EQ(t.due().due, t.now + Duration{13'000});
}

TEST(Pending, CountsTheTotalFromFirstReadyUntilAStopWasAsked) {
  Live t = started(R"(,"timeouts":{"total":"10s","attempt":"1m"},"retry":{"first":"3s","jitter":0})");
  const Time first = t.now;
  t.now = first + Duration{2000};
  const Sequence lease = t.hand_out(kTask);
  EXPECT_EQ(t.due().due, first + Duration{10'000});
  t.now = first + Duration{10'000};
  t.tick();
  EXPECT_TRUE(t.state.lease(lease)->stop_asked);
  EXPECT_EQ(t.due().due, first + Duration{62'000}) << "what is left is the lease";
}

TEST(Pending, OffersOnlyTheUndosOfTheStepWhoseTurnItIs) {
  Live t(machine_of(R"({"name":"p","version":1,"expires_after":"1h","steps":[
    {"name":"a","join":{"deadline":"1h"},"tasks":[{"name":"x","queue":"q","undo":{"queue":"u"}}]},
    {"name":"b","tasks":[{"name":"y","queue":"q","undo":{"queue":"v"}},{"name":"z","queue":"q"}]}]})"));
  t.start();
  ASSERT_TRUE(t.report(t.hand_out({0, 0, 0}), Completed{}));
  ASSERT_TRUE(t.report(t.hand_out({1, 0, 0}), Completed{}));
  t.run(Cancel{"", ""}).value();
  EXPECT_EQ(t.due().ready, (std::vector<Ready>{{{1, 0, 0}, Action::undo, t.now}}));
  EXPECT_EQ(t.due().due, Time::never()) << "expiry and deadlines are over once compensation has begun";
  EXPECT_EQ(queue_of(*t.machine, {1, 0, 0}, Action::undo), "v");
  EXPECT_EQ(queue_of(*t.machine, {1, 0, 0}, Action::perform), "q");
  ASSERT_TRUE(t.report(t.hand_out({1, 0, 0}, Action::undo), Completed{}));
  EXPECT_EQ(t.due().ready, (std::vector<Ready>{{{0, 0, 0}, Action::undo, t.now}}));
}

TEST(Pending, IsEmptyBeforeTheStartAndAfterTheEnd) {
  Live t = started(R"(,"timeouts":{"total":"10s"})", R"(,"join":{"deadline":"8s"})", R"(,"expires_after":"6s")");
  EXPECT_EQ(pending(*t.machine, State{}, {}), Pending{});
  ASSERT_TRUE(t.report(t.hand_out(kTask), Completed{}));
  EXPECT_EQ(t.due(), Pending{});
}

TEST(Pending, NothingFiresBeforeItsTime) {
  Live t = started(R"(,"timeouts":{"queue":"5s"})");
  const Time begin = t.now;
  t.now = begin + Duration{4999};
  EXPECT_TRUE(t.run(Tick{}).value().events.empty());
  t.now = begin + Duration{5000};
  EXPECT_EQ(kinds(t.run(Tick{}).value()),
            "task_timed_out step_failed compensation_started step_undone transaction_compensated");
}

TEST(Pending, TellsPeopleEveryTimer) {
  Live t =
      started(R"(,"timeouts":{"queue":"5s","total":"9s"})", R"(,"join":{"deadline":"8s"})", R"(,"expires_after":"6s")");
  const auto mentions = [&](const std::string& part) {
    const auto lines = describe(*t.machine, t.state, t.due());
    return std::count_if(lines.begin(), lines.end(),
                         [&](const std::string& line) { return line.find(part) != std::string::npos; });
  };
  for (const char* part : {"task s/t", "queue timeout of s/t", "total timeout of s/t", "deadline of step s", "expiry"})
    EXPECT_EQ(mentions(part), 1) << part;
  t.hand_out(kTask);
  EXPECT_EQ(mentions("lease of s/t"), 1);
  EXPECT_EQ(mentions("queue timeout"), 0);
}

}  // namespace
}  // namespace dta::engine

// What decide() promises besides the events that the scenarios show: refusals that change nothing, exactly the payloads
// it needs, answers in order, and rules that have no clock or worker in them.
#include "engine/decide.h"

#include <gtest/gtest.h>

#include <set>

#include "schema/limits.h"
#include "tests/engine/live.h"

namespace dta::engine {
namespace {

using namespace schema;

constexpr const char* kOrder = R"({"name":"order","version":1,"steps":[
  {"name":"a","tasks":[{"name":"x","queue":"q","undo":{"queue":"u"}},{"name":"y","queue":"q"}]},
  {"name":"b","tasks":[{"name":"z","queue":"q","input":{"from":"/steps/a/x/output/id","n":"/input/n"}}]},
  {"name":"c","tasks":[{"name":"w","queue":"q","input":{"first":{"$first":["/steps/a/y/output","/steps/b/z/output"]}}}]}],
  "output":{"z":"/steps/b/z/output"}})";
constexpr TaskRef kX{0, 0, 0}, kY{0, 1, 0}, kZ{1, 0, 0}, kW{2, 0, 0};

TEST(Decide, NeedsPayloadsOnlyWhenAStepCouldBeEntered) {
  Live t(machine_of(kOrder));
  t.start(R"({"n":1})");
  const Sequence x = t.hand_out(kX), y = t.hand_out(kY);
  const auto needed = [&](const Command& command) { return needs(*t.machine, t.state, command); };
  EXPECT_TRUE(needed(Report{{{x, Completed{R"({"id":7})"}}}}).empty()) << "y is still open";
  ASSERT_TRUE(t.report(x, Completed{R"({"id":7})"}));
  const auto refs = needed(Report{{{y, Completed{"5"}}}});
  ASSERT_EQ(refs.size(), 2u);
  EXPECT_EQ(refs[0], t.state.input) << "in order of the log";
  EXPECT_EQ(refs[1], t.state.tasks[0].output);
  EXPECT_TRUE(needed(Tick{}).empty());
  EXPECT_TRUE(needed(Cancel{}).empty());
  EXPECT_TRUE(needed(KeepHeartbeat{y, "1"}).empty());
  ASSERT_TRUE(t.report(y, Completed{"5"}));
  EXPECT_EQ(t.payloads.at(t.task(kZ).input), R"({"from":7,"n":1})");
  // The result that enters the step may bring what its template reads.
  ASSERT_TRUE(t.report(t.hand_out(kZ), Completed{"{}"}));
  EXPECT_EQ(t.payloads.at(t.task(kW).input), R"({"first":5})");
  const auto at_end = needed(Report{{{t.hand_out(kW), Completed{}}}});
  EXPECT_EQ(at_end, std::vector<PayloadAt>{t.task(kZ).output});
}

TEST(Decide, AnswersEachResultInOrder) {
  Live t(machine_of(kOrder));
  t.start(R"({"n":1})");
  const Sequence x = t.hand_out(kX), y = t.hand_out(kY);
  const auto decision = t.run(Report{{{Sequence(99), Completed{}},
                                      {x, Completed{R"({"id":1})"}},
                                      {x, Completed{}},
                                      {y, Completed{}},
                                      {y, Released{}}}})
                            .value();
  ASSERT_EQ(decision.answers.size(), 5u);
  const bool expected[] = {false, true, false, true, false};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(decision.answers[i].has_value(), expected[i]) << i;
    if (!decision.answers[i]) {
      EXPECT_EQ(decision.answers[i].error().code, ErrorCode::stale_lease);
    }
  }
  EXPECT_EQ(kinds(decision), "task_completed task_completed step_met step_entered");
}

TEST(Decide, ALeaseTokenIsStaleOnceItsLeaseEnded) {
  Live t(machine_of(kOrder));
  t.start(R"({"n":1})");
  const Sequence first = t.hand_out(kX);
  ASSERT_TRUE(t.report(first, Released{}));
  const Sequence second = t.hand_out(kX);
  EXPECT_NE(first, second);
  EXPECT_FALSE(t.report(first, Completed{}));
  EXPECT_TRUE(t.report(second, Completed{R"({"id":1})"}));
}

TEST(Decide, ALateSuccessRaisesAnIncidentUnlessItsUndoSaidThatItFoundSomething) {
  for (const std::optional<bool> found : {std::optional<bool>(), std::optional(false), std::optional(true)}) {
    const bool quiet = found == true;
    Live t(machine_of(R"({"name":"o","version":1,"steps":[{"name":"a","tasks":[
      {"name":"x","queue":"q","retry":{"max_attempts":1},"undo":{"queue":"u"}}]}]})"));
    t.start();
    const Sequence lease = t.hand_out(kX);
    t.now = t.now + Duration{60'000};
    t.tick();
    ASSERT_TRUE(t.has(TaskBit::unknown, kX));
    ASSERT_TRUE(t.report(t.hand_out(kX, Action::undo), Completed{"", found}));
    ASSERT_EQ(t.state.phase, Phase::compensated);
    const Decision late = t.run(ReportLate{{kX, Action::perform, 1, lease}, Completed{}}).value();
    EXPECT_EQ(kinds(late), quiet ? "late_result" : "late_result incident_raised");
    EXPECT_EQ(t.state.phase, Phase::compensated) << "the phase of an ended transaction never changes";
    EXPECT_EQ(status(t.state), quiet ? "compensated" : "attention");
  }
}

TEST(Decide, ALateFailureIsNoEffect) {
  Live t(machine_of(kOrder));
  t.start(R"({"n":1})");
  const Sequence lease = t.hand_out(kX);
  t.now = t.now + Duration{60'000};
  t.tick();
  const Decision late =
      t.run(ReportLate{{kX, Action::perform, 1, lease}, Failed{"broken", "", "", true, Effect::none}}).value();
  const auto& event = std::get<LateResult>(late.events.at(0));
  EXPECT_FALSE(event.succeeded);
  EXPECT_FALSE(event.after_undo);
  EXPECT_EQ(event.code, "broken");
  EXPECT_TRUE(t.has(TaskBit::maybe, kX)) << "that attempt counts as unknown already";
}

TEST(Decide, AnEndedTransactionTicksNoMore) {
  Live t(machine_of(R"({"name":"e","version":1,"expires_after":"1s","steps":[]})"));
  t.start();
  ASSERT_EQ(t.state.phase, Phase::completed);
  t.now = t.now + Duration{1'000'000};
  EXPECT_TRUE(t.run(Tick{}).value().events.empty());
  EXPECT_EQ(t.run(Cancel{"", ""}).error().code, ErrorCode::closed);
}

TEST(Decide, AHeartbeatsDetailIsKeptForTheNextAttempt) {
  Live t(machine_of(kOrder));
  t.start(R"({"n":1})");
  const Sequence lease = t.hand_out(kX);
  t.run(KeepHeartbeat{lease, "{\"page\":3}"}).value();
  ASSERT_TRUE(t.report(lease, Failed{"busy", "", "", true, Effect::none}));
  EXPECT_EQ(t.payloads.at(t.state.tasks[0].heartbeat), "{\"page\":3}");
}

TEST(Decide, JitterIsTheSameWheneverItIsAsked) {
  // run() decides twice and compares; here the delay also lies in its bounds and differs between transactions.
  std::set<std::int64_t> delays;
  for (int i = 0; i < 20; ++i) {
    Live t(machine_of(
        R"({"name":"o","version":1,"steps":[{"name":"a","tasks":[{"name":"x","queue":"q","retry":{"first":"10s","jitter":0.5}}]}]})"));
    t.run(Start{"t-" + std::to_string(i), {}, {}, {}, {}}).value();
    ASSERT_TRUE(t.report(t.hand_out(kX), Failed{"busy", "", "", true, Effect::none}));
    const Duration delay = t.state.tasks[0].at - t.now;
    EXPECT_GE(delay.ms, 5000);
    EXPECT_LE(delay.ms, 10'000);
    delays.insert(delay.ms);
  }
  EXPECT_GT(delays.size(), 15u);
}

TEST(Decide, EndsALeaseAtTheEarlierOfItsTwoLimits) {
  const Lease lease{kX, Action::perform, 1, Sequence(3), Time{1000}, Duration{500}, Duration{100}, false, "", ""};
  EXPECT_EQ(lease_until(lease, {}), Time{1100});
  EXPECT_EQ(lease_until(lease, {{Sequence(3), Time{1090}}}), Time{1190});
  EXPECT_EQ(lease_until(lease, {{Sequence(3), Time{1490}}}), Time{1500});
  EXPECT_EQ(lease_until(lease, {{Sequence(4), Time{1490}}}), Time{1100});
  EXPECT_EQ(lease_until(lease, {{Sequence(3), Time{900}}}), Time{1100}) << "a beat before the hand-out says nothing";
  Lease plain = lease;
  plain.heartbeat_timeout = Duration{0};
  EXPECT_EQ(lease_until(plain, {{Sequence(3), Time{1090}}}), Time{1500});
}

TEST(Table, ReportsTheFirstEventOfABatchThatIsNotLegal) {
  Live t(machine_of(
      R"({"name":"t","version":1,"initial":"A","transitions":[{"from":"A","on":"b","to":"B"},{"from":"B","on":"c","to":"C"}],"ends":{"C":"completed"}})"));
  t.start();
  const auto refused = t.run(Append{{}, {{"", "b", ""}, {"", "b", ""}, {"", "x", ""}}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::illegal_event);
  EXPECT_EQ(refused.error().current_sequence, 1u);
  EXPECT_NE(refused.error().message.find("event 1"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("'c'"), std::string::npos) << "what is legal there is told";
}

TEST(Table, WithCyclesHoldsTheBitOfItsStateAndNoOther) {
  Live t(machine_of(
      R"({"name":"t","version":1,"initial":"A","cycles":true,"transitions":[{"from":"A","on":"b","to":"B"},{"from":"B","on":"a","to":"A"},{"from":"B","on":"b","to":"B"}]})"));
  t.start();
  for (int round = 0; round < 50; ++round) {
    t.run(Append{{}, {{"", "b", ""}, {"", "b", ""}}}).value();
    EXPECT_TRUE(t.state.bits.test(t.machine->state_bit(1)));
    EXPECT_FALSE(t.state.bits.test(t.machine->state_bit(0)));
    t.run(Append{{}, {{"", "a", ""}}}).value();
    EXPECT_EQ(t.state.bits.count(kTransactionBits, 2), 1u);
  }
}

TEST(Table, ExpiresOnce) {
  Live t(machine_of(R"({"name":"t","version":1,"expires_after":"1s","initial":"A","cycles":true,"transitions":[
    {"from":"A","on":"expired","to":"B"},{"from":"B","on":"expired","to":"A"}]})"));
  t.start();
  t.now = t.now + Duration{1000};
  EXPECT_EQ(t.due().due, t.now);
  EXPECT_EQ(kinds(t.run(Tick{}).value()), "transitioned");
  EXPECT_EQ(t.due().due, Time::never());
  EXPECT_TRUE(t.run(Tick{}).value().events.empty());
}

TEST(Decide, TakesNoMoreSignalsThanItsLimit) {
  Live t(machine_of(R"({"name":"d","version":1,"steps":[{"name":"s","wait_for":{"signals":["a","b"]}}]})"));
  t.start();
  for (std::size_t i = 0; i < schema::limits::kSignalsMax; ++i) ASSERT_TRUE(t.run(Signal{"a", std::to_string(i), ""}));
  const auto refused = t.run(Signal{"a", "more", ""});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, schema::ErrorCode::too_large);
}

}  // namespace
}  // namespace dta::engine

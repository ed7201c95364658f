// Which event is legal where: every kind against every moment of whole histories. What is not named as legal is
// refused.
#include "engine/lifecycle.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

using namespace schema;

constexpr const char* kSteps = R"({"name":"s","version":1,"steps":[
  {"name":"first","tasks":[{"name":"x","queue":"q","undo":{"queue":"u"}},{"name":"y","queue":"q"}]},
  {"name":"second","tasks":[{"name":"z","queue":"q"}]}]})";
constexpr TaskRef kX{0, 0, 0}, kY{0, 1, 0}, kZ{1, 0, 0};

// 1 started, 2 entered first, 3 leased x, 4 leased y, 5 done x, 6 done y, 7 met first, 8 entered second, 9 leased z,
// then 10 done z, 11 met second, 12 completed.
Live completed() {
  Live t(machine_of(kSteps));
  t.start();
  t.hand_out(kX);
  t.hand_out(kY);
  EXPECT_TRUE(t.report(Sequence(3), Completed{}));
  EXPECT_TRUE(t.report(Sequence(4), Completed{}));
  t.hand_out(kZ);
  EXPECT_TRUE(t.report(Sequence(9), Completed{}));
  EXPECT_EQ(t.events.size(), 12u);
  return t;
}

// ... or 10 failed z, 11 failed second, 12 compensation, 13 undone second, 14 leased undo of x, 15 undone x, 16 undone
// first, 17 compensated.
Live compensated() {
  Live t(machine_of(kSteps));
  t.start();
  t.hand_out(kX);
  t.hand_out(kY);
  EXPECT_TRUE(t.report(Sequence(3), Completed{}));
  EXPECT_TRUE(t.report(Sequence(4), Completed{}));
  t.hand_out(kZ);
  EXPECT_TRUE(t.report(Sequence(9), Failed{"no", "", "", false, Effect::none}));
  t.hand_out(kX, Action::undo);
  EXPECT_TRUE(t.report(Sequence(14), Completed{}));
  EXPECT_EQ(t.events.size(), 17u);
  return t;
}

struct Row {
  const char* name;
  Event event;
  std::set<std::size_t> legal_after;  // numbers of events
};

std::set<std::size_t> range(std::size_t first, std::size_t last) {
  std::set<std::size_t> all;
  for (std::size_t i = first; i <= last; ++i) all.insert(i);
  return all;
}

void expect_rows(const Live& whole, const std::vector<Row>& rows) {
  State state;
  for (std::size_t n = 0; n <= whole.events.size(); ++n) {
    if (n > 0) evolve(*whole.machine, state, whole.events[n - 1]);
    for (const Row& row : rows) {
      const Status status = check(*whole.machine, state, {state.sequence.next(), Time{}, row.event});
      EXPECT_EQ(status.has_value(), row.legal_after.contains(n)) << row.name << " after " << n << " events";
      if (!status) {
        EXPECT_EQ(status.error().code, ErrorCode::illegal_event);
      }
    }
  }
}

Attempt attempt(TaskRef task, std::uint64_t lease, Action action = Action::perform) {
  return {task, action, 1, Sequence(lease)};
}
TaskLeased leased(TaskRef task, Action action = Action::perform) {
  return {task, action, 1, 1, 1, "w", "", Duration{1}, {}};
}

TEST(Lifecycle, RefusesEveryEventInEveryWrongStateOfACompensation) {
  std::vector<Row> rows{
      {"started", TransactionStarted{}, {0}},
      {"entered first", StepEntered{0, {}}, {1}},
      {"entered second", StepEntered{1, {}}, {7}},
      {"met first", StepMet{0}, range(2, 6)},
      {"met second", StepMet{1}, range(8, 10)},
      {"failed first", StepFailed{0, false, {}, "c", ""}, range(2, 6)},
      {"failed second", StepFailed{1, true, kZ, "c", ""}, range(8, 10)},
      {"leased x", leased(kX), {2}},
      {"leased y", leased(kY), {2, 3}},
      {"leased z", leased(kZ), {8}},
      {"leased undo of x", leased(kX, Action::undo), {13}},
      {"leased undo of y", leased(kY, Action::undo), {}},
      {"leased undo of z", leased(kZ, Action::undo), {}},
      {"done x", TaskCompleted{attempt(kX, 3), {}, true}, {3, 4}},
      {"done y", TaskCompleted{attempt(kY, 4), {}, true}, {4, 5}},
      {"done y by the lease of x", TaskCompleted{attempt(kY, 3), {}, true}, {}},
      {"done z", TaskCompleted{attempt(kZ, 9), {}, true}, {9}},
      {"undone x", TaskCompleted{attempt(kX, 14, Action::undo), {}, true}, {14}},
      {"done x by the lease of its undo", TaskCompleted{attempt(kX, 14), {}, true}, {}},
      {"failed z", TaskFailed{attempt(kZ, 9), "c", "", {}, Effect::none, true, Time::never()}, {9}},
      {"failed undo of x", TaskFailed{attempt(kX, 14, Action::undo), "c", "", {}, Effect::none, true, Time{1}}, {14}},
      {"released z", TaskReleased{attempt(kZ, 9), Time{1}}, {9}},
      {"attempt of z timed out", AttemptTimedOut{attempt(kZ, 9), LeaseEnd::attempt, Time::never()}, {9}},
      {"z timed out", TaskTimedOut{kZ, TaskLimit::total}, {8, 9}},
      {"heartbeat of z", HeartbeatRecorded{attempt(kZ, 9), {}}, {9}},
      {"late result of z", LateResult{attempt(kZ, 9), true, false, "", {}}, range(1, 17)},
      {"compensation", CompensationStarted{CompensationCause::cancelled, "", ""}, range(1, 11)},
      {"undone second", StepUndone{1}, {12}},
      {"undone first", StepUndone{0}, range(13, 15)},
      {"completed", TransactionCompleted{}, {}},
      {"compensated", TransactionCompensated{}, {16}},
      {"terminated", TransactionTerminated{"", "", {}}, range(1, 16)},
      {"incident", IncidentRaised{1, IncidentKind::undo_failed, kX, "", ""}, range(1, 17)},
      {"resolved, and there is no incident", IncidentResolved{1, IncidentResolution::retry, "", ""}, {}},
      {"transitioned", Transitioned{0, 0, 1, "", {}}, {}},
      {"published", DefinitionPublished{"s", 2, {}}, {}},
      {"outcome decided", OutcomeDecided{}, {}},
      {"skipped first", StepSkipped{0}, {1}},
      {"skipped second", StepSkipped{1}, {7}},
      {"x became ready", TaskReady{kX, {}, {}}, {}},
      {"x skipped", TaskSkipped{kX}, {}},
      {"signal", SignalReceived{"s", "1", {}}, range(1, 11)},
      {"first waits no longer, and waits for nothing", WaitEnded{0, WaitEnd::time}, {}},
      {"cancel requested, and no pivot is under way", CancelRequested{"", ""}, {}},
      {"paused", TransactionPaused{"", ""}, range(1, 16)},
      {"resumed, and was not paused", TransactionResumed{"", ""}, {}},
      {"another epoch, and it did not complete", EpochOpened{2, ""}, {}},
  };
  std::set<EventKind> kinds_seen;
  for (const Row& row : rows) kinds_seen.insert(kind_of(row.event));
  EXPECT_EQ(kinds_seen.size(), std::variant_size_v<Event>) << "every kind has a row";
  expect_rows(compensated(), rows);
}

TEST(Lifecycle, RefusesEveryEventInEveryWrongStateOfASuccess) {
  expect_rows(completed(), {
                               {"started", TransactionStarted{}, {0}},
                               {"met second", StepMet{1}, range(8, 10)},
                               {"failed second", StepFailed{1, false, {}, "c", ""}, range(8, 10)},
                               {"done z", TaskCompleted{attempt(kZ, 9), {}, true}, {9}},
                               {"compensation", CompensationStarted{CompensationCause::expired, "", ""}, range(1, 11)},
                               {"undone second", StepUndone{1}, {}},
                               {"outcome decided", OutcomeDecided{}, {11}},
                               {"completed", TransactionCompleted{}, {11}},
                               {"compensated", TransactionCompensated{}, {}},
                               {"terminated", TransactionTerminated{"", "", {}}, range(1, 11)},
                               {"late result of z", LateResult{attempt(kZ, 9), true, false, "", {}}, range(1, 12)},
                           });
}

// 1 started, 2 entered, 3 leased x, 4 leased y, 5 done x, 6 met, 7 outcome decided, 8 done y, 9 leased undo of y, 10
// undone y, 11 completed: y is a leftover, and undone though the transaction completes.
TEST(Lifecycle, RefusesEveryEventInEveryWrongStateOfALeftover) {
  Live t(machine_of(R"({"name":"l","version":1,"steps":[{"name":"s","join":{"need":"any"},"tasks":[
      {"name":"x","queue":"q","undo":{"queue":"u"}},{"name":"y","queue":"q","undo":{"queue":"u"}}]}]})"));
  t.start();
  t.hand_out(kX);
  t.hand_out(kY);
  EXPECT_TRUE(t.report(Sequence(3), Completed{}));
  EXPECT_TRUE(t.report(Sequence(4), Completed{}));
  t.hand_out(kY, Action::undo);
  EXPECT_TRUE(t.report(Sequence(9), Completed{}));
  ASSERT_EQ(t.events.size(), 11u);
  expect_rows(t, {
                     {"met", StepMet{0}, range(2, 5)},
                     {"failed", StepFailed{0, false, {}, "c", ""}, range(2, 5)},
                     {"outcome decided", OutcomeDecided{}, {6}},
                     {"compensation", CompensationStarted{CompensationCause::cancelled, "", ""}, range(1, 6)},
                     {"done y", TaskCompleted{attempt(kY, 4), {}, true}, range(4, 7)},
                     {"leased undo of x", leased(kX, Action::undo), {}},
                     {"leased undo of y", leased(kY, Action::undo), {8}},
                     {"undone y", TaskCompleted{attempt(kY, 9, Action::undo), {}, true}, {9}},
                     {"step undone", StepUndone{0}, {}},
                     {"completed", TransactionCompleted{}, range(6, 10)},
                     {"compensated", TransactionCompensated{}, {}},
                 });
}

// 1 to 9 as above, 10 failed z, 11 failed second, 12 compensation, 13 undone second, 14 leased undo of x, 15 failed
// undo of x, 16 incident, 17 given up, 18 undone first, 19 compensated.
TEST(Lifecycle, RefusesEveryResolutionThatDoesNotFitItsIncident) {
  Live t(machine_of(kSteps));
  t.start();
  t.hand_out(kX);
  t.hand_out(kY);
  EXPECT_TRUE(t.report(Sequence(3), Completed{}));
  EXPECT_TRUE(t.report(Sequence(4), Completed{}));
  t.hand_out(kZ);
  EXPECT_TRUE(t.report(Sequence(9), Failed{"no", "", "", false, Effect::none}));
  t.hand_out(kX, Action::undo);
  EXPECT_TRUE(t.report(Sequence(14), Failed{"no", "", "", false, Effect::none}));
  EXPECT_TRUE(t.run(Resolve{1, IncidentResolution::give_up, "", "anna"}));
  ASSERT_EQ(t.events.size(), 19u);
  expect_rows(t, {
                     {"retry", IncidentResolved{1, IncidentResolution::retry, "", ""}, {16}},
                     {"force done", IncidentResolved{1, IncidentResolution::force_done, "", ""}, {16}},
                     {"give up", IncidentResolved{1, IncidentResolution::give_up, "", ""}, {16}},
                     {"accept", IncidentResolved{1, IncidentResolution::accept, "", ""}, {}},
                     {"of no incident", IncidentResolved{0, IncidentResolution::retry, "", ""}, {}},
                     {"of another incident", IncidentResolved{2, IncidentResolution::retry, "", ""}, {}},
                 });
}

constexpr const char* kTable = R"({"name":"t","version":1,"initial":"A","transitions":[
  {"from":"A","on":"b","to":"B"},{"from":"A","on":"c","to":"C"},{"from":"B","on":"c","to":"C"}],"ends":{"C":"completed"}})";

TEST(Lifecycle, RefusesEveryEventInEveryWrongStateOfATable) {
  Live t(machine_of(kTable));
  t.start();
  t.run(Append{{}, {{"", "b", ""}, {"", "c", ""}}}).value();
  ASSERT_EQ(t.events.size(), 4u);  // started, to B, to C, completed
  expect_rows(t, {
                     {"A to B", Transitioned{0, 0, 1, "", {}}, {1}},
                     {"A to C", Transitioned{1, 0, 2, "", {}}, {1}},
                     {"B to C", Transitioned{2, 1, 2, "", {}}, {2}},
                     {"what no transition says", Transitioned{2, 0, 2, "", {}}, {}},
                     {"a transition that does not exist", Transitioned{3, 0, 1, "", {}}, {}},
                     {"completed", TransactionCompleted{}, {1, 2, 3}},
                     {"terminated", TransactionTerminated{"", "", {}}, {1, 2, 3}},
                     {"entered", StepEntered{0, {}}, {}},
                     {"met", StepMet{0}, {}},
                     {"leased", leased(kX), {}},
                     {"compensation", CompensationStarted{}, {}},
                     {"step undone", StepUndone{0}, {}},
                     {"compensated", TransactionCompensated{}, {}},
                     {"outcome decided", OutcomeDecided{}, {}},
                 });
}

TEST(Lifecycle, RefusesPlacesThatDoNotExistAndSequencesThatDoNotFollow) {
  const MachinePtr m = machine_of(kSteps);
  State state;
  evolve(*m, state, {Sequence(1), Time{}, TransactionStarted{}});
  const auto legal = [&](std::uint64_t sequence, Event event) {
    return check(*m, state, {Sequence(sequence), Time{}, std::move(event)}).has_value();
  };
  EXPECT_TRUE(legal(2, StepEntered{0, {}}));
  EXPECT_FALSE(legal(1, StepEntered{0, {}}));
  EXPECT_FALSE(legal(3, StepEntered{0, {}}));
  EXPECT_FALSE(legal(2, StepEntered{2, {}}));
  EXPECT_FALSE(legal(2, StepEntered{0, {ResolvedInput{2, 0, {}}}}));
  EXPECT_FALSE(legal(2, LateResult{attempt({0, 2, 0}, 1), true, false, "", {}}));
  EXPECT_FALSE(legal(2, IncidentRaised{1, IncidentKind::undo_failed, {9, 0, 0}, "", ""}));
  EXPECT_FALSE(legal(2, StepFailed{0, true, {0, 7, 0}, "", ""}));
}

TEST(Lifecycle, HasNoCompensationWhereThereAreNoSteps) {
  const MachinePtr m = machine_of(R"({"name":"e","version":1,"steps":[]})");
  State state;
  evolve(*m, state, {Sequence(1), Time{}, TransactionStarted{}});
  EXPECT_FALSE(check(*m, state, {Sequence(2), Time{}, CompensationStarted{}}));
  EXPECT_TRUE(check(*m, state, {Sequence(2), Time{}, TransactionCompleted{}}));
}

TEST(Lifecycle, MasksOnlyGainBitsExceptTheStateOfACyclicTable) {
  const Live steps = compensated();
  for (const RecordedEvent& e : steps.events)
    EXPECT_TRUE(masks_of(*steps.machine, steps.state, e.event).clears.empty());
  const MachinePtr one_way = machine_of(kTable);
  EXPECT_TRUE(masks_of(*one_way, {}, Transitioned{0, 0, 1, "", {}}).clears.empty());
  const MachinePtr round = machine_of(
      R"({"name":"c","version":1,"initial":"A","cycles":true,"transitions":[{"from":"A","on":"b","to":"B"},{"from":"B","on":"a","to":"A"}]})");
  const Masks masks = masks_of(*round, {}, Transitioned{0, 0, 1, "", {}});
  EXPECT_EQ(masks.clears, Mask{static_cast<std::uint32_t>(round->state_bit(0))});
  EXPECT_EQ(masks.sets, Mask{static_cast<std::uint32_t>(round->state_bit(1))});
}

TEST(Lifecycle, LegalIsMaskArithmetic) {
  BitSet bits(130);
  bits.set(3);
  bits.set(128);
  EXPECT_TRUE(legal(bits, {{3, 128}, {4, 129}, {}, {}}));
  EXPECT_FALSE(legal(bits, {{3, 5}, {}, {}, {}}));
  EXPECT_FALSE(legal(bits, {{3}, {128}, {}, {}}));
  apply(bits, {{}, {}, {5, 3}, {3, 128}});
  EXPECT_TRUE(bits.test(3)) << "clearing comes before setting: a state may lead to itself";
  EXPECT_TRUE(bits.test(5));
  EXPECT_FALSE(bits.test(128));
}

}  // namespace
}  // namespace dta::engine

// The bit machine: which bit means what, at any width.
#include <gtest/gtest.h>

#include <set>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

// One step of `count` tasks, between two small ones.
MachinePtr wide(std::size_t count) {
  std::string tasks;
  for (std::size_t i = 0; i < count; ++i)
    tasks += (i == 0 ? "" : ",") + std::string("{\"name\":\"t") + std::to_string(i) +
             "\",\"queue\":\"q\",\"undo\":{\"queue\":\"u\"}}";
  return machine_of(
      R"({"name":"wide","version":1,"steps":[{"name":"a","tasks":[{"name":"x","queue":"q"}]},{"name":"b","tasks":[)" +
      tasks + R"(]},{"name":"c","tasks":[{"name":"y","queue":"q"}]}]})");
}

TEST(BitSet, HoldsAnyBitOfItsWidth) {
  BitSet bits(200);
  for (std::size_t bit : {0u, 1u, 63u, 64u, 127u, 128u, 199u}) {
    EXPECT_FALSE(bits.test(bit));
    bits.set(bit);
    EXPECT_TRUE(bits.test(bit));
  }
  EXPECT_EQ(bits.count(0, 200), 7u);
  bits.reset(64);
  EXPECT_FALSE(bits.test(64));
  EXPECT_TRUE(bits.test(63));
  EXPECT_FALSE(bits.test(100'000)) << "what lies outside is not set";
}

TEST(BitSet, CountsAnyRange) {
  BitSet bits(300);
  for (std::size_t bit = 0; bit < 300; bit += 3) bits.set(bit);
  for (std::size_t first = 0; first < 300; first += 7)
    for (std::size_t n = 0; first + n <= 300; n += 5) {
      std::size_t expected = 0;
      for (std::size_t bit = first; bit < first + n; ++bit) expected += bits.test(bit);
      ASSERT_EQ(bits.count(first, n), expected) << first << " " << n;
    }
}

TEST(BitSet, ComparesByContent) {
  BitSet a(70), b(70);
  a.set(69);
  EXPECT_FALSE(a == b);
  b.set(69);
  EXPECT_TRUE(a == b);
  EXPECT_FALSE(BitSet(64) == BitSet(65)) << "another width is another set";
}

class MachineOfWidth : public testing::TestWithParam<std::size_t> {};

TEST_P(MachineOfWidth, GivesEveryMeaningABitOfItsOwn) {
  const MachinePtr m = wide(GetParam());
  std::set<std::size_t> seen;
  const auto own = [&](std::size_t bit) {
    EXPECT_LT(bit, m->width());
    EXPECT_TRUE(seen.insert(bit).second) << bit;
  };
  for (std::size_t i = 0; i < 7; ++i) own(m->bit(static_cast<TransactionBit>(i)));
  for (std::size_t plane = 0; plane < kStepBits; ++plane)
    for (std::size_t step = 0; step < 3; ++step) own(m->bit(static_cast<StepBit>(plane), step));
  for (std::size_t plane = 0; plane < kTaskBits; ++plane)
    for (std::uint16_t step = 0; step < 3; ++step)
      for (std::uint16_t task = 0; task < (step == 1 ? GetParam() : 1); ++task)
        own(m->bit(State{}, static_cast<TaskBit>(plane), {step, task, 0}));
  EXPECT_EQ(m->width(), kTransactionBits + kStepBits * 3 + kTaskBits * (GetParam() + 2));
}

TEST_P(MachineOfWidth, CountsTheTasksOfOneStepOnly) {
  const MachinePtr m = wide(GetParam());
  State state;
  state.bits = BitSet(m->width());
  for (std::uint16_t step = 0; step < 3; ++step)
    for (std::uint16_t task = 0; task < (step == 1 ? GetParam() : 1); ++task)
      state.bits.set(m->bit(state, TaskBit::done, {step, task, 0}));
  EXPECT_EQ(StepView(*m, state, 0).count(TaskBit::done), 1u);
  EXPECT_EQ(StepView(*m, state, 1).count(TaskBit::done), GetParam());
  EXPECT_EQ(StepView(*m, state, 2).count(TaskBit::done), 1u);
  EXPECT_EQ(StepView(*m, state, 1).count(TaskBit::settled), 0u);
}

INSTANTIATE_TEST_SUITE_P(Widths, MachineOfWidth, testing::Values(1, 5, 6, 7, 62, 63, 64, 65, 1000, 9000));

TEST(Machine, KnowsWhichPlacesExist) {
  const MachinePtr m = wide(3);
  EXPECT_TRUE(m->valid({}, {1, 2, 0}));
  EXPECT_FALSE(m->valid({}, {1, 3, 0}));
  EXPECT_FALSE(m->valid({}, {3, 0, 0}));
  EXPECT_FALSE(m->valid({}, {1, 2, 1})) << "there are no instances without for_each";
  EXPECT_EQ(m->flat({}, {2, 0, 0}), 4u);
  EXPECT_EQ(StepView(*m, {}, 1).ref(2), (TaskRef{1, 2, 0}));
}

TEST(Machine, AppendsABlockForEachFanOut) {
  const MachinePtr m = machine_of(R"({"name":"f","version":1,"steps":[
      {"name":"a","for_each":"/input/list","tasks":[{"name":"x","queue":"q"},{"name":"y","queue":"q"}]},
      {"name":"b","tasks":[{"name":"z","queue":"q"}]},
      {"name":"c","for_each":"/steps/a/x/output","tasks":[{"name":"w","queue":"q"}]}]})");
  State state;
  EXPECT_FALSE(m->valid(state, {0, 0, 0})) << "nothing is there before the step is entered";
  state.spreads = {{0, 3, 1, static_cast<std::uint32_t>(m->width())}};
  EXPECT_EQ(StepView(*m, state, 0).size(), 6u);
  EXPECT_EQ(m->flat(state, {0, 1, 2}), 6u) << "after the one task that is always there, instance by instance";
  EXPECT_TRUE(m->valid(state, {0, 1, 2}));
  EXPECT_FALSE(m->valid(state, {0, 1, 3}));
  EXPECT_FALSE(m->valid(state, {2, 0, 0}));
  std::set<std::size_t> seen;
  for (std::uint32_t instance = 0; instance < 3; ++instance)
    for (std::uint16_t task = 0; task < 2; ++task)
      for (std::size_t plane = 0; plane < kTaskBits; ++plane) {
        const std::size_t bit = m->bit(state, static_cast<TaskBit>(plane), {0, task, instance});
        EXPECT_GE(bit, m->width());
        EXPECT_TRUE(seen.insert(bit).second);
      }
}

TEST(Machine, GivesTableStatesABitEach) {
  const MachinePtr m = machine_of(
      R"({"name":"t","version":1,"initial":"A","transitions":[{"from":"A","on":"x","to":"B"},{"from":"A","on":"y","to":"C"}],"ends":{"B":"completed","C":"terminated"}})");
  EXPECT_EQ(m->width(), kTransactionBits + 3);
  EXPECT_EQ(m->leaving(0), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_TRUE(m->leaving(1).empty());
  EXPECT_NE(m->state_bit(0), m->state_bit(1));
}

// The width has no bound: a step of ten thousand tasks is judged and undone like one of two.
TEST(Machine, RunsTenThousandTasksInOneStep) {
  constexpr std::uint16_t kTasks = 10'000;
  const MachinePtr m = wide(kTasks);
  State state;
  const auto run = [&](const Command& command) { return decide(*m, state, command, {}, Time{1}).value(); };
  run(Start{"wide", {}, {}, {}, {}});
  run(HandOut{{{{0, 0, 0}, Action::perform}}, "w", ""});
  run(Report{{{state.leases.front().sequence, Completed{}}}});
  ASSERT_EQ(pending(*m, state, {}).ready.size(), kTasks);
  HandOut all;
  for (std::uint16_t i = 0; i < kTasks; ++i) all.items.push_back({{1, i, 0}, Action::perform});
  run(all);
  Report most;
  for (const Lease& lease : state.leases)
    if (lease.task.task != kTasks / 2) most.items.push_back({lease.sequence, Completed{}});
  EXPECT_EQ(run(most).events.size(), kTasks - 1) << "nothing follows while one is open";
  ASSERT_EQ(state.leases.size(), 1u);
  const Decision last = run(Report{{{state.leases.front().sequence, Completed{}}}});
  EXPECT_EQ(kinds(last), "task_completed step_met step_entered");
  EXPECT_EQ(kinds(run(Cancel{"enough", "anna"})), "compensation_started step_undone");
  ASSERT_EQ(pending(*m, state, {}).ready.size(), kTasks);
  for (const Ready& ready : pending(*m, state, {}).ready) ASSERT_EQ(ready.action, Action::undo);
}

}  // namespace
}  // namespace dta::engine

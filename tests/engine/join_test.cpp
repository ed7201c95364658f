// What a step needs, judged over bits alone: every need against every way its three tasks can stand.
#include "engine/join.h"

#include <gtest/gtest.h>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

// How each task stands: open (o), done (d), failed (f), unknown (u), skipped (s).
State state_of(const Machine& m, std::string_view tasks) {
  State state;
  state.bits = BitSet(m.width());
  state.tasks.resize(m.static_tasks());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i] == 'o') continue;
    const TaskRef ref{0, static_cast<std::uint16_t>(i), 0};
    state.bits.set(m.bit(state, TaskBit::settled, ref));
    state.bits.set(m.bit(state,
                         tasks[i] == 'd'   ? TaskBit::done
                         : tasks[i] == 'f' ? TaskBit::failed
                         : tasks[i] == 's' ? TaskBit::skipped
                                           : TaskBit::unknown,
                         ref));
  }
  return state;
}

// A step of the tasks x (weight 3), y (2) and z (1).
MachinePtr step_of(const std::string& join, const std::string& more_of_z = "") {
  return machine_of(R"({"name":"d","version":1,"steps":[{"name":"s","join":{)" + join + R"(},"tasks":[
      {"name":"x","queue":"q","weight":3},{"name":"y","queue":"q","weight":2},{"name":"z","queue":"q")" +
                    more_of_z + "}]}]}");
}

struct Case {
  const char* tasks;
  Verdict verdict;
};

void expect_verdicts(const MachinePtr& m, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const State state = state_of(*m, c.tasks);
    EXPECT_EQ(static_cast<int>(judge_join(StepView(*m, state, 0))), static_cast<int>(c.verdict)) << c.tasks;
  }
}

constexpr Verdict kOpen = Verdict::open, kMet = Verdict::met, kFailed = Verdict::failed;

TEST(Join, AllNeedsEveryTask) {
  expect_verdicts(step_of(""), {{"ooo", kOpen}, {"ddo", kOpen}, {"ddd", kMet}, {"foo", kFailed}, {"ddu", kFailed}});
}

TEST(Join, AllWaitsForAnOptionalTaskButDoesNotNeedIt) {
  expect_verdicts(
      step_of("", R"(,"optional":true)"),
      {{"ooo", kOpen}, {"ddo", kOpen}, {"oof", kOpen}, {"ddf", kMet}, {"ddu", kMet}, {"ddd", kMet}, {"dfo", kFailed}});
}

TEST(Join, AnyNeedsOne) {
  expect_verdicts(step_of(R"("need":"any")"),
                  {{"ooo", kOpen}, {"ffo", kOpen}, {"odo", kMet}, {"ffd", kMet}, {"fff", kFailed}, {"fuf", kFailed}});
}

TEST(Join, AtLeastCountsTasks) {
  expect_verdicts(step_of(R"("need":{"at_least":2})"),
                  {{"doo", kOpen}, {"foo", kOpen}, {"fdo", kOpen}, {"dod", kMet}, {"fdd", kMet}, {"ffo", kFailed}});
}

TEST(Join, AnOptionalTaskCountsOnlyByBeingDone) {
  expect_verdicts(step_of(R"("need":{"at_least":2})", R"(,"optional":true)"),
                  {{"dod", kMet}, {"dof", kOpen}, {"dff", kFailed}});
}

TEST(Join, WeightSumsUp) {
  expect_verdicts(step_of(R"("need":{"weight":4})"), {{"doo", kOpen},
                                                      {"odd", kOpen},
                                                      {"dod", kMet},
                                                      {"ddo", kMet},
                                                      {"fdo", kFailed},
                                                      {"foo", kFailed},
                                                      {"ofo", kOpen}});
}

TEST(Join, DrainsLetAllSettleFirst) {
  expect_verdicts(step_of(R"("siblings":"drain")"), {{"foo", kOpen}, {"fdo", kOpen}, {"fdd", kFailed}});
  expect_verdicts(step_of(R"("need":"any","leftover":"drain")"),
                  {{"doo", kOpen}, {"ddf", kMet}, {"dfu", kMet}, {"fff", kFailed}});
  expect_verdicts(step_of(R"("need":{"at_least":2},"siblings":"drain","leftover":"drain")"),
                  {{"ffo", kOpen}, {"ffd", kFailed}, {"ddo", kOpen}, {"ddf", kMet}});
}

TEST(Join, AStepWithoutTasksIsMet) {
  const auto m = machine_of(R"({"name":"d","version":1,"steps":[{"name":"s"}]})");
  expect_verdicts(m, {{"", kMet}});
}

TEST(Join, SkippedTasksAreNotThere) {
  expect_verdicts(step_of(""), {{"sss", kMet}, {"sdo", kOpen}, {"sdd", kMet}, {"sdf", kFailed}});
  expect_verdicts(step_of(R"("need":{"at_least":2})"),
                  {{"sdd", kMet}, {"sdo", kOpen}, {"sfo", kFailed}, {"sso", kFailed}, {"sss", kMet}});
  expect_verdicts(step_of(R"("need":{"weight":3})"), {{"soo", kOpen}, {"oso", kOpen}, {"sdd", kMet}, {"sfo", kFailed}});
}

TEST(Join, AShareIsOfTheTasksThatAreThere) {
  expect_verdicts(step_of(R"("need":{"share":0.5})"),
                  {{"doo", kOpen}, {"ddo", kMet}, {"ffo", kFailed}, {"sdo", kMet}, {"ssf", kFailed}, {"sss", kMet}});
  expect_verdicts(step_of(R"("need":{"share":1})"), {{"ddo", kOpen}, {"ddd", kMet}, {"foo", kFailed}});
}

TEST(Join, OtherNeedsThanAllCountOnlyWhatNothingFollows) {
  const auto m = step_of(R"("need":"any")", R"(,"after":["x"])");
  expect_verdicts(m, {{"doo", kOpen}, {"odo", kMet}, {"ood", kMet}, {"ffo", kOpen}, {"off", kFailed}});
}

TEST(Join, WhatIsOutOfReachStaysSo) {
  for (const char* join :
       {"\"need\":\"all\"", "\"need\":\"any\"", "\"need\":{\"at_least\":2}", "\"need\":{\"weight\":4}"}) {
    const auto m = step_of(join);
    const std::string states = "odfu";
    for (int code = 0; code < 64; ++code) {
      const std::string tasks{states[code % 4], states[code / 4 % 4], states[code / 16]};
      const State state = state_of(*m, tasks);
      const StepView step(*m, state, 0);
      EXPECT_FALSE(enough(step) && !reachable(step)) << join << " " << tasks;
      if (tasks.find('o') == std::string::npos) {
        EXPECT_EQ(enough(step), reachable(step)) << join << " " << tasks;
      }
      for (std::size_t i = 0; i < 3 && !reachable(step); ++i) {
        if (tasks[i] != 'o') continue;
        std::string later = tasks;
        later[i] = 'd';
        const State then = state_of(*m, later);
        EXPECT_FALSE(reachable(StepView(*m, then, 0))) << join << " " << tasks << " -> " << later;
      }
    }
  }
}

}  // namespace
}  // namespace dta::engine

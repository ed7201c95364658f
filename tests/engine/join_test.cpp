// What a step needs, judged over bits alone: every need against every way its three tasks can stand.
#include "engine/join.h"

#include <gtest/gtest.h>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

// How each task stands: open (o), done (d), failed (f), unknown (u).
BitSet bits_of(const Machine& m, std::string_view tasks) {
  BitSet bits(m.width());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (tasks[i] == 'o') continue;
    bits.set(m.bit(TaskBit::settled, i));
    bits.set(m.bit(tasks[i] == 'd' ? TaskBit::done : tasks[i] == 'f' ? TaskBit::failed : TaskBit::unknown, i));
  }
  return bits;
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
  for (const Case& c : cases)
    EXPECT_EQ(static_cast<int>(judge_join(*m, bits_of(*m, c.tasks), 0)), static_cast<int>(c.verdict)) << c.tasks;
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

TEST(Join, WhatIsOutOfReachStaysSo) {
  for (const char* join :
       {"\"need\":\"all\"", "\"need\":\"any\"", "\"need\":{\"at_least\":2}", "\"need\":{\"weight\":4}"}) {
    const auto m = step_of(join);
    const std::string states = "odfu";
    for (int code = 0; code < 64; ++code) {
      const std::string tasks{states[code % 4], states[code / 4 % 4], states[code / 16]};
      const BitSet bits = bits_of(*m, tasks);
      EXPECT_FALSE(enough(*m, bits, 0) && !reachable(*m, bits, 0)) << join << " " << tasks;
      if (tasks.find('o') == std::string::npos) {
        EXPECT_EQ(enough(*m, bits, 0), reachable(*m, bits, 0)) << join << " " << tasks;
      }
      for (std::size_t i = 0; i < 3 && !reachable(*m, bits, 0); ++i) {
        if (tasks[i] != 'o') continue;
        std::string later = tasks;
        later[i] = 'd';
        EXPECT_FALSE(reachable(*m, bits_of(*m, later), 0)) << join << " " << tasks << " -> " << later;
      }
    }
  }
}

}  // namespace
}  // namespace dta::engine

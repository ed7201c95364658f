// How large a fan-out may be, and what becomes of one that is larger: too long for a script that people read.
#include <gtest/gtest.h>

#include "tests/engine/live.h"

namespace dta::engine {
namespace {

using namespace schema;

std::string zeros(std::size_t count) {
  std::string array = "[0";
  for (std::size_t i = 1; i < count; ++i) array += ",0";
  return array + "]";
}

constexpr const char* kOneTask = R"({"name":"many","version":1,"steps":[
  {"name":"print","for_each":"/input","tasks":[{"name":"label","queue":"q"}]}]})";
constexpr const char* kThreeTasks = R"({"name":"many","version":1,"steps":[
  {"name":"print","for_each":"/input","tasks":[{"name":"a","queue":"q"},{"name":"b","queue":"q"},{"name":"c","queue":"q"}]}]})";

TEST(FanOut, TakesTenThousandElements) {
  Live t(machine_of(kOneTask));
  t.start(zeros(10'000));
  EXPECT_EQ(t.state.phase, Phase::running);
  EXPECT_EQ(t.view(0).size(), 10'000u);
  EXPECT_EQ(t.due().ready.size(), 10'000u);
}

TEST(FanOut, FailsItsStepWhenThereAreMore) {
  Live t(machine_of(kOneTask));
  t.start(zeros(10'001));
  EXPECT_EQ(t.state.phase, Phase::compensated);
  EXPECT_EQ(t.state.failure.code, "dta.too_many_instances");
  EXPECT_EQ(t.view(0).count(TaskBit::requested), 0u);
}

TEST(FanOut, CountsAllTasksOfItsElements) {
  Live t(machine_of(kThreeTasks));
  t.start(zeros(6'666));
  EXPECT_EQ(t.state.phase, Phase::running);
  EXPECT_EQ(t.view(0).size(), 19'998u);
  Live more(machine_of(kThreeTasks));
  more.start(zeros(6'667));
  EXPECT_EQ(more.state.phase, Phase::compensated);
  EXPECT_EQ(more.state.failure.code, "dta.too_many_instances");
}

}  // namespace
}  // namespace dta::engine

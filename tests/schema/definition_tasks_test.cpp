// Tasks that come after one another, depend on conditions, are repeated for each element, or are done by others: what
// they compile to, and every fault with its pointer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/limits.h"
#include "tests/schema/definition_check.h"

namespace dta::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One task of the second step for each pair of name and fields.
std::string tasks(const std::vector<std::pair<std::string, std::string>>& all, const std::string& fields = "") {
  std::string text;
  for (const auto& [name, more] : all)
    text += (text.empty() ? "" : ",") + std::string(R"({"name":")") + name + R"(","queue":"q")" +
            (more.empty() ? "" : "," + more) + "}";
  return with_step(fields + (fields.empty() ? "" : ",") + "\"tasks\":[" + text + "]");
}

TEST(Definitions, OrderedTasksCompile) {
  // `after` may name what stands further down; both lists are in the order of the tasks.
  const auto d =
      good(tasks({{"pay", R"("after":["pick","check"],"input":["/tasks/check/output","/tasks/scan/output/x"])"},
                  {"check", ""},
                  {"pick", R"("after":["scan"],"when":{"var":"tasks.scan.output.found"})"},
                  {"scan", ""},
                  {"free", R"("after":[])"}}));
  ASSERT_TRUE(d);
  const auto& all = d->steps[1].tasks;
  EXPECT_THAT(all[0].after, ElementsAre(1, 2));
  EXPECT_THAT(all[0].before, IsEmpty());
  EXPECT_THAT(all[1].before, ElementsAre(0));
  EXPECT_THAT(all[2].after, ElementsAre(3));
  EXPECT_THAT(all[3].before, ElementsAre(2));
  EXPECT_TRUE(all[2].when);
  EXPECT_FALSE(all[4].when);
  EXPECT_TRUE(d->steps[1].ordered());
  EXPECT_FALSE(d->steps[0].ordered());
}

TEST(Definitions, ALongChainOfTasksIsHandled) {
  const auto chain = [](std::size_t first) {
    std::vector<std::pair<std::string, std::string>> all;
    for (std::size_t i = 0; i < 10'000; ++i)
      all.emplace_back("t" + std::to_string(i), R"("after":["t)" + std::to_string(i == 0 ? first : i - 1) + "\"]");
    if (first == 0) all[0].second.clear();
    return tasks(all);
  };
  EXPECT_EQ(good(chain(0))->steps[1].tasks[9'999].after.front(), 9'998);
  expect_fault(chain(9'999), "/steps/1/tasks/0/after", "wait for each other: `t0` after `t9999`");
}

TEST(Definitions, ExternalTasksCompile) {
  const auto d = good(with_step(
      R"("tasks":[{"name":"u","external":true,"undo":{"queue":"u"},"timeouts":{"total":"/input/limit"},"input":1}])"));
  const Task& task = d->steps[1].tasks[0];
  EXPECT_TRUE(task.external);
  EXPECT_EQ(task.queue, "");
  EXPECT_EQ(task.timeouts_from, (TimeoutPointers{"", "", "/input/limit", ""}));
  EXPECT_TRUE(task.undo);
  EXPECT_FALSE(good(with_task(R"("external":false)"))->steps[1].tasks[0].external);
}

TEST(Definitions, TimesFromDataCompile) {
  const auto d =
      good(with_step(R"("for_each":"/input/all","join":{"deadline":"/steps/a/t/output/limit"},"tasks":[{"name":"u",
      "queue":"q","timeouts":{"queue":"/input/q","attempt":"/item/a","total":"1m","heartbeat":"/input/h"}}])"));
  const Step& step = d->steps[1];
  EXPECT_EQ(step.deadline, (Length{Duration{0}, "/steps/a/t/output/limit"}));
  EXPECT_EQ(step.tasks[0].timeouts_from, (TimeoutPointers{"/input/q", "/item/a", "", "/input/h"}));
  EXPECT_EQ(step.tasks[0].timeouts, (Timeouts{Duration{0}, Duration{60'000}, Duration{60'000}, Duration{0}}));
}

TEST(Definitions, NeedsCountTasksThatNothingFollows) {
  const auto with_need = [](const std::string& need, const std::string& more = "") {
    return tasks({{"u", ""}, {"v", R"("after":["u"],"weight":3)"}, {"w", ""}},
                 more + R"("join":{"need":)" + need + "}");
  };
  EXPECT_EQ(good(with_need(R"({"at_least":2})"))->steps[1].need, (Need{Need::Kind::at_least, 2, 0}));
  expect_fault(with_need(R"({"at_least":3})"), "/steps/1/join/need",
               "give 2 at most (those that no other comes after)");
  expect_fault(with_need(R"({"weight":5})"), "/steps/1/join/need", "needs 5, but the step's tasks give 4 at most");
  EXPECT_EQ(good(with_need(R"({"share":0.4})"))->steps[1].need, (Need{Need::Kind::share, 0, 0.4}));
  EXPECT_EQ(good(with_need(R"({"share":1})"))->steps[1].need, (Need{Need::Kind::share, 0, 1}));
  // How many instances there are is not known before.
  EXPECT_EQ(good(with_need(R"({"at_least":500})", R"("for_each":"/input",)"))->steps[1].need.amount, 500u);
}

TEST(BadDefinitions, AreNamedInTheOrderOfTasks) {
  const std::string at = "/steps/1/tasks/1/after";
  const auto second = [](const std::string& after) { return tasks({{"u", ""}, {"v", "\"after\":" + after}}); };
  expect_fault(second("\"u\""), at, "array");
  expect_fault(second("[1]"), at + "/0", "names of tasks");
  expect_fault(second(R"(["u","x"])"), at + "/1", "no task `x` in this step");
  expect_fault(second(R"(["t"])"), at + "/0", "no task `t` in this step");
  expect_fault(second(R"(["u","u"])"), at + "/1", "twice");
  expect_fault(second(R"(["v"])"), at + "/0", "after itself");
  expect_fault(tasks({{"u", R"("after":["v"])"}, {"v", R"("after":["w"])"}, {"w", R"("after":["v"])"}}),
               "/steps/1/tasks/1/after", "`v` after `w` after `v`");
  // Two rings are two faults, and what only hangs on a ring is none.
  const auto rings = faults(tasks({{"a", R"("after":["b"])"},
                                   {"b", R"("after":["a"])"},
                                   {"c", R"("after":["d"])"},
                                   {"d", R"("after":["c","a"])"},
                                   {"e", R"("after":["d"],"input":"/tasks/a/output")"}}));
  ASSERT_EQ(rings.size(), 2u);
  EXPECT_EQ(rings[0].pointer, "/steps/1/tasks/0/after");
  EXPECT_EQ(rings[1].pointer, "/steps/1/tasks/2/after");
}

TEST(BadDefinitions, AreNamedInWhatTasksRead) {
  const std::string at = "/steps/1/tasks/1/input";
  const auto second = [](const std::string& fields) { return tasks({{"u", ""}, {"v", fields}, {"w", ""}}); };
  const auto reads = [&](const std::string& pointer) { return second(R"("after":["u"],"input":")" + pointer + "\""); };
  expect_fault(reads("/tasks/w/output"), at, "task `w`, which this task does not come after");
  expect_fault(reads("/tasks/v/output"), at, "does not come after");
  expect_fault(reads("/tasks/x/output"), at, "task `x`, which this step does not have");
  expect_fault(reads("/tasks/u"), at, "must go on with /output");
  expect_fault(reads("/tasks"), at, "task ``");
  expect_fault(reads("/tsks/u"), at, "a pointer begins with /input, /steps or /tasks");
  expect_fault(reads("/item"), at, "only inside the tasks of a step with `for_each`");
  expect_fault(reads("/index"), at, "only inside the tasks of a step with `for_each`");
  expect_fault(second(R"("input":"/tasks/u/output")"), at, "only inside a task that has `after`");
  expect_fault(second(R"("when":{"var":"tasks.u.output"})"), "/steps/1/tasks/1/when", "only inside a task");
  expect_fault(second(R"("timeouts":{"total":"/item/x"})"), "/steps/1/tasks/1/timeouts/total", "`for_each`");
  expect_fault(second(R"("timeouts":{"total":"/x"})"), "/steps/1/tasks/1/timeouts/total", "names nothing");
  expect_fault(with_task(R"("undo":{"queue":"u","timeouts":{"attempt":"/input/x"}})"),
               "/steps/1/tasks/0/undo/timeouts/attempt", "cannot be taken from data");
  // The element is gone once the tasks are.
  expect_fault(with_step(R"("for_each":"/input","tasks":[{"name":"u","queue":"q","when":{"var":"item"}}],
                            "next":[{"when":{"var":"item"},"go":"end"}])"),
               "/steps/1/next/0/when", "`for_each`");
  for (const char* name : {"outcome", "error"})
    expect_fault(with_step(R"("tasks":[{"name":")" + std::string(name) + R"(","queue":"q"}])"), "/steps/1/tasks/0/name",
                 "read of a whole step");
}

TEST(BadDefinitions, AreNamedInForEach) {
  const std::string one = R"(,"tasks":[{"name":"u","queue":"q"}])";
  for (const char* source : {"1", "[]", "\"input\"", "\"\""})
    expect_fault(with_step("\"for_each\":" + std::string(source) + one), "/steps/1/for_each", "pointer to an array");
  expect_fault(with_step(R"("for_each":"/item")" + one), "/steps/1/for_each", "inside the tasks");
  expect_fault(with_step(R"("for_each":"/steps/b/u/output")" + one), "/steps/1/for_each", "not before step `b`");
  expect_fault(with_step(R"("for_each":"/list")" + one), "/steps/1/for_each", "begins with /input or /steps");
  expect_fault(with_step(R"("for_each":"/input")"), "/steps/1/for_each", "it has none");
  expect_fault(with_step(R"("for_each":"/input","tasks":[])"), "/steps/1/for_each", "it has none");
  expect_fault(with_step(R"("at_once":5)" + one), "/steps/1/at_once", "without one, remove it");
  expect_fault(with_step(R"("for_each":"/input","at_once":-1)" + one), "/steps/1/at_once", "from 0 to 20000");
}

TEST(BadDefinitions, AreNamedInExternalTasks) {
  const auto external = [](const std::string& fields) {
    return with_step(R"("tasks":[{"name":"u","external":true,)" + fields + "}]");
  };
  const std::string at = "/steps/1/tasks/0";
  expect_fault(with_task(R"("external":1)"), at + "/external", "true or false");
  expect_fault(external(R"("queue":"q")"), at + "/queue", "is not handed out, so it has no `queue`");
  expect_fault(external(R"("retry":{})"), at + "/retry", "is not handed out, so it has no `retry`");
  for (const char* field : {"queue", "attempt", "heartbeat"})
    expect_fault(external(R"("timeouts":{")" + std::string(field) + R"(":"1s"})"), at + "/timeouts/" + field,
                 "`total` alone bounds it");
}

}  // namespace
}  // namespace dta::schema

// A transaction's document: what its steps wait for, what is held, and the instances of a fan-out, over states that the
// engine made.
#include "server/view_json.h"

#include <gtest/gtest.h>

#include "schema/json.h"
#include "tests/engine/live.h"

namespace dta::server {
namespace {

using engine::Action;
using engine::Live;
using engine::machine_of;
using schema::TaskRef;

// The raw text at `pointer` of the document; "(none)" when there is nothing.
std::string at(const Live& live, std::string_view pointer) {
  const std::string text =
      view_json(*live.machine, live.state, {schema::TransactionNumber(7), live.now, [&](const engine::PayloadAt& at) {
                                              return std::optional(live.payloads.at(at));
                                            }});
  const auto root = schema::check_json(text);
  EXPECT_TRUE(root) << text;
  const auto found = schema::find(*root, pointer);
  return found ? std::string(found->raw) : "(none)";
}

TEST(View, SaysWhatAStepWaitsForAndUntilWhen) {
  Live live(machine_of(R"({"name":"d","version":1,"steps":[
      {"name":"a","wait_for":{"signals":["x","y"],"deadline":"1h"}},
      {"name":"b","wait_for":{"duration":"10s"}},
      {"name":"c","when":{"var":"input.never"},"tasks":[{"name":"t","queue":"q"}]}]})"));
  live.now = schema::Time{0};
  live.start("{}");
  EXPECT_EQ(at(live, "/steps/0/outcome"), "\"open\"");
  EXPECT_EQ(at(live, "/steps/0/waits_for"), R"({"signals":["x","y"],"until":"1970-01-01T01:00:00.000Z"})");
  EXPECT_EQ(at(live, "/steps/1/waits_for"), "null");
  EXPECT_EQ(at(live, "/steps/1/outcome"), "null");
  ASSERT_TRUE(live.run(engine::Signal{"x", "s-1", "[1.0]"}));
  ASSERT_TRUE(live.run(engine::Signal{"x", "s-2", ""}));
  EXPECT_EQ(at(live, "/steps/0/waits_for/signals"), R"(["y"])");
  EXPECT_EQ(
      at(live, "/signals"),
      R"([{"name":"x","signal_id":"s-1","payload":[1.0],"step":"a"},{"name":"x","signal_id":"s-2","step":null}])");
  live.now = schema::Time{60'000};
  ASSERT_TRUE(live.run(engine::Pause{"lunch", "otto"}));
  EXPECT_EQ(at(live, "/steps/0/waits_for/until"), "null") << "nobody knows how long the pause lasts";
  EXPECT_EQ(at(live, "/paused"), "true");
  EXPECT_EQ(at(live, "/status"), "\"paused\"");
  live.now = schema::Time{120'000};
  ASSERT_TRUE(live.run(engine::Resume{"back", "otto"}));
  EXPECT_EQ(at(live, "/steps/0/waits_for/until"), "\"1970-01-01T01:01:00.000Z\"");
  ASSERT_TRUE(live.run(engine::Signal{"y", "s-3", ""}));
  EXPECT_EQ(at(live, "/steps/0/state"), "\"met\"");
  EXPECT_EQ(at(live, "/steps/1/waits_for"), R"({"signals":[],"until":"1970-01-01T00:02:10.000Z"})");
  live.now = schema::Time{130'000};
  live.tick();
  EXPECT_EQ(at(live, "/steps/2/state"), "\"skipped\"");
  EXPECT_EQ(at(live, "/steps/2/outcome"), "\"skipped\"");
  EXPECT_EQ(at(live, "/outcome"), "\"completed\"");
}

TEST(View, ShowsTheInstancesOfAFanOut) {
  Live live(machine_of(R"({"name":"d","version":1,"steps":[
      {"name":"go","tasks":[{"name":"t","queue":"q"}]},
      {"name":"pack","for_each":"/input","tasks":[
        {"name":"label","queue":"q"},{"name":"weigh","queue":"q","after":["label"]},
        {"name":"scan","queue":"q","when":{"==":[{"var":"index"},0]}}]}]})"));
  live.start(R"(["a","b"])");
  EXPECT_EQ(at(live, "/steps/0/instances"), "(none)");
  EXPECT_EQ(at(live, "/steps/0/tasks/0/instance"), "(none)");
  EXPECT_EQ(at(live, "/steps/1/instances"), "0");
  EXPECT_EQ(at(live, "/steps/1/tasks"), "[]");
  ASSERT_TRUE(live.report(live.hand_out({0, 0, 0}), engine::Completed{}));
  EXPECT_EQ(at(live, "/steps/1/instances"), "2");
  ASSERT_TRUE(live.report(live.hand_out({1, 0, 1}), engine::Completed{"7"}));
  const auto task = [&](int slot, const std::string& field) {
    return at(live, "/steps/1/tasks/" + std::to_string(slot) + "/" + field);
  };
  EXPECT_EQ(task(0, "name") + task(0, "instance") + task(0, "status"), R"("label"0"ready")");
  EXPECT_EQ(task(1, "name") + task(1, "instance") + task(1, "status"), R"("weigh"0"waiting")");
  EXPECT_EQ(task(2, "name") + task(2, "instance") + task(2, "status"), R"("scan"0"ready")");
  EXPECT_EQ(task(3, "name") + task(3, "instance") + task(3, "output"), R"("label"17)");
  EXPECT_EQ(task(4, "status"), "\"ready\"");
  EXPECT_EQ(task(5, "status"), "\"skipped\"");
}

TEST(View, ShowsWhatAPivotHolds) {
  Live live(machine_of(R"({"name":"d","version":1,"steps":[
      {"name":"pay","pivot":true,"tasks":[{"name":"t","queue":"q","retry":{"max_attempts":1}},{"name":"e","external":true}]},
      {"name":"tell","tasks":[{"name":"mail","queue":"q","retry":{"max_attempts":1}}]}]})"));
  live.start("{}");
  const schema::Sequence lease = live.hand_out({0, 0, 0});
  EXPECT_EQ(at(live, "/steps/0/pivot"), "true");
  EXPECT_EQ(at(live, "/steps/0/tasks/1/status"), "\"outside\"");
  EXPECT_EQ(at(live, "/steps/0/tasks/1/queue"), "null");
  ASSERT_TRUE(live.run(engine::Cancel{"changed", "anna"}));
  EXPECT_EQ(at(live, "/cancel_requested"), R"({"reason":"changed","who":"anna"})");
  ASSERT_TRUE(live.report(lease, engine::Failed{"lost", "no answer", "", false, schema::Effect::unknown}));
  EXPECT_EQ(at(live, "/steps/0/tasks/0/status"), "\"held\"");
  EXPECT_EQ(at(live, "/incidents/0/kind") + at(live, "/incidents/0/task"), R"("pivot_unknown""t")");
  EXPECT_EQ(at(live, "/status"), "\"attention\"");
  ASSERT_TRUE(live.run(engine::Resolve{1, schema::IncidentResolution::force_done, "it is paid", "anna"}));
  EXPECT_EQ(at(live, "/pivot_passed"), "false");
  ASSERT_TRUE(live.run(engine::ReportExternal{{}, {{TaskRef{0, 1, 0}, engine::Completed{}}}}));
  EXPECT_EQ(at(live, "/pivot_passed"), "true");
  EXPECT_EQ(at(live, "/cancel_requested"), "null");
  ASSERT_TRUE(live.report(live.hand_out({1, 0, 0}), engine::Failed{"no_mail", "gone", "", false}));
  EXPECT_EQ(at(live, "/steps/1/held"), "true");
  EXPECT_EQ(at(live, "/steps/1/outcome"), "\"open\"");
  EXPECT_EQ(at(live, "/incidents/1/kind") + at(live, "/incidents/1/step") + at(live, "/incidents/1/task"),
            R"("step_failed""tell"null)");
}

TEST(View, KeepsTheErrorOfAStepThatWasLedPast) {
  Live live(machine_of(R"({"name":"d","version":1,"steps":[
      {"name":"card","tasks":[{"name":"t","queue":"q","retry":{"max_attempts":1}}],"on_failure":[{"go":"bill"}]},
      {"name":"skipped","tasks":[{"name":"t","queue":"q"}]},
      {"name":"bill","tasks":[{"name":"t","queue":"q"}]}]})"));
  live.start("{}");
  ASSERT_TRUE(live.report(live.hand_out({0, 0, 0}), engine::Failed{"refused", "no", "", false}));
  EXPECT_EQ(at(live, "/steps/0/error"), R"({"code":"refused","message":"no","task":"t"})");
  EXPECT_EQ(at(live, "/steps/0/outcome"), "\"failed\"");
  EXPECT_EQ(at(live, "/steps/0/state"), "\"undone\"");
  EXPECT_EQ(at(live, "/steps/1/state"), "\"not_entered\"");
  EXPECT_EQ(at(live, "/steps/2/state"), "\"entered\"");
  EXPECT_EQ(at(live, "/steps/2/error"), "null");
}

}  // namespace
}  // namespace dta::server

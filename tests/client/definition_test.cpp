// Definitions written in C++: their text, and that the server's parser takes it.
#include <gtest/gtest.h>

#include "dta/definition.h"
#include "schema/definition.h"

namespace dta {
namespace {

TEST(DefinitionBuilder, WritesTheStepsForm) {
  DefinitionBuilder order("order", 3);
  order.expires_after("24h").output(R"({"shelf":"/steps/reserve/stock/output/shelf"})");
  StepBuilder& reserve = order.step("reserve").deadline("10m").drain_siblings();
  reserve.task("stock", "inventory.reserve").undo("inventory.release").max_attempts(5).backoff("200ms", 1.5, "10s");
  reserve.task("credit", "payment.authorize").input(R"({"sum":"/input/sum"})").attempt_timeout("30s").heartbeat("5s");
  order.step("ship").task("courier", "shipping.book").queue_timeout("1m").total_timeout("5m");
  EXPECT_EQ(
      order.text(),
      R"({"name":"order","version":3,"expires_after":"24h","steps":[{"name":"reserve","join":{"deadline":"10m","siblings":"drain"},)"
      R"("tasks":[{"name":"stock","queue":"inventory.reserve","undo":{"queue":"inventory.release"},)"
      R"("retry":{"max_attempts":5,"first":"200ms","rate":1.5,"cap":"10s"}},)"
      R"({"name":"credit","queue":"payment.authorize","input":{"sum":"/input/sum"},"timeouts":{"attempt":"30s","heartbeat":"5s"}}]},)"
      R"({"name":"ship","tasks":[{"name":"courier","queue":"shipping.book","timeouts":{"queue":"1m","total":"5m"}}]}],)"
      R"("output":{"shelf":"/steps/reserve/stock/output/shelf"}})");
  const auto parsed = schema::parse_definition(order.text());
  EXPECT_TRUE(parsed) << parsed.error().message;
}

TEST(DefinitionBuilder, WritesTheWholeLanguageOfSteps) {
  DefinitionBuilder order("order", 1);
  StepBuilder& reserve =
      order.step("reserve").need_at_least(1).keep_leftover().ignore_late_success().deadline("/input/d");
  reserve.task("stock", "q").weight(2);
  reserve.task("credit", "q").when(R"({"var":"input.credit"})").optional();
  reserve.task("check", "q").after({"stock", "credit"});
  reserve.on_failure(Choice::go("invoice").when(R"({"==":[{"var":"steps.reserve.error.code"},"refused"]})"))
      .on_failure(Choice::compensate());
  order.step("approve")
      .when("true")
      .wait_for_signal("decision")
      .wait_deadline("7d")
      .continue_on_deadline()
      .next(Choice::compensate("refused", "they said no").when(R"({"==":[{"var":"signals.decision"},"no"]})"))
      .next(Choice::end().when("false").output(R"({"by":"hand"})"));
  order.step("both").wait_for_signals({"a", "b"});
  order.step("later").wait_until("/input/at");
  order.step("pause").wait_for_duration("1h");
  order.step("pack").for_each("/input/parcels").at_once(50).need_share(0.5).drain_leftover().task("label", "q");
  order.step("ship").pivot().drain_siblings().external_task("courier").total_timeout("1d");
  order.step("tell").need_any().task("mail", "q");
  order.step("invoice").when("false").need_weight(1).task("bill", "q");
  EXPECT_EQ(
      order.text(),
      R"({"name":"order","version":1,"steps":[)"
      R"({"name":"reserve","join":{"need":{"at_least":1},"leftover":"keep","late_success":"ignore","deadline":"/input/d"},"tasks":[)"
      R"({"name":"stock","queue":"q","weight":2},{"name":"credit","queue":"q","when":{"var":"input.credit"},"optional":true},)"
      R"({"name":"check","queue":"q","after":["stock","credit"]}],"on_failure":[)"
      R"({"go":"invoice","when":{"==":[{"var":"steps.reserve.error.code"},"refused"]}},{"go":"compensate"}]},)"
      R"({"name":"approve","when":true,"wait_for":{"signal":"decision","deadline":"7d","on_deadline":"continue"},"next":[)"
      R"({"go":"compensate","error":{"code":"refused","message":"they said no"},"when":{"==":[{"var":"signals.decision"},"no"]}},)"
      R"({"go":"end","when":false,"output":{"by":"hand"}}]},)"
      R"({"name":"both","wait_for":{"signals":["a","b"]}},{"name":"later","wait_for":{"until":"/input/at"}},)"
      R"({"name":"pause","wait_for":{"duration":"1h"}},)"
      R"({"name":"pack","for_each":"/input/parcels","at_once":50,"join":{"need":{"share":0.5},"leftover":"drain"},)"
      R"("tasks":[{"name":"label","queue":"q"}]},)"
      R"({"name":"ship","pivot":true,"join":{"siblings":"drain"},"tasks":[{"name":"courier","external":true,"timeouts":{"total":"1d"}}]},)"
      R"({"name":"tell","join":{"need":"any"},"tasks":[{"name":"mail","queue":"q"}]},)"
      R"({"name":"invoice","when":false,"join":{"need":{"weight":1}},"tasks":[{"name":"bill","queue":"q"}]}]})");
  const auto parsed = schema::parse_definition(order.text());
  std::string faults;
  if (!parsed)
    for (const auto& fault : parsed.error().faults) faults += fault.pointer + ": " + fault.message + "\n";
  EXPECT_TRUE(parsed) << faults;
}

TEST(TableBuilder, WritesTheTableForm) {
  TableBuilder fine("fine", 1, "created");
  fine.transition("created", "Send Fine", "sent")
      .transition("sent", "Payment", "paid")
      .completed("paid")
      .terminated("lost");
  fine.transition("sent", "Lose", "lost").cycles().expires_after("7d");
  const std::string text = fine.text();
  EXPECT_EQ(text, R"({"name":"fine","version":1,"initial":"created","cycles":true,"expires_after":"7d","transitions":[)"
                  R"({"from":"created","on":"Send Fine","to":"sent"},{"from":"sent","on":"Payment","to":"paid"},)"
                  R"({"from":"sent","on":"Lose","to":"lost"}],"ends":{"paid":"completed","lost":"terminated"}})");
  const auto parsed = schema::parse_definition(text);
  EXPECT_TRUE(parsed) << parsed.error().message;
}

}  // namespace
}  // namespace dta

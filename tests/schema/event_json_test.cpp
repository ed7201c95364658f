// Events as lines: the fields of every kind, names for indices, payloads in each of their states.
#include <gtest/gtest.h>

#include "schema/event_json.h"
#include "schema/json.h"
#include "tests/schema/samples.h"

namespace dta::schema {
namespace {

constexpr Time kAt{1'763'653'791'123};  // 2025-11-20T15:49:51.123Z

std::string line(const Event& event, const EventJsonContext& context) {
  std::string out;
  append_event_json(out, {Sequence(9), kAt, event}, context);
  EXPECT_TRUE(check_json(out)) << out;
  EXPECT_EQ(out.find('\n'), std::string::npos);
  return out;
}

EventJsonContext context(const DefinitionPtr& definition) {
  EventJsonContext c;
  c.definition = definition.get();
  c.token = [](Sequence lease) { return "1.42." + std::to_string(lease.value); };
  c.payload = [](const PayloadRef& ref) {
    return std::optional<std::string>("{\"payload\":" + std::to_string(ref.index) + "}");
  };
  return c;
}

TEST(EventJson, EveryKindHasItsLine) {
  const auto steps = samples::steps_definition(), table = samples::table_definition();
  const std::string at = R"({"sequence":9,"recorded_at":"2025-11-20T15:49:51.123Z","kind":")";
  const std::string d = to_hex(sha256("d"));
  const std::vector<std::string> expected{
      R"(transaction_started","id":"o-17","definition":"order","version":3,"definition_digest":")" + d +
          R"(","expires_at":"2025-11-21T15:49:51.123Z","attributes":{"region":"eu","tier":""},"headers":{"traceparent":"00-4bf9"},"input":{"payload":0}})",
      R"(step_entered","step":"pack","inputs":[{"task":"box","input":{"payload":0}},{"task":"label","instance":7,"input":{"payload":1}}]})",
      R"(step_met","step":"pack"})",
      R"(step_failed","step":"pack","task":"label","instance":7,"error":{"code":"card_refused","message":"no funds"}})",
      R"(task_leased","step":"pack","task":"label","instance":7,"undo":true,"attempt":2,"generation":3,"order":4,"worker":"w1","poll_id":"p-9","lease_until":"2025-11-20T15:49:56.123Z","token":"1.42.9"})",
      R"(task_completed","step":"pack","task":"label","instance":7,"undo":true,"attempt":3,"found":false,"output":{"payload":0},"token":"1.42.1099511627776"})",
      R"(task_failed","step":"reserve","task":"stock","undo":false,"attempt":2,"error":{"code":"busy","message":"later","details":{"payload":0}},"effect":"unknown","retryable":false,"retry_at":"2025-11-20T15:50:00.000Z","token":"1.42.4"})",
      R"(task_released","step":"reserve","task":"stock","undo":false,"attempt":2,"not_before":"2025-11-20T15:50:00.001Z","token":"1.42.4"})",
      R"(attempt_timed_out","step":"reserve","task":"stock","undo":false,"attempt":2,"reason":"heartbeat","retry_at":"2025-11-20T15:50:00.002Z","token":"1.42.4"})",
      R"(task_timed_out","step":"pack","task":"label","instance":7,"limit":"total"})",
      R"(heartbeat_recorded","step":"reserve","task":"stock","undo":false,"attempt":2,"detail":{"payload":0},"token":"1.42.4"})",
      R"(late_result","step":"reserve","task":"stock","undo":false,"attempt":2,"succeeded":true,"after_undo":true,"code":"late_code","output":{"payload":0},"token":"1.42.4"})",
      R"(compensation_started","cause":"cancelled","reason":"customer called","who":"anna"})",
      R"(step_undone","step":"pack"})",
      R"(transaction_completed","output":{"payload":0},"not_undone":[{"step":"pack","task":"label","instance":7,"reason":"no_undo"}]})",
      R"(transaction_compensated","not_undone":[{"step":"reserve","task":"stock","reason":"no_undo"},{"step":"pack","task":"label","instance":7,"reason":"given_up"}]})",
      R"(transaction_terminated","reason":"expired","who":"otto","not_undone":[{"step":"pack","task":"label","instance":7,"reason":"terminated"}]})",
      R"(incident_raised","number":2,"incident":"effect_after_undo","step":"pack","task":"label","instance":7,"error":{"code":"x","message":"y"}})",
      R"(transitioned","on":"Send Fine","from":"Created","to":"Sent","event_id":"e-81","data":{"payload":0}})",
      R"(definition_published","name":"order","version":3,"text":{"payload":0}})",
      R"(outcome_decided","output":{"payload":0}})",
      R"(incident_resolved","number":2,"resolution":"accept","reason":"looked at","who":"anna"})",
      R"(step_skipped","step":"pack"})",
      R"(task_ready","step":"pack","task":"label","instance":7,"input":{"payload":0},"timeouts":{"queue":"1s","attempt":"2s","total":null,"heartbeat":"4s"}})",
      R"(task_skipped","step":"pack","task":"label","instance":7})",
      R"(signal_received","name":"decision","signal_id":"s-4","payload":{"payload":0}})",
      R"(wait_ended","step":"pack","how":"deadline"})",
      R"(cancel_requested","reason":"customer called","who":"anna"})",
      R"(transaction_paused","reason":"stock is counted","who":"otto"})",
      R"(transaction_resumed","reason":"counted","who":"otto"})",
      R"(queue_changed","queue":"payment.authorize","rate":{"per_second":0.5,"burst":3},"concurrency":8,"paused":true,"reason":"the bank is slow","who":"anna"})",
      R"(definition_changed","name":"order","paused":true,"deprecated":[1,2],"reason":"a fault in step pack","who":"otto"})",
      R"(epoch_opened","epoch":3,"reason":"its parent goes back"})",
      R"(step_entered","step":"pack","instances":8,"inputs":[{"task":"box","instance":2,"input":{"payload":0}}],"skipped":[{"task":"box","instance":2},{"task":"label","instance":7}],"unresolved":true,"deadline":"1m","wait":"0ms","wait_deadline":"7d","timeouts":[{"task":"label","instance":7,"queue":null,"attempt":"90s","total":"1h","heartbeat":"5s"}]})",
      R"(step_met","step":"reserve","route":{"go":"pack","choice":3}})",
      R"(step_met","step":"pack","route":{"go":"end","choice":0}})",
      R"(step_failed","step":"reserve","task":"stock","error":{"code":"card_refused","message":"no funds"},"route":{"go":"pack","choice":0}})",
      R"(step_failed","step":"pack","task":null,"error":{"code":"dta.deadline","message":"too late"},"route":{"go":"compensate","choice":2}})",
      R"(incident_raised","number":3,"incident":"step_failed","step":"pack","task":null,"error":{"code":"dta.deadline","message":"too late"}})",
      R"(incident_resolved","number":3,"resolution":"force_failed","reason":"gave up on it","who":"anna"})",
      R"(compensation_started","cause":"decided","reason":"refused","who":null})",
      R"(compensation_started","cause":"parent","reason":"refused","who":null})",
      R"(task_completed","step":"reserve","task":"stock","undo":false,"attempt":1,"irreversible":true})",
      R"(task_failed","step":"reserve","task":"stock","undo":false,"attempt":1,"error":{"code":"refused","message":""},"effect":"none","retryable":false,"retry_at":null,"left_behind":true})",
      R"(transaction_compensated","not_undone":[{"step":"reserve","task":"stock","reason":"in_child"}]})",
      R"(transaction_started","id":"o-18","definition":"order","version":3,"definition_digest":")" +
          std::string(64, '0') + R"(","expires_at":null,"attributes":{},"headers":{},"priority":9})",
  };
  const auto events = samples::every_kind_and_field();
  ASSERT_EQ(events.size(), expected.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    const bool in_table = std::holds_alternative<Transitioned>(events[i]);
    EXPECT_EQ(line(events[i], context(in_table ? table : steps)), at + expected[i]);
  }
}

TEST(EventJson, WhatIsNotThereIsNullOrLeftOut) {
  const auto steps = samples::steps_definition();
  const auto has = [&](const Event& event, std::string_view part) {
    const std::string text = line(event, context(steps));
    EXPECT_NE(text.find(part), std::string::npos) << text;
    return text;
  };
  EXPECT_EQ(has(TransactionStarted{}, R"("expires_at":null)").find("input"), std::string::npos);
  EXPECT_EQ(has(StepEntered{}, R"("step":"reserve"})").find("inputs"), std::string::npos);
  has(StepFailed{0, false, {}, "dta.timeout", "m"}, R"("task":null,"error")");
  has(TaskFailed{}, R"("retry_at":null)");
  EXPECT_EQ(has(TaskCompleted{{}, {}, true}, R"("undo":false)").find("found"), std::string::npos);
  const Attempt undo{{}, Action::undo, 1, Sequence(7)};
  EXPECT_EQ(has(TaskCompleted{undo, {}, {}}, R"("undo":true)").find("found"), std::string::npos) << "nobody said";
  has(TaskCompleted{undo, {}, true}, R"("found":true)");
  has(TaskLeased{{}, Action::perform, 1, 1, 1, "w", "p", Duration{60'000}, {}},
      R"("lease_until":"2025-11-20T15:50:51.123Z")");
  EXPECT_EQ(has(StepMet{}, R"("step":"reserve"})").find("route"), std::string::npos);
  EXPECT_EQ(has(StepFailed{}, R"("code":"")").find("route"), std::string::npos);
  EXPECT_EQ(has(TaskReady{}, R"("task":"stock"})").find("timeouts"), std::string::npos);
  has(StepMet{0, {GoKind::step, 9, kNoChoice}}, R"("route":{"go":9}})");
  has(CompensationStarted{CompensationCause::expired, "", ""}, R"("cause":"expired","reason":null,"who":null)");
  EXPECT_EQ(has(LateResult{}, R"("code":null)").find("token"), std::string::npos) << "an external task has no lease";
  has(TransactionCompensated{}, R"("not_undone":[])");
  EXPECT_EQ(has(TransactionCompleted{}, R"("kind":"transaction_completed"})").find("not_undone"), std::string::npos);
  EXPECT_EQ(has(TransactionTerminated{}, R"("reason":null,"who":null})").find("not_undone"), std::string::npos);
  has(IncidentResolved{}, R"("number":1,"resolution":"retry","reason":null,"who":null)");
}

TEST(EventJson, TasksOfAForEachAlwaysSayTheirInstance) {
  Definition definition;
  definition.steps.resize(1);
  definition.steps[0].name = "pack";
  definition.steps[0].for_each = "/input/parcels";
  definition.steps[0].tasks.resize(1);
  definition.steps[0].tasks[0].name = "label";
  EventJsonContext c;
  c.definition = &definition;
  EXPECT_TRUE(line(TaskSkipped{{0, 0, 0}}, c).ends_with(R"("step":"pack","task":"label","instance":0})"));
  EXPECT_TRUE(line(StepEntered{}, c).ends_with(R"("step":"pack","instances":0})")) << "an empty array";
}

TEST(EventJson, PlaceInTheLogIsThereWhenGiven) {
  EventJsonContext c;
  c.position = Position(118);
  c.transaction = "o/\"17";
  EXPECT_EQ(
      line(StepMet{4}, c),
      R"({"transaction":"o/\"17","sequence":9,"position":118,"recorded_at":"2025-11-20T15:49:51.123Z","kind":"step_met","step":4})");
}

TEST(EventJson, PayloadsAreSplicedNamedOrErased) {
  EventJsonContext c;
  const TransactionCompleted event{samples::payload(0, "{}")};
  const std::string hash = to_hex(sha256("{}"));
  EXPECT_TRUE(line(event, c).ends_with(R"("output":{"size":2,"sha256":")" + hash + "\"}}"));
  c.payload = [](const PayloadRef&) { return std::optional<std::string>(); };
  EXPECT_TRUE(line(event, c).ends_with(R"("output":{"erased":true,"size":2,"sha256":")" + hash + "\"}}"));
  c.payload = [](const PayloadRef&) { return std::optional<std::string>("{\r\n \"a\": 1.0,\n \"b\": \"x\\ny\"\n}"); };
  EXPECT_TRUE(line(event, c).ends_with("\"output\":{   \"a\": 1.0,  \"b\": \"x\\ny\" }}"));
}

TEST(EventJson, AnIndexWithoutANameIsShownAsNumber) {
  const auto steps = samples::steps_definition();
  EXPECT_TRUE(line(TaskTimedOut{{7, 3, 0}, TaskLimit::queue}, context(steps))
                  .ends_with(R"("step":7,"task":3,"limit":"queue"})"));
  EXPECT_TRUE(
      line(Transitioned{9, 8, 7, "", {}}, context(steps)).ends_with(R"("on":9,"from":8,"to":7,"event_id":null})"));
}

}  // namespace
}  // namespace dta::schema

// What a transaction waits for beside its workers: signals, people who pause it, and participants who report by name.
// Ids first, then the state; all of it once, before and after it is durable, and after a restart.
#include "tests/partition/definitions.h"
#include "tests/partition/driver.h"

namespace dta::partition {
namespace {

using server::AppendReply;
using server::CompletedResult;
using server::Expect;
using server::FailedResult;
using server::LeaseReply;
using server::NewReport;
using server::PauseRequest;
using server::ReportRequest;
using server::ResumeRequest;
using server::SignalRequest;
using server::TransactionReply;
using server::TransactionSummary;

// A decision by signal, then a pivot that somebody outside makes, then one more task.
constexpr const char* kWaiting = R"({"name":"waiting","version":1,"steps":[
  {"name":"approve","wait_for":{"signals":["decision","stamp"],"deadline":"1h"},
   "next":[{"when":{"==":[{"var":"signals.decision.answer"},"no"]},"go":"compensate","error":{"code":"refused"}}]},
  {"name":"ship","pivot":true,"tasks":[{"name":"courier","external":true},{"name":"label","external":true,"optional":true}]},
  {"name":"tell","tasks":[{"name":"mail","queue":"mail","input":{"by":"/steps/ship/courier/output"},
    "retry":{"first":"1s","rate":1,"jitter":0},"timeouts":{"queue":"1m"}}]}]})";

constexpr const char* kFan = R"({"name":"fan","version":1,"steps":[
  {"name":"pack","for_each":"/input/parcels","at_once":2,"tasks":[
    {"name":"label","queue":"label","input":{"parcel":"/item","no":"/index"}},
    {"name":"weigh","external":true,"after":["label"]}]}],
  "output":"/steps/pack/weigh/output"})";

SignalRequest signal_of(const std::string& name, const std::string& id, const std::string& payload = {}) {
  SignalRequest request;
  request.id = "t";
  request.name = name;
  request.request_id = id;
  request.payload = payload;
  return request;
}

template <class Request>
Request asked(const std::string& request_id = {}) {
  Request request;
  request.id = "t";
  request.reason = "counting";
  request.who = "otto";
  request.request_id = request_id;
  return request;
}

ReportRequest report_of(std::vector<NewReport> reports) {
  ReportRequest request;
  request.id = "t";
  request.reports = std::move(reports);
  return request;
}

NewReport done(const std::string& id, const std::string& step, const std::string& task, const std::string& output = {},
               std::uint32_t instance = 0) {
  return {id, step, task, instance, CompletedResult{output, {}}};
}

NewReport failed_outside(const std::string& id, const std::string& task) {
  return {id, "ship", task, 0, FailedResult{"no_room", "full", "[1]", true, schema::Effect::none}};
}

void begin(Driver& d, const char* definition = kWaiting, const std::string& name = "waiting") {
  publish(d, definition);
  start(d, "t", name);
}

void approve(Driver& d) {
  ASSERT_TRUE(d.ask<TransactionSummary>(signal_of("stamp", "s-0")).ok());
  ASSERT_TRUE(d.ask<TransactionSummary>(signal_of("decision", "s-1", R"({"answer":"yes"})")).ok());
}

engine::State state_of(Driver& d) {
  return d.ask<TransactionReply>(get_of("t"))->state;
}

TEST(Waiting, ASignalCountsOnceHoweverOftenItIsSent) {
  Driver d;
  begin(d);
  const auto request = signal_of("decision", "s-1", R"({"answer":"yes", "n":1.0})");
  const auto first = d.submit<TransactionSummary>(request);
  const auto built = d.submit<TransactionSummary>(request);
  ASSERT_TRUE(d.begin_write());
  const auto away = d.submit<TransactionSummary>(signal_of("decision", "s-1", R"({"n":1.0,"answer":"yes"})"));
  EXPECT_FALSE(first.given() || built.given() || away.given());
  d.finish_write();
  ASSERT_TRUE(first.ok() && built.ok() && away.ok());
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("stamp", "s-2"))->phase, "running");
  d.crash(Fate::lost);
  const auto later = d.ask<TransactionSummary>(request);
  ASSERT_TRUE(later.ok());
  for (const auto* again : {&built, &away, &later}) EXPECT_EQ((*again)->sequence, first->sequence);
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("decision", "s-1", "2")).code(), ErrorCode::id_reused);
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("stamp", "s-1", R"({"answer":"yes","n":1.0})")).code(),
            ErrorCode::id_reused);
  EXPECT_EQ(state_of(d).signals.size(), 2u);
}

TEST(Waiting, ASignalNobodyWaitsForOrThatComesTooLateIsRefused) {
  Driver d;
  begin(d);
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("nothing", "s-1")).code(), ErrorCode::unknown_signal);
  auto nobody = signal_of("decision", "s-1");
  nobody.id = "nobody";
  EXPECT_EQ(d.ask<TransactionSummary>(nobody).code(), ErrorCode::transaction_not_found);
  publish(d, kTable);
  start(d, "f", "fine");
  auto table = signal_of("decision", "s-1");
  table.id = "f";
  EXPECT_EQ(d.ask<TransactionSummary>(table).code(), ErrorCode::unknown_signal);
  ASSERT_TRUE(d.ask<TransactionSummary>(signal_of("stamp", "s-1")).ok());
  ASSERT_TRUE(d.ask<TransactionSummary>(signal_of("decision", "s-2", R"({"answer":"no"})")).ok());
  EXPECT_EQ(status_of(d, "t"), "compensated");
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("decision", "s-3")).code(), ErrorCode::closed);
  EXPECT_EQ(d.ask<TransactionSummary>(signal_of("stamp", "s-1"))->phase, "running") << "as it was answered then";
  d.expect_consistent();
}

TEST(Waiting, WhatIsPausedHandsNothingOutAndGoesOnWhereItStood) {
  Driver d;
  begin(d, kPair, "pair");
  auto waiting = lease_of(poll_of({"qx"}, 1, Duration{60'000}));
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<PauseRequest>("p-1")).ok());
  EXPECT_EQ(status_of(d, "t"), "paused");
  const auto poll = d.ask<LeaseReply>(waiting);
  EXPECT_FALSE(poll.given()) << "its task stood in the queue before the pause";
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"qy"})))->tasks.empty());
  EXPECT_EQ(d.ask<TransactionSummary>(asked<PauseRequest>("p-2")).code(), ErrorCode::illegal_event);
  EXPECT_EQ(d.ask<TransactionSummary>(asked<PauseRequest>("p-1"))->status, "paused");
  d.expect_consistent();
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<ResumeRequest>("r-1")).ok());
  ASSERT_TRUE(poll.ok());
  EXPECT_EQ(poll->tasks.at(0).task, "x");
  EXPECT_EQ(d.record_sizes("t").back(), 2u) << "resumed and handed out in one record";
  EXPECT_EQ(take(d, "qy").task, "y");
  EXPECT_EQ(status_of(d, "t"), "running");
  EXPECT_EQ(d.ask<TransactionSummary>(asked<ResumeRequest>("r-2")).code(), ErrorCode::illegal_event);
  d.expect_consistent();
}

TEST(Waiting, APauseOutlivesTheProcess) {
  Driver d;
  begin(d, kPair, "pair");
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<PauseRequest>("p-1")).ok());
  d.crash(Fate::lost);
  EXPECT_EQ(status_of(d, "t"), "paused");
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"qx"})))->tasks.empty());
  EXPECT_EQ(d.ask<TransactionSummary>(asked<PauseRequest>("p-1"))->status, "paused");
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<ResumeRequest>()).ok());
  EXPECT_EQ(take(d, "qx").task, "x");
  d.expect_consistent();
}

TEST(Waiting, ResultsAreTakenAndTimersHeldWhileItIsPaused) {
  Driver d;
  begin(d, kPair, "pair");
  const std::string x = take(d, "qx").token, y = take(d, "qy").token;
  ASSERT_TRUE(report(d, failed(x, true)));  // again in a second
  d.wait(Duration{400});
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<PauseRequest>()).ok());
  ASSERT_TRUE(report(d, completed(y)));
  d.run_until(d.now + Duration{10'000});
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<ResumeRequest>()).ok());
  d.wait(Duration{599});
  d.tick();
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"qx"})))->tasks.empty()) << "600 ms of its second were left";
  d.wait(Duration{1});
  d.tick();
  EXPECT_EQ(take(d, "qx").attempt, 2u);
  d.expect_consistent();
}

TEST(Waiting, TheDeadlineOfAWaitIsHeldByAPause) {
  Driver d;
  begin(d);
  d.wait(Duration{3'599'000});
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<PauseRequest>()).ok());
  d.run_until(d.now + Duration{7'200'000});
  EXPECT_EQ(status_of(d, "t"), "paused");
  ASSERT_TRUE(d.ask<TransactionSummary>(asked<ResumeRequest>()).ok());
  d.run_until(d.now + Duration{999});
  EXPECT_EQ(status_of(d, "t"), "running");
  d.run_until(d.now + Duration{1});
  EXPECT_EQ(status_of(d, "t"), "compensated");
}

TEST(Waiting, AReportCountsOnceAndGetsItsFirstAnswerAgain) {
  Driver d;
  begin(d);
  approve(d);
  const auto request = report_of({done("e-1", "ship", "courier", R"({"by":1.0})"), failed_outside("e-2", "label")});
  const auto first = d.submit<AppendReply>(request);
  const auto built = d.submit<AppendReply>(request);
  d.write();
  ASSERT_TRUE(first.ok() && built.ok());
  EXPECT_FALSE(first->repeated);
  EXPECT_EQ(first->state, "");
  EXPECT_EQ(first->sequence, state_of(d).sequence.value) << "with what followed from it";
  const auto task = take(d, "mail");
  EXPECT_EQ(task.input, R"({"by":{"by":1.0}})");
  d.crash(Fate::lost);
  auto again = request;
  again.expect = Expect::exactly;
  again.expected_sequence = 1;
  const auto later = d.ask<AppendReply>(again);
  ASSERT_TRUE(later.ok());
  for (const auto* repeated : {&built, &later}) {
    EXPECT_TRUE((*repeated)->repeated);
    EXPECT_EQ((*repeated)->first_sequence, first->first_sequence);
    EXPECT_EQ((*repeated)->sequence, first->sequence);
  }
  EXPECT_EQ(d.ask<AppendReply>(report_of({done("e-1", "ship", "courier", "2")})).code(), ErrorCode::id_reused);
  EXPECT_EQ(
      d.ask<AppendReply>(report_of({done("e-1", "ship", "courier", R"({"by":1.0})"), done("e-9", "ship", "label")}))
          .code(),
      ErrorCode::id_reused);
  d.expect_consistent();
}

TEST(Waiting, AReportIsForAnExternalTaskWhoseTurnHasCome) {
  Driver d;
  begin(d);
  const auto code = [&](NewReport report) { return d.ask<AppendReply>(report_of({std::move(report)})).code(); };
  EXPECT_EQ(code(done("e-1", "ship", "courier")), ErrorCode::illegal_event) << "not entered";
  approve(d);
  EXPECT_EQ(code(done("e-1", "ship", "nobody")), ErrorCode::task_not_found);
  EXPECT_EQ(code(done("e-1", "nowhere", "courier")), ErrorCode::task_not_found);
  EXPECT_EQ(code(done("e-1", "ship", "courier", "", 1)), ErrorCode::task_not_found);
  EXPECT_EQ(code(done("e-1", "tell", "mail")), ErrorCode::illegal_event) << "a worker's";
  auto elsewhere = report_of({done("e-1", "ship", "courier")});
  elsewhere.expect = Expect::exactly;
  elsewhere.expected_sequence = 3;
  const auto moved = d.ask<AppendReply>(elsewhere);
  ASSERT_EQ(moved.code(), ErrorCode::wrong_sequence);
  EXPECT_EQ(moved.error().current_sequence, state_of(d).sequence.value);
  EXPECT_EQ(d.ask<AppendReply>(report_of({done("e-1", "ship", "courier"), done("e-2", "ship", "nobody")})).code(),
            ErrorCode::task_not_found)
      << "whole or not at all";
  elsewhere.expected_sequence = *moved.error().current_sequence;
  EXPECT_TRUE(d.ask<AppendReply>(elsewhere).ok());
  EXPECT_EQ(code(done("", "ship", "courier")), std::nullopt) << "settled: kept as late";
  EXPECT_TRUE(std::holds_alternative<schema::LateResult>(d.history("t").back()));
  d.expect_consistent();
}

TEST(Waiting, ACancellationWaitsForThePivotAndIsDroppedWhenItIsMet) {
  Driver d;
  begin(d);
  approve(d);
  const auto cancelled = d.ask<TransactionSummary>(cancel_of("t", "c-1"));
  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->phase, "running");
  EXPECT_TRUE(state_of(d).cancel.has_value());
  ASSERT_TRUE(d.ask<AppendReply>(report_of({done("", "ship", "courier"), done("", "ship", "label")})).ok());
  EXPECT_FALSE(state_of(d).cancel.has_value());
  EXPECT_EQ(d.ask<TransactionSummary>(cancel_of("t", "c-2")).code(), ErrorCode::past_pivot);
  EXPECT_EQ(d.ask<TransactionSummary>(cancel_of("t", "c-1"))->sequence, cancelled->sequence);
}

TEST(Waiting, AFanOutHandsOutSoManyAtOnceAndKeepsTheOrderOfItsElements) {
  Driver d;
  publish(d, kFan);
  ASSERT_TRUE(d.ask<TransactionSummary>(start_of("t", "fan", R"({"parcels":["a","b","c"]})")).ok());
  const auto two = d.ask<LeaseReply>(lease_of(poll_of({"label"}, 10)));
  ASSERT_EQ(two->tasks.size(), 2u);
  EXPECT_EQ(two->tasks[1].instance, 1u);
  EXPECT_EQ(two->tasks[1].input, R"({"parcel":"b","no":1})");
  EXPECT_EQ(two->tasks[1].idempotency_key, "t/pack/label/1/1/do/1");
  EXPECT_EQ(d.ask<AppendReply>(report_of({done("", "pack", "weigh", "7", 1)})).code(), ErrorCode::illegal_event)
      << "it comes after its label";
  d.crash(Fate::lost);
  EXPECT_TRUE(d.ask<LeaseReply>(lease_of(poll_of({"label"}, 10)))->tasks.empty());
  for (const auto& task : two->tasks) ASSERT_TRUE(report(d, completed(task.token)));
  const auto third = take(d, "label");
  EXPECT_EQ(third.instance, 2u);
  ASSERT_TRUE(report(d, completed(third.token)));
  for (const std::uint32_t instance : {2, 0, 1})
    ASSERT_TRUE(
        d.ask<AppendReply>(report_of({done("", "pack", "weigh", std::to_string(instance * 10), instance)})).ok());
  const auto end = d.ask<TransactionSummary>(start_of("t", "fan", R"({"parcels":["a","b","c"]})"));
  EXPECT_EQ(end->outcome, "completed");
  EXPECT_EQ(end->output, "[0,10,20]");
  d.expect_consistent();
}

}  // namespace
}  // namespace dta::partition

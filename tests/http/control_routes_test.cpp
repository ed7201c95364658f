// Mapping of the calls that change one transaction: cancel, terminate, pause, resume, resolve, signal, append and
// report.
#include "tests/http/routes.h"

namespace dta::test {
namespace {

using namespace server;

TEST_F(Routes, Cancel) {
  fake.on<CancelRequest>([](CancelRequest& request) {
    EXPECT_EQ(request.id, "a b/c");
    EXPECT_EQ(request.reason, "called");
    EXPECT_EQ(request.who, "anna");
    EXPECT_EQ(request.request_id, "c-1");
    TransactionSummary reply = summary("o-17");
    reply.status = reply.phase = "compensating";
    reply.sequence = 20;
    request.reply(reply);
  });
  EXPECT_EQ(post("/v1/transactions/a%20b%2Fc/cancel", R"({"reason":"called","who":"anna","request_id":"c-1"})").body,
            R"({"id":"o-17","status":"compensating","phase":"compensating","sequence":20})");
  expect_refused(post("/v1/transactions/a/cancel", "{}"), 400, "missing_field", "/reason");
  expect_refused(post("/v1/transactions/a/cancel", "{\"reason\":\"" + std::string(4097, 'x') + "\"}"), 413,
                 "too_large");
  fake.on<CancelRequest>(
      [](CancelRequest& request) { request.reply(schema::refuse(schema::ErrorCode::closed, "over")); });
  expect_refused(post("/v1/transactions/a/cancel", R"({"reason":"r"})"), 409, "closed", "over");
}

TEST_F(Routes, Terminate) {
  fake.on<TerminateRequest>([](TerminateRequest& request) {
    EXPECT_EQ(request.id, "a b/c");
    EXPECT_EQ(request.reason, "settled");
    EXPECT_EQ(request.who, "anna");
    EXPECT_EQ(request.request_id, "t-1");
    TransactionSummary reply = summary("o-17");
    reply.status = reply.phase = "terminated";
    reply.sequence = 20;
    request.reply(reply);
  });
  EXPECT_EQ(
      post("/v1/transactions/a%20b%2Fc/terminate", R"({"reason":"settled","who":"anna","request_id":"t-1"})").body,
      R"({"id":"o-17","status":"terminated","phase":"terminated","sequence":20})");
  expect_refused(post("/v1/transactions/a/terminate", "{}"), 400, "missing_field", "/reason");
  expect_refused(post("/v1/transactions/a/terminate", R"({"reason":"r","resolution":"retry"})"), 400, "unknown_field");
  fake.on<TerminateRequest>(
      [](TerminateRequest& request) { request.reply(schema::refuse(schema::ErrorCode::closed, "over")); });
  expect_refused(post("/v1/transactions/a/terminate", R"({"reason":"r"})"), 409, "closed", "over");
}

TEST_F(Routes, ResolveAnIncident) {
  fake.on<ResolveRequest>([](ResolveRequest& request) {
    EXPECT_EQ(request.id, "a b/c");
    EXPECT_EQ(request.incident, 12u);
    EXPECT_EQ(request.resolution, schema::IncidentResolution::give_up);
    EXPECT_EQ(request.reason, "nobody will miss it");
    EXPECT_EQ(request.who, "anna");
    EXPECT_EQ(request.request_id, "i-1");
    TransactionSummary reply = summary("o-17");
    reply.status = reply.phase = "compensated";
    reply.sequence = 21;
    request.reply(reply);
  });
  const std::string resolve = "/v1/transactions/a/incidents/12/resolve";
  EXPECT_EQ(post("/v1/transactions/a%20b%2Fc/incidents/12/resolve",
                 R"({"resolution":"give_up","reason":"nobody will miss it","who":"anna","request_id":"i-1"})")
                .body,
            R"({"id":"o-17","status":"compensated","phase":"compensated","sequence":21})");
  expect_refused(post(resolve, R"({"resolution":"retry"})"), 400, "missing_field", "/reason");
  expect_refused(post(resolve, R"({"reason":"r"})"), 400, "missing_field", "/resolution");
  expect_refused(post(resolve, R"({"resolution":"forget","reason":"r"})"), 400, "invalid_argument", "/resolution");
  for (const char* number : {"0", "-1", "x", "1x", "4294967296", "1.0", "+1", "%201"})
    expect_refused(post("/v1/transactions/a/incidents/" + std::string(number) + "/resolve",
                        R"({"resolution":"retry","reason":"r"})"),
                   400, "invalid_argument", "number of the incident");
  fake.on<ResolveRequest>([](ResolveRequest& request) {
    EXPECT_EQ(request.resolution, schema::IncidentResolution::force_done);
    request.reply(schema::refuse(schema::ErrorCode::incident_not_found, "there is none"));
  });
  expect_refused(post(resolve, R"({"resolution":"force_done","reason":"r"})"), 404, "incident_not_found",
                 "there is none");
}

TEST_F(Routes, PauseAndResume) {
  const auto standing = [](std::string_view status) {
    TransactionSummary reply = summary("o-17");
    reply.status = status;
    reply.sequence = 20;
    return reply;
  };
  fake.on<PauseRequest>([&](PauseRequest& request) {
    EXPECT_EQ(request.id, "a b/c");
    EXPECT_EQ(request.reason, "counting");
    EXPECT_EQ(request.who, "anna");
    EXPECT_EQ(request.request_id, "p-1");
    request.reply(standing("paused"));
  });
  fake.on<ResumeRequest>([&](ResumeRequest& request) {
    EXPECT_EQ(request.reason, "counted");
    EXPECT_EQ(request.who + request.request_id, "");
    request.reply(standing("running"));
  });
  EXPECT_EQ(post("/v1/transactions/a%20b%2Fc/pause", R"({"reason":"counting","who":"anna","request_id":"p-1"})").body,
            R"({"id":"o-17","status":"paused","phase":"running","sequence":20})");
  EXPECT_EQ(post("/v1/transactions/a/resume", R"({"reason":"counted"})").body,
            R"({"id":"o-17","status":"running","phase":"running","sequence":20})");
  for (const auto* path : {"/v1/transactions/a/pause", "/v1/transactions/a/resume"}) {
    expect_refused(post(path, "{}"), 400, "missing_field", "/reason");
    expect_refused(post(path, R"({"reason":"r","until":"tomorrow"})"), 400, "unknown_field", "/until");
    EXPECT_EQ(call("GET", path).header("allow"), "POST");
  }
  fake.on<PauseRequest>(
      [](PauseRequest& request) { request.reply(schema::refuse(schema::ErrorCode::illegal_event, "it is paused")); });
  expect_refused(post("/v1/transactions/a/pause", R"({"reason":"r"})"), 409, "illegal_event", "it is paused");
}

TEST_F(Routes, Signal) {
  fake.on<SignalRequest>([](SignalRequest& request) {
    EXPECT_EQ(request.id, "a b/c");
    EXPECT_EQ(request.name, "decision");
    EXPECT_EQ(request.request_id, "s-1");
    EXPECT_EQ(request.payload, R"({"answer": 1.0})");
    request.reply(summary("o-17"));
  });
  EXPECT_EQ(
      post("/v1/transactions/a%20b%2Fc/signals/decision", R"({"signal_id":"s-1","payload":{"answer": 1.0}})").body,
      R"({"id":"o-17","status":"running","phase":"running","sequence":2})");
  fake.on<SignalRequest>([](SignalRequest& request) {
    EXPECT_EQ(request.payload, "");
    request.reply(schema::refuse(schema::ErrorCode::unknown_signal, "nobody waits for it"));
  });
  const std::string go = "/v1/transactions/a/signals/go";
  expect_refused(post(go, R"({"signal_id":"s-1"})"), 422, "unknown_signal", "nobody waits for it");
  expect_refused(post(go, R"({"payload":1})"), 400, "missing_field", "/signal_id");
  expect_refused(post(go, R"({"signal_id":"a/b"})"), 400, "invalid_argument", "/signal_id");
  expect_refused(post(go, R"({"signal_id":"s","who":"anna"})"), 400, "unknown_field", "/who");
  expect_refused(post("/v1/transactions/a/signals", "{}"), 404, "not_found");
  EXPECT_EQ(call("GET", go).header("allow"), "POST");
}

TEST_F(Routes, ReportOfExternalTasks) {
  fake.on<ReportRequest>([](ReportRequest& request) {
    EXPECT_EQ(request.id, "o");
    EXPECT_EQ(request.expect, Expect::exactly);
    EXPECT_EQ(request.expected_sequence, 4u);
    ASSERT_EQ(request.reports.size(), 3u);
    const NewReport& done = request.reports[0];
    EXPECT_EQ(done.id + " " + done.step + " " + done.task + " " + std::to_string(done.instance), "e-1 ship book 0");
    EXPECT_EQ(std::get<CompletedResult>(done.result).output, "1.0");
    const NewReport& failed = request.reports[1];
    EXPECT_EQ(failed.id + " " + failed.task + " " + std::to_string(failed.instance), "e-2 label 3");
    const auto& why = std::get<FailedResult>(failed.result);
    EXPECT_EQ(why.code + " " + why.message + " " + why.details, "no_room full [1]");
    EXPECT_EQ(why.effect, schema::Effect::unknown);
    EXPECT_EQ(std::get<CompletedResult>(request.reports[2].result).output, "");
    request.reply(AppendReply{5, 9, "", "running", "running", false});
  });
  EXPECT_EQ(post("/v1/transactions/o/events",
                 R"({"expected":4,"events":[{"event_id":"e-1","task":"ship/book","result":"done","output":1.0},)"
                 R"({"event_id":"e-2","task":"ship/label","instance":3,"result":"failed",)"
                 R"("error":{"code":"no_room","message":"full","details":[1]},"effect":"unknown"},)"
                 R"({"event_id":"e-3","task":"ship/weigh","result":"done"}]})")
                .body,
            R"({"id":"o","first_sequence":5,"sequence":9,"status":"running","phase":"running","repeated":false})");
  const auto refused = [&](const std::string& events, std::string_view code, std::string_view detail) {
    expect_refused(post("/v1/transactions/o/events", "{\"events\":[" + events + "]}"), 400, code, detail);
  };
  refused(R"({"task":"ship","result":"done"})", "invalid_argument", "/events/0/task");
  refused(R"({"task":"a/b"})", "missing_field", "/events/0/result");
  refused(R"({"task":"a/b","result":"late"})", "invalid_argument", "/events/0/result");
  refused(R"({"task":"a/b","result":"failed"})", "missing_field", "/events/0/error");
  refused(R"({"task":"a/b","result":"failed","error":{"code":"dta.x"}})", "invalid_argument", "/events/0/error/code");
  refused(R"({"task":"a/b","result":"failed","error":{"code":"x"},"effect":"some"})", "invalid_argument",
          "/events/0/effect");
  refused(R"({"task":"a/b","result":"failed","error":{"code":"x"},"output":1})", "unknown_field", "/events/0/output");
  refused(R"({"task":"a/b","result":"done","error":{"code":"x"}})", "unknown_field", "/events/0/error");
  refused(R"({"task":"a/b","result":"done","retryable":true})", "unknown_field", "/events/0/retryable");
  refused(R"({"task":"a/b","result":"done","instance":-1})", "invalid_argument", "/events/0/instance");
  refused(R"({"task":"a/b","result":"done"},{"event_id":"e","task":"a/b","result":"done"})", "invalid_argument",
          R"("pointer":"/events/1/event_id")");
  refused(R"({"task":"a/b","result":"done"},{"on":"x"})", "unknown_field", "/events/1/on");
  refused(R"({"on":"x"},{"task":"a/b","result":"done"})", "unknown_field", "/events/1/task");
}

TEST_F(Routes, Append) {
  fake.on<AppendRequest>([](AppendRequest& request) {
    EXPECT_EQ(request.id, "A100");
    EXPECT_EQ(request.expect, Expect::exactly);
    EXPECT_EQ(request.expected_sequence, 4u);
    ASSERT_EQ(request.events.size(), 2u);
    EXPECT_EQ(request.events[0].id, "e-81");
    EXPECT_EQ(request.events[0].on, "Payment");
    EXPECT_EQ(request.events[0].data, R"({"amount":"35.00"})");
    EXPECT_EQ(request.events[1].id, "e-82");
    EXPECT_EQ(request.events[1].data, "");
    request.reply(AppendReply{5, 6, "Paid", "running", "running", false});
  });
  EXPECT_EQ(
      post("/v1/transactions/A100/events",
           R"({"expected":4,"events":[{"id":"e-81","on":"Payment","data":{"amount":"35.00"}},{"id":"e-82","on":"x"}]})")
          .body,
      R"({"id":"A100","first_sequence":5,"sequence":6,"state":"Paid","status":"running","phase":"running","repeated":false})");
  fake.on<AppendRequest>([](AppendRequest& request) {
    Error error{schema::ErrorCode::wrong_sequence, "moved"};
    error.current_sequence = request.expect == Expect::none ? 1 : request.expect == Expect::any ? 2 : 3;
    request.reply(tl::unexpected(error));
  });
  for (const auto* some :
       {R"({"events":[{"on":"x"},{"id":"e-1","on":"x"}]})", R"({"events":[{"id":"e-1","on":"x"},{"on":"x"}]})"})
    expect_refused(post("/v1/transactions/A/events", some), 400, "invalid_argument", R"("pointer":"/events/1/id")");
  expect_refused(post("/v1/transactions/A/events", R"({"expected":"none","events":[]})"), 409, "wrong_sequence",
                 "\"current_sequence\":1");
  expect_refused(post("/v1/transactions/A/events", R"({"expected":"any","events":[]})"), 409, "wrong_sequence",
                 "\"current_sequence\":2");
  expect_refused(post("/v1/transactions/A/events", R"({"events":[]})"), 409, "wrong_sequence",
                 "\"current_sequence\":2");
  expect_refused(post("/v1/transactions/A/events", R"({"expected":"some","events":[]})"), 400, "invalid_argument");
  expect_refused(post("/v1/transactions/A/events", R"({"events":[{"id":"a"}]})"), 400, "missing_field", "/events/0/on");
  expect_refused(post("/v1/transactions/A/events", R"({"events":[{"on":"a","date":1}]})"), 400, "unknown_field",
                 "/events/0/date");
  expect_refused(post("/v1/transactions/A/events", R"({"events":[1]})"), 400, "invalid_argument", "/events/0");
  std::string many = "{\"events\":[{\"on\":\"a\"}";
  for (int i = 0; i < 1000; ++i) many += ",{\"on\":\"a\"}";
  expect_refused(post("/v1/transactions/A/events", many + "]}"), 413, "too_large");
}

}  // namespace
}  // namespace dta::test

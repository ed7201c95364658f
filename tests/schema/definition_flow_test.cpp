// Definitions that branch, wait and pass a pivot: what each field compiles to, every fault with its pointer, and the
// warnings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/schema/definition_check.h"

namespace dta::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Steps that wait for nothing and hold one task each, with these fields.
std::string steps(const std::vector<std::string>& fields) {
  std::string all;
  for (std::size_t i = 0; i < fields.size(); ++i)
    all += (i == 0 ? "" : ",") + std::string(R"({"name":")") + static_cast<char>('a' + i) +
           R"(","tasks":[{"name":"t","queue":"q"}])" + (fields[i].empty() ? "" : "," + fields[i]) + "}";
  return with_steps("[" + all + "]");
}

std::vector<std::string> warned(const std::string& text) {
  std::vector<std::string> pointers;
  for (const Fault& w : warnings(*good(text))) pointers.push_back(w.pointer);
  return pointers;
}

// A whole sale: a refused card leads to an invoice, a large sum to a person, each parcel to a label, and a booked
// courier past the point of no return.
TEST(Definitions, AWholeSaleCompiles) {
  const auto d = good(R"({ "name": "sale", "version": 2, "expires_after": "2d",
    "steps": [
      { "name": "hold", "join": { "deadline": "10m" },
        "tasks": [ { "name": "goods", "queue": "hold.goods", "undo": { "queue": "free.goods" } },
                   { "name": "card", "queue": "hold.card", "undo": { "queue": "free.card" } } ],
        "on_failure": [ { "when": { "==": [ { "var": "steps.hold.error.code" }, "refused" ] }, "go": "bill" },
                        { "go": "compensate" } ] },
      { "name": "ask", "when": { ">": [ { "var": "input.sum" }, 1000 ] },
        "wait_for": { "signal": "answer", "deadline": "7d" },
        "next": [ { "when": { "==": [ { "var": "signals.answer.said" }, "no" ] }, "go": "compensate" } ] },
      { "name": "wrap", "for_each": "/steps/hold/goods/output/parcels", "at_once": 50,
        "tasks": [ { "name": "label", "queue": "print", "input": { "parcel": "/item", "no": "/index" } },
                   { "name": "weigh", "queue": "scale", "after": [ "label" ], "input": "/tasks/label/output/id" } ] },
      { "name": "send", "pivot": true, "tasks": [ { "name": "courier", "queue": "courier" } ] },
      { "name": "tell", "tasks": [ { "name": "mail", "queue": "mail", "optional": true } ] },
      { "name": "bill", "when": false, "tasks": [ { "name": "open", "queue": "bill" } ], "next": [ { "go": "end" } ] } ],
    "output": { "labels": "/steps/wrap/label/output" } })");
  ASSERT_TRUE(d);
  const Step &hold = d->steps[0], &ask = d->steps[1], &wrap = d->steps[2], &send = d->steps[3], &bill = d->steps[5];
  ASSERT_EQ(hold.on_failure.size(), 2u);
  EXPECT_EQ(hold.on_failure[0].go.kind, Go::Kind::step);
  EXPECT_EQ(hold.on_failure[0].go.step, 5);
  EXPECT_EQ(hold.on_failure[1], (Choice{std::nullopt, Go{Go::Kind::compensate, 0, std::nullopt, "", ""}}));
  EXPECT_EQ(ask.when->text(), R"({ ">": [ { "var": "input.sum" }, 1000 ] })");
  ASSERT_TRUE(ask.wait_for);
  EXPECT_THAT(ask.wait_for->signals, ElementsAre("answer"));
  EXPECT_EQ(ask.wait_for->deadline, (Length{Duration{7 * 86'400'000}, ""}));
  EXPECT_FALSE(ask.wait_for->continue_on_deadline);
  EXPECT_EQ(ask.next[0].go.kind, Go::Kind::compensate);
  EXPECT_EQ(wrap.for_each, "/steps/hold/goods/output/parcels");
  EXPECT_EQ(wrap.at_once, 50u);
  EXPECT_TRUE(wrap.ordered());
  EXPECT_FALSE(hold.ordered());
  EXPECT_THAT(wrap.tasks[0].before, ElementsAre(1));
  EXPECT_THAT(wrap.tasks[1].after, ElementsAre(0));
  EXPECT_TRUE(send.pivot);
  EXPECT_EQ(send.siblings, Siblings::drain);
  EXPECT_EQ(hold.siblings, Siblings::cancel);
  EXPECT_FALSE(bill.when->holds("null"));
  EXPECT_EQ(bill.next[0].go, (Go{Go::Kind::end, 0, std::nullopt, "", ""}));
  EXPECT_THAT(d->signals, ElementsAre("answer"));
  EXPECT_EQ(parse_definition(full_text(*d)).value()->steps, d->steps);
}

TEST(Definitions, BranchesCompile) {
  const auto d =
      good(steps({R"("next":[{"when":{"var":"steps.a.t.output.ok"},"go":"end","output":{"x":"/steps/a/t/output"}},
                                       {"go":"compensate","error":{"code":"no","message":"because"}}],
                            "on_failure":[{"go":"b"}])",
                  ""}));
  const Step& a = d->steps[0];
  ASSERT_EQ(a.next.size(), 2u);
  EXPECT_EQ(a.next[0].go.kind, Go::Kind::end);
  ASSERT_TRUE(a.next[0].go.output);
  EXPECT_THAT(pointers(*a.next[0].go.output), ElementsAre("/steps/a/t/output"));
  EXPECT_EQ(a.next[1].go, (Go{Go::Kind::compensate, 0, std::nullopt, "no", "because"}));
  EXPECT_EQ(a.on_failure, (std::vector<Choice>{{std::nullopt, Go{Go::Kind::step, 1, std::nullopt, "", ""}}}));
  EXPECT_TRUE(good(steps({R"("next":[],"on_failure":[])"}))->steps[0].next.empty());
}

TEST(Definitions, WaitsCompile) {
  const auto wait = [](const std::string& fields) {
    const auto d = good(with_step("\"wait_for\":" + fields));
    return d ? *d->steps[1].wait_for : Wait{};
  };
  Wait signals;
  signals.signals = {"z", "a"};
  signals.deadline.pointer = "/input/limit";
  signals.continue_on_deadline = true;
  EXPECT_EQ(wait(R"({"signals":["z","a"],"deadline":"/input/limit","on_deadline":"continue"})"), signals);
  Wait until;
  until.until = parse_time("2027-01-02T03:04:05Z");
  EXPECT_EQ(wait(R"({"until":"2027-01-02T04:04:05+01:00"})"), until);
  EXPECT_EQ(wait(R"({"until":"/input/at"})").until_pointer, "/input/at");
  EXPECT_EQ(wait(R"({"duration":"5m"})").duration, (Length{Duration{300'000}, ""}));
  EXPECT_EQ(wait(R"({"duration":"/steps/a/t/output/pause"})").duration,
            (Length{Duration{0}, "/steps/a/t/output/pause"}));
  const auto d =
      good(with_steps(R"([{"name":"a","wait_for":{"signals":["z","b"]}},{"name":"b","wait_for":{"signal":"b"}}])"));
  EXPECT_THAT(d->signals, ElementsAre("b", "z"));
}

TEST(Definitions, ConditionsAndPointersReadWhatWasThereBefore) {
  good(with_steps(R"([{"name":"a","tasks":[{"name":"t","queue":"q"}],"wait_for":{"signal":"s"},
        "next":[{"when":{"and":[{"var":"steps.a.outcome"},{"var":"signals.s.x"},{"var":"steps"},{"var":"steps.a"},
                               {"var":"steps.a.t"},{"var":"steps.a.error"},{"var":"signals"},{"var":""}]},"go":"end"}]},
      {"name":"b","when":{"missing":["steps.a.error.details.x","input.y"]},"join":{"deadline":"/signals/s/limit"},
       "tasks":[{"name":"u","queue":"q","input":["/steps/a/outcome","/steps/a/error/code","/steps/a/error/message",
                                                 "/steps/a/error/details/x","/signals/s/0"]}]}])"));
}

TEST(BadDefinitions, AreNamedInBranches) {
  const auto next = [](const std::string& entries) { return steps({"\"next\":" + entries, ""}); };
  const std::string at = "/steps/0/next";
  expect_fault(next(R"({"go":"b"})"), at, "must be an array");
  expect_fault(next(R"(["b"])"), at + "/0", "an entry of `next` or `on_failure` is a JSON object");
  expect_fault(next("[{}]"), at + "/0/go", "is missing");
  expect_fault(next(R"([{"go":1}])"), at + "/0/go", "name of a later step");
  expect_fault(next(R"([{"go":"c"}])"), at + "/0/go", "there is no step `c`");
  expect_fault(next(R"([{"go":"ned"}])"), at + "/0/go", "there is no step `ned`");
  expect_fault(next(R"([{"go":"a"}])"), at + "/0/go", "leads forward only");
  expect_fault(steps({"", R"("on_failure":[{"go":"a"}])"}), "/steps/1/on_failure/0/go", "leads forward only");
  expect_fault(next(R"([{"go":"b","if":1}])"), at + "/0/if", "no field");
  expect_fault(next(R"([{"go":"b","output":1}])"), at + "/0/output", "belongs to a `go` to \"end\"");
  expect_fault(next(R"([{"go":"b","error":{"code":"x"}}])"), at + "/0/error", "belongs to a `go` to \"compensate\"");
  const auto error = [&](const std::string& fields) {
    return steps({R"("on_failure":[{"go":"compensate","error":)" + fields + "}]"});
  };
  const std::string error_at = "/steps/0/on_failure/0/error";
  expect_fault(error("\"x\""), error_at, "is a JSON object");
  expect_fault(error("{}"), error_at + "/code", "is missing");
  for (const std::string& code : {std::string("\"\""), std::string("1"), "\"" + std::string(65, 'c') + "\""})
    expect_fault(error("{\"code\":" + code + "}"), error_at + "/code", "1 to 64 bytes");
  expect_fault(error(R"({"code":"dta.x"})"), error_at + "/code", "reserved");
  expect_fault(error(R"({"code":"x","message":1})"), error_at + "/message", "at most 4096");
  // What comes after an entry that always matches is never reached.
  expect_fault(next(R"([{"go":"b"},{"go":"end"}])"), at + "/1", "never reached");
  expect_fault(steps({R"("on_failure":[{"when":{"==":[1,1]},"go":"b"},{"go":"end"}])", ""}), "/steps/0/on_failure/1",
               "never reached");
  good(next(R"([{"when":false,"go":"b"},{"when":{"var":"input.x"},"go":"end"},{"go":"b"}])"));
  expect_fault(with_steps(R"([{"name":"end"}])"), "/steps/0/name", "is what a `go` can say");
  expect_fault(with_steps(R"([{"name":"compensate"}])"), "/steps/0/name", "is what a `go` can say");
}

TEST(BadDefinitions, AreNamedWhereNoPathLeads) {
  expect_fault(steps({"", R"("when":false)"}), "/steps/1/when", "its `when` never holds");
  expect_fault(steps({"", R"("when":{">":[1,2]})"}), "/steps/1/when", "its `when` never holds");
  expect_fault(steps({R"("next":[{"go":"c"}])", "", ""}), "/steps/1", "jumps over it");
  expect_fault(steps({R"("next":[{"go":"end"}])", ""}), "/steps/1", "jumps over it");
  // A step that is only entered from one that is not is not entered either.
  const auto both = faults(steps({R"("next":[{"go":"end"}])", R"("next":[{"go":"c"}])", R"("when":false)"}));
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].pointer, "/steps/1");
  EXPECT_EQ(both[1].pointer, "/steps/2/when");
  good(steps({R"("next":[{"go":"end"}],"on_failure":[{"go":"b"}])", ""}));
  good(steps({R"("next":[{"when":{"var":"input.x"},"go":"c"}])", "", R"("when":false)"}));
  // While a `go` cannot be read, nothing is said of where steps lead.
  expect_fault(steps({R"("next":[{"go":"x"}])", R"("when":false)"}), "/steps/0/next/0/go", "no step `x`");
}

TEST(BadDefinitions, AreNamedAtThePivot) {
  expect_fault(steps({R"("pivot":1)"}), "/steps/0/pivot", "true or false");
  expect_fault(steps({R"("pivot":true,"join":{"siblings":"cancel"})"}), "/steps/0/join/siblings", "only be \"drain\"");
  good(steps({R"("pivot":true,"join":{"siblings":"drain"})"}));
  const std::string back = R"("next":[{"when":{"var":"input.x"},"go":"compensate"}])";
  expect_fault(steps({R"("pivot":true,)" + back}), "/steps/0/next/0/go", "has passed a pivot");
  expect_fault(steps({R"("pivot":true)", "", back}), "/steps/2/next/0/go", "has passed a pivot");
  // Around the pivot, or with the pivot skipped or unmet, the way back is open.
  good(steps({R"("next":[{"when":{"var":"input.x"},"go":"c"}])", R"("pivot":true)", back}));
  good(steps({R"("pivot":true,"when":{"var":"input.x"})", back}));
  good(steps({R"("pivot":true,"on_failure":[{"go":"b"}])", back}));
  good(steps({back, R"("pivot":true)"}));
}

TEST(BadDefinitions, AreNamedInWaits) {
  const auto wait = [](const std::string& json) { return with_step("\"wait_for\":" + json); };
  const std::string at = "/steps/1/wait_for";
  expect_fault(wait("\"s\""), at, "`wait_for` is a JSON object");
  expect_fault(wait("{}"), at, "one of `signal`, `signals`, `until` and `duration`");
  expect_fault(wait(R"({"signal":"a","until":"/input/x"})"), at, "one of");
  expect_fault(wait(R"({"signl":"a","signal":"b"})"), at + "/signl", "did you mean `signal`?");
  for (const char* name : {"\"\"", "1", "\"$a\"", "\"a.b\"", "\"a/b\""}) {
    expect_fault(wait(R"({"signal":)" + std::string(name) + "}"), at + "/signal", "letters, digits");
    expect_fault(wait(R"({"signals":["ok",)" + std::string(name) + "]}"), at + "/signals/1", "letters, digits");
  }
  expect_fault(wait(R"({"signals":[]})"), at + "/signals", "is empty");
  expect_fault(wait(R"({"signals":"a"})"), at + "/signals", "array");
  expect_fault(wait(R"({"signals":["a","a"]})"), at + "/signals/1", "twice");
  for (const char* time : {"\"tomorrow\"", "5", "\"2026-13-01T00:00:00Z\""})
    expect_fault(wait(R"({"until":)" + std::string(time) + "}"), at + "/until", "RFC 3339");
  expect_fault(wait(R"({"until":"/steps/b/t/output"})"), at + "/until", "not before step `b`");
  expect_fault(wait(R"({"duration":"0ms"})"), at + "/duration", "at least \"1ms\"");
  expect_fault(wait(R"({"duration":"soon"})"), at + "/duration", "no length of time");
  expect_fault(wait(R"({"duration":"/signals/x"})"), at + "/duration", "for which no step before step `b` waits");
  expect_fault(wait(R"({"duration":"1s","deadline":"2s"})"), at + "/deadline", "bounds a wait for signals");
  expect_fault(wait(R"({"until":"/input/x","on_deadline":"fail"})"), at + "/on_deadline", "bounds a wait for signals");
  expect_fault(wait(R"({"signal":"a","on_deadline":"fail"})"), at + "/on_deadline", "add one");
  expect_fault(wait(R"({"signal":"a","deadline":"1s","on_deadline":"stop"})"), at + "/on_deadline",
               "\"fail\" or \"continue\"");
  expect_fault(wait(R"({"signal":"a","deadline":"/item"})"), at + "/deadline", "`for_each`");
}

TEST(BadDefinitions, AreNamedInConditions) {
  const auto when = [](const std::string& json) { return with_step("\"when\":" + json); };
  const std::string at = "/steps/1/when";
  expect_fault(when(R"({"=>":[1,2]})"), at + "/=>", "no operator `=>`");
  expect_fault(when(R"({"if":[{"!":[1,2]},1]})"), at + "/if/0/!", "takes 1 value, not 2");
  expect_fault(when(R"({"var":"order.total"})"), at,
               "the variable `order.total` names nothing: here it begins with input or steps");
  expect_fault(when(R"({"var":"steps.b.t.output"})"), at, "step `b`, which is not before step `b`");
  expect_fault(when(R"({"var":"steps.a.x.output"})"), at, "task `x`, which step `a` does not have");
  expect_fault(when(R"({"var":"steps.a.t.outputs"})"), at, "must go on with .output");
  expect_fault(when(R"({"var":"steps.a.error.text"})"), at, "must go on with .code, .message or .details");
  expect_fault(when(R"({"var":"steps.a.outcome.x"})"), at, "outcome is a text");
  expect_fault(when(R"({"missing":["signals.s"]})"), at, "signal `s`, for which no step before step `b` waits");
  expect_fault(when(R"({"var":"item.x"})"), at, "only inside the tasks of a step with `for_each`");
  expect_fault(when(R"({"var":"tasks.t.output"})"), at, "only inside a task that has `after`");
  // Inside a loop a variable is of the element.
  good(when(R"({"some":[{"var":"input.lines"},{">":[{"var":"anything"},1]}]})"));
  expect_fault(steps({R"("next":[{"when":{"var":"inputs"},"go":"end"}])"}), "/steps/0/next/0/when", "names nothing");
  // The definition's output stands after every step; the entry of a step reads its own results only in what follows it.
  expect_fault(steps({R"("wait_for":{"signal":"s"},"when":{"var":"signals.s"})"}), "/steps/0/when", "signal `s`");
}

TEST(Warnings, TellOfWaitsPivotsAndOrder) {
  // Without expiry nothing ends the wait; a task that is done before the pivot cannot be undone.
  EXPECT_THAT(warned(steps({R"("wait_for":{"signal":"s"})", R"("pivot":true)", ""})),
              ElementsAre("/steps/0/wait_for", "/steps/0/tasks/0"));
  EXPECT_THAT(warned(steps({R"("pivot":true)", R"("on_failure":[{"go":"compensate"}])"})),
              ElementsAre("/steps/1/on_failure/0/go"));
  EXPECT_THAT(warned(with_steps(R"([{"name":"a","tasks":[{"name":"t","queue":"q","optional":true,"undo":{"queue":"u"}},
      {"name":"u","queue":"q","after":["t"],"undo":{"queue":"u"}},{"name":"v","external":true,"undo":{"queue":"u"}}]}])")),
              ElementsAre("/steps/0/tasks/0/optional", "/steps/0/tasks/2"));
  EXPECT_THAT(warned(R"({"name":"d","version":1,"expires_after":"1h","steps":[
      {"name":"a","wait_for":{"signal":"s","deadline":"2h"}},{"name":"b","wait_for":{"signal":"s"}}]})"),
              ElementsAre("/steps/0/wait_for/deadline", "/steps/1/wait_for"));
}

}  // namespace
}  // namespace dta::schema

// Definitions: what good ones compile to, and every sort of bad one with the pointer that is named.
// Size: one list of faults a part of the language; a fault is found where its part is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/limits.h"
#include "tests/schema/definition_check.h"

namespace dta::schema {
namespace {

using testing::HasSubstr;

std::string table(const std::string& fields) {
  return R"({"name":"d","version":1,)" + fields + "}";
}

TEST(Definitions, CompileInFull) {
  const std::string text = R"({ "name": "order", "version": 3, "expires_after": "24h",
    "steps": [
      { "name": "reserve",
        "join": { "need": "all", "siblings": "drain", "leftover": "cancel", "late_success": "compensate", "deadline": "10m" },
        "tasks": [
          { "name": "stock", "queue": "inventory.reserve", "input": { "items": "/input/items" },
            "undo": { "queue": "inventory.release", "retry": { "max_attempts": 9 }, "timeouts": { "attempt": "2s" } },
            "retry": { "max_attempts": 5, "first": "200ms", "rate": 2.5, "cap": "10s", "jitter": 0,
                       "by_error": [ { "errors": ["busy", "full"], "first": "20s" } ] },
            "timeouts": { "queue": "1m", "attempt": "30s", "total": "5m", "heartbeat": "5s" } },
          { "name": "credit", "queue": "payment.authorize", "undo": { "queue": "payment.void" } } ],
        "on_failure": [ { "go": "compensate" } ] },
      { "name": "idle" },
      { "name": "ship", "tasks": [ { "name": "courier", "queue": "shipping.book" } ] } ],
    "output": { "parcel": "/steps/ship/courier/output" } })";
  const auto d = good(text);
  ASSERT_TRUE(d);
  EXPECT_EQ(d->name, "order");
  EXPECT_EQ(d->version, 3u);
  EXPECT_EQ(d->form, Form::steps);
  EXPECT_EQ(d->text, text);
  EXPECT_EQ(d->digest, sha256(text));
  EXPECT_EQ(d->expires_after, Duration{86'400'000});
  EXPECT_EQ(d->task_count, 3u);
  ASSERT_EQ(d->steps.size(), 3u);
  EXPECT_EQ(d->steps[0].siblings, Siblings::drain);
  EXPECT_EQ(d->steps[0].deadline, (Length{Duration{600'000}, ""}));
  EXPECT_EQ(d->steps[1].first_task, 2u);
  EXPECT_EQ(d->steps[2].first_task, 2u);
  EXPECT_TRUE(d->steps[1].tasks.empty());

  const Task& stock = d->steps[0].tasks[0];
  EXPECT_EQ(stock.queue, "inventory.reserve");
  EXPECT_EQ(stock.input,
            (Template{Template::Kind::object, "", {"items"}, {{Template::Kind::pointer, "/input/items", {}, {}}}}));
  const Backoff outer{5, Duration{200}, 2.5, Duration{10'000}, 0};
  EXPECT_EQ(stock.retry.backoff, outer);
  ASSERT_EQ(stock.retry.by_error.size(), 1u);
  EXPECT_EQ(stock.retry.by_error[0], (ErrorRetry{{"busy", "full"}, {5, Duration{20'000}, 2.5, Duration{20'000}, 0}}));
  EXPECT_EQ(stock.timeouts, (Timeouts{Duration{60'000}, Duration{30'000}, Duration{300'000}, Duration{5000}}));
  ASSERT_TRUE(stock.undo);
  EXPECT_EQ(stock.undo->retry.backoff, (Backoff{9, Duration{1000}, 2.0, Duration{300'000}, 0.2}));
  EXPECT_EQ(stock.undo->timeouts.attempt, Duration{2000});

  const Task& credit = d->steps[0].tasks[1];
  EXPECT_EQ(credit.input, std::nullopt);
  EXPECT_EQ(credit.retry, (Retry{{3, Duration{1000}, 2.0, Duration{60'000}, 0.2}, {}}));
  EXPECT_EQ(credit.timeouts, (Timeouts{Duration{0}, Duration{60'000}, Duration{0}, Duration{0}}));
  EXPECT_EQ(*credit.undo, (Undo{"payment.void",
                                {{Backoff::kUnlimited, Duration{1000}, 2.0, Duration{300'000}, 0.2}, {}},
                                {{}, Duration{60'000}, {}, {}}}));
  EXPECT_EQ(d->steps[2].tasks[0].undo, std::nullopt);
}

TEST(Definitions, JoinsCompile) {
  const auto d = good(with_step(
      R"("join":{"need":{"at_least":2},"siblings":"drain","leftover":"keep","late_success":"ignore"},"tasks":[
         {"name":"t","queue":"q","optional":true},{"name":"u","queue":"q","weight":7}])"));
  ASSERT_TRUE(d);
  const Step& step = d->steps[1];
  EXPECT_EQ(step.need, (Need{Need::Kind::at_least, 2}));
  EXPECT_EQ(step.leftover, Leftover::keep);
  EXPECT_EQ(step.late_success, LateSuccess::ignore);
  EXPECT_TRUE(step.tasks[0].optional);
  EXPECT_EQ(step.tasks[0].weight, 1u);
  EXPECT_FALSE(step.tasks[1].optional);
  EXPECT_EQ(step.tasks[1].weight, 7u);
  EXPECT_EQ(d->steps[0].need, Need{});
  EXPECT_EQ(d->steps[0].leftover, Leftover::cancel);
  EXPECT_EQ(d->steps[0].late_success, LateSuccess::compensate);
  const auto any = good(with_step(R"("join":{"need":"any","leftover":"drain"},"tasks":[{"name":"t","queue":"q"}])"));
  EXPECT_EQ(any->steps[1].need, (Need{Need::Kind::at_least, 1}));
  EXPECT_EQ(any->steps[1].leftover, Leftover::drain);
}

TEST(Definitions, MayHoldNothing) {
  EXPECT_TRUE(good(with_steps("[]"))->steps.empty());
  EXPECT_TRUE(good(with_steps(R"([{"name":"a","tasks":[]}])"))->steps[0].tasks.empty());
  EXPECT_EQ(good(with_task(R"("retry":{"max_attempts":0})"))->steps[1].tasks[0].retry.backoff.max_attempts, 0u);
  EXPECT_EQ(good(with_step(R"("on_failure":[])"))->steps.size(), 2u);
  EXPECT_EQ(good(table(R"("initial":"x","transitions":[],"ends":{"x":"completed"})"))->states[0].end,
            StateEnd::completed);
}

TEST(Definitions, TableFormCompiles) {
  const auto d = good(R"json({"name":"fines","version":1,"initial":"(start)","transitions":[
      {"from":"(start)","on":"Create Fine","to":"Create Fine"},{"from":"Create Fine","on":"Add: 50% ä/~","to":"Sent"},
      {"from":"Create Fine","on":"expired","to":"Lost"}],
      "ends":{"Lost":"terminated","Sent":"completed"}})json");
  ASSERT_TRUE(d);
  EXPECT_EQ(d->form, Form::table);
  EXPECT_FALSE(d->cycles);
  EXPECT_EQ(d->initial, 0);
  EXPECT_EQ(d->states, (std::vector<State>{{"(start)", StateEnd::none},
                                           {"Create Fine", StateEnd::none},
                                           {"Sent", StateEnd::completed},
                                           {"Lost", StateEnd::terminated}}));
  EXPECT_EQ(d->transitions,
            (std::vector<Transition>{{0, 1, "Create Fine"}, {1, 2, "Add: 50% ä/~"}, {1, 3, "expired"}}));
}

TEST(BadDefinitions, AreNamedAtTheTop) {
  EXPECT_EQ(parse_definition("{").error().code, ErrorCode::malformed_json);
  EXPECT_EQ(parse_definition(std::string(limits::kDefinitionBytesMax + 1, ' ')).error().code, ErrorCode::too_large);
  expect_fault("[]", "", "is a JSON object");
  expect_fault(R"({"name":"d","version":1})", "", "add `steps`, or `initial`");
  expect_fault(R"({"version":1,"steps":[]})", "/name", "is missing");
  expect_fault(R"({"name":"d","steps":[]})", "/version", "is missing");
  for (const char* name : {"\"\"", "1", "\"a b\"", "\"a/b\"", "\"ä\"", "null"})
    expect_fault(std::string(R"({"version":1,"steps":[],"name":)") + name + "}", "/name", "letters, digits");
  expect_fault(R"({"version":1,"steps":[],"name":")" + std::string(65, 'n') + "\"}", "/name", "1 to 64");
  for (const char* version : {"0", "-1", "1.0", "\"1\"", "4294967296", "1e3"})
    expect_fault(std::string(R"({"name":"d","steps":[],"version":)") + version + "}", "/version", "integer from 1");
  for (const char* length : {"5", "\"x\"", "\"-1s\"", "null", "\"36601d\""})
    expect_fault(std::string(R"({"name":"d","version":1,"steps":[],"expires_after":)") + length + "}", "/expires_after",
                 "length");
  expect_fault(R"({"name":"d","version":1,"steps":[],"expires_after":"/input/t"})", "/expires_after",
               "cannot be taken from data");
  expect_fault(R"({"name":"d","version":1,"steps":[],"stesp":[]})", "/stesp", "did you mean `steps`?");
  expect_fault(R"({"name":"d","version":1,"steps":[],"a/b~":[]})", "/a~1b~0", "`a/b~` is no field");
  expect_fault(R"({"name":"d","version":1,"steps":[],"name":"e"})", "/name", "twice");
  expect_fault(R"({"name":"d","version":1,"steps":[],"initial":"x"})", "/initial",
               "no field of a definition in steps form");
  expect_fault(R"({"name":"d","version":1,"steps":{}})", "/steps", "must be an array");
}

TEST(BadDefinitions, AreNamedInSteps) {
  expect_fault(with_steps("[1]"), "/steps/0", "a step is a JSON object");
  expect_fault(with_steps(R"([{"tasks":[]}])"), "/steps/0/name", "is missing");
  expect_fault(with_steps(R"([{"name":"a"},{"name":"b"},{"name":"a"}])"), "/steps/2/name", "already a step `a`");
  expect_fault(with_step(R"("tasks":{})"), "/steps/1/tasks", "array");
  expect_fault(with_step(R"("tasks":["t"])"), "/steps/1/tasks/0", "a task is a JSON object");
  expect_fault(with_step(R"("tasks":[{"name":"t"}])"), "/steps/1/tasks/0/queue", "is missing");
  expect_fault(with_step(R"("tasks":[{"queue":"t"}])"), "/steps/1/tasks/0/name", "is missing");
  expect_fault(with_step(R"("tasks":[{"name":"t","queue":"q"},{"name":"t","queue":"q"}])"), "/steps/1/tasks/1/name",
               "already a task `t`");
  for (const std::string& queue :
       {std::string("\"\""), std::string("1"), std::string("\"$q\""), std::string("\"a\\nb\""),
        std::string("\"a\\u0085\""), "\"" + std::string(129, 'q') + "\""})
    expect_fault(with_step(R"("tasks":[{"name":"t","queue":)" + queue + "}]"), "/steps/1/tasks/0/queue",
                 "1 to 128 bytes");
  expect_fault(with_task(R"("undo":"release")"), "/steps/1/tasks/0/undo", "an undo is a JSON object");
  expect_fault(with_task(R"("undo":{})"), "/steps/1/tasks/0/undo/queue", "is missing");
  expect_fault(with_task(R"("undo":{"queue":"q","input":1})"), "/steps/1/tasks/0/undo/input", "no field of an undo");
  expect_fault(with_task(R"("undo":{"queue":"q","timeouts":{"queue":"1s"}})"), "/steps/1/tasks/0/undo/timeouts/queue",
               "no `queue` timeout");
  expect_fault(with_task(R"("undo":{"queue":"q","timeouts":{"total":"0ms"}})"), "/steps/1/tasks/0/undo/timeouts/total",
               "no `total`");
  std::string steps = "[";
  for (std::size_t i = 0; i <= limits::kStepsMax; ++i)
    steps += (i == 0 ? "" : ",") + std::string(R"({"name":"s)") + std::to_string(i) + "\"}";
  expect_fault(with_steps(steps + "]"), "/steps", "at most 1000");
}

TEST(BadDefinitions, AreNamedInJoins) {
  expect_fault(with_step(R"("join":"all")"), "/steps/1/join", "a join is a JSON object");
  expect_fault(with_step(R"("join":{"need":"most"})"), "/steps/1/join/need", "must be \"all\" or \"any\"");
  for (const char* share : {"0", "-0.5", "1.01", "\"1\""})
    expect_fault(with_step(R"("join":{"need":{"share":)" + std::string(share) + "}}"), "/steps/1/join/need/share",
                 "above 0 and at most 1");
  for (const char* need : {"{}", "{\"at_least\":1,\"weight\":1}"})
    expect_fault(
        with_step("\"tasks\":[{\"name\":\"t\",\"queue\":\"q\"}],\"join\":{\"need\":" + std::string(need) + "}"),
        "/steps/1/join/need", "is \"all\", \"any\", {\"at_least\": tasks}, {\"weight\": sum} or {\"share\"");
  const std::string two = R"("tasks":[{"name":"t","queue":"q","weight":2},{"name":"u","queue":"q"}],"join":{"need":)";
  for (const char* need : {"{\"at_least\":0}", "{\"at_least\":-1}", "{\"at_least\":1.5}", "{\"at_least\":\"2\"}"})
    expect_fault(with_step(two + need + "}"), "/steps/1/join/need/at_least", "from 1 to 1000000");
  expect_fault(with_step(two + "{\"weight\":1000001}}"), "/steps/1/join/need/weight", "from 1 to 1000000");
  // A need that its tasks can never reach is refused; one that takes them all is not.
  expect_fault(with_step(two + "{\"at_least\":3}}"), "/steps/1/join/need",
               "needs 3, but the step's tasks give 2 at most");
  expect_fault(with_step(two + "{\"weight\":4}}"), "/steps/1/join/need",
               "needs 4, but the step's tasks give 3 at most");
  expect_fault(with_step(R"("tasks":[],"join":{"need":"any"})"), "/steps/1/join/need", "needs 1");
  EXPECT_EQ(good(with_step(two + "{\"weight\":3}}"))->steps[1].need, (Need{Need::Kind::weight, 3}));
  EXPECT_EQ(good(with_step(two + "{\"at_least\":2}}"))->steps[1].need, (Need{Need::Kind::at_least, 2}));
  expect_fault(with_step(R"("join":{"siblings":"keep"})"), "/steps/1/join/siblings", "\"cancel\" or \"drain\"");
  expect_fault(with_step(R"("join":{"leftover":"stop"})"), "/steps/1/join/leftover",
               "\"cancel\" or \"drain\" or \"keep\"");
  expect_fault(with_step(R"("join":{"late_success":"keep"})"), "/steps/1/join/late_success",
               "\"compensate\" or \"ignore\"");
  expect_fault(with_task(R"("optional":1)"), "/steps/1/tasks/0/optional", "true or false");
  expect_fault(with_task(R"("weight":0)"), "/steps/1/tasks/0/weight", "from 1 to 1000000");
  expect_fault(with_step(R"("join":{"deadlin":"1s"})"), "/steps/1/join/deadlin", "did you mean `deadline`?");
}

TEST(BadDefinitions, AreNamedInChildren) {
  const auto child = [](const std::string& fields) { return with_step(R"("tasks":[{"name":"x",)" + fields + "}]"); };
  const std::string task = "/steps/1/tasks/0", at = task + "/transaction";
  expect_fault(child(R"("transaction":{})"), at, "either");
  expect_fault(child(R"("transaction":7)"), at, "JSON object");
  expect_fault(child(R"("transaction":{"definition":"b","steps":[]})"), at, "either");
  expect_fault(child(R"("transaction":{"definition":"b","output":1})"), at + "/output", "in its place");
  expect_fault(child(R"("transaction":{"steps":[],"version":2})"), at + "/version",
               "the version of what they stand in");
  expect_fault(child(R"("transaction":{"definition":"b","version":0})"), at + "/version", "from 1");
  expect_fault(child(R"("transaction":{"steps":[{"name":"s","tasks":[{"name":"t"}]}]})"), at + "/steps/0/tasks/0/queue",
               "missing");
  expect_fault(child(R"("transaction":{"definition":"b"},"queue":"q")"), task + "/queue", "is not handed out");
  expect_fault(child(R"("transaction":{"definition":"b"},"retry":{})"), task + "/retry", "is not handed out");
  expect_fault(child(R"("transaction":{"definition":"b"},"undo":{"queue":"u"})"), task + "/undo", "compensating it");
  expect_fault(child(R"("transaction":{"definition":"b"},"external":true)"), task + "/external", "not both");
  expect_fault(child(R"("transaction":{"definition":"b"},"timeouts":{"attempt":"1s"})"), task + "/timeouts/attempt",
               "`total` alone bounds it");
}

TEST(Children, StandInTheirPlaceOrAreNamed) {
  const auto parsed = parse_definition(R"({"name":"order","version":3,"steps":[{"name":"pay","tasks":[
      {"name":"branch","transaction":{"steps":[{"name":"ask","tasks":[{"name":"deep","transaction":{"steps":[]}}]}],
       "output":"/input"}},
      {"name":"named","transaction":{"definition":"booking","version":2},"timeouts":{"total":"1h"}},
      {"name":"newest","transaction":{"definition":"booking"}}]}]})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  const auto& tasks = (*parsed)->steps[0].tasks;
  ASSERT_TRUE(tasks[0].child && tasks[0].child->in_place);
  EXPECT_EQ(tasks[0].child->in_place->name, "order/pay/branch");
  EXPECT_EQ(tasks[0].child->in_place->version, 3u);
  EXPECT_EQ(tasks[1].child->definition, "booking");
  EXPECT_EQ(tasks[1].child->version, 2u);
  EXPECT_EQ(tasks[2].child->version, std::nullopt);
  EXPECT_EQ(find_in_place(*parsed, "order"), *parsed);
  EXPECT_EQ(find_in_place(*parsed, "order/pay/branch"), tasks[0].child->in_place);
  const auto deep = find_in_place(*parsed, "order/pay/branch/ask/deep");
  ASSERT_NE(deep, nullptr);
  EXPECT_TRUE(deep->steps.empty());
  EXPECT_EQ(find_in_place(*parsed, "order/pay/nobody"), nullptr);
  const auto again = parse_definition(full_text(**parsed));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ((*again)->steps, (*parsed)->steps) << full_text(**parsed);
}

TEST(Children, DoNotComeBackToThemselves) {
  const auto parse = [](const std::string& name, const std::string& child) {
    return parse_definition(R"({"name":")" + name +
                            R"(","version":1,"steps":[{"name":"s","tasks":[{"name":"t","transaction":)" + child +
                            "}]}]}")
        .value();
  };
  const auto b = parse("b", R"({"definition":"c"})");
  const auto c = parse("c", R"({"steps":[{"name":"s","tasks":[{"name":"t","transaction":{"definition":"b"}}]}]})");
  const auto published = [&](const std::string& name, std::uint32_t) { return name == "b" ? b.get() : nullptr; };
  EXPECT_TRUE(check_ancestry(*b, published)) << "c is not published yet";
  const auto refused = check_ancestry(*c, published);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("own ancestor"), std::string::npos);
}

TEST(BadDefinitions, AreNamedInBackoff) {
  const std::string at = "/steps/1/tasks/0/retry";
  expect_fault(with_task(R"("retry":3)"), at, "JSON object");
  expect_fault(with_task(R"("retry":{"rate":0.99})"), at + "/rate", "at least 1");
  expect_fault(with_task(R"("retry":{"rate":-2})"), at + "/rate", "at least 1");
  expect_fault(with_task(R"("retry":{"rate":1e999})"), at + "/rate", "at least 1");
  expect_fault(with_task(R"("retry":{"jitter":1.01})"), at + "/jitter", "from 0 to 1");
  expect_fault(with_task(R"("retry":{"jitter":-0.1})"), at + "/jitter", "from 0 to 1");
  expect_fault(with_task(R"("retry":{"first":"-1s"})"), at + "/first", "no length of time");
  expect_fault(with_task(R"("retry":{"first":"2s","cap":"1s"})"), at + "/cap",
               "(1s) must not be shorter than `first` (2s)");
  expect_fault(with_task(R"("retry":{"max_attempts":-1})"), at + "/max_attempts", "from 0 to 1000000");
  expect_fault(with_task(R"("retry":{"max_attempts":1000001})"), at + "/max_attempts", "from 0 to 1000000");
  expect_fault(with_task(R"("retry":{"max_attempts":"unlimited"})"), at + "/max_attempts", "from 0 to 1000000");
  expect_fault(with_task(R"("retry":{"by_error":[{"max_attempts":1}]})"), at + "/by_error/0/errors", "is missing");
  expect_fault(with_task(R"("retry":{"by_error":[{"errors":[]}]})"), at + "/by_error/0/errors", "is empty");
  expect_fault(with_task(R"("retry":{"by_error":[{"errors":["a",""]}]})"), at + "/by_error/0/errors/1",
               "1 to 64 bytes");
  expect_fault(with_task(R"("retry":{"by_error":[{"errors":["a","a"]}]})"), at + "/by_error/0/errors/1", "twice");
  expect_fault(with_task(R"("retry":{"by_error":[{"errors":["a"],"cap":"1ms"}]})"), at + "/by_error/0/cap", "shorter");
  expect_fault(with_task(R"("timeouts":{"attempt":"0ms"})"), "/steps/1/tasks/0/timeouts/attempt", "at least \"1ms\"");
  expect_fault(with_task(R"("retry":{"first":"/input/t"})"), at + "/first", "cannot be taken from data");
  expect_fault(with_task(R"("timeouts":{"hartbeat":"1s"})"), "/steps/1/tasks/0/timeouts/hartbeat",
               "did you mean `heartbeat`?");
}

TEST(BadDefinitions, AreNamedInTemplates) {
  const std::string at = "/steps/1/tasks/0/input";
  const auto input = [](const std::string& json) { return with_task("\"input\":" + json); };
  expect_fault(input(R"("/inputs/x")"), at, "names nothing");
  expect_fault(input(R"("/")"), at, "names nothing");
  expect_fault(input(R"({"a":["/x"]})"), at + "/a/0", "names nothing");
  expect_fault(input(R"("/input/a~2")"), at, "no JSON Pointer");
  expect_fault(input(R"("/steps/b/u/output")"), at, "step `b`, which is not before step `b`");
  expect_fault(input(R"("/steps/c/u/output")"), at, "step `c`, which is not before step `b`");
  expect_fault(input(R"("/steps")"), at, "step ``");
  expect_fault(input(R"("/steps/a/x/output")"), at, "task `x`, which step `a` does not have");
  expect_fault(input(R"("/steps/a/t/error")"), at, "must go on with /output");
  expect_fault(input(R"("/steps/a/t")"), at, "must go on with /output");
  expect_fault(input(R"("/steps/a/t/outputs/x")"), at, "must go on with /output");
  expect_fault(input(R"({"$literals":1})"), at + "/$literals", "none of `$literal`");
  expect_fault(input(R"({"$literal":1,"x":2})"), at, "only member");
  expect_fault(input(R"({"x":1,"$merge":[]})"), at, "only member");
  expect_fault(input(R"({"$merge":[]})"), at + "/$merge", "at least one");
  expect_fault(input(R"({"$merge":{}})"), at + "/$merge", "array of at least one");
  expect_fault(input(R"({"$merge":["/input",1]})"), at + "/$merge/1", "must be an object");
  expect_fault(input(R"({"$merge":["/input",["/input"]]})"), at + "/$merge/1", "must be an object");
  expect_fault(input(R"({"$first":1})"), at + "/$first", "array of at least one");
  expect_fault(input(R"({"x":1,"x":2})"), at + "/x", "twice");
  expect_fault(R"({"name":"d","version":1,"steps":[{"name":"a"}],"output":"/steps/a/t/output"})", "/output",
               "task `t`");
  expect_fault(R"({"name":"d","version":1,"steps":[],"output":"/steps/a/t/output"})", "/output",
               "not before the definition's output");
}

TEST(BadDefinitions, AreNamedInTables) {
  const std::string two = R"("transitions":[{"from":"a","on":"x","to":"b"}],"ends":{"b":"completed"})";
  expect_fault(table(two), "/initial", "is missing");
  expect_fault(table(R"("initial":"a","ends":{})"), "/transitions", "is missing");
  EXPECT_EQ(faults(table(R"("initial":"z",)" + two))[0],
            (Fault{"/initial", "no transition leaves state `z`; name it in `ends`, or correct the name"}));
  expect_fault(table(R"("initial":1,)" + two), "/initial", "is a string");
  expect_fault(table(R"("initial":"a","output":1,)" + two), "/output", "no field of a definition in table form");
  const auto rows = [](const std::string& more) {
    return table(R"("initial":"start","transitions":[{"from":"start","on":"x","to":"done"})" + more +
                 R"(],"ends":{"done":"completed"})");
  };
  expect_fault(rows(",1"), "/transitions/1", "a transition is a JSON object");
  expect_fault(rows(R"(,{"from":"start","to":"done"})"), "/transitions/1/on", "is missing");
  expect_fault(rows(R"(,{"from":"start","on":"dta.x","to":"done"})"), "/transitions/1/on", "reserved");
  expect_fault(rows(R"(,{"from":"start","on":"$x","to":"done"})"), "/transitions/1/on", "reserved");
  expect_fault(rows(R"(,{"from":"start","on":"","to":"done"})"), "/transitions/1/on", "1 to 64 bytes");
  expect_fault(rows(R"(,{"from":"start","on":"a\tb","to":"done"})"), "/transitions/1/on", "control characters");
  expect_fault(rows(R"(,{"from":"start","on":"x","to":"done"})"), "/transitions/1", "already has a transition on `x`");
  expect_fault(rows(R"(,{"from":"start","on":"y","to":"doen"})"), "/transitions/1/to", "did you mean `done`?");
  expect_fault(rows(R"(,{"from":"strat","on":"y","to":"done"})"), "/transitions/1/from",
               "no transition leads to state `strat`");
  expect_fault(rows(R"(,{"from":"done","on":"y","to":"done"})"), "/transitions/1/from", "is an end");
  expect_fault(
      table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"}],"ends":{"b":"completed","c":"completed"})"),
      "/ends/c", "no state `c`");
  expect_fault(table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"}],"ends":{"b":"failed"})"),
               "/ends/b", "\"completed\" or \"terminated\"");
  expect_fault(
      table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"}],"ends":{"b":"completed","b":"completed"})"),
      "/ends/b", "twice");
  expect_fault(table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"}],"ends":["b"])"), "/ends",
               "is an object");
}

TEST(Definitions, ATableWithoutEndsMayHaveLooseEndsAndIslands) {
  const auto d = good(table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"},
      {"from":"i","on":"x","to":"b"}],"ends":{})"));
  EXPECT_EQ(warnings(*d), (std::vector<Fault>{{"/ends", "no state is an end: a transaction stays open for ever"},
                                              {"/transitions/1/from", "state `i` cannot be reached from `initial`"}}));
  expect_fault(table(R"("initial":"z","transitions":[{"from":"a","on":"x","to":"b"}])"), "/initial",
               "no transition leaves state `z`");
}

TEST(BadDefinitions, CyclesAreRefusedUnlessSaid) {
  const auto rows = [](const std::string& cycles) {
    return table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"},{"from":"b","on":"x","to":"c"},
        {"from":"c","on":"back","to":"a"},{"from":"c","on":"x","to":"end"}],"ends":{"end":"completed"})" +
                 cycles);
  };
  expect_fault(rows(""), "/transitions/2", "leads back to `a`");
  expect_fault(rows(R"(,"cycles":false)"), "/transitions/2", "\"cycles\": true");
  EXPECT_TRUE(good(rows(R"(,"cycles":true)"))->cycles);
  expect_fault(rows(R"(,"cycles":1)"), "/cycles", "true or false");
  expect_fault(
      table(
          R"("initial":"a","transitions":[{"from":"a","on":"again","to":"a"},{"from":"a","on":"x","to":"b"}],"ends":{"b":"completed"})"),
      "/transitions/0", "leads back to `a`");
  // Two ways to one state are no cycle.
  good(table(
      R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"},{"from":"a","on":"y","to":"c"},{"from":"b","on":"x","to":"d"},
      {"from":"c","on":"x","to":"d"}],"ends":{"d":"completed"})"));
}

TEST(BadDefinitions, ALongChainAndTooManyStatesAreHandled) {
  const auto chain = [](std::size_t states) {
    std::string rows;
    for (std::size_t i = 0; i + 1 < states; ++i)
      rows += (i == 0 ? "" : ",") + std::string(R"({"from":"s)") + std::to_string(i) + R"(","on":"x","to":"s)" +
              std::to_string(i + 1) + "\"}";
    return table(R"("initial":"s0","transitions":[)" + rows + R"(],"ends":{"s)" + std::to_string(states - 1) +
                 R"(":"completed"})");
  };
  EXPECT_EQ(good(chain(limits::kStatesMax))->states.size(), limits::kStatesMax);
  expect_fault(chain(limits::kStatesMax + 1), "/transitions", "at most 1000");
  EXPECT_FALSE(parse_definition(chain(5000)));
}

TEST(BadDefinitions, AllFaultsAreListedAtOnce) {
  const auto all = faults(R"({"name":"bad name","version":0,"wrong":1,"steps":[
      {"name":"a","tasks":[{"name":"t"}],"when":{"==":[1,1]}},{"name":"a","join":{"deadline":5},
      "wait_for":{"signal":"a b"}}]})");
  std::vector<std::string> pointers;
  for (const Fault& fault : all) pointers.push_back(fault.pointer);
  EXPECT_EQ(pointers,
            (std::vector<std::string>{"/wrong", "/name", "/version", "/steps/0/tasks/0/queue",
                                      "/steps/1/wait_for/signal", "/steps/1/join/deadline", "/steps/1/name"}));
  const auto error = parse_definition(R"({"name":"d","version":0,"steps":[{}]})").error();
  EXPECT_EQ(error.message, "/version: `version` must be an integer from 1 to 4294967295 (and 1 more)");
}

TEST(BadDefinitions, TheListOfFaultsEnds) {
  std::string tasks;
  for (int i = 0; i < 5000; ++i) tasks += i == 0 ? "1" : ",1";
  EXPECT_EQ(faults(with_step("\"tasks\":[" + tasks + "]")).size(), limits::kFaultsMax);
}

TEST(Warnings, TellOfStepsAndSettings) {
  const auto d = good(R"({"name":"d","version":1,"expires_after":"1h","steps":[
      {"name":"a","join":{"deadline":"2h"},"tasks":[{"name":"t","queue":"q",
        "retry":{"by_error":[{"errors":["x"]},{"errors":["y","x"]}]},"timeouts":{"total":"1s","heartbeat":"1m"}}]},
      {"name":"b","tasks":[{"name":"t","queue":"q"}]}]})");
  std::vector<std::string> pointers;
  for (const Fault& w : warnings(*d)) pointers.push_back(w.pointer);
  EXPECT_EQ(pointers, (std::vector<std::string>{"/steps/0/tasks/0", "/steps/0/tasks/0/retry/by_error/1/errors/1",
                                                "/steps/0/tasks/0/timeouts/heartbeat",
                                                "/steps/0/tasks/0/timeouts/total", "/steps/0/join/deadline"}));
}

TEST(Warnings, TellOfIslandsAndDeadEnds) {
  const auto d = good(table(R"("initial":"a","cycles":true,"transitions":[{"from":"a","on":"x","to":"end"},
      {"from":"i","on":"x","to":"j"},{"from":"j","on":"x","to":"i"}],"ends":{"end":"completed"})"));
  const auto found = warnings(*d);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0], (Fault{"/transitions/1/from", "state `i` cannot be reached from `initial`"}));
  EXPECT_EQ(found[1].pointer, "/transitions/1/from");
  EXPECT_THAT(found[1].message, HasSubstr("stays open for ever"));
  EXPECT_EQ(found[2].pointer, "/transitions/1/to");
  EXPECT_TRUE(
      warnings(*good(table(R"("initial":"a","transitions":[{"from":"a","on":"x","to":"b"}],"ends":{"b":"completed"})")))
          .empty());
}

TEST(FullText, WritesEveryDefaultOut) {
  const auto d = good(
      R"({"name":"d","version":1,"steps":[{"name":"a","tasks":[{"name":"t","queue":"q","undo":{"queue":"u"}}]}]})");
  const std::string text = full_text(*d);
  for (const char* part : {"\"expires_after\": \"0ms\"",
                           "\"need\": \"all\"",
                           "\"siblings\": \"cancel\"",
                           "\"leftover\": \"cancel\"",
                           "\"late_success\": \"compensate\"",
                           "\"deadline\": \"0ms\"",
                           "\"max_attempts\": \"unlimited\"",
                           "\"max_attempts\": 3",
                           "\"cap\": \"5m\"",
                           "\"cap\": \"1m\"",
                           "\"jitter\": 0.2",
                           "\"by_error\": []",
                           "\"optional\": false",
                           "\"weight\": 1",
                           "\"attempt\": \"1m\"",
                           "\"on_failure\": []",
                           "\"next\": []",
                           "\"after\": []",
                           "\"external\": false",
                           "\"pivot\": false"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(full_text(*good(text)), text);
}

}  // namespace
}  // namespace dta::schema

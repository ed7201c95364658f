// Conditions: every operator with JavaScript's conversions, what a rule says it reads, what is refused, and that no
// rule costs without end. A file in the form of jsonlogic.com's public tests runs as well when DTA_JSONLOGIC_CORPUS
// names one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "schema/json.h"
#include "schema/logic.h"

namespace dta::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Logic rule(const std::string& json) {
  auto parsed = parse_logic(json);
  EXPECT_TRUE(parsed) << json << ": " << (parsed ? "" : parsed.error().message);
  return parsed ? *parsed : *parse_logic("null");
}

const std::string kData = R"({
  "input": {"total": 1200, "rate": 0.5, "name": "Ann", "none": null, "empty": "", "big": 12345678901234567890, "huge": 1e400,
            "lines": [{"qty": 2, "price": 10}, {"qty": 3, "price": 5}], "tags": ["a", "b"], "deep": {"a~/b": 7}},
  "steps": {"pay": {"outcome": "failed", "error": {"code": "card_refused"}}}})";

std::string value(const std::string& json) {
  return rule(json).apply(kData);
}

struct Case {
  const char* rule;
  const char* value;
};
class LogicOperators : public testing::TestWithParam<Case> {};

TEST_P(LogicOperators, HaveTheValuesOfJavaScript) {
  EXPECT_EQ(value(GetParam().rule), GetParam().value) << GetParam().rule;
}

constexpr Case kCases[] = {
    // What is no operation is itself, byte by byte; an array is evaluated inside.
    {"1.50", "1.50"},
    {"{}", "{}"},
    {R"({"a":1, "b":{"var":"input.name"}})", R"({"a":1, "b":{"var":"input.name"}})"},
    {R"([1,{"+":[1,1]},"x"])", R"([1,2,"x"])"},
    // Variables.
    {R"({"var":"input.total"})", "1200"},
    {R"({"var":["input.lines.1.qty"]})", "3"},
    {R"({"var":"input.lines.01.qty"})", "null"},
    {R"({"var":"input.lines.length"})", "2"},
    {R"({"var":"input.name.length"})", "3"},
    {R"({"var":"input.name.1"})", "\"n\""},
    {R"({"var":"input.deep.a~/b"})", "7"},
    {R"({"var":["input.absent",{"+":[1,2]}]})", "3"},
    {R"({"var":["input.none",5]})", "null"},
    {R"({"var":"input.none.x"})", "null"},
    {R"({"var":{"cat":["input.","name"]}})", "\"Ann\""},
    {R"({"var":"input.big"})", "12345678901234567890"},
    {R"({"missing":["input.total","input.absent","input.empty","input.none"]})",
     R"(["input.absent","input.empty","input.none"])"},
    {R"({"missing":{"merge":["input.x",["input.total"]]}})", R"(["input.x"])"},
    {R"({"missing_some":[1,["input.total","x"]]})", "[]"},
    {R"({"missing_some":[2,["input.total","x","y"]]})", R"(["x","y"])"},
    // Choices and truth.
    {R"({"if":[]})", "null"},
    {R"({"if":[0,1,"",2,[],3,"else"]})", "\"else\""},
    {R"({"if":["0","yes"]})", "\"yes\""},
    {R"({"?:":[{},"yes","no"]})", "\"yes\""},
    {R"({"!":[[]]})", "true"},
    {R"({"!!":"false"})", "true"},
    {R"({"or":[0,"",null]})", "null"},
    {R"({"or":[0,7,{"var":"x"}]})", "7"},
    {R"({"and":[1,[],2]})", "[]"},
    {R"({"and":[1,2]})", "2"},
    // Equality.
    {R"({"==":[1,"1.0"]})", "true"},
    {R"({"==":["","0"]})", "false"},
    {R"({"==":[0,""]})", "true"},
    {R"({"==":[null,0]})", "false"},
    {R"({"==":[null,{"var":"input.absent"}]})", "true"},
    {R"({"==":[true,"1"]})", "true"},
    {R"({"==":[[1,2],"1,2"]})", "true"},
    {R"({"==":[[],0]})", "true"},
    {R"({"==":[[1],[1]]})", "false"},
    {R"({"==":[{"var":"input.tags"},{"var":"input.tags"}]})", "true"},
    {R"({"===":[1,"1"]})", "false"},
    {R"({"===":[1,1.0]})", "true"},
    {R"({"!=":[1,"1"]})", "false"},
    {R"({"!==":[1,"1"]})", "true"},
    // Order: texts by their characters, everything else as numbers.
    {R"({"<":["10","9"]})", "true"},
    {R"({"<":["10",9]})", "false"},
    {R"({"<":[null,1]})", "true"},
    {R"({">":["x",1]})", "false"},
    {R"({"<=":["x",1]})", "false"},
    {R"({">=":[" 0x10 ",16]})", "true"},
    {R"({"<":[1,2,3]})", "true"},
    {R"({"<":[1,3,3]})", "false"},
    {R"({"<=":[1,3,3]})", "true"},
    {R"({"<":[5,{"var":"input.huge"}]})", "true"},
    // Numbers.
    {R"({"+":["3 apples",0.5]})", "3.5"},
    {R"({"+":"-3.14"})", "-3.14"},
    {R"({"+":[0.1,0.2]})", "0.30000000000000004"},
    {R"({"+":[null]})", "null"},
    {R"({"-":"2"})", "-2"},
    {R"({"-":[true,null]})", "1"},
    {R"({"*":["2",3,1]})", "6"},
    {R"({"/":[1,0]})", "null"},
    {R"({"/":[1,8]})", "0.125"},
    {R"({"%":[-7,3]})", "-1"},
    {R"({"max":[1,"12",3]})", "12"},
    {R"({"min":[1,"x"]})", "null"},
    {R"({"*":[1e21,1]})", "1e+21"},
    {R"({"*":[123456789,1000000000000]})", "123456789000000000000"},
    {R"({"/":[1,10000000]})", "1e-7"},
    {R"({"/":[15,10000000]})", "0.0000015"},
    {R"({"*":[0,-1]})", "0"},
    // Arrays.
    {R"({"map":[{"var":"input.lines"},{"*":[{"var":"qty"},{"var":"price"}]}]})", "[20,15]"},
    {R"({"map":[5,1]})", "[]"},
    {R"({"filter":[{"var":"input.lines"},{">":[{"var":"qty"},2]}]})", R"([{"qty": 3, "price": 5}])"},
    {R"({"reduce":[{"var":"input.lines"},{"+":[{"var":"accumulator"},{"var":"current.qty"}]},1]})", "6"},
    {R"({"reduce":[[],1]})", "null"},
    {R"({"reduce":[[1,2],{"var":""},0]})", R"({"current":2,"accumulator":{"current":1,"accumulator":0}})"},
    {R"({"all":[{"var":"input.tags"},{"in":[{"var":""},"abc"]}]})", "true"},
    {R"({"all":[[],true]})", "false"},
    {R"({"none":[[],true]})", "true"},
    {R"({"none":[[0,1],{"var":""}]})", "false"},
    {R"({"some":[[0,1],{"var":""}]})", "true"},
    {R"({"some":[[],true]})", "false"},
    {R"({"merge":[1,[2,[3]],[]]})", "[1,2,[3]]"},
    {R"({"in":["b",{"var":"input.tags"}]})", "true"},
    {R"({"in":[1,["1"]]})", "false"},
    {R"({"in":["nn","Ann"]})", "true"},
    {R"({"in":["x",null]})", "false"},
    // Texts.
    {R"({"cat":["a",1.0,null,true,[1,[2,null]],{}]})", R"("a1true1,2,[object Object]")"},
    {R"({"substr":["aggregate",4]})", "\"egate\""},
    {R"({"substr":["aggregate",-4,2]})", "\"ga\""},
    {R"({"substr":["aggregate",1,-2]})", "\"ggrega\""},
    {R"({"substr":["aggregate",20]})", "\"\""},
    {R"({"substr":["aggregate",0,-20]})", "\"\""},
    {R"({"substr":["zu 50 € für alle",6,5]})", "\"€ für\""},
};
INSTANTIATE_TEST_SUITE_P(Each, LogicOperators, testing::ValuesIn(kCases));

TEST(Logic, HoldsWhenItsValueCountsAsTrue) {
  EXPECT_TRUE(rule(R"({"==":[{"var":"steps.pay.error.code"},"card_refused"]})").holds(kData));
  EXPECT_FALSE(rule(R"({">":[{"var":"input.total"},5000]})").holds(kData));
  EXPECT_FALSE(rule("[]").holds(kData));
  EXPECT_TRUE(rule(R"({"var":""})").holds("  {\"a\":1}\n"));
  EXPECT_EQ(rule("  true ").text(), "true");
  EXPECT_EQ(rule("true"), rule(" true"));
}

TEST(Logic, TellsWhatItReads) {
  const auto reads = [](const std::string& json) { return rule(json).variables(); };
  EXPECT_THAT(reads(R"({"if":[{"var":"a.b"},{"var":["c",{"var":"d"}]},{"var":"a.b"}]})").paths,
              ElementsAre("a.b", "d", "c"));
  EXPECT_THAT(reads(R"({"missing":["a",["b"]]})").paths, ElementsAre("a", "b"));
  EXPECT_TRUE(reads(R"({"missing":["a",["b",["c"]]]})").everything);
  EXPECT_THAT(reads(R"({"missing":[["a","b"]]})").paths, ElementsAre("a", "b"));
  EXPECT_THAT(reads(R"({"missing_some":[1,["a","b.c"]]})").paths, ElementsAre("a", "b.c"));
  EXPECT_THAT(reads(R"({"var":1})").paths, ElementsAre("1"));
  // Inside a loop a variable is of the element, but not in what is looped over nor in what it starts with.
  const auto loop = reads(R"({"reduce":[{"var":"a"},{"+":[{"var":"current"},{"var":""}]},{"var":"b"}]})");
  EXPECT_THAT(loop.paths, ElementsAre("a", "b"));
  EXPECT_FALSE(loop.everything);
  for (const char* all : {R"({"var":""})", R"({"var":[]})", R"({"var":null})", R"({"var":{"cat":["a"]}})",
                          R"({"missing":{"merge":["a"]}})"})
    EXPECT_TRUE(reads(all).everything) << all;
  EXPECT_THAT(reads(R"({"+":[1,2]})").paths, IsEmpty());
}

TEST(Logic, RefusesWhatIsNoRule) {
  const auto refused = [](const std::string& json) {
    const auto parsed = parse_logic(json);
    EXPECT_FALSE(parsed) << json;
    return parsed ? Error{} : parsed.error();
  };
  EXPECT_EQ(refused("{").code, ErrorCode::malformed_json);
  const Error unknown = refused(R"({"and":[true,{"fitler":[[],1]}]})");
  EXPECT_EQ(unknown.code, ErrorCode::invalid_argument);
  EXPECT_EQ(unknown.faults.at(0), (Fault{"/and/1/fitler", "there is no operator `fitler`; did you mean `filter`?"}));
  EXPECT_THAT(refused(R"({"log":"x"})").message, HasSubstr("`log` is not allowed"));
  EXPECT_THAT(refused(R"({"==":[1]})").message, HasSubstr("takes 2 values, not 1"));
  EXPECT_THAT(refused(R"({"==":{"var":"a"}})").message, HasSubstr("takes 2 values, not 1"));
  EXPECT_THAT(refused(R"({"<":[1,2,3,4]})").message, HasSubstr("takes 2 to 3 values, not 4"));
  EXPECT_THAT(refused(R"({">":[3,2,1]})").message, HasSubstr("takes 2 values, not 3"));
  EXPECT_THAT(refused(R"({"!":[]})").message, HasSubstr("takes 1 value, not 0"));
  EXPECT_THAT(refused(R"({"and":[]})").message, HasSubstr("takes at least 1 value, not 0"));
  EXPECT_EQ(refused(R"([{"a":1},{"b":1},{"log":1}])").faults.size(), 3u);
}

// Each of these would double its value, or nest it, once for every element.
TEST(Logic, ARuleThatGrowsWithoutEndIsNull) {
  std::string many = "[0";
  for (int i = 0; i < 2000; ++i) many += ",0";
  many += "]";
  for (const char* body :
       {R"({"cat":[{"var":"accumulator"},{"var":"accumulator"},"x"]})",
        R"({"merge":[{"var":"accumulator"},{"var":"accumulator"},1]})",
        R"([{"var":"accumulator"},{"var":"accumulator"}])", R"([{"var":"accumulator"}])", R"({"var":""})"}) {
    const Logic grows = rule(R"({"reduce":[)" + many + "," + body + ",1]}");
    EXPECT_EQ(grows.apply("null"), "null") << body;
    EXPECT_FALSE(grows.holds("null")) << body;
  }
  // The work of one evaluation leaves the next one alone.
  EXPECT_EQ(rule(R"({"reduce":[)" + many + R"(,{"+":[{"var":"accumulator"},1]},0]})").apply("null"), "2001");
  const std::string text(200'000, 'a');
  const Logic search = rule(R"({"in":[")" + text + "b\",{\"var\":\"\"}]}");
  EXPECT_FALSE(search.holds("\"" + text + text + "\""));
}

TEST(Logic, RulesAreAsDeepAsJson) {
  std::string deep = "1";
  for (int i = 0; i < 63; ++i) deep = R"({"+":[)" + deep + ",1]}";
  EXPECT_EQ(rule(deep).apply("null"), "64");
}

TEST(LogicCorpus, EveryCaseHasItsValue) {
  const char* const path = std::getenv("DTA_JSONLOGIC_CORPUS");
  if (path == nullptr)
    GTEST_SKIP() << "set DTA_JSONLOGIC_CORPUS to a JSON array of [rule, data, value] and of comments to run this";
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto root = check_json(text);
  ASSERT_TRUE(root) << path;
  std::size_t cases = 0;
  for (const JsonValue entry : elements(*root)) {
    if (entry.kind() != JsonKind::array) continue;
    const auto parts = elements(entry);
    ASSERT_EQ(parts.size(), 3u);
    const auto parsed = parse_logic(parts[0].raw);
    ASSERT_TRUE(parsed) << parts[0].raw;
    const std::string got = parsed->apply(parts[1].raw);
    EXPECT_EQ(canonical_digest(*check_json(got)), canonical_digest(parts[2]))
        << parts[0].raw << " over " << parts[1].raw << " is " << got << ", not " << parts[2].raw;
    ++cases;
  }
  EXPECT_GT(cases, 0u);
  RecordProperty("cases", static_cast<int>(cases));
}

}  // namespace
}  // namespace dta::schema

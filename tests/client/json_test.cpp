// The JSON view and writers of the client: what is JSON, what is not, and that bytes stay as they are.
#include "dta/json.h"

#include <gtest/gtest.h>

namespace dta {
namespace {

TEST(Json, TakesWhatTheGrammarTakes) {
  for (const char* text : {"null", "true", "false", "0", "-0", "1.5e+3", "1E5", "12345678901234567890123", "\"\"", "[]",
                           "{}", " [1 , 2 ] ", R"({"a":{"b":[null,"x\u00e9\n"]}})", "\"\xf0\x9f\x98\x80\""})
    EXPECT_TRUE(Json::parse(text)) << text;
}

TEST(Json, RefusesWhatTheGrammarRefuses) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "01",
                           "1.",
                           ".5",
                           "+1",
                           "1e",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12g4\"",
                           "\"a\nb\"",
                           "[1,]",
                           "[1 2]",
                           "[",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{\"a\":1,}",
                           "1 2",
                           "NaN",
                           "'a'",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "[]]"})
    EXPECT_FALSE(Json::parse(text)) << text;
}

TEST(Json, StopsAtDepth128) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const std::string deepest = nested(128), deeper = nested(129), bottomless = nested(1'000'000);
  EXPECT_TRUE(Json::parse(deepest));
  EXPECT_FALSE(Json::parse(deeper));
  EXPECT_FALSE(Json::parse(bottomless));
}

TEST(Json, KeepsTheBytesOfAValue) {
  const auto json = Json::parse(R"({ "a" : 1.0 , "b":[ 1e2, 100000000000000000000 ] })");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"].raw(), "1.0");
  EXPECT_EQ((*json)["b"].raw(), "[ 1e2, 100000000000000000000 ]");
  EXPECT_EQ((*json)["b"][1].raw(), "100000000000000000000");
}

TEST(Json, ReadsValues) {
  const auto json = Json::parse(
      R"({"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","t":true,"n":null,"i":-42,"u":18446744073709551615,"d":2.5})");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["s"].string(), "a\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_TRUE((*json)["t"].boolean());
  EXPECT_TRUE((*json)["n"].is_null());
  EXPECT_EQ((*json)["i"].integer(), -42);
  EXPECT_EQ((*json)["i"].natural(7), 7u);
  EXPECT_EQ((*json)["u"].natural(), 18446744073709551615u);
  EXPECT_EQ((*json)["u"].integer(7), 7);
  EXPECT_DOUBLE_EQ((*json)["d"].number(), 2.5);
  EXPECT_EQ((*json)["d"].integer(7), 7);
  EXPECT_FALSE((*json)["absent"].exists());
  EXPECT_EQ((*json)["absent"]["deeper"][3].string("else"), "else");
  EXPECT_EQ(json->members().size(), 6u);
}

TEST(Json, HalfASurrogatePairBecomesTheReplacementCharacter) {
  EXPECT_EQ(Json::parse(R"("\ud83dx")")->string(), "\xef\xbf\xbdx");
  EXPECT_EQ(Json::parse(R"("\ude00")")->string(), "\xef\xbf\xbd");
  EXPECT_EQ(Json::parse(R"("\ud83d\u0041")")->string(),
            "\xef\xbf\xbd"
            "A");
}

TEST(Json, FollowsPointers) {
  const auto json = Json::parse(R"({"a/b":{"m~n":[10,{"":5}]},"e\u0301":1})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->at("").raw(), json->raw());
  EXPECT_EQ(json->at("/a~1b/m~0n/0").integer(), 10);
  EXPECT_EQ(json->at("/a~1b/m~0n/1/").integer(), 5);
  EXPECT_EQ(json->at("/e\xcc\x81").integer(), 1);
  for (const char* nowhere : {"a", "/x", "/a~1b/m~0n/2", "/a~1b/m~0n/00", "/a~1b/m~0n/-", "/a~1b/m~0n/0/0"})
    EXPECT_FALSE(json->at(nowhere).exists()) << nowhere;
}

TEST(JsonString, AlwaysGivesValidJsonThatReadsBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) all.push_back(static_cast<char>(c));
  all += "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  const std::string written = json_string(all);
  const auto json = Json::parse(written);
  ASSERT_TRUE(json) << written;
  EXPECT_EQ(json->string(), all);
  EXPECT_EQ(json_string("a\xff"
                        "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
}

TEST(JsonObject, WritesMembersInOrder) {
  EXPECT_EQ(JsonObject().text(), "{}");
  EXPECT_EQ(
      JsonObject().add("s", "x\"y").add("b", true).add("i", -3).add("u", std::uint64_t{7}).raw("r", "[1.0]").text(),
      R"({"s":"x\"y","b":true,"i":-3,"u":7,"r":[1.0]})");
  EXPECT_EQ(JsonArray().add("a").raw("1").text(), R"(["a",1])");
}

}  // namespace
}  // namespace dta

// JSON at the edge: what passes the gate, what is read from it, and the digest of meaning.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "schema/json.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

JsonValue value(std::string_view text) {
  const auto root = check_json(text);
  EXPECT_TRUE(root) << text << ": " << root.error().message;
  return root.value_or(JsonValue{"null"});
}

std::string digest(std::string_view text) {
  return to_hex(canonical_digest(value(text)));
}

TEST(JsonCheck, TakesWhatRfc8259Allows) {
  for (const char* text : {"null",
                           " true ",
                           "false",
                           "0",
                           "-0",
                           "-0.0",
                           "1e999",
                           "1E+2",
                           "12345678901234567890123456789",
                           "1e99999999999999999999",
                           R"("")",
                           R"("\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00\u0000")",
                           "[]",
                           "{}",
                           "[ ]",
                           "{ }",
                           "[1,[2,{\"a\":[]}]]",
                           "{\"a\":1,\"a\":2}",
                           "\t\r\n [1]\n",
                           "\"\x7f\"",
                           "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\""})
    EXPECT_TRUE(check_json(text)) << text;
}

TEST(JsonCheck, RefusesTheRest) {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "nulll",
                           "True",
                           "01",
                           "-01",
                           "-",
                           "+1",
                           ".5",
                           "1.",
                           "1.e1",
                           "1e",
                           "1e+",
                           "0x1",
                           "NaN",
                           "Infinity",
                           "'a'",
                           "\"",
                           "\"a",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "\"\\ud800x\"",
                           "\"\t\"",
                           "\"\n\"",
                           "[",
                           "]",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "{",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "{\"a\" 1}",
                           "{,}",
                           "[1}",
                           "{\"a\":1]",
                           "1 2",
                           "[]]",
                           "{}{}",
                           "/**/1",
                           "\xef\xbb\xbf[]",
                           "\"\xff\"",
                           "\"\xc0\x80\"",
                           "\"\xc3\"",
                           "\"\xe0\x80\x80\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xf4\x90\x80\x80\"",
                           "\"\xf5\x80\x80\x80\"",
                           "\"\x80\"",
                           "\"12345678\xc3"}) {
    const auto root = check_json(text);
    ASSERT_FALSE(root) << text;
    EXPECT_EQ(root.error().code, ErrorCode::malformed_json) << text;
    EXPECT_TRUE(root.error().message.starts_with("at byte ")) << root.error().message;
  }
  EXPECT_FALSE(check_json(std::string_view("\"\0\"", 3)));
  EXPECT_FALSE(check_json(std::string_view("1\0", 2)));
  EXPECT_FALSE(check_json(std::string_view("\"\\\0\"", 4)));
}

TEST(JsonCheck, NamesTheByte) {
  EXPECT_EQ(check_json("[1, 2 3]").error().message, "at byte 6: a comma or ] is expected");
  EXPECT_EQ(check_json("{} x").error().message, "at byte 3: the value has ended, nothing but white space may follow");
}

TEST(JsonCheck, LimitsTheDepthExactly) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(check_json(nested(limits::kJsonDepthMax)));
  const auto deeper = check_json(nested(limits::kJsonDepthMax + 1));
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().code, ErrorCode::too_large);
  EXPECT_FALSE(check_json(std::string(1'000'000, '[')));
}

TEST(JsonCheck, GivesTheRootWithoutWhiteSpace) {
  EXPECT_EQ(value(" \n{\"a\" : 1 } \t").raw, "{\"a\" : 1 }");
}

TEST(JsonValues, TellTheirKind) {
  EXPECT_EQ(value("null").kind(), JsonKind::null);
  EXPECT_EQ(value("true").kind(), JsonKind::boolean);
  EXPECT_EQ(value("-1").kind(), JsonKind::number);
  EXPECT_EQ(value("\"\"").kind(), JsonKind::string);
  EXPECT_EQ(value("[]").kind(), JsonKind::array);
  EXPECT_EQ(value("{}").kind(), JsonKind::object);
}

TEST(JsonValues, AreReadOrNothing) {
  EXPECT_EQ(value(R"("a\"\\\/\b\f\n\r\t\u00e4\u20ac\ud83d\ude00")").string(), "a\"\\/\b\f\n\r\tä€😀");
  EXPECT_EQ(value(R"("\u0000")").string(), std::string(1, '\0'));
  EXPECT_EQ(value("1").string(), std::nullopt);
  EXPECT_EQ(value("true").boolean(), true);
  EXPECT_EQ(value("false").boolean(), false);
  EXPECT_EQ(value("0").boolean(), std::nullopt);
  EXPECT_EQ(value("-9223372036854775808").integer(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value("9223372036854775808").integer(), std::nullopt);
  EXPECT_EQ(value("1.0").integer(), std::nullopt);
  EXPECT_EQ(value("1e2").integer(), std::nullopt);
  EXPECT_EQ(value("\"1\"").integer(), std::nullopt);
  EXPECT_EQ(value("1.5e2").number(), 150.0);
  EXPECT_EQ(value("1e999").number(), std::nullopt);
  EXPECT_EQ(value("null").number(), std::nullopt);
}

TEST(JsonValues, GiveMembersAndElementsInOrder) {
  const auto all = members(value(R"({ "b" : [1, {"x":"}"}] , "a\u0062":"]\"", "b":3})"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].name, "b");
  EXPECT_EQ(all[0].value.raw, R"([1, {"x":"}"}])");
  EXPECT_EQ(all[1].name, "ab");
  EXPECT_EQ(all[1].value.raw, R"("]\"")");
  EXPECT_EQ(all[2].value.raw, "3");
  const auto list = elements(value("[ 1 ,\"a,b\" , [2,3],{} ]"));
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[1].raw, "\"a,b\"");
  EXPECT_EQ(list[2].raw, "[2,3]");
  EXPECT_TRUE(members(value("{ }")).empty());
  EXPECT_TRUE(elements(value("[ ]")).empty());
}

// The examples of RFC 6901, section 5.
TEST(JsonPointers, FindWhatRfc6901Says) {
  const JsonValue root = value(
      R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"foo2":{"x":1,"x":2}})");
  const auto at = [&](std::string_view pointer) { return find(root, pointer).value_or(JsonValue{"-"}).raw; };
  EXPECT_EQ(at(""), root.raw);
  EXPECT_EQ(at("/foo"), R"(["bar","baz"])");
  EXPECT_EQ(at("/foo/0"), "\"bar\"");
  EXPECT_EQ(at("/"), "0");
  EXPECT_EQ(at("/a~1b"), "1");
  EXPECT_EQ(at("/c%d"), "2");
  EXPECT_EQ(at("/e^f"), "3");
  EXPECT_EQ(at("/g|h"), "4");
  EXPECT_EQ(at("/i\\j"), "5");
  EXPECT_EQ(at("/k\"l"), "6");
  EXPECT_EQ(at("/ "), "7");
  EXPECT_EQ(at("/m~0n"), "8");
  EXPECT_EQ(at("/foo2/x"), "2");
  for (const char* nothing : {"foo", "/foo/2", "/foo/00", "/foo/-", "/foo/-1", "/foo/1x", "/foo/", "/foo/0/x", "/bar",
                              "/m~n", "/m~2n", "/foo/99999999999999999999", "/ /"})
    EXPECT_EQ(at(nothing), "-") << nothing;
}

TEST(JsonStrings, AreQuotedSoThatTheyComeBack) {
  std::string all;
  for (int c = 0; c < 128; ++c) all.push_back(static_cast<char>(c));
  all += "ä€😀";
  EXPECT_EQ(value(quote(all)).string(), all);
  EXPECT_EQ(quote("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
}

TEST(CanonicalDigest, SeesMeaningNotBytes) {
  for (const char* same : {"1", "1.0", "10e-1", "0.1e1", "1.000E0", "1e0", "1e-0", "100e-2", "0.00001e5"})
    EXPECT_EQ(digest(same), digest("1")) << same;
  for (const char* zero : {"0", "-0", "0.0", "0e5", "-0.000e-7"}) EXPECT_EQ(digest(zero), digest("0")) << zero;
  EXPECT_EQ(digest("1e1000000000"), digest("10e999999999"));
  EXPECT_EQ(digest("1e100000000000000000000"), digest("10e99999999999999999999"));
  EXPECT_EQ(digest("1e-100000000000000000000"), digest("0.1e-99999999999999999999"));
  EXPECT_EQ(digest("1e-100000000000000000000"), digest("100e-100000000000000000002"));
  EXPECT_EQ(digest("1.5e00000000000000000000003"), digest("1500"));
  EXPECT_EQ(digest(R"({"a":1,"b":[true,null]})"), digest(R"( { "b" : [ true , null ] , "\u0061" : 1.0 } )"));
  EXPECT_EQ(digest(R"("\u00e4\/")"), digest("\"ä/\""));
  EXPECT_EQ(digest(R"({"a":1,"a":2})"), digest(R"({"a":2})"));
}

TEST(CanonicalDigest, TellsDifferentMeaningsApart) {
  const char* const different[] = {"null",
                                   "true",
                                   "false",
                                   "0",
                                   "1",
                                   "-1",
                                   "10",
                                   "1e100000000000000000000",
                                   "1e-100000000000000000000",
                                   "1e99999999999999999999",
                                   "\"\"",
                                   "\"1\"",
                                   "\"null\"",
                                   "[]",
                                   "{}",
                                   "[[]]",
                                   "[{}]",
                                   "[1]",
                                   "[1,1]",
                                   "[11]",
                                   "[[1],1]",
                                   "[1,[1]]",
                                   "[\"1\",\"1\"]",
                                   "[\"11\"]",
                                   "{\"a\":1}",
                                   "{\"a\":\"1\"}",
                                   "{\"b\":1}",
                                   "{\"a\":1,\"b\":1}",
                                   "{\"a\":{\"b\":1}}",
                                   "[\"a\",1]",
                                   "[\"s1:a\"]",
                                   "[\"a\",\"\"]",
                                   "[\"\",\"a\"]",
                                   "12345678901234567890",
                                   "12345678901234567891"};
  std::vector<std::string> digests;
  for (const char* text : different) digests.push_back(digest(text));
  std::sort(digests.begin(), digests.end());
  EXPECT_EQ(std::adjacent_find(digests.begin(), digests.end()), digests.end());
}

// Stored with every request, so it may never change.
TEST(CanonicalDigest, IsPinned) {
  EXPECT_EQ(digest(R"({"b":[1.50,"ä",null,true],"a":-0.02})"), to_hex(sha256("{s1:ad-2e-2s1:b[d15e-1s2:ä"
                                                                             "nt]}")));
}

// A random value written twice, with other blanks, escapes, spellings of numbers and order of members.
class RandomJson {
 public:
  explicit RandomJson(unsigned seed) : random_(seed) {}
  struct Two {
    std::string a, b;
  };
  Two next(int depth) {
    switch (random_() % (depth > 0 ? 7 : 5)) {
      case 0:
        return {"null", "null"};
      case 1:
        return {"true", "true"};
      case 2:
      case 3:
        return number();
      case 4: {
        const std::string text = word();
        return {quote(text), escaped(text)};
      }
      case 5:
        return array(depth);
      default:
        return object(depth);
    }
  }

 private:
  std::string blank() { return std::string(random_() % 3, " \n\t\r"[random_() % 4]); }
  std::string word() {
    static const char* const kParts[] = {"a",    "\"", "\\", "ä", "😀", "/", "\n", "long enough for eight at once",
                                         "\x01", "€"};
    std::string text;
    for (auto n = random_() % 4; n > 0; --n) text += kParts[random_() % std::size(kParts)];
    return text;
  }
  // ASCII by \u escapes, the rest as it is.
  static std::string escaped(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      char unit[8];
      std::snprintf(unit, sizeof unit, "\\u%04X", static_cast<unsigned>(c) & 0x7f);
      if (static_cast<unsigned char>(c) < 0x80) {
        out += unit;
      } else {
        out.push_back(c);
      }
    }
    return out + "\"";
  }
  Two number() {
    const std::string sign = random_() % 2 == 0 ? "-" : "";
    const std::string digits = std::to_string(random_() % 1'000'000 + 1);
    const int exponent = static_cast<int>(random_() % 2000) - 1000;
    const int zeros = static_cast<int>(random_() % 5);
    return {sign + digits + "e" + std::to_string(exponent),
            sign + digits.substr(0, 1) + "." + digits.substr(1) +
                std::string(static_cast<std::size_t>(zeros) + 1, '0') + "E" +
                std::to_string(exponent + static_cast<int>(digits.size()) - 1)};
  }
  Two array(int depth) {
    Two two{"[", "["};
    for (auto n = random_() % 4, i = n; i > 0; --i) {
      const Two item = next(depth - 1);
      two.a += (i == n ? "" : ",") + item.a;
      two.b += (i == n ? "" : ",") + blank() + item.b + blank();
    }
    return {two.a + "]", two.b + blank() + "]"};
  }
  Two object(int depth) {
    std::vector<Two> all;
    for (auto n = random_() % 5; n > 0; --n) {
      const std::string name = word() + std::to_string(n);  // unique: with equal names the order would matter
      const Two item = next(depth - 1);
      all.push_back({quote(name) + ":" + item.a, escaped(name) + blank() + ":" + blank() + item.b});
    }
    Two two{"{", "{"};
    for (std::size_t i = 0; i < all.size(); ++i) two.a += (i == 0 ? "" : ",") + all[i].a;
    std::shuffle(all.begin(), all.end(), random_);
    for (std::size_t i = 0; i < all.size(); ++i) two.b += (i == 0 ? "" : ",") + blank() + all[i].b;
    return {two.a + "}", two.b + blank() + "}"};
  }

  std::mt19937 random_;
};

// Writes a value again from what the readers give.
std::string rewritten(JsonValue v) {
  std::string out;
  if (v.kind() == JsonKind::object) {
    for (const JsonMember& member : members(v))
      out += (out.empty() ? "" : ",") + quote(member.name) + ":" + rewritten(member.value);
    return "{" + out + "}";
  }
  if (v.kind() == JsonKind::array) {
    for (const JsonValue& element : elements(v)) out += (out.empty() ? "" : ",") + rewritten(element);
    return "[" + out + "]";
  }
  return v.kind() == JsonKind::string ? quote(*v.string()) : std::string(v.raw);
}

TEST(JsonProperties, SpellingNeverMattersAndReadersLoseNothing) {
  for (unsigned seed = 0; seed < 5000; ++seed) {
    const auto [a, b] = RandomJson(seed).next(4);
    ASSERT_TRUE(check_json(a)) << "seed " << seed << ": " << a;
    ASSERT_TRUE(check_json(b)) << "seed " << seed << ": " << b;
    EXPECT_EQ(digest(a), digest(b)) << "seed " << seed << "\n" << a << "\n" << b;
    EXPECT_EQ(rewritten(value(a)), a) << "seed " << seed;
    EXPECT_EQ(digest(rewritten(value(b))), digest(a)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace dta::schema

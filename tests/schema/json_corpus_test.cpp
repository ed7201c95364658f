// The gate against two judges: a folder of JSON files whose names say whether they must be taken (when DTA_JSON_CORPUS
// names one), and Boost.JSON on damaged texts.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "schema/json.h"

namespace dta::schema {
namespace {

// Readers must not stumble over anything that passed.
void read_all(JsonValue v) {
  if (v.kind() == JsonKind::object) {
    for (const JsonMember& member : members(v)) read_all(member.value);
  } else if (v.kind() == JsonKind::array) {
    for (const JsonValue& element : elements(v)) read_all(element);
  } else if (v.kind() == JsonKind::string) {
    EXPECT_TRUE(check_json(quote(*v.string())));
  }
}

TEST(JsonCorpus, EveryFileIsTakenOrRefusedAsItsNameSays) {
  const char* const folder = std::getenv("DTA_JSON_CORPUS");
  if (folder == nullptr)
    GTEST_SKIP() << "set DTA_JSON_CORPUS to a folder of y_*.json, n_*.json and i_*.json to run this";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".json") || name.size() < 2 || name[1] != '_') continue;
    ++files;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto root = check_json(text);
    EXPECT_TRUE(root || name[0] != 'y') << name;
    EXPECT_TRUE(!root || name[0] != 'n') << name;
    if (root) {
      read_all(*root);
      canonical_digest(*root);
    }
  }
  EXPECT_GT(files, 0u) << "no file with such a name in " << folder;
}

bool boost_takes(const std::string& text) {
  boost::json::parse_options options;
  options.max_depth = 128;
  boost::json::error_code error;
  boost::json::parse(text, error, {}, options);
  return !error;
}

// Only numbers are told apart on purpose: here a number of any size is text, there an exponent has a limit. The texts
// hold exponents of at most a few digits.
TEST(JsonJudges, AgreeOnDamagedTexts) {
  const std::string texts[] = {
      R"({"a":[1,-2.5e-3,true,false,null,"x\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00"],"b":{"":{}},"c":[[],[{}]]})",
      "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\", \"plain text of more than eight bytes\", 0, -0, 1E+2]",
      " { \"k\" : \"v\" , \"n\" : [ 10 , 0.25 ] } "};
  const std::string bits = "{}[],:\"\\0123456789-+.eEtfnu \n\t/\x01\x7f\x80\xc3\xa4\xed\xa0\xf4\x90";
  std::size_t taken = 0;
  for (unsigned seed = 0; seed < 60'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = texts[seed % std::size(texts)];
    for (auto hits = 1 + random() % 3; hits > 0; --hits) {
      const std::size_t at = random() % text.size();
      const char c = bits[random() % bits.size()];
      switch (random() % 3) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
      }
    }
    const auto root = check_json(text);
    EXPECT_EQ(root.has_value(), boost_takes(text)) << "seed " << seed << ": " << text;
    if (root) {
      ++taken;
      read_all(*root);
      canonical_digest(*root);
    }
  }
  EXPECT_GT(taken, 1000u);
}

}  // namespace
}  // namespace dta::schema

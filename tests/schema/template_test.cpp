// Templates: what is spliced, merged and chosen, and what is said when something is not there.
#include <gtest/gtest.h>

#include "schema/definition.h"
#include "schema/json.h"
#include "schema/limits.h"

namespace dta::schema {
namespace {

class JsonContext : public TemplateContext {
 public:
  explicit JsonContext(std::string text) : text_(std::move(text)), root_(check_json(text_).value()) {}
  std::optional<std::string_view> find(std::string_view pointer) const override {
    const auto value = schema::find(root_, pointer);
    if (!value) return std::nullopt;
    return value->raw;
  }

 private:
  std::string text_;
  JsonValue root_;
};

// The template of the second step's only task.
Template compile(const std::string& json) {
  const auto definition = parse_definition(R"({"name":"d","version":1,"steps":[
      {"name":"a","tasks":[{"name":"t","queue":"q"}]},
      {"name":"b","tasks":[{"name":"u","queue":"q","input":)" +
                                           json + "}]}]}");
  EXPECT_TRUE(definition) << definition.error().message;
  return *(*definition)->steps[1].tasks[0].input;
}

const JsonContext kContext(
    R"({"input":{"n":1.0,"big":12345678901234567890123,"o":{"a":1,"b":[1, 2]},"z":null,"":"empty"},
    "steps":{"a":{"t":{"output":{"b":"from t","c":"\u00e4"}}}}})");

std::string resolved(const std::string& json) {
  auto result = resolve(compile(json), kContext);
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_TRUE(!result || check_json(*result)) << result.value_or("");
  return result.value_or("");
}

std::string refused(const std::string& json) {
  const auto result = resolve(compile(json), kContext);
  EXPECT_FALSE(result);
  if (result) return *result;
  EXPECT_EQ(result.error().code, ErrorCode::invalid_argument);
  return result.error().message;
}

TEST(Templates, LiteralsKeepTheirBytes) {
  EXPECT_EQ(resolved(R"({ "a" : 1.0,  "b":[ true,null ] })"), R"({ "a" : 1.0,  "b":[ true,null ] })");
  EXPECT_EQ(resolved("1e999"), "1e999");
  EXPECT_EQ(resolved(R"("\u0041")"), R"("\u0041")");
}

TEST(Templates, PointersSpliceRawBytes) {
  EXPECT_EQ(resolved(R"("/input/n")"), "1.0");
  EXPECT_EQ(resolved(R"("\/input\/big")"), "12345678901234567890123");
  EXPECT_EQ(resolved(R"({"x":"/input/o","y":["/input/z",1.50],"k\n":"/steps/a/t/output/c"})"),
            R"({"x":{"a":1,"b":[1, 2]},"y":[null,1.50],"k\n":"\u00e4"})");
  EXPECT_EQ(resolved(R"("/input/")"), R"("empty")");
  EXPECT_EQ(resolved(R"("/input/o/b/1")"), "2");
}

TEST(Templates, LiteralIsTakenAsItIs) {
  EXPECT_EQ(resolved(R"({"$literal":"/input/n"})"), R"("/input/n")");
  EXPECT_EQ(resolved(R"({"x":{"$literal":{"$merge":1}},"y":"/input/n"})"), R"({"x":{"$merge":1},"y":1.0})");
}

TEST(Templates, MergeLetsTheLaterValueWin) {
  EXPECT_EQ(resolved(R"({"$merge":["/input/o","/steps/a/t/output",{"d":"/input/n","a":7}]})"),
            R"({"a":7,"b":"from t","c":"\u00e4","d":1.0})");
  EXPECT_EQ(resolved(R"({"$merge":[{}]})"), "{}");
  EXPECT_EQ(refused(R"({"$merge":["/input/o","/input/n"]})"), "`$merge` needs objects, but `/input/n` is none");
}

TEST(Templates, FirstTakesTheFirstThatExists) {
  EXPECT_EQ(resolved(R"({"$first":["/input/nothing",{"x":"/input/no"},"/input/z","/input/n"]})"), "null");
  EXPECT_EQ(resolved(R"({"$first":["/input/nothing",5]})"), "5");
  EXPECT_EQ(refused(R"({"$first":["/input/p","/input/q"]})"),
            "none of the parts of `$first` exists (`/input/p`, `/input/q`)");
}

TEST(Templates, APointerToNothingIsNamed) {
  EXPECT_EQ(refused(R"({"x":["/input/nothing"]})"), "`/input/nothing` does not exist");
  EXPECT_EQ(refused(R"("/input/o/b/2")"), "`/input/o/b/2` does not exist");
  EXPECT_EQ(refused(R"("/input/n/x")"), "`/input/n/x` does not exist");
}

TEST(Templates, TheirResultIsLimited) {
  const JsonContext large(R"({"input":")" + std::string(limits::kPayloadBytesMax / 2, 'x') + "\"}");
  const auto twice = resolve(compile(R"({"a":"/input","b":"/input"})"), large);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::too_large);
}

TEST(Templates, TellTheirPointersInOrder) {
  const Template t =
      compile(R"({"a":"/input/x","b":[{"$first":["/input/y",1]},{"$literal":"/input/no"}],"c":"/steps/a/t/output"})");
  EXPECT_EQ(pointers(t), (std::vector<std::string_view>{"/input/x", "/input/y", "/steps/a/t/output"}));
}

}  // namespace
}  // namespace dta::schema

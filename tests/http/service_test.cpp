// The parts beside the routes: metrics and their page, log lines, problem documents, the start digest, answer heads.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "schema/json.h"
#include "schema/limits.h"
#include "server/digest.h"
#include "server/http_answer.h"
#include "server/log_line.h"
#include "server/metrics.h"
#include "server/problem.h"
#include "server/run.h"

namespace dta::server {
namespace {

using schema::ErrorCode;
using testing::HasSubstr;
using testing::Not;

TEST(Descriptors, AreKeptBackForTheLog) {
  EXPECT_EQ(connections_within(64), 0u);
  EXPECT_EQ(connections_within(1024), 1024u - 204 - 64);
  EXPECT_EQ(connections_within(1'000'000), schema::limits::kConnectionsMax);
}

std::set<std::string> names_in(const std::string& text) {
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("# TYPE ")) names.insert(line.substr(7, line.find(' ', 7) - 7));
  return names;
}

TEST(Metrics, EveryOneIsDocumented) {
  std::ifstream page(std::string(DTA_SOURCE_DIR) + "/docs/metrics.md");
  std::set<std::string> documented;
  for (std::string line; std::getline(page, line);)
    if (line.starts_with("| `dta_")) documented.insert(line.substr(3, line.find_first_of("`{", 3) - 3));
  Metrics metrics;
  metrics.queue_ready("q").Set(1);
  metrics.queue_oldest_seconds("q").Set(1);
  metrics.queue_leased("q").Set(1);
  EXPECT_EQ(names_in(metrics.text()), documented);
}

TEST(Metrics, PromtoolFindsNothingToSay) {
  if (std::system("command -v promtool > /dev/null") != 0)
    GTEST_SKIP() << "promtool is not installed: the text was not checked.";
  Metrics metrics;
  metrics.queue_ready("a\"b\\c\nd").Set(2);
  metrics.sync_seconds.Observe(0.002);
  const auto file = std::filesystem::path(testing::TempDir()) / "dta_metrics.txt";
  std::ofstream(file) << metrics.text();
  EXPECT_EQ(std::system(("promtool check metrics < '" + file.string() + "' 2>&1").c_str()), 0);
}

TEST(Metrics, CountRefusalsByCode) {
  Metrics metrics;
  metrics.refused(ErrorCode::overloaded);
  metrics.refused(ErrorCode::overloaded);
  EXPECT_THAT(metrics.text(), HasSubstr("dta_refusals_total{code=\"overloaded\"} 2\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("dta_refusals_total{code=\"internal\"} 0\n"));
}

TEST(Metrics, LimitTheLabelsOfQueues) {
  Metrics metrics;
  for (int i = 0; i < 1500; ++i) metrics.queue_ready("q" + std::to_string(i)).Set(i);
  EXPECT_EQ(&metrics.queue_ready("q1200"), &metrics.queue_ready("q1499"));
  EXPECT_NE(&metrics.queue_ready("q1"), &metrics.queue_ready("q2"));
  EXPECT_EQ(&metrics.queue_ready("q1"), &metrics.queue_ready("q1"));
  EXPECT_THAT(metrics.text(), HasSubstr("dta_queue_ready{queue=\"other\"} 1499\n"));
}

class LogLines : public testing::Test {
 protected:
  std::vector<std::string> lines_;
  schema::Time now_{1'500};
  Logger logger_{[this](std::string_view line) { lines_.emplace_back(line); }, [this] { return now_; }};
};

TEST_F(LogLines, AreOneLineOfKeysAndValues) {
  logger_.info("opened the log", {{"records", 7}, {"path", "/a b"}, {"odd", "x=\"1\"\n\x1b[31m"}, {"empty", ""}});
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_EQ(lines_[0],
            "ts=1970-01-01T00:00:01.500Z level=info msg=\"opened the log\" records=7 path=\"/a b\" "
            "odd=\"x=\\\"1\\\"\\n\\x1b[31m\" empty=\"\"\n");
}

TEST_F(LogLines, BelowTheLevelAreLeftOut) {
  logger_.set_level(LogLevel::warning);
  logger_.info("a");
  logger_.warning("b");
  logger_.error("c");
  EXPECT_EQ(lines_.size(), 2u);
}

TEST_F(LogLines, OfRefusalsAreRateLimitedByCode) {
  for (int i = 0; i < 10; ++i) logger_.refused(ErrorCode::not_found, "GET", "/x", "nothing");
  logger_.refused(ErrorCode::unavailable, "GET", "/y", "opening");
  ASSERT_EQ(lines_.size(), 2u);
  EXPECT_THAT(lines_[1], HasSubstr("level=warning msg=refused code=unavailable"));
  now_.ms += 1000;
  logger_.refused(ErrorCode::not_found, "GET", "/x", "nothing");
  ASSERT_EQ(lines_.size(), 3u);
  EXPECT_THAT(lines_[2], HasSubstr("left_out=9"));
}

TEST(Problems, AreWholeForEveryCode) {
  for (std::size_t i = 0; i < schema::kErrorCodeCount; ++i) {
    schema::Error error{static_cast<ErrorCode>(i), "a \"detail\"\n", {{"/a~1b", "is\tbad"}}};
    error.current_sequence = 6;
    const std::string text = problem_json(error);
    auto root = schema::check_json(text);
    ASSERT_TRUE(root) << text;
    const auto& info = schema::info(error.code);
    EXPECT_EQ(schema::find(*root, "/type")->string(), "urn:dta:error:" + std::string(info.name));
    EXPECT_EQ(schema::find(*root, "/status")->integer(), info.http_status);
    EXPECT_EQ(schema::find(*root, "/code")->string(), info.name);
    EXPECT_EQ(schema::find(*root, "/title")->string(), info.title);
    EXPECT_EQ(schema::find(*root, "/detail")->string(), error.message);
    EXPECT_EQ(schema::find(*root, "/advice")->string(), info.advice);
    EXPECT_EQ(schema::find(*root, "/current_sequence")->integer(), 6);
    EXPECT_EQ(schema::find(*root, "/faults/0/pointer")->string(), "/a~1b");
  }
}

TEST(Problems, HaveTheirStatusInAnswers) {
  for (std::size_t i = 0; i < schema::kErrorCodeCount; ++i) {
    std::string head;
    append_answer_head(head, {schema::info(static_cast<ErrorCode>(i)).http_status, "x", 0}, "d");
    EXPECT_THAT(head.substr(0, head.find("\r\n")), Not(testing::EndsWith(" "))) << "no reason phrase: " << head;
  }
}

std::string digest(std::string_view definition, std::optional<std::string_view> input,
                   std::vector<schema::Attribute> attributes = {}) {
  const auto value = input ? std::optional(schema::JsonValue{*input}) : std::nullopt;
  return schema::to_hex(start_digest(definition, value, std::move(attributes)));
}

TEST(StartDigest, IsOfMeaningNotOfSpelling) {
  EXPECT_EQ(digest("d", R"({"a":1.0,"b":"x"})"), digest("d", R"({ "b":"\u0078", "a":10e-1})"));
  EXPECT_EQ(digest("d", {}, {{"a", "1"}, {"b", "2"}}), digest("d", {}, {{"b", "2"}, {"a", "1"}}));
}

TEST(StartDigest, TellsDifferentRequestsApart) {
  const std::set<std::string> digests{digest("d", {}),
                                      digest("e", {}),
                                      digest("d", "null"),
                                      digest("d", "1"),
                                      digest("d", {}, {{"a", "1"}}),
                                      digest("d", {}, {{"a1", ""}}),
                                      digest("d", {}, {{"a", "1"}, {"b", "2"}}),
                                      digest("d", "1", {{"a", "1"}})};
  EXPECT_EQ(digests.size(), 8u);
}

TEST(AnswerHeads, SayHowTheBodyEnds) {
  std::string text;
  append_answer_head(text, {200, "application/json", 7}, "now");
  EXPECT_EQ(text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: now\r\nContent-Length: 7\r\n\r\n");
  text.clear();
  append_answer_head(text, {405, "t", AnswerHead::kChunked, "GET", 3, false}, "now");
  EXPECT_EQ(
      text,
      "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: t\r\nDate: now\r\nTransfer-Encoding: chunked\r\nAllow: GET\r\n"
      "Retry-After: 3\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(http_date(schema::Time{1'795'190'400'999}), "Fri, 20 Nov 2026 16:00:00 GMT");
}

}  // namespace
}  // namespace dta::server

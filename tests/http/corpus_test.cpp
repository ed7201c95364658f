// Foreign test corpora, when they are at hand; without them the tests say so and are skipped.
//   DTA_HTTP_CORPUS: a folder with cases.json, an array of
//   {"file","title","type","input_b64","strict","expect","complete"}:
//     requests as bytes, and whether a strict parser takes them ("parse"), refuses them ("reject") or hands the
//     connection over ("upgrade-or-pause"); `complete` of its messages are whole.
//   DTA_JSON_CORPUS: a folder with test_parsing/{y_,n_,i_}*.json: valid, invalid, and left to the parser.
// Taken means: not refused for its framing; that nothing is at the path, or that no such host is served, is an answer.
// Where the RFCs leave the answer open, or the corpus does not ask what HTTP/1.1 says, open_cases.md gives the reason.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "schema/json.h"
#include "tests/http/served.h"

namespace dta::test {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string base64_decode(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

bool refused_for_framing(const Response& response) {
  const std::string code = response.body.empty() ? "" : response.code();
  return code == "bad_request" || code == "headers_too_large" || code == "request_timeout" ||
         code == "http_version_not_supported";
}

struct HttpCase {
  std::string name, expect, bytes;
  std::int64_t complete = 0;
};

std::vector<HttpCase> http_cases(const std::string& folder) {
  const std::string text = read_file(std::filesystem::path(folder) / "cases.json");
  auto root = schema::check_json(text);
  std::vector<HttpCase> cases;
  if (!root) return cases;
  for (const schema::JsonValue& item : schema::elements(*root)) {
    auto string = [&](const char* pointer) { return schema::find(item, pointer)->string().value_or(""); };
    if (!string("/type").starts_with("request") || !schema::find(item, "/strict")->boolean().value_or(false)) continue;
    HttpCase one{string("/file") + ": " + string("/title"), string("/expect"), base64_decode(string("/input_b64")),
                 schema::find(item, "/complete")->integer().value_or(0)};
    // HTTP/1.1 demands a Host of every request, and the corpus is not about that.
    for (std::size_t at = 0; (at = one.bytes.find(" HTTP/1.1\r\n", at)) != std::string::npos;) {
      at += 11;
      const std::size_t end = std::min(one.bytes.find("\r\n\r\n", at), one.bytes.size());
      std::string head = one.bytes.substr(at, end - at);
      std::transform(head.begin(), head.end(), head.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (!head.starts_with("host:") && head.find("\nhost:") == std::string::npos)
        one.bytes.insert(at, "Host: localhost\r\n");
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

// The first column of the table in open_cases.md.
std::set<std::string> open_cases() {
  std::istringstream table(read_file(std::filesystem::path(DTA_SOURCE_DIR) / "tests/http/open_cases.md"));
  std::set<std::string> names;
  for (std::string line; std::getline(table, line);)
    if (line.starts_with("| `")) names.insert(line.substr(3, line.find("` |") - 3));
  return names;
}

class Corpus : public Served {
 protected:
  Corpus() {
    fake.on<server::StartRequest>([](server::StartRequest& request) {
      server::TransactionSummary reply;
      reply.status = reply.phase = "running";
      reply.created = true;
      reply.output = request.input;
      request.reply(reply);
    });
  }
};

TEST_F(Corpus, HttpRequests) {
  const char* folder = std::getenv("DTA_HTTP_CORPUS");
  if (folder == nullptr) GTEST_SKIP() << "DTA_HTTP_CORPUS names no folder: the HTTP corpus was not run.";
  const auto cases = http_cases(folder);
  ASSERT_FALSE(cases.empty());
  const std::set<std::string> open = open_cases();
  std::size_t taken = 0, refused = 0, left_open = 0;
  for (const HttpCase& one : cases) {
    SCOPED_TRACE(one.name);
    Client client(port());
    client.send(one.bytes);
    client.shut_write();
    const std::string raw = client.read_to_end();
    const auto responses = parse_responses(raw, one.bytes.starts_with("HEAD"));
    for (const Response& response : responses) EXPECT_LT(response.status, 500) << raw;
    if (open.contains(one.name)) {
      ++left_open;
      ASSERT_FALSE(responses.empty());
      continue;
    }
    if (one.expect == "reject") {
      ++refused;
      ASSERT_FALSE(responses.empty());
      EXPECT_TRUE(refused_for_framing(responses.back())) << raw;
    } else {
      ++taken;
      const auto whole = static_cast<std::size_t>(std::max<std::int64_t>(one.complete, 0));
      ASSERT_GE(responses.size(), whole) << raw;
      for (std::size_t i = 0; i < whole; ++i) EXPECT_FALSE(refused_for_framing(responses[i])) << raw;
    }
    EXPECT_EQ(call("GET", "/healthz").status, 200);
  }
  RecordProperty("taken", static_cast<int>(taken));
  RecordProperty("refused", static_cast<int>(refused));
  RecordProperty("open", static_cast<int>(left_open));
  std::printf("%zu taken, %zu refused, %zu open\n", taken, refused, left_open);
}

// Every prefix of every request, cut off by the caller: an answer or silence, never a crash, never 5xx.
TEST_F(Corpus, HttpRequestsCutShort) {
  const char* folder = std::getenv("DTA_HTTP_CORPUS");
  if (folder == nullptr) GTEST_SKIP() << "DTA_HTTP_CORPUS names no folder: the HTTP corpus was not run.";
  for (const HttpCase& one : http_cases(folder)) {
    SCOPED_TRACE(one.name);
    for (std::size_t size = 0; size < one.bytes.size(); size += 7) {
      Client client(port());
      client.send(one.bytes.substr(0, size));
      client.shut_write();
      const std::string raw = client.read_to_end();
      EXPECT_EQ(raw.find("HTTP/1.1 5"), std::string::npos) << raw;
    }
  }
}

TEST_F(Corpus, JsonDocuments) {
  const char* folder = std::getenv("DTA_JSON_CORPUS");
  if (folder == nullptr) GTEST_SKIP() << "DTA_JSON_CORPUS names no folder: the JSON corpus was not run.";
  std::size_t taken = 0, refused = 0, either = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "test_parsing")) {
    const std::string name = entry.path().filename();
    SCOPED_TRACE(name);
    const std::string text = read_file(entry.path());
    const Response whole = call("POST", "/v1/transactions", text);
    const Response inside =
        call("POST", "/v1/transactions", "{\"id\":\"a\",\"definition\":\"d\",\"input\":" + text + "}");
    EXPECT_EQ(whole.status / 100, 4) << whole.body;  // none of them is a start
    if (name.starts_with("y_")) {
      ++taken;
      EXPECT_NE(whole.code(), "malformed_json") << whole.body;
      EXPECT_EQ(inside.status, 201) << inside.body;
      EXPECT_NE(inside.body.find(",\"output\":"), std::string::npos);
    } else if (name.starts_with("n_")) {
      ++refused;
      // Some are nested deeper than the limit before anything else is wrong with them.
      EXPECT_TRUE(whole.code() == "malformed_json" || whole.code() == "too_large") << whole.body;
      // An object that some of these close early may leave a legal one around it; what is refused is refused with 400.
      EXPECT_EQ(inside.status / 100, 4) << inside.body;
    } else {
      ++either;
      EXPECT_TRUE(inside.status == 201 || inside.status == 400 || inside.code() == "too_large") << inside.body;
    }
  }
  EXPECT_GT(taken + refused + either, 0u);
  std::printf("%zu taken, %zu refused, %zu either\n", taken, refused, either);
}

}  // namespace
}  // namespace dta::test

// What the tests of endpoints share: a server before a scripted partition, and what a refusal looks like.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "tests/http/served.h"

namespace dta::test {

class Routes : public Served {
 protected:
  Routes() {
    settings.now = [] { return schema::Time{1'000'000}; };
  }
  void expect_refused(const Response& response, int status, std::string_view code, std::string_view detail = {}) {
    EXPECT_EQ(response.status, status) << response.body;
    EXPECT_EQ(response.code(), code);
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    EXPECT_THAT(response.body, testing::HasSubstr(std::string(detail)));
    EXPECT_THAT(response.body, testing::HasSubstr("\"type\":\"urn:dta:error:" + std::string(code) + "\""));
  }
  Response post(std::string_view target, std::string_view body) { return call("POST", target, body); }
};

inline server::TransactionSummary summary(const std::string& id) {
  server::TransactionSummary s;
  s.id = id;
  s.definition = "order";
  s.version = 3;
  s.status = s.phase = "running";
  s.sequence = 2;
  s.created = true;
  return s;
}

}  // namespace dta::test

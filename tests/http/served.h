// A server on a free port before a FakePort, and a plain blocking client that speaks bytes. Test thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http_server.h"
#include "tests/http/fake_port.h"

namespace dta::test {

struct Response {
  int status = 0;                              // 0: the connection ended before one came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
  // The `code` of a problem document.
  std::string code() const;
};

// Reads responses from bytes; chunked bodies are put together.
std::vector<Response> parse_responses(std::string_view bytes, bool heads_only = false);

class Client {
 public:
  explicit Client(std::uint16_t port);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes);
  void shut_write();  // half-closes
  void reset();       // closes so that the other side gets a reset
  void close();
  std::string read_to_end();
  std::string read_some();  // empty at the end
  std::string read_until(std::string_view end);
  Response read_response(bool head_only = false);
  // Waits until one of two has something to read, and gives that one first.
  static std::pair<Client*, Client*> first_to_hear(Client& one, Client& other);

 private:
  int fd_ = -1;
  std::string buffer_;
};

std::string request_text(std::string_view method, std::string_view target, std::string_view body = {},
                         std::string_view more_headers = {});

class Served : public testing::Test {
 protected:
  ~Served() override;
  // Starts the server on first use; `settings` may be changed before.
  server::HttpServer& server();
  std::uint16_t port() { return server().listen_port(); }
  Response call(std::string_view method, std::string_view target, std::string_view body = {},
                std::string_view more_headers = {});

  server::HttpSettings settings;
  FakePort fake;
  server::Metrics metrics;
  std::vector<std::string> log_lines;

 private:
  server::Logger logger_{[this](std::string_view line) { log_lines.emplace_back(line); },
                         [] { return schema::Time{0}; }};
  std::unique_ptr<server::HttpServer> server_;
};

}  // namespace dta::test

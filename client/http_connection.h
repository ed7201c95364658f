// One connection to one server, one exchange at a time: HTTP/1.1 with keep-alive. Opens itself when it is needed and
// again after it broke. All Asio and Beast code is behind it, in http_connection.cpp.
//
// Threads: exchange() belongs to one thread at a time; interrupt() may come from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dta::client {

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string host_header;
};
// "http://HOST[:PORT][/]", IPv6 in brackets; throws Error invalid_argument.
Address parse_url(std::string_view url);

struct Reply {
  unsigned status = 0;
  std::string body;
  std::optional<std::chrono::seconds> retry_after;
};

class HttpConnection {
 public:
  HttpConnection(Address address, std::chrono::milliseconds connect_timeout);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Sends a request and waits for the whole answer, at most `timeout`. Throws Error connection_failed when there is
  // none. A connection that the server had closed while it was idle is opened once more first; so every request sent
  // here must be one that may arrive twice.
  Reply exchange(std::string_view method, std::string_view target, std::string_view body,
                 std::chrono::milliseconds timeout);

  // Makes the exchange under way, and every later one until resume(), throw connection_failed.
  void interrupt();
  void resume();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dta::client

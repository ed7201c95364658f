// A small HTTP server for tests of the client: blocking sockets on a port of the system's choice, a thread for each
// connection, and a function that answers. Not a server to learn from: it trusts its caller and reads only what the
// client library writes (Content-Length bodies).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace dta::client_test {

struct FakeRequest {
  std::string method, target, body;
  bool operator==(const FakeRequest&) const = default;
};

struct FakeAnswer {
  int status = 200;
  std::string body = "{}";
  std::string headers = {};  // whole lines, each with CRLF
  enum class Connection { keep, close_silently, drop } connection = Connection::keep;

  // The connection breaks before a byte of the answer.
  static FakeAnswer dropped() { return {.connection = Connection::drop}; }
  static FakeAnswer problem(int status, const std::string& code, const std::string& more = "");
};

class FakeServer {
 public:
  using Handler = std::function<FakeAnswer(const FakeRequest&)>;
  explicit FakeServer(Handler handler);
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<FakeRequest> requests() const;
  // Blocks until a request satisfies this; gives it.
  FakeRequest wait_for(const std::function<bool(const FakeRequest&)>& matches) const;

 private:
  void accept_all();
  void serve(int socket);

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::vector<FakeRequest> requests_;
  std::set<int> open_;
  bool closing_ = false;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace dta::client_test

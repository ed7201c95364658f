// A lean HTTP/1.1 client for driving load: one thread, epoll, keep-alive, one request at a time on each connection. It
// reads only what the server under test writes (status line, a body by Content-Length or in chunks) and ends the
// process on anything else: a driver that goes on after a surprise measures nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dta::bench {

struct Answer {
  int status = 0;
  std::string_view body;  // valid during the call
};

class HttpLoop {
 public:
  using Handler = std::function<void(const Answer&)>;

  explicit HttpLoop(std::uint16_t port);
  ~HttpLoop();
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;

  // Opens a connection; returns its number, from 0.
  std::size_t connect();
  // Sends a request; `on_answer` is called from run_once(). The connection must be idle.
  void send(std::size_t connection, std::string_view method, std::string_view target, std::string_view body,
            Handler on_answer);
  // Waits up to `timeout_ms` (-1: until something happens) and calls the handlers of what came.
  void run_once(int timeout_ms);

 private:
  struct Connection;
  void read_from(Connection& connection);

  std::uint16_t port_;
  int epoll_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

// One request on a connection of its own; for what happens once, such as publishing and reading metrics.
std::string call_once(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                      int* status);

}  // namespace dta::bench

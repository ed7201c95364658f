// See fake_server.h.
#include "tests/client/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace dta::client_test {
namespace {

// Appends what arrives; false at the end of the connection.
bool receive(int socket, std::string& buffer) {
  char bytes[16384];
  const ssize_t count = recv(socket, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  buffer.append(bytes, static_cast<std::size_t>(count));
  return true;
}

bool send_all(int socket, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t count = send(socket, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (count <= 0) return false;
    at += static_cast<std::size_t>(count);
  }
  return true;
}

// One request from the front of the buffer.
bool read_request(int socket, std::string& buffer, FakeRequest& request) {
  std::size_t head = 0;
  while ((head = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!receive(socket, buffer)) return false;
  std::size_t length = 0;
  if (const std::size_t at = buffer.find("Content-Length: "); at < head)
    length = std::strtoul(buffer.c_str() + at + 16, nullptr, 10);
  while (buffer.size() < head + 4 + length)
    if (!receive(socket, buffer)) return false;
  const std::size_t method = buffer.find(' '), target = buffer.find(' ', method + 1);
  request = {buffer.substr(0, method), buffer.substr(method + 1, target - method - 1), buffer.substr(head + 4, length)};
  buffer.erase(0, head + 4 + length);
  return true;
}

}  // namespace

FakeAnswer FakeAnswer::problem(int status, const std::string& code, const std::string& more) {
  return {.status = status,
          .body = R"({"type":"urn:dta:error:)" + code + R"(","title":"T","status":)" + std::to_string(status) +
                  R"(,"code":")" + code + R"(","detail":"D of )" + code + R"(","advice":"A")" + more + "}"};
}

FakeServer::FakeServer(Handler handler) : handler_(std::move(handler)) {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, generic, size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, generic, &size) != 0)
    throw std::runtime_error("the fake server cannot listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
    shutdown(listener_, SHUT_RDWR);
    for (const int socket : open_) shutdown(socket, SHUT_RDWR);
  }
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
  close(listener_);
}

void FakeServer::accept_all() {
  for (;;) {
    const int socket = accept(listener_, nullptr, nullptr);
    const std::scoped_lock lock(mutex_);
    if (closing_ || socket < 0) {
      if (socket >= 0) close(socket);
      return;
    }
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    open_.insert(socket);
    connections_.emplace_back([this, socket] { serve(socket); });
  }
}

void FakeServer::serve(int socket) {
  std::string buffer;
  FakeRequest request;
  while (read_request(socket, buffer, request)) {
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
      arrived_.notify_all();
    }
    const FakeAnswer answer = handler_(request);
    if (answer.connection == FakeAnswer::Connection::drop) break;
    const std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " S\r\nContent-Type: application/json\r\n" +
                             answer.headers + "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" +
                             answer.body;
    if (!send_all(socket, text) || answer.connection == FakeAnswer::Connection::close_silently) break;
  }
  const std::scoped_lock lock(mutex_);
  open_.erase(socket);
  close(socket);
}

std::vector<FakeRequest> FakeServer::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

FakeRequest FakeServer::wait_for(const std::function<bool(const FakeRequest&)>& matches) const {
  std::unique_lock lock(mutex_);
  for (std::size_t seen = 0;; ++seen) {
    arrived_.wait(lock, [&] { return requests_.size() > seen; });
    if (matches(requests_[seen])) return requests_[seen];
  }
}

}  // namespace dta::client_test

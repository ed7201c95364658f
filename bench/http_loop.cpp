// See http_loop.h.
#include "bench/http_loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dta::bench {
namespace {

[[noreturn]] void die(const char* what, std::string_view seen = {}) {
  std::fprintf(stderr, "dta_bench: %s%s%.*s\n", what, seen.empty() ? "" : ": ",
               static_cast<int>(std::min<std::size_t>(seen.size(), 600)), seen.data());
  std::exit(1);
}

// The value of Content-Length in a header section, or -1.
long content_length(std::string_view head) {
  static constexpr std::string_view kName = "\r\ncontent-length:";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const auto found = std::search(head.begin(), head.end(), kName.begin(), kName.end(), same);
  if (found == head.end()) return -1;
  const char* at = head.data() + (found - head.begin()) + kName.size();
  while (*at == ' ') ++at;
  long length = -1;
  std::from_chars(at, head.data() + head.size(), length);
  return length;
}

// An answer that came in chunks, whole: its chunks put together. No line of what the server streams holds a CR.
constexpr std::string_view kLastChunk = "\r\n0\r\n\r\n";
std::string joined(std::string_view chunks) {
  std::string body;
  for (;;) {
    std::size_t size = 0;
    const auto read = std::from_chars(chunks.data(), chunks.data() + chunks.size(), size, 16);
    const std::size_t begin = static_cast<std::size_t>(read.ptr - chunks.data()) + 2;
    if (read.ec != std::errc{} || begin + size + 2 > chunks.size()) die("a chunk without its size", chunks);
    if (size == 0) return body;
    body.append(chunks.substr(begin, size));
    chunks.remove_prefix(begin + size + 2);
  }
}

}  // namespace

struct HttpLoop::Connection {
  int fd = -1;
  std::string in;
  Handler on_answer;
};

HttpLoop::HttpLoop(std::uint16_t port) : port_(port), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) die("epoll_create1 failed");
}

HttpLoop::~HttpLoop() {
  for (const auto& connection : connections_) close(connection->fd);
  close(epoll_);
}

std::size_t HttpLoop::connect() {
  auto connection = std::make_unique<Connection>();
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connection->fd < 0 || ::connect(connection->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    die("no connection to the server", std::strerror(errno));
  const int on = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = connection.get();
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event) != 0) die("epoll_ctl failed");
  connections_.push_back(std::move(connection));
  return connections_.size() - 1;
}

void HttpLoop::send(std::size_t number, std::string_view method, std::string_view target, std::string_view body,
                    Handler on_answer) {
  Connection& connection = *connections_[number];
  if (connection.on_answer) die("a connection was used twice at once");
  connection.on_answer = std::move(on_answer);
  std::string request;
  request.reserve(160 + body.size());
  request.append(method).append(" ").append(target).append(
      " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ");
  request.append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n = ::send(connection.fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) die("the server closed a connection while a request was written");
    sent += static_cast<std::size_t>(n);
  }
}

void HttpLoop::run_once(int timeout_ms) {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < count; ++i) read_from(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
}

void HttpLoop::read_from(Connection& connection) {
  char buffer[64 * 1024];
  const ssize_t n = recv(connection.fd, buffer, sizeof buffer, 0);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) die("the server closed a connection", connection.in);
  connection.in.append(buffer, static_cast<std::size_t>(n));

  const std::size_t head_end = connection.in.find("\r\n\r\n");
  if (head_end == std::string::npos) return;
  const long length = content_length(std::string_view(connection.in).substr(0, head_end + 2));
  const bool chunked = length < 0;
  const std::size_t total = head_end + 4 + (chunked ? 0 : static_cast<std::size_t>(length));
  if (chunked ? !connection.in.ends_with(kLastChunk) : connection.in.size() < total) return;
  if ((!chunked && connection.in.size() > total) || !connection.on_answer)
    die("more bytes than one answer", connection.in);

  Answer answer;
  answer.status = std::atoi(connection.in.c_str() + sizeof "HTTP/1.1");
  const std::string whole = std::move(connection.in);
  connection.in.clear();
  const std::string together = chunked ? joined(std::string_view(whole).substr(head_end + 4)) : std::string();
  answer.body = chunked ? std::string_view(together) : std::string_view(whole).substr(head_end + 4);
  Handler handler = std::move(connection.on_answer);
  connection.on_answer = nullptr;
  handler(answer);
}

std::string call_once(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                      int* status) {
  HttpLoop loop(port);
  const std::size_t connection = loop.connect();
  std::string text;
  bool answered = false;
  loop.send(connection, method, target, body, [&](const Answer& answer) {
    text = answer.body;
    *status = answer.status;
    answered = true;
  });
  while (!answered) loop.run_once(-1);
  return text;
}

}  // namespace dta::bench

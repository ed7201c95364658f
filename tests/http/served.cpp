// The client's sockets and its reading of responses (served.h).
#include "tests/http/served.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "schema/json.h"

namespace dta::test {
namespace {

// One response from the front of `bytes`; nothing while it is not whole. `used` is its length.
std::optional<Response> take_response(std::string_view bytes, bool head_only, bool ended, std::size_t& used) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  Response response;
  std::string_view head = bytes.substr(0, end + 2);
  response.status = std::stoi(std::string(head.substr(9, 3)));
  head.remove_prefix(head.find("\r\n") + 2);
  while (!head.empty()) {
    const std::size_t line_end = head.find("\r\n"), colon = head.find(": ");
    std::string name(head.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    response.headers[name] = std::string(head.substr(colon + 2, line_end - colon - 2));
    head.remove_prefix(line_end + 2);
  }
  std::string_view rest = bytes.substr(end + 4);
  used = end + 4;
  if (head_only || response.status == 100) return response;
  if (response.header("transfer-encoding") == "chunked") {
    while (true) {
      const std::size_t line = rest.find("\r\n");
      if (line == std::string_view::npos) return std::nullopt;
      const std::size_t size = std::stoul(std::string(rest.substr(0, line)), nullptr, 16);
      if (rest.size() < line + 2 + size + 2) return std::nullopt;
      response.body += rest.substr(line + 2, size);
      used += line + 2 + size + 2;
      rest.remove_prefix(line + 2 + size + 2);
      if (size == 0) return response;
    }
  }
  if (response.headers.contains("content-length")) {
    const std::size_t size = std::stoul(response.header("content-length"));
    if (rest.size() < size) return std::nullopt;
    response.body = rest.substr(0, size);
    used += size;
    return response;
  }
  if (!ended) return std::nullopt;
  response.body = rest;
  used += rest.size();
  return response;
}

}  // namespace

std::string Response::code() const {
  auto root = schema::check_json(body);
  if (!root) return "no JSON: " + body;
  auto found = schema::find(*root, "/code");
  return found ? found->string().value_or("") : "";
}

std::vector<Response> parse_responses(std::string_view bytes, bool heads_only) {
  std::vector<Response> responses;
  std::size_t used = 0;
  while (auto response = take_response(bytes, heads_only, true, used)) {
    responses.push_back(std::move(*response));
    bytes.remove_prefix(used);
  }
  EXPECT_TRUE(bytes.empty()) << "left over: " << bytes;
  return responses;
}

Client::Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}
Client::~Client() {
  close();
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the server may have refused and closed: the test sees it in what it reads
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Client::shut_write() {
  ::shutdown(fd_, SHUT_WR);
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string Client::read_some() {
  std::string bytes(65'536, '\0');
  const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

std::string Client::read_to_end() {
  while (true) {
    const std::string more = read_some();
    if (more.empty()) return std::exchange(buffer_, {});
    buffer_ += more;
  }
}

std::string Client::read_until(std::string_view end) {
  while (true) {
    if (const std::size_t at = buffer_.find(end); at != std::string::npos) {
      std::string text = buffer_.substr(0, at + end.size());
      buffer_.erase(0, at + end.size());
      return text;
    }
    const std::string more = read_some();
    if (more.empty()) return {};
    buffer_ += more;
  }
}

Response Client::read_response(bool head_only) {
  bool ended = false;
  while (true) {
    std::size_t used = 0;
    if (auto response = take_response(buffer_, head_only, ended, used)) {
      buffer_.erase(0, used);
      return std::move(*response);
    }
    if (ended) return {};
    const std::string more = read_some();
    ended = more.empty();
    buffer_ += more;
  }
}

std::pair<Client*, Client*> Client::first_to_hear(Client& one, Client& other) {
  std::array<pollfd, 2> both{pollfd{one.fd_, POLLIN, 0}, pollfd{other.fd_, POLLIN, 0}};
  EXPECT_GT(poll(both.data(), both.size(), -1), 0);
  return both[0].revents != 0 ? std::pair(&one, &other) : std::pair(&other, &one);
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view more_headers) {
  std::string text(method);
  text += " ";
  text += target;
  text += " HTTP/1.1\r\nHost: localhost\r\n";
  text += more_headers;
  if (!body.empty() || method == "POST" || method == "PUT")
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

Served::~Served() {
  if (server_) server_->stop();
}

server::HttpServer& Served::server() {
  if (!server_) {
    auto started = server::HttpServer::start(settings, fake, metrics, logger_);
    if (!started) throw std::runtime_error(started.error().message);
    server_ = std::move(*started);
  }
  return *server_;
}

Response Served::call(std::string_view method, std::string_view target, std::string_view body,
                      std::string_view more_headers) {
  Client client(port());
  client.send(request_text(method, target, body, more_headers));
  return client.read_response(method == "HEAD");
}

}  // namespace dta::test

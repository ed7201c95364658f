// The only file that knows sockets. Every connection has an io_context of its own that runs only inside exchange(), on
// the caller's thread: asynchronous calls underneath, because only those have timeouts and can be interrupted.
#include "client/http_connection.h"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>

#include "dta/error.h"

namespace dta::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::uint16_t kDefaultPort = 7117;
// Answers are bounded so that a foreign server cannot fill the memory; pages of histories are far below.
constexpr std::uint64_t kAnswerBytesMax = 1ull << 30;
constexpr std::uint32_t kAnswerHeaderBytesMax = 64u << 10;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

std::optional<std::chrono::seconds> parse_seconds(std::string_view text) {
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || text.empty()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

// The peer closed a connection that nothing was under way on; a new one answers the question whether it lives.
bool closed_while_idle(const error_code& error) {
  return error == http::error::end_of_stream || error == asio::error::connection_reset ||
         error == asio::error::broken_pipe || error == asio::error::eof;
}

}  // namespace

Address parse_url(std::string_view url) {
  const auto refuse = [&](std::string_view why) {
    return Error("invalid_argument", "the server's address '" + std::string(url) + "' " + std::string(why) +
                                         "; it looks like http://127.0.0.1:7117");
  };
  std::string_view rest = url;
  if (!rest.starts_with("http://")) throw refuse("does not begin with http://");
  rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) throw refuse("has more than a host and a port");
  Address address{.host = {}, .port = kDefaultPort, .host_header = {}};
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) throw refuse("has no closing bracket");
    address.host = rest.substr(1, close - 1);
    port = rest.substr(close + 1);
  } else {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    address.host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  if (address.host.empty()) throw refuse("has no host");
  if (!port.empty()) {
    const auto number = port.front() == ':' ? parse_port(port.substr(1)) : std::nullopt;
    if (!number) throw refuse("has no valid port");
    address.port = *number;
  }
  const bool v6 = address.host.find(':') != std::string::npos;
  address.host_header = (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
  return address;
}

class HttpConnection::Impl {
 public:
  Impl(Address address, std::chrono::milliseconds connect_timeout)
      : address_(std::move(address)), connect_timeout_(connect_timeout), stream_(context_) {}

  Reply exchange(std::string_view method, std::string_view target, std::string_view body,
                 std::chrono::milliseconds timeout) {
    throw_if_interrupted();
    const bool reused = open_;
    if (!open_) connect();
    error_code error = transfer(method, target, body, timeout);
    if (error && reused && closed_while_idle(error) && !answer_begun_ && !interrupted_) {
      connect();
      error = transfer(method, target, body, timeout);
    }
    if (error) {
      close();
      throw_if_interrupted();
      throw failure(error == beast::error::timeout ? "no answer within the time allowed" : error.message());
    }
    auto& answer = parser_->get();
    Reply reply{.status = answer.result_int(), .body = std::move(answer.body()), .retry_after = {}};
    if (const auto header = answer.find(http::field::retry_after); header != answer.end())
      reply.retry_after = parse_seconds(std::string_view(header->value().data(), header->value().size()));
    if (!answer.keep_alive()) close();
    return reply;
  }

  void interrupt() {
    interrupted_ = true;
    asio::post(context_, [this] {
      if (interrupted_) close();
    });
  }

  void resume() { interrupted_ = false; }

 private:
  Error failure(std::string_view why) const {
    return Error(Problem{.code = "connection_failed",
                         .title = "The server could not be reached",
                         .detail = address_.host_header + ": " + std::string(why),
                         .advice = "Check that the server runs and that the address is right."});
  }

  void throw_if_interrupted() const {
    if (interrupted_) throw failure("the request was interrupted");
  }

  // Runs what was begun to its end.
  void run() {
    context_.restart();
    context_.run();
  }

  void connect() {
    close();
    error_code error;
    asio::ip::tcp::resolver resolver(context_);
    const auto endpoints = resolver.resolve(address_.host, std::to_string(address_.port), error);
    if (error) throw failure(error.message());
    stream_.expires_after(connect_timeout_);
    stream_.async_connect(endpoints, [&error](const error_code& result, const auto&) { error = result; });
    run();
    if (error) {
      close();
      throw_if_interrupted();
      throw failure(error == beast::error::timeout ? "no connection within the time allowed" : error.message());
    }
    error_code ignored;  // without it small requests only take longer
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    open_ = true;
  }

  error_code transfer(std::string_view method, std::string_view target, std::string_view body,
                      std::chrono::milliseconds timeout) {
    http::request<http::span_body<const char>> request;
    request.version(11);
    request.method_string({method.data(), method.size()});
    request.target({target.data(), target.size()});
    request.set(http::field::host, address_.host_header);
    request.set(http::field::accept, "application/json, application/x-ndjson");
    if (!body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = beast::span<const char>(body.data(), body.size());
    request.content_length(body.size());

    buffer_.clear();
    parser_.emplace();
    parser_->body_limit(kAnswerBytesMax);
    parser_->header_limit(kAnswerHeaderBytesMax);
    answer_begun_ = false;
    error_code error;
    const auto on_read = [this, &error](const error_code& result, std::size_t) {
      answer_begun_ = parser_->got_some();
      error = result;
    };
    const auto on_write = [this, &error, &on_read](const error_code& result, std::size_t) {
      error = result;
      if (!result) http::async_read(stream_, buffer_, *parser_, on_read);
    };
    stream_.expires_after(timeout);
    http::async_write(stream_, request, on_write);
    run();
    stream_.expires_never();
    return error;
  }

  void close() {
    error_code ignored;
    stream_.socket().close(ignored);
    open_ = false;
  }

  const Address address_;
  const std::chrono::milliseconds connect_timeout_;
  asio::io_context context_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::response_parser<http::string_body>> parser_;
  bool open_ = false;
  bool answer_begun_ = false;
  std::atomic<bool> interrupted_ = false;
};

HttpConnection::HttpConnection(Address address, std::chrono::milliseconds connect_timeout)
    : impl_(std::make_unique<Impl>(std::move(address), connect_timeout)) {}
HttpConnection::~HttpConnection() = default;

Reply HttpConnection::exchange(std::string_view method, std::string_view target, std::string_view body,
                               std::chrono::milliseconds timeout) {
  return impl_->exchange(method, target, body, timeout);
}
void HttpConnection::interrupt() {
  impl_->interrupt();
}
void HttpConnection::resume() {
  impl_->resume();
}

}  // namespace dta::client

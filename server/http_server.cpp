// Sockets and connections (http_server.h): the one unit that sees Asio. Everything but start, drain, stop and the
// pushes into the outbox runs on the io thread.
//
// A connection moves head -> body -> working -> writing -> head, or ends in closing. While a request is worked on the
// socket is still read (up to a limit), because that is how the end of a caller is noticed. The socket is non-blocking:
// an answer is written at once, and only what the kernel does not take goes through the reactor.
// Deadlines are points in time that one sweep compares, not a timer a connection.
//
// Size: connection and server share their whole state, and a second unit with Asio would double the time to compile.
#include "server/http_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <thread>
#include <unordered_map>

#include "schema/assert.h"
#include "schema/limits.h"
#include "server/http_message.h"
#include "server/http_routes.h"
#include "server/problem.h"
#include "server/reading_thread.h"

namespace dta::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;
namespace limits = schema::limits;

constexpr std::size_t kBufferBytes = 4096;         // of an idle connection
constexpr std::size_t kPipelineBytesMax = 65'536;  // read ahead while a request is worked on
constexpr std::size_t kGatherBytes = 16'384;       // larger bodies are written from where they are
constexpr schema::Duration kFollowWait{20'000};    // one wait of a follower at the partition

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

std::chrono::milliseconds length(schema::Duration d) {
  return std::chrono::milliseconds(d.ms);
}

// RFC 9110, 5.6.7.
std::string http_date(schema::Time now) {
  const std::time_t seconds = static_cast<std::time_t>(now.ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
  return text.data();
}

class Connection;

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpSettings s, Port& p, Metrics& m, Logger& l);

  schema::Status listen();
  void accept();
  void sweep();
  void run();
  void stop();
  void drain();
  void finish();
  void release(std::vector<std::string> hand_outs);
  std::shared_ptr<Connection> find(Ticket ticket);
  void next_page(Ticket ticket, std::shared_ptr<PageSource> source);
  void on_page(Ticket ticket, const std::shared_ptr<PageSource>& source, schema::Result<Page> page);

  HttpSettings settings;
  HostRules rules;
  Port& port;
  Metrics& metrics;
  Logger& logger;
  HttpServer* face = nullptr;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer sweep_timer{io}, stop_timer{io};
  std::chrono::milliseconds sweep_every{1000};
  std::shared_ptr<Outbox> outbox;
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::uint64_t last_connection = 0;
  std::uint16_t listen_port = 0;
  bool draining = false, stopping = false, accept_due = false;
  std::string date;
  Steady::time_point swept_at{};
  Routed scratch;  // of routing; its memory is used again
  std::unique_ptr<ReadingThread> reading;
  std::thread thread;
};

namespace {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(HttpServer::Impl& server, std::uint64_t id, tcp::socket socket)
      : server_(server), id_(id), socket_(std::move(socket)) {}

  void start() {
    deadline_ = Steady::now() + length(server_.settings.times.keep_alive);
    read();
  }
  void answer(Answer answer);
  void refuse(const schema::Error& error);
  void page(const std::shared_ptr<PageSource>& source, Page page);
  void expire();
  void die();
  void drain() {
    if (phase_ == Phase::closing || (phase_ == Phase::head && !reader_.begun() && in_begin_ == in_end_)) die();
  }

  bool working(std::uint64_t request) const { return request == request_ && phase_ == Phase::working; }
  bool streaming() const { return streaming_; }
  bool one_way() const { return eof_; }
  Steady::time_point deadline() const { return deadline_; }
  void set_stream_type(std::string_view type) { stream_type_ = type; }
  void untimed() { timed_ = false; }
  std::shared_ptr<const std::atomic<bool>> watch() {
    untimed();
    if (!gone_) gone_ = std::make_shared<std::atomic<bool>>(eof_);
    return gone_;
  }

 private:
  enum class Phase : std::uint8_t { head, body, working, writing, closing, dead };

  void read();
  void on_read(const error_code& error, std::size_t size);
  void process();
  bool take_head();
  bool take_body();
  void dispatch(std::string_view body);
  void refuse_and_close(const schema::Error& error);
  void begin_answer(int status, std::string_view type, const Answer* answer);
  void flush();
  void on_written(const error_code& error, std::size_t size);
  void written();
  void linger();
  std::string_view unread() const { return std::string_view(in_).substr(in_begin_, in_end_ - in_begin_); }
  void expect(schema::Duration within) { deadline_ = Steady::now() + length(within); }

  HttpServer::Impl& server_;
  const std::uint64_t id_;
  std::uint64_t request_ = 0;
  tcp::socket socket_;
  Phase phase_ = Phase::head;
  bool eof_ = false, reading_ = false, writing_async_ = false, processing_ = false;
  bool keep_ = true, head_only_ = false, timed_ = false, streaming_ = false, close_delimited_ = false,
       last_page_ = false;
  Steady::time_point deadline_{}, begun_{}, dispatched_{};

  std::string in_;
  std::size_t in_begin_ = 0, in_end_ = 0;
  HeadReader reader_;
  ChunkReader chunks_;
  Routed routed_;

  std::string out_, out_body_;  // written in this order
  std::size_t written_ = 0;
  std::vector<std::string> hand_outs_;
  std::shared_ptr<std::atomic<bool>> gone_;
  std::string_view stream_type_;
  std::shared_ptr<PageSource> next_source_;
  Page::Next next_ = Page::Next::end;
  schema::Position seen_;
  schema::Duration wait_;
};

void Connection::read() {
  if (reading_ || eof_ || phase_ == Phase::dead) return;
  const bool busy = phase_ == Phase::working || phase_ == Phase::writing;
  if (busy && in_end_ - in_begin_ >= kPipelineBytesMax) return;
  if (in_begin_ == in_end_) {
    in_begin_ = in_end_ = 0;
    if (in_.size() > kPipelineBytesMax) std::string().swap(in_);  // a large body has been taken: do not keep its room
  }
  if (in_end_ == in_.size()) {
    if (in_begin_ > 0) {  // move what is unread to the front before growing
      std::memmove(in_.data(), in_.data() + in_begin_, in_end_ - in_begin_);
      in_end_ -= in_begin_;
      in_begin_ = 0;
    }
    if (in_end_ == in_.size()) in_.resize(in_.empty() ? kBufferBytes : in_.size() * 2);
  }
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(in_.data() + in_end_, in_.size() - in_end_),
      [self = shared_from_this()](const error_code& error, std::size_t size) { self->on_read(error, size); });
}

void Connection::on_read(const error_code& error, std::size_t size) {
  reading_ = false;
  if (phase_ == Phase::dead) return;
  if (error && error != asio::error::eof) return die();
  if (error) {
    eof_ = true;
    if (phase_ == Phase::closing) return die();
    // One direction has ended. An answer is still written: a caller may close its half when it has said everything. But
    // nobody waits for tasks behind a closed connection, and a follower could follow for ever.
    if (gone_) gone_->store(true, std::memory_order_relaxed);
    if (streaming_ && next_ == Page::Next::wait) return die();
  }
  if (phase_ == Phase::closing) {
    in_begin_ = in_end_ = 0;
    return read();
  }
  in_end_ += size;
  if (phase_ == Phase::body) expect(server_.settings.times.body_idle);
  process();
  read();
}

// Takes whole requests from the buffer as long as there are any and none is under way.
void Connection::process() {
  if (processing_) return;
  processing_ = true;
  while (phase_ == Phase::head || phase_ == Phase::body) {
    if (!(phase_ == Phase::head ? take_head() : take_body())) break;
  }
  if (eof_ && (phase_ == Phase::head || phase_ == Phase::body)) {
    if (phase_ == Phase::head && !reader_.begun() && unread().empty()) {
      die();
    } else {
      refuse_and_close({schema::ErrorCode::bad_request, "the connection ended in the middle of a request"});
    }
  }
  processing_ = false;
}

bool Connection::take_head() {
  const std::string_view bytes = unread();
  if (bytes.empty()) return false;
  const bool fresh = !reader_.begun() && begun_ == Steady::time_point{};
  if (fresh) {
    begun_ = Steady::now();
    deadline_ = begun_ + length(server_.settings.times.head);
  }
  std::size_t used = 0;
  const Feed fed = reader_.feed(bytes, used);
  in_begin_ += used;
  if (fed == Feed::more) return false;
  if (fed == Feed::fault) {
    refuse_and_close(reader_.fault());
    return false;
  }
  const RequestHead& head = reader_.head();
  keep_ = head.keep_alive && !server_.draining;
  head_only_ = head.method == "HEAD";
  route(head, server_.rules, routed_);
  if (head.content_length > limits::kBodyBytesMax) {
    refuse_and_close({schema::ErrorCode::too_large, "the body is larger than 16777216 bytes"});
    return false;
  }
  if (head.expects_continue && head.has_body() && unread().empty()) {
    if (routed_.handler == nullptr) {  // the caller asked first so that it need not send the body
      refuse_and_close(routed_.refusal);
      return false;
    }
    error_code error;
    // Nothing else is being written now; a peer whose window is full at its first 25 bytes is not worth waiting for.
    socket_.write_some(asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")), error);
    if (error) {
      die();
      return false;
    }
  }
  phase_ = Phase::body;
  chunks_.reset();
  expect(server_.settings.times.body_idle);
  return true;
}

bool Connection::take_body() {
  const RequestHead& head = reader_.head();
  if (head.chunked) {
    std::size_t used = 0;
    const Feed fed = chunks_.feed(unread(), used);
    in_begin_ += used;
    if (fed == Feed::more) return false;
    if (fed == Feed::fault) {
      refuse_and_close(chunks_.fault());
      return false;
    }
    dispatch(chunks_.body());
    return true;
  }
  const auto size = static_cast<std::size_t>(head.content_length);
  if (unread().size() < size) return false;
  const std::string_view body = unread().substr(0, size);
  in_begin_ += size;  // the bytes stay where they are until the next read, which begins after the handler has returned
  dispatch(body);
  return true;
}

void Connection::dispatch(std::string_view body) {
  phase_ = Phase::working;
  deadline_ = Steady::time_point::max();
  ++request_;
  timed_ = true;
  dispatched_ = Steady::now();
  gone_.reset();
  if (routed_.handler == nullptr) return refuse(routed_.refusal);
  Call call{*server_.face, Ticket{id_, request_}, reader_.head(), routed_.path, routed_.query, body};
  routed_.handler(call);
}

void Connection::refuse(const schema::Error& error) {
  server_.metrics.refused(error.code);
  const RequestHead& head = reader_.head();
  server_.logger.refused(error.code, head.method, head.target, error.message);
  Answer problem{schema::info(error.code).http_status, kProblemType, problem_json(error)};
  problem.retry_after = retry_after_seconds(error.code);
  if (error.code == schema::ErrorCode::method_not_allowed) problem.allow = routed_.allow;
  answer(std::move(problem));
}

// For faults after which the bytes that follow mean nothing.
void Connection::refuse_and_close(const schema::Error& error) {
  keep_ = false;
  timed_ = false;
  phase_ = Phase::working;
  ++request_;
  refuse(error);
}

void Connection::begin_answer(int status, std::string_view type, const Answer* answer) {
  if (server_.draining) keep_ = false;
  out_.clear();
  out_body_.clear();
  written_ = 0;
  out_ += "HTTP/1.1 ";
  out_ += std::to_string(status);
  out_ += ' ';
  out_ += reason(status);
  out_ += "\r\nContent-Type: ";
  out_ += type;
  out_ += "\r\nDate: ";
  out_ += server_.date;
  if (answer != nullptr) {
    out_ += "\r\nContent-Length: ";
    out_ += std::to_string(answer->body.size());
    if (!answer->allow.empty()) {
      out_ += "\r\nAllow: ";
      out_ += answer->allow;
    }
    if (answer->retry_after != 0) {
      out_ += "\r\nRetry-After: ";
      out_ += std::to_string(answer->retry_after);
    }
  } else if (!close_delimited_) {
    out_ += "\r\nTransfer-Encoding: chunked";
  }
  if (!keep_) {
    out_ += "\r\nConnection: close";
  } else if (reader_.head().minor_version == 0) {
    out_ += "\r\nConnection: keep-alive";
  }
  out_ += "\r\n\r\n";
}

void Connection::answer(Answer answer) {
  hand_outs_ = std::move(answer.hand_outs);
  // Whoever waited for these tasks has closed its connection meanwhile: they go back, and the answer has no reader.
  if (!hand_outs_.empty() && gone_ && gone_->load(std::memory_order_relaxed)) return die();
  begin_answer(answer.status, answer.type, &answer);
  if (!head_only_) {
    if (answer.body.size() <= kGatherBytes) {
      out_ += answer.body;
    } else {
      out_body_ = std::move(answer.body);
    }
  }
  streaming_ = false;
  last_page_ = true;
  phase_ = Phase::writing;
  flush();
}

// One more piece of a streamed answer; the first decides how it is framed.
void Connection::page(const std::shared_ptr<PageSource>& source, Page page) {
  if (!streaming_) {
    if (page.next == Page::Next::end) return answer(Answer{200, stream_type_, std::move(page.text)});
    streaming_ = true;
    timed_ = false;
    close_delimited_ = reader_.head().minor_version == 0;
    if (close_delimited_) keep_ = false;
    begin_answer(200, stream_type_, nullptr);
    if (head_only_) page.next = Page::Next::end;
  } else {
    out_.clear();
    out_body_.clear();
    written_ = 0;
  }
  if (!head_only_) {
    const bool chunked = !close_delimited_;
    if (!page.text.empty()) {
      std::array<char, 24> size{};
      if (chunked) std::snprintf(size.data(), size.size(), "%zx\r\n", page.text.size());
      out_ += size.data();
      out_ += page.text;
      if (chunked) out_ += "\r\n";
    }
    if (chunked && page.next == Page::Next::end) out_ += "0\r\n\r\n";
  }
  last_page_ = page.next == Page::Next::end;
  next_ = page.next;
  seen_ = page.seen;
  wait_ = page.wait;
  next_source_ = source;
  phase_ = Phase::writing;
  flush();
}

void Connection::flush() {
  const std::size_t total = out_.size() + out_body_.size();
  while (written_ < total) {
    const std::size_t of_head = std::min(written_, out_.size());
    const std::array<asio::const_buffer, 2> rest{asio::buffer(out_) + of_head,
                                                 asio::buffer(out_body_) + (written_ - of_head)};
    error_code error;
    const std::size_t size = socket_.write_some(rest, error);
    written_ += size;
    if (error == asio::error::would_block || error == asio::error::try_again) {
      expect(server_.settings.times.write_idle);
      socket_.async_wait(tcp::socket::wait_write,
                         [self = shared_from_this()](const error_code& failed) { self->on_written(failed, 0); });
      return;
    }
    if (error) return die();
  }
  written();
}

void Connection::on_written(const error_code& error, std::size_t) {
  if (phase_ == Phase::dead) return;
  if (error) return die();
  flush();
}

void Connection::written() {
  if (out_.capacity() > kPipelineBytesMax) std::string().swap(out_);
  std::string().swap(out_body_);
  hand_outs_.clear();
  if (!last_page_) {
    deadline_ = Steady::time_point::max();
    phase_ = Phase::working;
    const Ticket ticket{id_, request_};
    if (next_ == Page::Next::more) return server_.next_page(ticket, next_source_);
    if (eof_) return die();
    WaitRequest wait{seen_, wait_, [outbox = server_.outbox, server = &server_, ticket, source = next_source_](auto) {
                       outbox->push([server, ticket, source] { server->next_page(ticket, source); });
                     }};
    return server_.port.submit(std::move(wait), 0);
  }
  server_.metrics.http_requests.Increment();
  if (timed_) server_.metrics.http_seconds.Observe(std::chrono::duration<double>(Steady::now() - dispatched_).count());
  streaming_ = false;
  next_source_.reset();
  gone_.reset();
  if (!keep_) return linger();
  phase_ = Phase::head;
  begun_ = {};
  reader_.reset();
  if (chunks_.body().capacity() > kPipelineBytesMax) chunks_ = ChunkReader();
  expect(server_.settings.times.keep_alive);
  process();
  if (!processing_) read();
}

// The last answer is written: close our half, and read on until the other side has closed its own, so that no reset
// destroys the answer on its way (RFC 9112, 9.6).
void Connection::linger() {
  if (eof_ || server_.stopping) return die();
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return die();
  phase_ = Phase::closing;
  in_begin_ = in_end_ = 0;
  expect(server_.settings.times.linger);
  if (!reading_) read();
}

void Connection::expire() {
  deadline_ = Steady::time_point::max();
  switch (phase_) {
    case Phase::head:
      if (begun_ == Steady::time_point{}) return die();
      return refuse_and_close({schema::ErrorCode::request_timeout, "the head of the request did not arrive in time"});
    case Phase::body:
      return refuse_and_close({schema::ErrorCode::request_timeout, "the body of the request did not arrive in time"});
    case Phase::working:
      return;
    case Phase::writing:
    case Phase::closing:
    case Phase::dead:
      return die();
  }
}

void Connection::die() {
  if (phase_ == Phase::dead) return;
  const auto self = shared_from_this();
  phase_ = Phase::dead;
  if (gone_) gone_->store(true, std::memory_order_relaxed);
  error_code ignored;
  socket_.close(ignored);
  server_.release(std::move(hand_outs_));
  server_.connections.erase(id_);
  server_.metrics.http_connections.Set(static_cast<double>(server_.connections.size()));
  if (server_.stopping && server_.connections.empty()) server_.finish();
}

}  // namespace

HttpServer::Impl::Impl(HttpSettings s, Port& p, Metrics& m, Logger& l)
    : settings(std::move(s)), rules{settings.host, settings.any_host}, port(p), metrics(m), logger(l) {
  if (!settings.now) {
    settings.now = [] {
      using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::system_clock;
      return schema::Time{duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()};
    };
  }
  const HttpTimes& times = settings.times;
  const std::int64_t shortest =
      std::min({times.head.ms, times.body_idle.ms, times.keep_alive.ms, times.write_idle.ms, times.linger.ms});
  sweep_every = std::chrono::milliseconds(std::clamp<std::int64_t>(shortest / 4, 5, 1000));
  outbox = std::make_shared<Outbox>([this] { asio::post(io, [this] { outbox->take(); }); });
  date = http_date(settings.now());
}

schema::Status HttpServer::Impl::listen() {
  error_code error;
  const auto address = asio::ip::make_address(settings.host, error);
  const tcp::endpoint endpoint(address, settings.port);
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error) {
    return schema::refuse(
        schema::ErrorCode::connection_failed,
        "cannot listen on " + settings.host + " port " + std::to_string(settings.port) + ": " + error.message());
  }
  listen_port = acceptor.local_endpoint(error).port();
  return {};
}

void HttpServer::Impl::accept() {
  acceptor.async_accept([this](const error_code& error, tcp::socket socket) {
    if (draining || error == asio::error::operation_aborted) return;
    if (error) {
      // Out of descriptors, most likely: the next sweep tries again, when some may have been closed.
      accept_due = true;
      return;
    }
    metrics.http_connections_total.Increment();
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(tcp::no_delay(true), ignored);
    if (connections.size() >= settings.connections_max) {
      const std::string body = problem_json({schema::ErrorCode::overloaded, "there are too many connections"});
      const std::string text =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + body;
      metrics.refused(schema::ErrorCode::overloaded);
      socket.write_some(asio::buffer(text), ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
    } else {
      const std::uint64_t id = ++last_connection;
      const auto connection = std::make_shared<Connection>(*this, id, std::move(socket));
      connections.emplace(id, connection);
      metrics.http_connections.Set(static_cast<double>(connections.size()));
      connection->start();
    }
    accept();
  });
}

void HttpServer::Impl::sweep() {
  date = http_date(settings.now());
  const auto now = Steady::now();
  std::vector<std::shared_ptr<Connection>> expired;
  for (const auto& [id, connection] : connections)
    if (connection->deadline() <= now) expired.push_back(connection);
  for (const auto& connection : expired) connection->expire();
  if (accept_due && !draining) {
    accept_due = false;
    accept();
  }
  sweep_timer.expires_after(sweep_every);
  sweep_timer.async_wait([this](const error_code& error) {
    if (!error) sweep();
  });
}

void HttpServer::Impl::run() {
  reading = std::make_unique<ReadingThread>(port);
  accept();
  sweep();
  thread = std::thread([this] { io.run(); });
}

void HttpServer::Impl::stop() {
  if (!thread.joinable()) return;
  reading->stop();
  asio::post(io, [this] {
    stopping = true;
    drain();
    if (connections.empty()) return finish();
    stop_timer.expires_after(length(settings.times.stop));
    stop_timer.async_wait([this](const error_code& error) {
      if (!error) finish();
    });
  });
  // io.run() returns by itself when the last handler of the last connection has ended.
  thread.join();
  outbox->close();
}

void HttpServer::Impl::drain() {
  draining = true;
  error_code ignored;
  acceptor.close(ignored);
  std::vector<std::shared_ptr<Connection>> open;
  for (const auto& [id, connection] : connections) open.push_back(connection);
  for (const auto& connection : open) connection->drain();
}

void HttpServer::Impl::finish() {
  sweep_timer.cancel();
  stop_timer.cancel();
  while (!connections.empty()) connections.begin()->second->die();
}

void HttpServer::Impl::release(std::vector<std::string> hand_outs) {
  if (hand_outs.empty()) return;
  ResultsRequest request;
  for (std::string& token : hand_outs) request.results.push_back({std::move(token), ReleasedResult{}});
  request.reply = [](auto) {};  // what could not be released ends with its lease
  port.submit(std::move(request), 0);
}

// Shared, because answering may end the connection while it still unwinds.
std::shared_ptr<Connection> HttpServer::Impl::find(Ticket ticket) {
  const auto found = connections.find(ticket.connection);
  return found != connections.end() && found->second->working(ticket.request) ? found->second : nullptr;
}

void HttpServer::Impl::next_page(Ticket ticket, std::shared_ptr<PageSource> source) {
  if (find(ticket) == nullptr) return;
  reading->run_soon([this, ticket, source = std::move(source), out = outbox](LogReading& log) {
    out->push([this, ticket, source, page = (*source)(log)]() mutable { on_page(ticket, source, std::move(page)); });
  });
}

void HttpServer::Impl::on_page(Ticket ticket, const std::shared_ptr<PageSource>& source, schema::Result<Page> page) {
  const auto connection = find(ticket);
  if (connection == nullptr) return;
  if (!page) return connection->streaming() ? connection->die() : connection->refuse(page.error());
  if (page->hold && !connection->streaming()) {
    connection->untimed();
    if (connection->one_way()) page->wait = schema::Duration{0};
    WaitRequest wait{page->seen, page->wait, [out = outbox, this, ticket, source](auto) {
                       out->push([this, ticket, source] { next_page(ticket, source); });
                     }};
    return port.submit(std::move(wait), 0);
  }
  if (page->wait.ms == 0) page->wait = kFollowWait;
  connection->page(source, std::move(*page));
}

schema::Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpSettings settings, Port& port, Metrics& metrics,
                                                              Logger& logger) {
  auto impl = std::make_unique<Impl>(std::move(settings), port, metrics, logger);
  if (auto listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(impl)));
  server->impl_->run();
  return server;
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->face = this;
}
HttpServer::~HttpServer() {
  stop();
}

std::uint16_t HttpServer::listen_port() const {
  return impl_->listen_port;
}

void HttpServer::drain() {
  asio::post(impl_->io, [impl = impl_.get()] { impl->drain(); });
}

void HttpServer::stop() {
  impl_->stop();
}

void HttpServer::answer(Ticket ticket, Answer answer) {
  if (const auto connection = impl_->find(ticket)) {
    connection->answer(std::move(answer));
  } else {
    impl_->release(std::move(answer.hand_outs));
  }
}

void HttpServer::refuse(Ticket ticket, const schema::Error& error) {
  if (const auto connection = impl_->find(ticket)) connection->refuse(error);
}

void HttpServer::stream(Ticket ticket, std::string_view type, PageSource source) {
  const auto connection = impl_->find(ticket);
  if (connection == nullptr) return;
  connection->set_stream_type(type);
  impl_->next_page(ticket, std::make_shared<PageSource>(std::move(source)));
}

std::shared_ptr<const std::atomic<bool>> HttpServer::watch(Ticket ticket) {
  const auto connection = impl_->find(ticket);
  DTA_ASSERT(connection != nullptr);  // only handlers watch, and theirs is being handled
  return connection->watch();
}

void HttpServer::wait_expected(Ticket ticket) {
  if (const auto connection = impl_->find(ticket)) connection->untimed();
}

void HttpServer::read(std::function<void(LogReading&)> job) {
  impl_->reading->run_soon(std::move(job));
}
Port& HttpServer::port() const {
  return impl_->port;
}
Metrics& HttpServer::metrics() const {
  return impl_->metrics;
}
schema::Time HttpServer::now() const {
  return impl_->settings.now();
}
const std::shared_ptr<Outbox>& HttpServer::outbox() const {
  return impl_->outbox;
}

}  // namespace dta::server

// One connection, and the state of the server it belongs to: private to http_connection.cpp and http_server.cpp, the
// two units that see Asio. io thread only, but for what http_server.h lets other threads do.
//
// A connection moves head -> body -> working -> writing -> head, or ends in closing. While a request is worked on the
// socket is still read (up to a limit), because that is how the end of a caller is noticed. The socket is non-blocking:
// an answer is written at once, and only what the kernel does not take goes through the reactor.
// Deadlines are points in time that one sweep compares, not a timer a connection.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <thread>
#include <unordered_map>

#include "server/http_answer.h"
#include "server/http_message.h"
#include "server/http_routes.h"
#include "server/http_server.h"
#include "server/reading_thread.h"

namespace dta::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Steady = std::chrono::steady_clock;

inline std::chrono::milliseconds length(schema::Duration d) {
  return std::chrono::milliseconds(d.ms);
}

class Connection;

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
  void end_follower(Ticket ticket);

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
  std::size_t body_bytes = 0;  // of bodies that are not whole yet, over all connections
  std::uint16_t listen_port = 0;
  bool draining = false, stopping = false, finished = false, accept_due = false;
  std::string date;
  std::unique_ptr<ReadingThread> reading;
  std::thread thread;
};

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
  void hold(std::size_t bytes);
  void let_go();
  void dispatch(std::string_view body);
  void refuse_and_close(const schema::Error& error);
  void begin_answer(AnswerHead head);
  void flush();
  void written();
  void linger();
  std::string_view unread() const { return std::string_view(in_).substr(in_begin_, in_end_ - in_begin_); }
  void expect(schema::Duration within) { deadline_ = Steady::now() + length(within); }

  HttpServer::Impl& server_;
  const std::uint64_t id_;
  std::uint64_t request_ = 0;
  tcp::socket socket_;
  Phase phase_ = Phase::head;
  bool eof_ = false, reading_ = false, processing_ = false;
  bool keep_ = true, head_only_ = false, timed_ = false, streaming_ = false, close_delimited_ = false,
       last_page_ = false;
  Steady::time_point deadline_{}, begun_{}, dispatched_{};

  std::string in_;
  std::size_t in_begin_ = 0, in_end_ = 0;
  std::size_t held_ = 0;  // of a body that is not whole yet; part of Impl::body_bytes
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

}  // namespace dta::server

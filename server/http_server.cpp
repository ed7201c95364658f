// Listening, deadlines, pages from the log, and the ways of other threads to the io thread (http_server.h).
#include "server/http_server.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <future>

#include "schema/assert.h"
#include "server/http_connection.h"
#include "server/problem.h"

namespace dta::server {
namespace {

constexpr schema::Duration kFollowWait{20'000};  // one wait of a follower at the partition

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
  if (finished) return;  // the timer had fired already when it was cancelled
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
  // What the partition said before now reaches the io thread before this, and what that has to read is read.
  const auto heard = std::make_shared<std::promise<void>>();
  asio::post(io, [heard] { heard->set_value(); });
  heard->get_future().wait();
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
  finished = true;
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

// The partition takes no waiting now (overloaded, reopening, stopping). The follower is cut off and comes again; asking
// once more from here would ask without a pause, and most of all when there is too much to do already.
void HttpServer::Impl::end_follower(Ticket ticket) {
  if (const auto connection = find(ticket)) connection->die();
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

// The HTTP floor: sockets, HTTP/1.1 and the way from a request to its answer. Holds no domain state.
//
// One io thread runs everything here; one reading thread serves what is read from the log. A request is known by its
// Ticket, a plain value: replies of the partition carry tickets and never own a connection, so that a reply for a
// caller who has gone finds nothing, and the hand-outs in it go back at once. A connection answers its requests one
// after the other; what is pipelined waits in its buffer.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/error.h"
#include "schema/limits.h"
#include "server/log_line.h"
#include "server/log_reading.h"
#include "server/metrics.h"
#include "server/outbox.h"
#include "server/port.h"

namespace dta::server {

// How long the other side may take.
struct HttpTimes {
  schema::Duration head{10'000};         // a whole request head, from its first byte: else request_timeout
  schema::Duration body_idle{30'000};    // between two pieces of a body: else request_timeout
  schema::Duration keep_alive{120'000};  // between two requests: else closed without a word
  schema::Duration write_idle{30'000};   // for a piece of an answer to be taken: else closed
  schema::Duration linger{2'000};        // to read an answer that closes the connection
  schema::Duration stop{1'000};          // stop(): for answers under way to be written
};

struct HttpSettings {
  std::string host = "127.0.0.1";  // an address, not a name
  std::uint16_t port = 0;          // 0: any free one
  bool any_host = false;           // take every Host header (--insecure)
  HttpTimes times;
  std::size_t connections_max = schema::limits::kConnectionsMax;
  std::size_t bodies_bytes_max = schema::limits::kBodiesBytesMax;
  std::function<schema::Time()> now;  // wall time for lease_ms; none: the system's clock
};

struct Ticket {
  std::uint64_t connection = 0, request = 0;
};

struct Answer {
  int status = 200;
  std::string_view type = "application/json";  // static text
  std::string body;
  std::string_view allow = {};              // static text of an Allow header
  int retry_after = 0;                      // seconds of a Retry-After header
  std::vector<std::string> hand_outs = {};  // lease tokens in it: released when it cannot be written
};

// One piece of an answer that is read from the log piece by piece.
struct Page {
  enum class Next : std::uint8_t { more, wait, end };
  std::string text;
  Next next = Next::end;
  bool hold = false;      // with wait and no text yet: nothing of the answer is sent before the wait is over
  schema::Position seen;  // wait: until something is durable beyond this
  schema::Duration wait;  // at most
};
// Called on the reading thread, again and again until `end`.
using PageSource = std::function<schema::Result<Page>(LogReading&)>;

class HttpServer {
 public:
  // Listens and serves when it returns. Error connection_failed names address and reason.
  static schema::Result<std::unique_ptr<HttpServer>> start(HttpSettings settings, Port& port, Metrics& metrics,
                                                           Logger& logger);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t listen_port() const;
  // Any thread. Takes no new connection, closes idle ones, and closes every other after the answer under way.
  void drain();
  // Any thread but the io thread, once. Ends both threads; answers under way get a moment, then all is closed.
  void stop();

  // For the routes, on the io thread only. Each request is answered once: answer, refuse or stream.
  void answer(Ticket ticket, Answer answer);
  void refuse(Ticket ticket, const schema::Error& error);
  void stream(Ticket ticket, std::string_view type, PageSource source);
  // The flag is set when the caller's connection ends; the request is left out of the latency histogram.
  std::shared_ptr<const std::atomic<bool>> watch(Ticket ticket);
  void wait_expected(Ticket ticket);  // the latency histogram leaves this request out
  void read(std::function<void(LogReading&)> job);
  Port& port() const;
  Metrics& metrics() const;
  schema::Time now() const;
  const std::shared_ptr<Outbox>& outbox() const;

  class Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A reply callback for the partition: carries the reply to the io thread and answers with what `format` makes of it.
template <class Reply, class Format>
ReplyTo<Reply> answer_with(HttpServer& server, Ticket ticket, Format format) {
  return [outbox = server.outbox(), &server, ticket, format = std::move(format)](schema::Result<Reply> reply) mutable {
    outbox->push([&server, ticket, format = std::move(format), reply = std::move(reply)]() mutable {
      if (reply) {
        server.answer(ticket, format(std::move(*reply)));
      } else {
        server.refuse(ticket, reply.error());
      }
    });
  };
}

}  // namespace dta::server

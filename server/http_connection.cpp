// A connection's way from bytes to requests and from answers to bytes (http_connection.h). io thread.
#include "server/http_connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <cstdio>
#include <cstring>

#include "schema/limits.h"
#include "server/problem.h"

namespace dta::server {
namespace {

namespace limits = schema::limits;

constexpr std::size_t kBufferBytes = 4096;         // of an idle connection
constexpr std::size_t kPipelineBytesMax = 65'536;  // read ahead while a request is worked on
constexpr std::size_t kGatherBytes = 16'384;       // larger bodies are written from where they are

}  // namespace

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
    refuse_and_close(
        {schema::ErrorCode::too_large, "the body is larger than " + std::to_string(limits::kBodyBytesMax) + " bytes"});
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
    if (fed == Feed::more) {
      hold(chunks_.body().size());
      return false;
    }
    if (fed == Feed::fault) {
      refuse_and_close(chunks_.fault());
      return false;
    }
    dispatch(chunks_.body());
    return true;
  }
  const auto size = static_cast<std::size_t>(head.content_length);
  if (unread().size() < size) {
    hold(unread().size());
    return false;
  }
  const std::string_view body = unread().substr(0, size);
  in_begin_ += size;  // the bytes stay where they are until the next read, which begins after the handler has returned
  dispatch(body);
  return true;
}

// So many bytes of a body that is not whole yet are kept. What all connections keep has a limit: whoever would pass it
// is refused, so that slow senders cannot take the memory of everybody.
void Connection::hold(std::size_t bytes) {
  server_.body_bytes = server_.body_bytes - held_ + bytes;
  held_ = bytes;
  if (server_.body_bytes > server_.settings.bodies_bytes_max)
    refuse_and_close({schema::ErrorCode::overloaded, "too many bytes of request bodies are being received"});
}

void Connection::let_go() {
  server_.body_bytes -= held_;
  held_ = 0;
}

void Connection::dispatch(std::string_view body) {
  let_go();
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
  let_go();
  keep_ = false;
  timed_ = false;
  phase_ = Phase::working;
  ++request_;
  refuse(error);
}

void Connection::begin_answer(AnswerHead head) {
  if (server_.draining) keep_ = false;
  out_.clear();
  out_body_.clear();
  written_ = 0;
  head.keep = keep_;
  head.minor_version = reader_.head().minor_version;
  append_answer_head(out_, head, server_.date);
}

void Connection::answer(Answer answer) {
  hand_outs_ = std::move(answer.hand_outs);
  // Whoever waited for these tasks has closed its connection meanwhile: they go back, and the answer has no reader.
  if (!hand_outs_.empty() && gone_ && gone_->load(std::memory_order_relaxed)) return die();
  begin_answer({answer.status, answer.type, answer.body.size(), answer.allow, answer.retry_after});
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
    begin_answer({200, stream_type_, close_delimited_ ? AnswerHead::kUntilClosed : AnswerHead::kChunked});
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
      socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const error_code& failed) {
        if (self->phase_ == Phase::dead) return;
        failed ? self->die() : self->flush();
      });
      return;
    }
    if (error) return die();
  }
  written();
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
    WaitRequest wait{seen_, wait_,
                     [outbox = server_.outbox, server = &server_, ticket, source = next_source_](auto told) {
                       outbox->push([server, ticket, source, refused = !told] {
                         refused ? server->end_follower(ticket) : server->next_page(ticket, source);
                       });
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
  let_go();
  if (gone_) gone_->store(true, std::memory_order_relaxed);
  error_code ignored;
  socket_.close(ignored);
  server_.release(std::move(hand_outs_));
  server_.connections.erase(id_);
  server_.metrics.http_connections.Set(static_cast<double>(server_.connections.size()));
  if (server_.stopping && server_.connections.empty()) server_.finish();
}

}  // namespace dta::server

// See transport.h.
#include "client/transport.h"

#include <random>
#include <thread>

#include "client/backoff.h"
#include "client/problem.h"

namespace dta::client {
namespace {

constexpr std::size_t kIdleConnectionsMax = 16;
constexpr std::chrono::milliseconds kRetryFirst{100}, kRetryCap{2'000};

}  // namespace

Reply Transport::call(const Request& request) {
  const auto until = std::chrono::steady_clock::now() + options_.retry_for;
  Backoff backoff(kRetryFirst, kRetryCap);
  for (;;) {
    std::optional<Error> failure;
    try {
      Reply reply = try_once(request);
      if (reply.status >= 200 && reply.status < 300) return reply;
      failure.emplace(problem_of(reply));
    } catch (const Error& error) {
      failure.emplace(error);
    }
    if (!failure->may_retry()) throw *failure;
    const auto pause = backoff.next(failure->problem().retry_after);
    if (std::chrono::steady_clock::now() + pause >= until) throw *failure;
    std::this_thread::sleep_for(pause);
  }
}

Reply Transport::try_once(const Request& request) {
  auto connection = lend();
  Reply reply =
      connection->exchange(request.method, request.target, request.body, options_.answer_timeout + request.wait);
  give_back(std::move(connection));
  return reply;
}

std::unique_ptr<HttpConnection> Transport::lend() {
  const std::scoped_lock lock(mutex_);
  if (idle_.empty()) return std::make_unique<HttpConnection>(address_, options_.connect_timeout);
  auto connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void Transport::give_back(std::unique_ptr<HttpConnection> connection) {
  const std::scoped_lock lock(mutex_);
  if (idle_.size() < kIdleConnectionsMax) idle_.push_back(std::move(connection));
}

std::string percent_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  static constexpr std::string_view kUnreserved = "-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kUnreserved.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

std::string random_id() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device source;
  std::string id;
  for (int word = 0; word < 4; ++word)
    for (std::uint32_t bits = source(), i = 0; i < 8; ++i, bits >>= 4) id.push_back(kHex[bits & 15]);
  return id;
}

}  // namespace dta::client

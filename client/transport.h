// Requests with their answers for dta::Client: a pool of connections, and sending again what may be sent again.
// Any thread; connections are lent to one call at a time.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "client/http_connection.h"
#include "dta/client.h"

namespace dta::client {

struct Request {
  std::string_view method;
  std::string target;
  std::string body = {};
  std::chrono::milliseconds wait{0};  // how long the server was asked to hold the answer
};

class Transport {
 public:
  Transport(Address address, const ClientOptions& options) : address_(std::move(address)), options_(options) {}

  // An answer with a 2xx status, or Error.
  Reply call(const Request& request);
  // One try, any status.
  Reply try_once(const Request& request);

 private:
  std::unique_ptr<HttpConnection> lend();
  void give_back(std::unique_ptr<HttpConnection> connection);

  const Address address_;
  const ClientOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpConnection>> idle_;
};

// Text as one segment of a path or one value of a query.
std::string percent_encode(std::string_view text);

// 128 random bits in hex, for ids that only have to differ.
std::string random_id();

}  // namespace dta::client

// What a worker says to the server and hears from it, as text: requests under /v1/lease and /v1/tasks. Pure; any
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dta/error.h"
#include "dta/json.h"
#include "dta/worker.h"

namespace dta::client {

inline constexpr std::size_t kItemsPerRequest = 1000;      // the server takes no more
inline constexpr std::size_t kBytesPerRequest = 8u << 20;  // half of what the server takes in one body
inline constexpr std::size_t kPayloadBytesMax = 4u << 20;  // of an output or details
inline constexpr std::size_t kErrorCodeBytesMax = 64;

// One result of one lease, as it goes into a batch.
struct Result {
  std::string token;
  std::string json;
  bool failure = false;
};

struct Release {
  std::string token;
  std::chrono::milliseconds delay{0};
};

struct Poll {
  std::string id;
  std::size_t max = 1;
  std::chrono::milliseconds wait{0};
};

// Who polls and for what; the same in every poll of a worker.
struct Poller {
  std::string worker;
  std::vector<std::string> queues;
};

std::string write_poll(const Poller& poller, const Poll& poll);
std::string write_results(const std::vector<Result>& results, const std::string& then_lease);
std::string write_releases(const std::vector<Release>& releases);

// Payloads that are no JSON or too large become a failure with unknown effect: the action was carried out.
Result done_result(const std::string& token, const std::string& output);
Result undone_result(const std::string& token, Undone undone);
Result failed_result(const std::string& token, const TaskFailed& failure);

// One item of the answer to a batch.
struct ItemAnswer {
  bool ok = false;
  Problem problem;  // when not ok
  std::optional<std::chrono::milliseconds> lease;
  bool stop = false;
};
// As many as were sent; throws connection_failed when the answer is not of that shape.
std::vector<ItemAnswer> read_item_answers(const Json& answer, std::size_t count);

// Fills the public members of a task; gives its lease and heartbeat lengths.
struct LeaseLengths {
  std::chrono::milliseconds lease{0};
  std::optional<std::chrono::milliseconds> heartbeat;
};
LeaseLengths read_task(const Json& item, Task& task);

}  // namespace dta::client

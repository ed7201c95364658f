// The worker of the saga workload: its tasks do nothing, so that only the engine is measured. Lives on an HttpLoop's
// thread. Two ways to work:
//   batch     each connection takes tasks and returns their results in one request, with the next poll in it;
//   one task  the same with one task at a time: each request returns one result and takes one task.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/http_loop.h"

namespace dta::bench {

enum class WorkMode : std::uint8_t { batch, one_task };

// The definition that all saga measurements use: three steps of four tasks, all of queue "bench", each with an undo.
// The task t4 of step s3 refuses for good when the input says "fail":true.
extern const char kDefinition[];

// Publishes it; ends the process when that is refused.
void publish_definition(std::uint16_t port);

class Worker {
 public:
  // Opens `connections` connections of the loop and sends a first poll on each.
  Worker(HttpLoop& loop, WorkMode mode, int connections);
  // Sends no further poll; idle() as soon as every connection has had its answer and returned its results. A worker
  // that just goes away would leave polls behind that may still be given tasks.
  void stop() { stopping_ = true; }
  bool idle() const { return busy_ == 0; }
  std::uint64_t tasks_done() const { return tasks_done_; }

 private:
  void poll(std::size_t connection);
  void take(std::size_t connection, const Answer& answer);
  void return_results(std::size_t connection, std::string_view tasks);
  std::string poll_body() const;

  HttpLoop& loop_;
  WorkMode mode_;
  bool stopping_ = false;
  int busy_ = 0;  // connections with a request under way
  std::uint64_t tasks_done_ = 0;
};

}  // namespace dta::bench

// `recover`: many transactions in flight, kill -9, and the time from the start of a new process to the first task in a
// worker's hands. Twice: once right after the kill (the whole log is the tail), once after that restart was killed too.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "bench/http_loop.h"
#include "bench/server_process.h"
#include "bench/worker.h"
#include "bench/workloads.h"

namespace dta::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Starts transactions 1 to `count` on many connections at once; nobody works for them.
void start_many(std::uint16_t port, std::uint64_t count) {
  constexpr int kConnections = 64;
  HttpLoop loop(port);
  std::uint64_t sent = 0, answered = 0;
  std::function<void(std::size_t)> next = [&](std::size_t connection) {
    if (sent == count) return;
    const std::string body = "{\"tx\":\"r" + std::to_string(++sent) + "\",\"fail\":false,\"amount\":1999}";
    loop.send(connection, "POST", "/v1/start/bench?id_from=/tx", body, [&, connection](const Answer& answer) {
      if (answer.status != 201) {
        std::fprintf(stderr, "dta_bench: a start was answered %d: %.*s\n", answer.status,
                     static_cast<int>(answer.body.size()), answer.body.data());
        std::exit(1);
      }
      ++answered;
      next(connection);
    });
  };
  for (int i = 0; i < kConnections; ++i) next(loop.connect());
  while (answered < count) loop.run_once(-1);
}

double restart_and_lease(const Options& options, std::unique_ptr<ServerProcess>& server) {
  const auto began = Clock::now();
  server = std::make_unique<ServerProcess>(options.dta, options.folder + "/data");
  int status = 0;
  std::string answer;
  do {
    answer = call_once(server->port(), "POST", "/v1/lease", R"({"queues":["bench"],"wait_ms":60000,"worker":"bench"})",
                       &status);
  } while (status == 503);  // it listens before it is ready
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  if (status != 200 || answer.find("\"token\"") == std::string::npos) {
    std::fprintf(stderr, "dta_bench: no task after the restart (%d): %s\n", status, answer.c_str());
    std::exit(1);
  }
  return seconds;
}

}  // namespace

int run_recover(const Options& options) {
  const std::uint64_t count = options.transactions != 0 ? options.transactions : options.quick ? 500 : 100'000;
  auto server = std::make_unique<ServerProcess>(options.dta, options.folder + "/data");
  publish_definition(server->port());
  const auto began = Clock::now();
  start_many(server->port(), count);
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const double resident = static_cast<double>(server->resident_bytes());
  for (int repetition = 1; repetition <= 2; ++repetition) {
    server.reset();  // kill -9
    const double recovered = restart_and_lease(options, server);
    std::printf(
        "{\"workload\":\"recover\",\"in_flight\":%llu,\"repetition\":%d,\"first_hand_out_s\":%.3f,\"starts_s\":%.0f,"
        "\"server_pss_mib\":%.0f}\n",
        static_cast<unsigned long long>(count), repetition, recovered, static_cast<double>(count) / seconds,
        resident / (1 << 20));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace dta::bench

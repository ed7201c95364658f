// `saga`: whole transactions through a real server, submit to durable end, in a closed loop over HTTP and JSON. Driver
// and worker share one thread of this process; the server is a process of its own. One unit of work:
//   ok    12 tasks done;
//   comp  the twelfth refuses for good, the eleven others are undone.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/http_loop.h"
#include "bench/server_process.h"
#include "bench/worker.h"
#include "bench/workloads.h"

namespace dta::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Case {
  bool fail;
  int open;
  WorkMode mode;
};

// Keeps `open` sagas under way until told to stop; measures those that end while it measures.
class Driver {
 public:
  Driver(HttpLoop& loop, const Case& which, std::string tag) : loop_(loop), case_(which), tag_(std::move(tag)) {
    for (int i = 0; i < which.open; ++i) {
      ++open_;
      submit(loop_.connect());
    }
  }

  void measure(bool on) { measuring_ = on; }
  void stop() { stopping_ = true; }
  int open() const { return open_; }
  std::vector<double>& latencies_ms() { return latencies_ms_; }

 private:
  void submit(std::size_t connection) {
    const std::string body = "{\"tx\":\"" + tag_ + "-" + std::to_string(++count_) +
                             "\",\"fail\":" + (case_.fail ? "true" : "false") + ",\"amount\":1999}";
    const auto began = Clock::now();
    loop_.send(connection, "POST", "/v1/start/bench?id_from=/tx&wait_ms=60000", body,
               [this, connection, began](const Answer& answer) {
                 const char* wanted = case_.fail ? "\"phase\":\"compensated\"" : "\"phase\":\"completed\"";
                 if (answer.status / 100 != 2 || answer.body.find(wanted) == std::string_view::npos) {
                   std::fprintf(stderr, "dta_bench: a saga was answered %d: %.*s\n", answer.status,
                                static_cast<int>(answer.body.size()), answer.body.data());
                   std::exit(1);
                 }
                 if (measuring_)
                   latencies_ms_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
                 if (stopping_) {
                   --open_;
                 } else {
                   submit(connection);
                 }
               });
  }

  HttpLoop& loop_;
  Case case_;
  std::string tag_;
  std::uint64_t count_ = 0;
  int open_ = 0;
  bool measuring_ = false, stopping_ = false;
  std::vector<double> latencies_ms_;
};

void run_for(HttpLoop& loop, double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (Clock::now() < end) loop.run_once(10);
}

double percentile(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

void measure(const Options& options, const ServerProcess& server, const Case& which, int repetition) {
  HttpLoop loop(server.port());
  const int connections = options.connections > 0            ? options.connections
                          : which.mode == WorkMode::one_task ? std::clamp(which.open, 4, 32)
                                                             : (which.open == 1 ? 1 : 4);
  Worker worker(loop, which.mode, connections);
  const std::string tag = std::string(which.fail ? "c" : "o") + (which.mode == WorkMode::batch ? "b" : "t") +
                          std::to_string(which.open) + "r" + std::to_string(repetition);
  Driver driver(loop, which, tag);
  run_for(loop, options.seconds * 0.2);  // connections, caches and branch predictors settle

  const double syncs = server.counter("dta_syncs_total"), events = server.counter("dta_events_total");
  const double cpu = server.cpu_seconds();
  driver.measure(true);
  const auto began = Clock::now();
  run_for(loop, options.seconds);
  driver.measure(false);
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const double cpu_used = server.cpu_seconds() - cpu;
  const double syncs_used = server.counter("dta_syncs_total") - syncs,
               events_made = server.counter("dta_events_total") - events;
  driver.stop();
  while (driver.open() > 0) loop.run_once(-1);
  worker.stop();
  while (!worker.idle()) loop.run_once(-1);

  std::vector<double>& latencies = driver.latencies_ms();
  std::sort(latencies.begin(), latencies.end());
  const double n = std::max<double>(1, static_cast<double>(latencies.size()));
  std::printf(
      "{\"workload\":\"saga\",\"variant\":\"%s\",\"worker\":\"%s\",\"open\":%d,\"repetition\":%d,\"tx_s\":%.1f,\"p50_"
      "ms\":%.2f,"
      "\"p99_ms\":%.2f,\"server_cpu_ms_tx\":%.3f,\"syncs_tx\":%.2f,\"events_tx\":%.1f,\"server_pss_mib\":%.0f,\"n\":%"
      "zu}\n",
      which.fail ? "comp" : "ok", which.mode == WorkMode::batch ? "batch" : "one_task", which.open, repetition,
      n / seconds, percentile(latencies, 0.5), percentile(latencies, 0.99), cpu_used * 1000 / n, syncs_used / n,
      events_made / n, static_cast<double>(server.resident_bytes()) / (1 << 20), latencies.size());
  std::fflush(stdout);
}

}  // namespace

int run_saga(const Options& options) {
  ServerProcess server(options.dta, options.folder + "/data");
  publish_definition(server.port());
  std::vector<Case> cases;
  for (const bool fail : {false, true})
    for (const int open : {1, 16, 128}) cases.push_back({fail, open, WorkMode::batch});
  for (const int open : {1, 16, 128}) cases.push_back({false, open, WorkMode::one_task});
  for (const Case& which : cases)
    for (int repetition = 1; repetition <= options.repetitions; ++repetition)
      measure(options, server, which, repetition);
  return 0;
}

}  // namespace dta::bench

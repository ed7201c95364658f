// The workloads of dta_bench. Each prints JSON lines to standard output, one a measurement, and returns an exit code.
// Figures of two runs are not compared: whatever is compared runs in one process, in turns.
#pragma once

#include <cstdint>
#include <string>

namespace dta::bench {

struct Options {
  bool quick = false;  // small enough to run with the tests; figures of a quick run prove nothing
  double seconds = 5;  // of one measurement
  int repetitions = 2;
  std::string dta;                 // the server's binary
  std::string folder;              // where databases are made; removed afterwards
  std::uint64_t transactions = 0;  // replay, recover: how many; fanout: elements; 0: the workload's own number
  std::uint16_t port = 0;          // worker: of a server that runs already
  int connections = 0;             // worker: 0 stands for the mode's own number
  bool one_task = false;           // worker: one task a request instead of many
};

int run_append(const Options& options);
int run_saga(const Options& options);
int run_replay(const Options& options);
int run_recover(const Options& options);
int run_fanout(const Options& options);
int run_worker(const Options& options);

}  // namespace dta::bench

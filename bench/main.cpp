// dta_bench WORKLOAD [options]: figures as JSON lines. scripts/bench builds it and passes the server's binary.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "bench/workloads.h"

namespace {

struct Workload {
  std::string_view name;
  int (*run)(const dta::bench::Options&);
  bool needs_server;
  std::string_view meaning;
};

constexpr Workload kWorkloads[] = {
    {"append", dta::bench::run_append, false,
     "records a second through the log, beside bare LevelDB with the same bytes"},
    {"saga", dta::bench::run_saga, true, "whole sagas of 3 steps x 4 tasks, ok and comp, 1 / 16 / 128 open"},
    {"replay", dta::bench::run_replay, false, "events a second: scan, checksum, chain, decode, fold; one thread"},
    {"recover", dta::bench::run_recover, true, "seconds from a start after kill -9 to the first hand-out"},
    {"fanout", dta::bench::run_fanout, true, "one transaction over 10,000 elements, stage by stage; a table on stderr"},
    {"worker", dta::bench::run_worker, false, "only the worker of `saga`, for a server that runs already"},
};

int usage() {
  std::fprintf(stderr,
               "usage: dta_bench WORKLOAD [--quick] [--seconds S] [--repetitions N] [--transactions N] [--dta BINARY]\n"
               "                 [--folder DIR] [--port P] [--connections N] [--one-task]\n\nworkloads:\n");
  for (const Workload& workload : kWorkloads)
    std::fprintf(stderr, "  %-8s %s\n", workload.name.data(), workload.meaning.data());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return usage();
  const Workload* chosen = nullptr;
  for (const Workload& workload : kWorkloads)
    if (workload.name == argv[1]) chosen = &workload;
  if (chosen == nullptr) return usage();

  dta::bench::Options options;
  for (int i = 2; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {
      options.quick = true;
      options.seconds = 0.3;
      options.repetitions = 1;
      continue;
    }
    if (name == "--one-task") {
      options.one_task = true;
      continue;
    }
    if (i + 1 == argc) return usage();
    const char* value = argv[++i];
    if (name == "--seconds")
      options.seconds = std::strtod(value, nullptr);
    else if (name == "--repetitions")
      options.repetitions = std::atoi(value);
    else if (name == "--transactions")
      options.transactions = std::strtoull(value, nullptr, 10);
    else if (name == "--dta")
      options.dta = value;
    else if (name == "--folder")
      options.folder = value;
    else if (name == "--port")
      options.port = static_cast<std::uint16_t>(std::atoi(value));
    else if (name == "--connections")
      options.connections = std::atoi(value);
    else
      return usage();
  }
  if (chosen->needs_server && options.dta.empty()) {
    std::fprintf(stderr, "dta_bench: %s needs the server's binary: --dta BINARY\n", argv[1]);
    return 2;
  }
  const bool own_folder = options.folder.empty();
  if (own_folder) {
    std::string pattern = (std::filesystem::temp_directory_path() / "dta-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
      std::perror("dta_bench: no temporary folder");
      return 1;
    }
    options.folder = pattern;
  }
  const int code = chosen->run(options);
  std::error_code ignored;
  if (own_folder) std::filesystem::remove_all(options.folder, ignored);
  return code;
}

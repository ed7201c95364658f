// See server_process.h.
#include "bench/server_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "bench/http_loop.h"

namespace dta::bench {

ServerProcess::ServerProcess(const std::string& binary, const std::string& data) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::exit(1);
  pid_ = fork();
  if (pid_ < 0) std::exit(1);
  if (pid_ == 0) {
    dup2(ends[1], STDOUT_FILENO);
    const int log = open((data + ".log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log >= 0) dup2(log, STDERR_FILENO);
    execl(binary.c_str(), binary.c_str(), "server", "--data", data.c_str(), "--listen", "127.0.0.1:0", "--grace", "0s",
          static_cast<char*>(nullptr));
    std::perror("dta_bench: the server's binary cannot be run");
    _exit(127);
  }
  close(ends[1]);
  static constexpr char kMark[] = "listening on 127.0.0.1:";
  std::string said;
  char buffer[512];
  for (;;) {
    const ssize_t n = read(ends[0], buffer, sizeof buffer);
    if (n <= 0) {
      std::fprintf(stderr, "dta_bench: the server ended before it listened: %s\n", said.c_str());
      std::exit(1);
    }
    said.append(buffer, static_cast<std::size_t>(n));
    const std::size_t found = said.find(kMark);
    if (found != std::string::npos && said.find('\n', found) != std::string::npos) {
      port_ = static_cast<std::uint16_t>(std::atoi(said.c_str() + found + sizeof kMark - 1));
      break;
    }
  }
  output_ = ends[0];  // stays open: a server that writes again must not meet a closed pipe
}

void ServerProcess::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(output_);
  pid_ = -1;
}

double ServerProcess::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));  // the name before it may hold spaces
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

namespace {

// A line "NAME:  N kB" of a file of /proc, in bytes; 0 without it.
std::uint64_t bytes_of(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with(name)) return std::strtoull(line.c_str() + name.size(), nullptr, 10) * 1024;
  return 0;
}

}  // namespace

std::uint64_t ServerProcess::resident_bytes() const {
  return bytes_of("/proc/" + std::to_string(pid_) + "/smaps_rollup", "Pss:");
}

std::uint64_t ServerProcess::rss_bytes() const {
  return bytes_of("/proc/" + std::to_string(pid_) + "/status", "VmRSS:");
}

double ServerProcess::counter(const std::string& name) const {
  int status = 0;
  std::istringstream text(call_once(port_, "GET", "/metrics", "", &status));
  std::string line;
  double sum = 0;
  while (std::getline(text, line)) {
    if (!line.starts_with(name) || line.size() <= name.size()) continue;
    const char next = line[name.size()];
    if (next == ' ' || next == '{') sum += std::strtod(line.c_str() + line.rfind(' '), nullptr);
  }
  return sum;
}

}  // namespace dta::bench

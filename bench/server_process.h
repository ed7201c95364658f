// A real `dta server` as a child process on a free loopback port; killed by its own pid when it goes out of scope.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace dta::bench {

class ServerProcess {
 public:
  ServerProcess(const std::string& binary, const std::string& data);
  ~ServerProcess() { kill_now(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  void kill_now();  // kill -9, and waits for the end
  std::uint16_t port() const { return port_; }
  double cpu_seconds() const;                     // user and system time used so far
  std::uint64_t resident_bytes() const;           // private to the process, as the kernel counts it now
  std::uint64_t rss_bytes() const;                // resident set, shared pages too: VmRSS
  double counter(const std::string& name) const;  // the sum of a metric over its labels

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace dta::bench

// The composition root (run.h). The graph, in order of making: metrics and logger, the partition with its log, the HTTP
// floor in front of it. It stops in an order that answers everybody: no new connections, then the partition (waiting
// polls are answered, what was decided is written, the log is closed), then the sockets.
#include "server/run.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "schema/limits.h"
#include "server/http_server.h"
#include "server/partition_thread.h"

namespace dta::server {
namespace {

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// Raises the limit of open descriptors as far as the system lets a process do by itself, and says how many there are.
// Before anything opens a file: LevelDB reads the limit once.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  const rlim_t wanted =
      std::max<rlim_t>(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 2 * schema::limits::kConnectionsMax));
  const rlimit raised{wanted, limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return static_cast<std::size_t>(limit.rlim_cur);
}

int failed(Logger& logger, std::string_view what, const schema::Error& error) {
  logger.error(what, {{"code", schema::to_string(error.code)},
                      {"detail", error.message},
                      {"advice", schema::info(error.code).advice}});
  return schema::info(error.code).exit_code;
}

}  // namespace

std::size_t connections_within(std::size_t descriptors) {
  constexpr std::size_t kOwn = 64;  // the log being written, its lock, HEAD, the listener, standard streams, wake-ups
  const std::size_t of_log = descriptors / 5 + kOwn;  // LevelDB holds at most a fifth of the limit open for reading
  return std::min(schema::limits::kConnectionsMax, descriptors > of_log ? descriptors - of_log : 0);
}

int run_server(const Options& options) {
  // Signals are waited for, not handled: every thread made from here on has them blocked.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  Logger logger;
  HttpSettings settings;
  settings.host = options.listen_host == "localhost" ? "127.0.0.1" : options.listen_host;
  settings.port = options.listen_port;
  settings.any_host = options.insecure;
  const std::size_t descriptors = raise_descriptor_limit();
  settings.connections_max = connections_within(descriptors);
  if (settings.connections_max < schema::limits::kConnectionsMax)
    logger.warning("few descriptors: further connections are refused",
                   {{"descriptors", descriptors}, {"connections_max", settings.connections_max}});
  if (!is_loopback(settings.host) && !options.insecure) {
    return failed(
        logger, "cannot start",
        {schema::ErrorCode::invalid_argument,
         settings.host +
             " is not a loopback address: this release has no authentication, so any other needs --insecure"});
  }

  Metrics metrics;
  auto partition = PartitionThread::start(options, metrics, logger);
  if (!partition) return failed(logger, "cannot open the log", partition.error());
  settings.now = [&clock = (*partition)->clock()] { return clock.now(); };
  auto http = HttpServer::start(settings, **partition, metrics, logger);
  if (!http) {
    (*partition)->stop();
    return failed(logger, "cannot listen", http.error());
  }
  const bool v6 = settings.host.find(':') != std::string::npos;
  std::printf("listening on %s%s%s:%u\n", v6 ? "[" : "", settings.host.c_str(), v6 ? "]" : "",
              static_cast<unsigned>((*http)->listen_port()));
  std::fflush(stdout);
  logger.info("listening", {{"host", settings.host}, {"port", (*http)->listen_port()}, {"data", options.data}});

  int signal = 0;
  sigwait(&signals, &signal);
  logger.info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  (*http)->drain();
  (*partition)->stop();
  (*http)->stop();
  logger.info("stopped");
  return 0;
}

}  // namespace dta::server

// dta server: reads the flags; everything else is in server/run.cpp.
#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "cli/session.h"
#include "server/run.h"

namespace dta::cli {
namespace {

struct Arguments {
  server::Options options;
  std::string listen = "127.0.0.1:7117";
  std::string grace = "30s";
  std::string checkpoint_every = "60s";
};

// "HOST:PORT", "[IPv6]:PORT", or "HOST" alone.
void read_listen(const std::string& text, server::Options& options) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : std::string::npos;
  const std::size_t colon = bracket == std::string::npos ? text.rfind(':') : text.find(':', bracket);
  options.listen_host = bracket == std::string::npos ? text.substr(0, colon) : text.substr(1, bracket - 1);
  const bool two_colons = bracket == std::string::npos && text.find(':') != colon;
  std::uint32_t port = options.listen_port;
  bool sound = !options.listen_host.empty() && !two_colons;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, port);
    sound = sound && read.ec == std::errc() && read.ptr == end && port <= 65535;
  }
  if (!sound) throw Error("invalid_argument", "--listen '" + text + "' is not HOST:PORT; IPv6 is written [::1]:7117");
  options.listen_port = static_cast<std::uint16_t>(port);
}

int serve(const Arguments& arguments) {
  server::Options options = arguments.options;
  read_listen(arguments.listen, options);
  options.grace = schema::Duration{length_of_time(arguments.grace).count()};
  options.checkpoint_every = schema::Duration{length_of_time(arguments.checkpoint_every).count()};
  return server::run_server(options);
}

}  // namespace

void add_server(CLI::App& app, Session& session) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("server", "Run the server until SIGTERM or SIGINT");
  verb->add_option("--data", a->options.data, "Directory of the log; made when missing")->capture_default_str();
  verb->add_option("--listen", a->listen, "HOST:PORT; port 0 takes a free one and prints it")->capture_default_str();
  verb->add_flag("--insecure", a->options.insecure,
                 "Allow an address that is not loopback: there is no authentication");
  verb->add_option("--grace", a->grace, "After opening, no timer but backoff fires for so long")->capture_default_str();
  verb->add_option("--checkpoint-every", a->checkpoint_every, "How often the state is kept for a quick start")
      ->capture_default_str();
  verb->add_option("--closed-cache", a->options.closed_cache, "Ended transactions kept in memory")
      ->capture_default_str();
  verb->footer("Example:\n  dta server --data /var/lib/dta --listen 127.0.0.1:7117");
  verb->callback([&session, a] { session.action = [a] { return serve(*a); }; });
}

}  // namespace dta::cli

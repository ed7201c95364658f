// The composition root: builds the graph of log, partition, HTTP and metrics, runs until SIGTERM or SIGINT, stops cleanly.
#pragma once

#include "server/options.h"

namespace dta::server {

// Exit code of the process: 0 after a clean stop, else as docs/cli.md says. Prints one "listening on HOST:PORT" line on
// stdout when it serves, structured log lines on stderr.
int run_server(const Options& options);

}  // namespace dta::server

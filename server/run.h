// The composition root: builds the graph of log, partition, HTTP and metrics, runs until SIGTERM or SIGINT, stops
// cleanly.
#pragma once

#include <cstddef>

#include "server/options.h"

namespace dta::server {

// Exit code of the process: 0 after a clean stop, else as docs/cli.md says. Prints one "listening on HOST:PORT" line on
// stdout when it serves, structured log lines on stderr.
int run_server(const Options& options);

// How many connections a process with so many descriptors may take, so that the log never goes without one: a log that
// cannot open its next file is a log that cannot be written.
std::size_t connections_within(std::size_t descriptors);

}  // namespace dta::server

// The command line of DTA. Parses, runs the one command that was given, and turns failures into a message on stderr and
// an exit code (docs/cli.md). Exceptions end here.
#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/session.h"

namespace {

constexpr int kUsage = 2;

// A noun without its verb: what could have followed.
int show_help(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) deepest = deepest->get_subcommands().front();
  std::cerr << deepest->help();
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  dta::cli::Session session;
  CLI::App app("DTA, the Distributed Transaction Aggregator: a Task.WhenAll() over services that remembers.", "dta");
  app.set_version_flag("--version", "dta " DTA_VERSION);
  app.add_option("--server", session.server, "Address of the server")->envname("DTA_SERVER")->capture_default_str();
  app.add_flag("--json", session.json, "Machine-readable output on stdout; problems as JSON on stderr");
  app.require_subcommand(0, 1);
  app.fallthrough();  // global options may stand behind the command
  app.footer(
      "Examples:\n"
      "  dta server --data ./dta-data\n"
      "  dta def publish order.json\n"
      "  dta tx start order --id o-17 --input '{\"items\":[\"A7\"]}' --wait 10s\n"
      "  dta tx list --status attention\n"
      "'dta COMMAND --help' tells more about each.");
  dta::cli::add_server(app, session);
  dta::cli::add_definitions(app, session);
  dta::cli::add_transactions(app, session);
  dta::cli::add_queues(app, session);
  dta::cli::add_replay(app, session);
  dta::cli::add_log(app, session);
  dta::cli::add_completion(app, session);
  try {
    app.parse(argc, argv);
    return session.action ? session.action() : show_help(app);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  } catch (const dta::Error& error) {
    return dta::cli::report(session, error);
  } catch (const std::exception& error) {
    return dta::cli::report(session, dta::Error("internal", error.what()));
  }
}

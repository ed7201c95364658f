// How a command is registered: a verb under its noun, with arguments that live as long as the session's
// action. Main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "cli/session.h"
#include "dta/client.h"

namespace dta::cli {

template <class Arguments>
std::pair<CLI::App*, std::shared_ptr<Arguments>> add_verb(CLI::App& noun, Session& session, const char* name,
                                                          const char* help,
                                                          int (*run)(const Session&, const Arguments&)) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verb = noun.add_subcommand(name, help);
  verb->callback(
      [&session, arguments, run] { session.action = [&session, arguments, run] { return run(session, *arguments); }; });
  return {verb, arguments};
}

// "any", "none" or a sequence; throws invalid_argument.
Expected read_expected(const std::string& text);

// pause, resume, deprecate.
void add_definition_control(CLI::App& def, Session& session);

// cancel, terminate, pause, resume, resolve, signal, report.
void add_control(CLI::App& tx, Session& session);

}  // namespace dta::cli

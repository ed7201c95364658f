// What every command of `dta` shares: the global options, where output goes, and the small readers of arguments. One
// Session lives in main(); commands keep a reference and run on the main thread after parsing.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dta/client.h"
#include "schema/error.h"

namespace CLI {
class App;
}

namespace dta::cli {

struct Session {
  std::string server = "http://127.0.0.1:7117";
  bool json = false;
  // Set by the subcommand that was given; its result is the exit code.
  std::function<int()> action;

  // A person waits: short of a pause for breath, a server that is not there is told at once.
  Client client() const { return Client(server, {.retry_for = std::chrono::seconds(1)}); }
};

// A command fails by throwing dta::Error (of the client, or made of a schema::Error by this).
Error as_client_error(const schema::Error& error);

// Prints what happened, every fault with its pointer, and what to do, on stderr; gives the exit code.
int report(const Session& session, const Error& error);
int exit_code_of(const Problem& problem);

// "text", "@file", or "-" / "@-" for standard input. Throws invalid_argument when the file cannot be read.
std::string text_or_file(const std::string& argument);
std::string read_file(const std::string& path);
// "k=v" pairs; throws invalid_argument.
std::map<std::string, std::string> pairs(const std::vector<std::string>& arguments);
// "200ms", "10s", "1h"; throws invalid_argument.
std::chrono::milliseconds length_of_time(const std::string& text);
// RFC 3339, or a length of time ago.
Time point_in_time(const std::string& text);

void print(std::string_view text);       // on stdout, as it is
void print_line(std::string_view text);  // with a line break

// Each registers its noun.
void add_definitions(CLI::App& app, Session& session);
void add_transactions(CLI::App& app, Session& session);
void add_replay(CLI::App& app, Session& session);
void add_queues(CLI::App& app, Session& session);
void add_log(CLI::App& app, Session& session);
void add_server(CLI::App& app, Session& session);
void add_completion(CLI::App& app, Session& session);

}  // namespace dta::cli

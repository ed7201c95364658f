// dta def: publish, show, list, check, and sim (simulation.cpp), pause, resume and deprecate (queues.cpp). `check`
// needs no server: it runs the same parser.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.h"
#include "cli/simulation.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "dta/json.h"
#include "schema/definition.h"

namespace dta::cli {
namespace {

struct Arguments {
  std::string file;
  std::string name;
  std::optional<std::uint32_t> version;
  bool full = false;
};

std::string json_of(const std::vector<Fault>& faults) {
  JsonArray list;
  for (const Fault& fault : faults)
    list.raw(JsonObject().add("pointer", fault.pointer).add("message", fault.message).text());
  return list.text();
}

void print_warnings(const std::vector<Fault>& warnings) {
  for (const Fault& warning : warnings) print_line("  warning: " + warning.pointer + ": " + warning.message);
}

int publish(const Session& session, const Arguments& arguments) {
  const Published published = session.client().publish(read_file(arguments.file));
  if (session.json) {
    print_line(published.json);
    return 0;
  }
  print_line(published.name + " " + std::to_string(published.version) +
             (published.created ? " is published" : " was published before with the same content") + " (digest " +
             published.digest.substr(0, 12) + ")");
  print_warnings(published.warnings);
  return 0;
}

int show(const Session& session, const Arguments& arguments) {
  Client client = session.client();
  print_line(arguments.full ? client.definition_in_full(arguments.name, arguments.version)
                            : client.definition(arguments.name, arguments.version));
  return 0;
}

std::string state_of(const DefinitionSummary& d) {
  if (!d.paused) return d.deprecated ? "deprecated" : "open";
  return d.deprecated ? "paused, deprecated" : "paused";
}

int list(const Session& session) {
  const auto all = session.client().definitions();
  if (session.json) {
    JsonArray rows;
    for (const DefinitionSummary& d : all) {
      JsonObject row;
      row.add("name", d.name).add("version", d.version).add("form", d.form).add("digest", d.digest);
      if (d.published_at)
        row.add("published_at", schema::format_time(schema::Time{d.published_at->time_since_epoch().count()}));
      row.add("paused", d.paused).add("deprecated", d.deprecated);
      rows.raw(row.text());
    }
    print_line(JsonObject().raw("definitions", rows.text()).text());
    return 0;
  }
  Table table({"NAME", "VERSION", "FORM", "STATE", "PUBLISHED", "DIGEST"});
  for (const DefinitionSummary& d : all)
    table.add({d.name, std::to_string(d.version), d.form, state_of(d), relative(d.published_at, now()),
               d.digest.substr(0, 12)});
  print(table.empty() ? "no definition is published; 'dta def publish FILE' does it\n" : table.text());
  return 0;
}

std::string contents_of(const schema::Definition& definition) {
  const auto count = [](std::size_t n, const std::string& noun) {
    return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
  };
  if (definition.form == schema::Form::table)
    return count(definition.states.size(), "state") + ", " + count(definition.transitions.size(), "transition");
  return count(definition.steps.size(), "step") + ", " + count(definition.task_count, "task");
}

int check(const Session& session, const Arguments& arguments) {
  const auto parsed = schema::parse_definition(read_file(arguments.file));
  if (!parsed) throw as_client_error(parsed.error());
  const schema::Definition& definition = **parsed;
  std::vector<Fault> warnings;
  for (const schema::Fault& w : schema::warnings(definition)) warnings.push_back({w.pointer, w.message});
  if (session.json) {
    print_line(JsonObject()
                   .add("name", definition.name)
                   .add("version", definition.version)
                   .add("digest", schema::to_hex(definition.digest))
                   .raw("warnings", json_of(warnings))
                   .text());
    return 0;
  }
  print_line(definition.name + " " + std::to_string(definition.version) + " is sound: " + contents_of(definition));
  print_warnings(warnings);
  return 0;
}

}  // namespace

void add_definitions(CLI::App& app, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* def = app.add_subcommand("def", "Definitions: what transactions may go through");
  def->require_subcommand(0, 1);

  CLI::App* verb = def->add_subcommand("publish", "Publish a definition; its name and version are in the file");
  verb->add_option("FILE", arguments->file, "JSON file, or - for standard input")->required();
  verb->footer("Example:\n  dta def publish order.json");
  verb->callback(
      [&session, arguments] { session.action = [&session, arguments] { return publish(session, *arguments); }; });

  verb = def->add_subcommand("show", "Print a definition as it was published");
  verb->add_option("NAME", arguments->name, "Name of the definition")->required();
  verb->add_option("VERSION", arguments->version, "Version; the newest when left out");
  verb->add_flag("--full", arguments->full, "With every default written out");
  verb->footer("Example:\n  dta def show order 3 --full");
  verb->callback(
      [&session, arguments] { session.action = [&session, arguments] { return show(session, *arguments); }; });

  verb = def->add_subcommand("list", "List what is published");
  verb->callback([&session] { session.action = [&session] { return list(session); }; });

  verb = def->add_subcommand("check", "Find every fault of a definition without a server");
  verb->add_option("FILE", arguments->file, "JSON file, or - for standard input")->required();
  verb->footer("Example, as a gate in CI:\n  dta def check order.json || exit 1");
  verb->callback(
      [&session, arguments] { session.action = [&session, arguments] { return check(session, *arguments); }; });
  add_definition_control(*def, session);
  add_simulation(*def, session);
}

}  // namespace dta::cli

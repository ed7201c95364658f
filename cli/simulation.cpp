// dta def sim: random histories of a definition, on the real partition over a log in memory, in a world of crashes,
// lost messages, slow workers and busy people; and what was met on the way. Needs no server.
#include "cli/simulation.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/session.h"
#include "cli/table.h"
#include "dta/json.h"
#include "schema/definition.h"
#include "schema/json.h"
#include "simulation/seeds.h"

namespace dta::cli {
namespace {

using simulation::Coverage;

constexpr std::size_t kFailuresNamed = 20;

struct Arguments {
  std::string file, input_file;
  simulation::Seeds seeds;
};

schema::DefinitionPtr read_definition(const std::string& file) {
  auto parsed = schema::parse_definition(read_file(file));
  if (!parsed) throw as_client_error(parsed.error());
  for (const schema::Step& step : (*parsed)->steps)
    for (const schema::Task& task : step.tasks)
      if (task.child)
        throw Error("invalid_argument",
                    "the simulator follows no child transactions yet: task '" + step.name + "/" + task.name + "'");
  return *parsed;
}

std::string read_input(const std::string& file) {
  if (file.empty()) return "";
  std::string input = read_file(file);
  const auto checked = schema::check_json(input);
  if (!checked) throw as_client_error(checked.error());
  return std::string(checked->raw);
}

// What became of the parts of a definition: counts by word and place, with 0 for what never was.
class Parts {
 public:
  Parts(const schema::Definition& definition, const Coverage& coverage) : d_(definition), counts_(coverage.places) {}

  std::uint64_t count(const std::string& word, const std::string& place) const {
    const auto found = counts_.find(word + " " + place);
    return found == counts_.end() ? 0 : found->second;
  }
  template <class Visit>
  void each_task(Visit&& visit) const {
    for (const schema::Step& step : d_.steps)
      for (const schema::Task& task : step.tasks) visit(step.name + "/" + task.name);
  }
  bool reached(const std::string& task) const {
    for (const char* word : kTaskWords)
      if (count(word, task) > 0) return true;
    return count("handed out", task) > 0;
  }
  std::vector<std::string> never() const {
    std::vector<std::string> list;
    for (const schema::Step& step : d_.steps) {
      if (count("entered", step.name) == 0) list.push_back("step " + step.name + " was never entered");
      choices(list, step, "next", step.next);
      choices(list, step, "on_failure", step.on_failure);
    }
    each_task([&](const std::string& task) {
      if (!reached(task)) list.push_back("task " + task + " was never reached");
    });
    for (const schema::Transition& t : d_.transitions)
      if (moved(t) == 0)
        list.push_back("transition " + d_.states[t.from].name + " -" + t.on + "-> " + d_.states[t.to].name +
                       " was never taken");
    return list;
  }
  std::uint64_t moved(const schema::Transition& t) const {
    return count("moved", d_.states[t.from].name + " " + t.on + " " + d_.states[t.to].name);
  }

  static constexpr const char* kTaskWords[] = {"done", "failed", "unknown", "undone", "skipped"};
  static constexpr const char* kStepWords[] = {"entered", "met", "failed", "skipped", "undone"};

 private:
  void choices(std::vector<std::string>& list, const schema::Step& step, const char* name,
               const std::vector<schema::Choice>& of) const {
    for (std::size_t i = 0; i < of.size(); ++i)
      if (count("chosen", fmt::format("{}/{}/{}", step.name, name, i)) == 0)
        list.push_back(fmt::format("entry {} of `{}` of step {} was never chosen", i, name, step.name));
  }

  const schema::Definition& d_;
  const Coverage::Counts& counts_;
};

std::string counts_json(const Coverage::Counts& counts) {
  JsonObject object;
  for (const auto& [name, count] : counts) object.add(name, count);
  return object.text();
}

template <class Words>
std::string part_json(const Parts& parts, const std::string& name, const Words& words) {
  JsonObject object;
  object.add("name", name);
  for (const char* word : words) object.add(word, parts.count(word, name));
  return object.text();
}

std::string as_json(const schema::Definition& d, const simulation::Found& found, const std::string& scenario) {
  const Parts parts(d, found.coverage);
  JsonArray steps, tasks, transitions, never, warnings, failing;
  for (const schema::Step& step : d.steps) steps.raw(part_json(parts, step.name, Parts::kStepWords));
  parts.each_task([&](const std::string& task) { tasks.raw(part_json(parts, task, Parts::kTaskWords)); });
  for (const schema::Transition& t : d.transitions)
    transitions.raw(JsonObject()
                        .add("from", d.states[t.from].name)
                        .add("on", t.on)
                        .add("to", d.states[t.to].name)
                        .add("taken", parts.moved(t))
                        .text());
  for (const std::string& line : parts.never()) never.raw(schema::quote(line));
  for (const schema::Fault& w : schema::warnings(d))
    warnings.raw(JsonObject().add("pointer", w.pointer).add("message", w.message).text());
  for (const auto& [seed, why] : found.failing) failing.raw(JsonObject().add("seed", seed).add("why", why).text());
  JsonObject all;
  all.add("name", d.name).add("version", d.version).add("seeds", found.ran);
  all.raw("ends", counts_json(found.coverage.ends)).raw("events", counts_json(found.coverage.events));
  all.raw("incidents", counts_json(found.coverage.incidents));
  all.raw("steps", steps.text()).raw("tasks", tasks.text()).raw("transitions", transitions.text());
  all.raw("never", never.text()).raw("warnings", warnings.text()).raw("failing", failing.text());
  if (!scenario.empty()) all.add("scenario", scenario);
  return all.text();
}

template <class Words>
void add_rows(Table& table, const Parts& parts, const std::string& name, const Words& words) {
  std::vector<std::string> row{name};
  for (const char* word : words) row.push_back(std::to_string(parts.count(word, name)));
  table.add(std::move(row));
}

void print_people(const schema::Definition& d, const simulation::Found& found) {
  const Parts parts(d, found.coverage);
  std::string ends;
  for (const auto& [phase, count] : found.coverage.ends) ends += fmt::format(", {} {}", count, phase);
  print_line(fmt::format("{} {}: {} histories{}", d.name, d.version, found.ran, ends));
  Table steps({"STEP", "ENTERED", "MET", "FAILED", "SKIPPED", "UNDONE"});
  for (const schema::Step& step : d.steps) add_rows(steps, parts, step.name, Parts::kStepWords);
  if (!steps.empty()) print(steps.text());
  Table tasks({"TASK", "DONE", "FAILED", "UNKNOWN", "UNDONE", "SKIPPED"});
  parts.each_task([&](const std::string& task) { add_rows(tasks, parts, task, Parts::kTaskWords); });
  if (!tasks.empty()) print(tasks.text());
  Table transitions({"FROM", "ON", "TO", "TAKEN"});
  for (const schema::Transition& t : d.transitions)
    transitions.add({d.states[t.from].name, t.on, d.states[t.to].name, std::to_string(parts.moved(t))});
  if (!transitions.empty()) print(transitions.text());
  for (const auto& [what, count] : found.coverage.incidents) print_line(fmt::format("incident {}: {}", what, count));
  for (const std::string& line : parts.never()) print_line("  never: " + line);
  for (const schema::Fault& w : schema::warnings(d)) print_line("  warning: " + w.pointer + ": " + w.message);
}

int simulate(const Session& session, const Arguments& arguments) {
  const schema::DefinitionPtr definition = read_definition(arguments.file);
  const std::string input = read_input(arguments.input_file);
  const simulation::Simulator simulator{
      [&](std::uint64_t seed) { return simulation::make_plan(seed, definition, input); },
      simulation::make_memory_disk,
      {}};
  const auto began = std::chrono::steady_clock::now();
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const simulation::Found found =
      simulation::run_seeds(simulator, arguments.seeds, [&](std::uint64_t done, std::uint64_t failures) {
        if (!terminal) return;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        fmt::print(stderr, "\r{} of {} histories, {} failures, {:.0f} a second ", done, arguments.seeds.count, failures,
                   static_cast<double>(done) / seconds);
      });
  if (terminal) fmt::print(stderr, "\n");
  std::string scenario;
  if (!found.failing.empty()) {
    const auto shortest = simulation::shortest_history(simulator, simulator.make_plan(found.failing.begin()->first));
    if (shortest) scenario = shortest->scenario;
  }
  if (session.json) {
    print_line(as_json(*definition, found, scenario));
    return found.failing.empty() ? 0 : 1;
  }
  print_people(*definition, found);
  std::size_t named = 0;
  for (const auto& [seed, why] : found.failing)
    if (++named <= kFailuresNamed) print_line(fmt::format("failing {}: {}", seed, why));
  if (!scenario.empty())
    print_line(
        fmt::format("The shortest history of seed {} that still fails:\n{}", found.failing.begin()->first, scenario));
  print_line(fmt::format("seeds {}, failures {}", found.ran, found.failing.size()));
  return found.failing.empty() ? 0 : 1;
}

}  // namespace

void add_simulation(CLI::App& def, Session& session) {
  auto arguments = std::make_shared<Arguments>();
  arguments->seeds.jobs = std::max(1u, std::thread::hardware_concurrency());
  CLI::App* verb =
      def.add_subcommand("sim", "Run random histories of a definition in a world of faults, without a server");
  verb->add_option("FILE", arguments->file, "JSON file, or - for standard input")->required();
  verb->add_option("--seeds", arguments->seeds.count, "How many histories")->capture_default_str();
  verb->add_option("--from", arguments->seeds.from, "The first seed")->capture_default_str();
  verb->add_option("--jobs", arguments->seeds.jobs, "Processes; as many as the machine has cores when left out")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--input", arguments->input_file,
                   "JSON file with the input of every transaction; else it is drawn from what the definition reads");
  verb->footer("Example:\n  dta def sim order.json --seeds 10000");
  verb->callback(
      [&session, arguments] { session.action = [&session, arguments] { return simulate(session, *arguments); }; });
}

}  // namespace dta::cli

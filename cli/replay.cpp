// dta replay: the history read again by the fold the engine runs on, event by event, with what each one changed and
// what became due. It changes nothing.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.h"
#include "cli/table.h"
#include "dta/json.h"

namespace dta::cli {
namespace {

struct Arguments {
  std::string id;
  std::uint64_t from = 1, to = 0;
};

std::string line_text(const Json& item) {
  return shortened(item.kind() == Json::Kind::string ? item.string() : std::string(item.raw()), 200);
}

void print_step(const Event& event) {
  const auto line = Json::parse(event.json);
  const Json inner = (*line)["event"];
  std::string where = inner["step"].string();
  if (inner["task"].exists()) where += "/" + inner["task"].string();
  std::string head = "#" + std::to_string(event.sequence) + "  " + absolute(event.recorded_at) + "  " + event.kind;
  if (!where.empty()) head += "  " + where;
  print_line(head + "  [" + (*line)["phase"].string() + "]");
  for (const Json& change : (*line)["changes"].items()) print_line("    " + line_text(change));
  for (const Json& due : (*line)["due"].items()) print_line("    due: " + line_text(due));
}

int replay(const Session& session, const Arguments& a) {
  for (const Event& event : session.client().replay(a.id)) {
    if (event.sequence < a.from || (a.to > 0 && event.sequence > a.to)) continue;
    if (session.json)
      print_line(event.json);
    else
      print_step(event);
  }
  return 0;
}

}  // namespace

void add_replay(CLI::App& app, Session& session) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("replay", "Read a history again: what each event changed, and what became due");
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  verb->add_option("--from", a->from, "First sequence")->capture_default_str();
  verb->add_option("--to", a->to, "Last sequence; 0: the end")->capture_default_str();
  verb->footer("Example:\n  dta replay o-17 --from 7 --to 12");
  verb->callback([&session, a] { session.action = [&session, a] { return replay(session, *a); }; });
}

}  // namespace dta::cli

// dta queue: list, show, set, pause, resume; and what people say of definitions: dta def pause, resume, deprecate.
#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/session.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "dta/json.h"

namespace dta::cli {
namespace {

struct SaidArguments {
  std::string name, reason, who, request_id;
};

CancelOptions said_by(const SaidArguments& a) {
  const char* user = std::getenv("USER");
  const std::string who = !a.who.empty() || user == nullptr ? a.who : user;
  return {.reason = a.reason, .who = who, .request_id = a.request_id};
}

void add_said(CLI::App* verb, SaidArguments& a) {
  verb->add_option("--reason", a.reason, "Why; kept in the history")->required();
  verb->add_option("--who", a.who, "Who asks for it; $USER when left out");
  verb->add_option("--request-id", a.request_id, "Id of this request; the same id again gets the same answer");
}

std::string decimal(double number) {
  std::string text = std::to_string(number);  // six decimals, of which a rate has three
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string rate_of(const QueueState& queue) {
  if (!queue.limits.rate) return "-";
  return decimal(queue.limits.rate->per_second) + "/s, " + std::to_string(queue.limits.rate->burst.value_or(0)) +
         " at once";
}

std::string concurrency_of(const QueueState& queue) {
  return queue.limits.concurrency ? std::to_string(*queue.limits.concurrency) : "-";
}

std::string last_change(const QueueState& queue) {
  if (!queue.changed_at) return "nothing was ever said of it";
  return "changed " + relative(queue.changed_at, now()) + (queue.who.empty() ? "" : " by " + queue.who) + ": " +
         shortened(queue.reason, 200);
}

int list(const Session& session, const SaidArguments&) {
  const auto all = session.client().queues();
  if (session.json) {
    JsonArray rows;
    for (const QueueState& queue : all) rows.raw(queue.json);
    print_line(JsonObject().raw("queues", rows.text()).text());
    return 0;
  }
  Table table({"QUEUE", "STATE", "READY", "LEASED", "LIMIT", "RATE", "WAITING POLLS"});
  for (const QueueState& q : all)
    table.add({q.queue, q.paused ? "paused" : "open", std::to_string(q.ready), std::to_string(q.leased),
               concurrency_of(q), rate_of(q), std::to_string(q.waiting_polls)});
  print(table.empty() ? "no queue has settings, work or workers that wait\n" : table.text());
  return 0;
}

int show(const Session& session, const SaidArguments& a) {
  const QueueState q = session.client().queue(a.name);
  if (session.json) {
    print_line(q.json);
    return 0;
  }
  Table table({"QUEUE", shortened(q.queue, 128)});
  table.add({"state", q.paused ? "paused" : "open"});
  table.add({"leases at most", concurrency_of(q)});
  table.add({"rate", rate_of(q)});
  table.add({"ready", std::to_string(q.ready)});
  table.add({"leased", std::to_string(q.leased)});
  table.add({"waiting polls", std::to_string(q.waiting_polls)});
  table.add({"settings", last_change(q)});
  print(table.text());
  return 0;
}

int show_changed(const Session& session, const QueueState& q) {
  print_line(session.json ? q.json
                          : shortened(q.queue, 128) + "  " + (q.paused ? "paused" : "open") + "  leases at most " +
                                concurrency_of(q) + "  rate " + rate_of(q));
  return 0;
}

struct SetArguments : SaidArguments {
  std::optional<double> rate;
  std::optional<std::uint32_t> burst, concurrency;
};

int set(const Session& session, const SetArguments& a) {
  if (a.burst && !a.rate) throw Error("invalid_argument", "--burst belongs to --rate");
  QueueLimits limits{.concurrency = a.concurrency};
  if (a.rate) limits.rate = QueueRate{.per_second = *a.rate, .burst = a.burst};
  return show_changed(session, session.client().set_queue(a.name, limits, said_by(a)));
}

int pause(const Session& session, const SaidArguments& a) {
  return show_changed(session, session.client().pause_queue(a.name, said_by(a)));
}

int resume(const Session& session, const SaidArguments& a) {
  return show_changed(session, session.client().resume_queue(a.name, said_by(a)));
}

int show_definition(const Session& session, const DefinitionState& state) {
  if (session.json) {
    print_line(state.json);
    return 0;
  }
  std::string line = state.name + "  " + (state.paused ? "paused" : "open");
  for (const std::uint32_t version : state.deprecated)
    line += (version == state.deprecated.front() ? "  deprecated: " : ", ") + std::to_string(version);
  print_line(line);
  return 0;
}

int pause_definition(const Session& session, const SaidArguments& a) {
  return show_definition(session, session.client().pause_definition(a.name, said_by(a)));
}

int resume_definition(const Session& session, const SaidArguments& a) {
  return show_definition(session, session.client().resume_definition(a.name, said_by(a)));
}

struct DeprecateArguments : SaidArguments {
  std::uint32_t version = 0;
  bool take_back = false;
};

int deprecate(const Session& session, const DeprecateArguments& a) {
  Client client = session.client();
  return show_definition(session, a.take_back ? client.restore_definition(a.name, a.version, said_by(a))
                                              : client.deprecate_definition(a.name, a.version, said_by(a)));
}

}  // namespace

void add_queues(CLI::App& app, Session& session) {
  CLI::App* queue = app.add_subcommand("queue", "Queues: how they stand, their limits, pause and resume");
  queue->require_subcommand(0, 1);
  add_verb<SaidArguments>(*queue, session, "list", "Every queue that has settings, work or workers that wait", list);
  {
    auto [verb, a] = add_verb<SaidArguments>(*queue, session, "show", "One queue, and who changed it last", show);
    verb->add_option("QUEUE", a->name, "Name of the queue")->required();
  }
  {
    auto [verb, a] =
        add_verb<SetArguments>(*queue, session, "set", "Set the limits; what is left out is no limit any more", set);
    verb->add_option("QUEUE", a->name, "Name of the queue")->required();
    verb->add_option("--rate", a->rate, "Hand-outs per second");
    verb->add_option("--burst", a->burst, "As many at once after a quiet time; the rate, rounded up, when left out");
    verb->add_option("--concurrency", a->concurrency, "Leases that may be open at once");
    add_said(verb, *a);
    verb->footer(
        "Example:\n  dta queue set payment.authorize --rate 10 --concurrency 8 --reason 'the bank asked for it'");
  }
  {
    auto [verb, a] = add_verb<SaidArguments>(*queue, session, "pause", "Hand nothing out until it is resumed", pause);
    verb->add_option("QUEUE", a->name, "Name of the queue")->required();
    add_said(verb, *a);
    verb->footer("Example:\n  dta queue pause payment.authorize --reason 'the bank is down'");
  }
  {
    auto [verb, a] = add_verb<SaidArguments>(*queue, session, "resume", "End a pause", resume);
    verb->add_option("QUEUE", a->name, "Name of the queue")->required();
    add_said(verb, *a);
  }
}

void add_definition_control(CLI::App& def, Session& session) {
  {
    auto [verb, a] = add_verb<SaidArguments>(
        def, session, "pause", "Hand nothing out for its transactions until it is resumed", pause_definition);
    verb->add_option("NAME", a->name, "Name of the definition")->required();
    add_said(verb, *a);
  }
  {
    auto [verb, a] = add_verb<SaidArguments>(def, session, "resume", "End a pause", resume_definition);
    verb->add_option("NAME", a->name, "Name of the definition")->required();
    add_said(verb, *a);
  }
  {
    auto [verb, a] =
        add_verb<DeprecateArguments>(def, session, "deprecate", "Let a version take no new start", deprecate);
    verb->add_option("NAME", a->name, "Name of the definition")->required();
    verb->add_option("VERSION", a->version, "Its version")->required();
    verb->add_flag("--take-back", a->take_back, "Let it take starts again");
    add_said(verb, *a);
    verb->footer("Example:\n  dta def deprecate order 3 --reason 'use 4'");
  }
}

}  // namespace dta::cli

// dta tx: what people and participants ask of one transaction: cancel, terminate, pause, resume, resolve, signal,
// report. Main thread.
#include <cstdlib>

#include "cli/session.h"
#include "cli/verb.h"
#include "dta/json.h"

namespace dta::cli {
namespace {

struct ControlArguments {
  std::string id, reason, who, request_id, resolution;
  std::uint32_t incident = 0;
};

CancelOptions said_by(const ControlArguments& a) {
  const char* user = std::getenv("USER");
  const std::string who = !a.who.empty() || user == nullptr ? a.who : user;
  return {.reason = a.reason, .who = who, .request_id = a.request_id};
}

int show_standing(const Session& session, const Cancelled& answer) {
  print_line(session.json ? answer.json : answer.id + "  " + answer.status + "  at " + std::to_string(answer.sequence));
  return 0;
}

int cancel(const Session& session, const ControlArguments& a) {
  return show_standing(session, session.client().cancel(a.id, said_by(a)));
}

int terminate(const Session& session, const ControlArguments& a) {
  return show_standing(session, session.client().terminate(a.id, said_by(a)));
}

int pause(const Session& session, const ControlArguments& a) {
  return show_standing(session, session.client().pause(a.id, said_by(a)));
}

int resume(const Session& session, const ControlArguments& a) {
  return show_standing(session, session.client().resume(a.id, said_by(a)));
}

int resolve(const Session& session, const ControlArguments& a) {
  return show_standing(session, session.client().resolve(a.id, a.incident, a.resolution, said_by(a)));
}

struct SignalArguments {
  std::string id, name, payload, signal_id;
};

int signal(const Session& session, const SignalArguments& a) {
  const std::string payload = a.payload.empty() ? "" : text_or_file(a.payload);
  return show_standing(session, session.client().signal(a.id, a.name, payload, a.signal_id));
}

struct ReportArguments {
  std::string id, task, output, error, message, details, event_id, expected = "any";
  std::uint32_t instance = 0;
  bool effect_unknown = false;
};

int report_task(const Session& session, const ReportArguments& a) {
  const std::size_t slash = a.task.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == a.task.size())
    throw Error("invalid_argument", "the task is named STEP/TASK, not '" + a.task + "'");
  ExternalReport report{.step = a.task.substr(0, slash),
                        .task = a.task.substr(slash + 1),
                        .instance = a.instance,
                        .output = a.output.empty() ? "" : text_or_file(a.output),
                        .event_id = a.event_id};
  if (!a.error.empty())
    report.failure = ExternalFailure{.code = a.error,
                                     .message = a.message,
                                     .details = a.details.empty() ? "" : text_or_file(a.details),
                                     .effect_unknown = a.effect_unknown};
  const Appended answer = session.client().report_external(a.id, read_expected(a.expected), {std::move(report)});
  print_line(session.json ? answer.json
                          : answer.id + "  " + answer.status + "  at " + std::to_string(answer.sequence) +
                                (answer.repeated ? "  (was reported before)" : ""));
  return 0;
}

void add_said(CLI::App* verb, ControlArguments& a) {
  verb->add_option("--reason", a.reason, "Why; kept in the history")->required();
  verb->add_option("--who", a.who, "Who asks for it; $USER when left out");
  verb->add_option("--request-id", a.request_id, "Id of this request; the same id again gets the same answer");
}

// A verb that needs the id, a reason, and no more.
void add_asked(CLI::App& tx, Session& session, const char* name, const char* help, const char* example,
               int (*run)(const Session&, const ControlArguments&)) {
  auto [verb, a] = add_verb<ControlArguments>(tx, session, name, help, run);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  add_said(verb, *a);
  verb->footer(std::string("Example:\n  ") + example);
}

void add_resolve(CLI::App& tx, Session& session) {
  auto [verb, a] = add_verb<ControlArguments>(tx, session, "resolve", "Decide what becomes of an incident", resolve);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  verb->add_option("INCIDENT", a->incident, "Number of the incident, as 'dta tx show' lists it")->required();
  verb->add_option("RESOLUTION", a->resolution, "retry, force_done, force_failed, give_up or accept")
      ->required()
      ->check(CLI::IsMember({"retry", "force_done", "force_failed", "give_up", "accept"}));
  add_said(verb, *a);
  verb->footer("Example:\n  dta tx resolve o-17 1 retry --reason 'the carrier is back'");
}

void add_signal(CLI::App& tx, Session& session) {
  auto [verb, a] =
      add_verb<SignalArguments>(tx, session, "signal", "Send a signal that a step waits for, or will", signal);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  verb->add_option("NAME", a->name, "Name of the signal, as a wait_for of the definition says it")->required();
  verb->add_option("--payload", a->payload, "JSON, @FILE, or - for standard input");
  verb->add_option("--id", a->signal_id, "Id of the signal: it counts once however often it is sent");
  verb->footer("Example:\n  dta tx signal o-17 decision --id d-4 --payload '{\"answer\":\"yes\"}'");
}

void add_report(CLI::App& tx, Session& session) {
  auto [verb, a] =
      add_verb<ReportArguments>(tx, session, "report", "Report what became of an external task", report_task);
  verb->add_option("ID", a->id, "Id of the transaction")->required();
  verb->add_option("TASK", a->task, "STEP/TASK")->required();
  verb->add_option("--instance", a->instance, "Of a for_each: which element, from 0")->capture_default_str();
  auto* output = verb->add_option("--output", a->output, "It is done, with this JSON, @FILE, or -");
  auto* error = verb->add_option("--error", a->error, "It failed, with this code")->excludes(output);
  verb->add_option("--message", a->message, "What went wrong")->needs(error);
  verb->add_option("--details", a->details, "JSON, @FILE, or -")->needs(error);
  verb->add_flag("--effect-unknown", a->effect_unknown, "It failed, but may have taken effect")->needs(error);
  verb->add_option("--event-id", a->event_id, "Id of the report: it counts once however often it is sent");
  verb->add_option("--expected", a->expected, "Sequence the transaction must be at, 'none' or 'any'")
      ->capture_default_str();
  verb->footer("Example:\n  dta tx report o-17 ship/courier --output '{\"parcel\":\"P-3\"}'");
}

}  // namespace

Expected read_expected(const std::string& text) {
  if (text == "any") return Expected::any();
  if (text == "none") return Expected::none();
  const auto number = Json::parse(text);
  if (!number || number->kind() != Json::Kind::number || number->natural() == 0)
    throw Error("invalid_argument", "--expected is 'any', 'none' or a sequence, not '" + text + "'");
  return Expected::at(number->natural());
}

void add_control(CLI::App& tx, Session& session) {
  add_asked(tx, session, "cancel", "Cancel a transaction: what was done is undone",
            "dta tx cancel o-17 --reason 'customer called'", cancel);
  add_asked(tx, session, "terminate", "Stop a transaction at once: nothing is undone",
            "dta tx terminate o-17 --reason 'settled by hand'", terminate);
  add_asked(tx, session, "pause", "Hand nothing out until it is resumed; results are taken",
            "dta tx pause o-17 --reason 'stock is being counted'", pause);
  add_asked(tx, session, "resume", "End a pause", "dta tx resume o-17 --reason 'counted'", resume);
  add_resolve(tx, session);
  add_signal(tx, session);
  add_report(tx, session);
}

}  // namespace dta::cli

// See transaction_view.h.
#include "cli/transaction_view.h"

#include <algorithm>

#include "cli/table.h"
#include "dta/json.h"

namespace dta::cli {
namespace {

constexpr std::size_t kValueCharacters = 60;     // of one field in a history
constexpr std::size_t kPayloadCharacters = 200;  // of input and output

std::string error_text(const TransactionError& error) {
  std::string where = error.step;
  if (!error.task.empty()) where += "/" + error.task;
  return error.code + (where.empty() ? "" : " in " + where) + (error.message.empty() ? "" : ": " + error.message);
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out.empty() ? "-" : out;
}

std::string joined(const std::map<std::string, std::string>& strings) {
  std::string out;
  for (const auto& [name, value] : strings) out += (out.empty() ? "" : " ") + name + "=" + value;
  return out;
}

// What is next for something that is leased or waits for its retry.
std::string note(const std::optional<Time>& lease_until, const std::optional<Time>& retry_at, Time now) {
  if (lease_until) return "lease ends " + relative(lease_until, now);
  if (retry_at) return "again " + relative(retry_at, now);
  return "";
}

std::string with(std::string text, const std::string& more) {
  if (!more.empty()) text += (text.empty() ? "" : ", ") + more;
  return text;
}

std::string number_or_none(std::uint32_t attempt) {
  return attempt == 0 ? "" : std::to_string(attempt);
}

// What stands open with a step itself.
std::string step_note(const StepState& step, Time now) {
  std::string text = step.held ? "held: see its incident" : "";
  if (step.deadline_at) text = with(text, "deadline " + relative(step.deadline_at, now));
  if (!step.waits_for_signals.empty()) text = with(text, "waits for " + joined(step.waits_for_signals));
  if (step.waits_until)
    text = with(text,
                (step.waits_for_signals.empty() ? "goes on " : "gives up waiting ") + relative(step.waits_until, now));
  if (step.state == "failed" && step.error) text = with(text, step.error->code);
  return text;
}

std::string signals_table(const std::vector<SignalState>& signals) {
  Table table({"SIGNAL", "ID", "TAKEN BY", "PAYLOAD"});
  for (const SignalState& s : signals)
    table.add({s.name, s.signal_id, s.step.empty() ? "-" : s.step, shortened(s.payload, kValueCharacters)});
  return table.text();
}

std::string steps_table(const std::vector<StepState>& steps, Time now) {
  Table table({"STEP", "TASK", "STATUS", "ATTEMPT", "WORKER", "QUEUE", "NOTE"});
  for (const StepState& step : steps) {
    table.add({step.name, "", step.state, "", "", "", step_note(step, now)});
    for (const TaskState& task : step.tasks) {
      const std::string notes =
          with(with(note(task.lease_until, task.retry_at, now), task.stopping ? "asked to stop" : ""), task.error);
      const std::string name = step.instances ? task.name + "[" + std::to_string(task.instance) + "]" : task.name;
      table.add({"", name, task.status, number_or_none(task.attempt), task.worker, task.queue, notes});
      const UndoState& undo = task.undo;
      if (undo.status == "none" || undo.status == "idle" || undo.status.empty()) continue;
      table.add({"", "  undo", undo.status, number_or_none(undo.attempt), undo.worker, undo.queue,
                 with(note(undo.lease_until, undo.retry_at, now), undo.error)});
    }
  }
  return table.text();
}

std::string incidents_table(const std::vector<Incident>& incidents) {
  Table table({"INCIDENT", "STATE", "WHERE", "KIND", "CODE", "MESSAGE"});
  for (const Incident& i : incidents)
    table.add({std::to_string(i.number), i.open ? "open" : "resolved", i.task.empty() ? i.step : i.step + "/" + i.task,
               i.kind, i.code, shortened(i.message, kValueCharacters)});
  return table.text();
}

std::string when(const std::optional<Time>& time, Time now) {
  return absolute(time) + " (" + relative(time, now) + ")";
}

}  // namespace

std::string one_line(const Transaction& t) {
  std::string line = t.id + "  " + t.status;
  if (!t.outcome.empty() && t.outcome != t.status) line += " (outcome " + t.outcome + ")";
  line += "  at " + std::to_string(t.sequence);
  if (t.error) line += "  " + error_text(*t.error);
  if (!t.output.empty()) line += "\noutput " + t.output;
  return line;
}

std::string whole(const Transaction& t, Time now) {
  Table head({t.id, t.status + (t.status == t.phase ? "" : " (" + t.phase + ")")});
  head.add({"definition", t.definition + " " + std::to_string(t.version)});
  if (!t.outcome.empty()) head.add({"outcome", t.outcome});
  if (t.started_at) head.add({"started", when(t.started_at, now)});
  if (t.ended_at) head.add({"ended", when(t.ended_at, now)});
  if (t.expires_at && !t.ended_at) head.add({"expires", when(t.expires_at, now)});
  head.add({"sequence", std::to_string(t.sequence) + (t.epoch > 1 ? " in epoch " + std::to_string(t.epoch) : "")});
  if (!t.attributes.empty()) head.add({"attributes", joined(t.attributes)});
  if (!t.reason.empty()) head.add({"reason", t.reason});
  if (t.error) head.add({"error", error_text(*t.error)});
  if (!t.input.empty()) head.add({"input", shortened(t.input, kPayloadCharacters)});
  if (!t.output.empty()) head.add({"output", shortened(t.output, kPayloadCharacters)});
  if (t.pivot_passed) head.add({"pivot", "passed"});
  if (t.cancel_requested) head.add({"cancel asked", t.cancel_requested->reason});
  if (t.form == "table") {
    head.add({"state", t.state});
    head.add({"visited", joined(t.visited)});
    head.add({"legal now", joined(t.legal)});
  }
  if (!t.not_undone.empty()) head.add({"not undone", joined(t.not_undone)});
  std::string text = head.text();
  if (!t.steps.empty()) text += "\n" + steps_table(t.steps, now);
  if (!t.signals.empty()) text += "\n" + signals_table(t.signals);
  if (!t.incidents.empty()) text += "\n" + incidents_table(t.incidents);
  return text;
}

std::string event_details(const Event& event) {
  static constexpr std::string_view kShownElsewhere[] = {"sequence", "position", "recorded_at", "kind",
                                                         "step",     "task",     "transaction", "token"};
  std::string text;
  const auto json = Json::parse(event.json);
  if (!json) return text;
  for (const auto& [name, value] : json->members()) {
    const bool shown =
        std::find(std::begin(kShownElsewhere), std::end(kShownElsewhere), name) != std::end(kShownElsewhere);
    const bool empty = value.raw() == "{}" || value.raw() == "[]";
    if (shown || empty || value.is_null() || (name == "undo" && !value.boolean())) continue;
    const std::string content = value.kind() == Json::Kind::string ? value.string() : std::string(value.raw());
    text += (text.empty() ? "" : " ") + name + "=" + shortened(content, kValueCharacters);
  }
  return text;
}

}  // namespace dta::cli

// Appends: events of a table, and what participants report of external tasks. Whole or not at all, and once however
// often they are sent: ids are looked up first, and what is known with the same content gets its first answer again.
#include <algorithm>
#include <set>

#include "server/digest.h"
#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

Hash asked_digest(const NewTransition& event) {
  return digest_of({event.on, content_of(event.data)});
}

Hash asked_digest(const NewReport& report) {
  const std::string instance = std::to_string(report.instance);
  if (const auto* done = std::get_if<CompletedResult>(&report.result))
    return digest_of({"report", report.step, report.task, instance, "done", content_of(done->output)});
  const auto& failed = std::get<FailedResult>(report.result);
  return digest_of({"report", report.step, report.task, instance, "failed", failed.code, failed.message,
                    content_of(failed.details), failed.effect == Effect::none ? "none" : "unknown"});
}

template <class Request>
std::optional<Sequence> expected_by(const Request& request) {
  if (request.expect == Expect::exactly) return Sequence(request.expected_sequence);
  if (request.expect == Expect::none) return Sequence(1);
  return std::nullopt;
}

// A table's answer ends with the last event that was asked for, that of steps with what followed from it.
AppendReply reply_of(const Entry& entry, Sequence first, Sequence last, bool repeated) {
  const Definition& definition = entry.machine->definition();
  const engine::State& s = entry.state;
  const bool table = definition.form == Form::table;
  return {first.value,
          table ? last.value : s.sequence.value,
          table ? definition.states[s.table_state].name : std::string(),
          engine::status(s),
          engine::to_string(s.phase),
          repeated};
}

bool is_transition(const Event& event) {
  return std::holds_alternative<Transitioned>(event);
}

// Only what was reported by name has no lease.
bool is_report(const Event& event) {
  return std::visit(
      []<class E>(const E& e) {
        if constexpr (std::is_same_v<E, TaskCompleted> || std::is_same_v<E, TaskFailed> ||
                      std::is_same_v<E, LateResult>)
          return !e.attempt.lease;
        return false;
      },
      event);
}

Result<TaskRef> find_task(const Entry& entry, const NewReport& report) {
  const auto& steps = entry.machine->definition().steps;
  const auto not_found = [&] {
    return refuse(ErrorCode::task_not_found, "there is no task '" + report.step + "/" + report.task + "'");
  };
  const auto step = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.name == report.step; });
  if (step == steps.end()) return not_found();
  const auto task =
      std::find_if(step->tasks.begin(), step->tasks.end(), [&](const Task& t) { return t.name == report.task; });
  if (task == step->tasks.end()) return not_found();
  if (!task->external)
    return refuse(ErrorCode::illegal_event,
                  "'" + report.step + "/" + report.task + "' is reported by the worker that holds its lease");
  const TaskRef ref{static_cast<std::uint16_t>(step - steps.begin()),
                    static_cast<std::uint16_t>(task - step->tasks.begin()), report.instance};
  if (entry.machine->valid(entry.state, ref)) return ref;
  const bool to_come = !step->for_each.empty() && entry.state.entered_at[ref.step] == Time{};
  if (to_come) return refuse(ErrorCode::illegal_event, "step '" + report.step + "' was not entered");
  return refuse(ErrorCode::task_not_found,
                "task '" + report.step + "/" + report.task + "' has no instance " + std::to_string(report.instance));
}

Result<engine::Command> report_of(const Entry& entry, const ReportRequest& request) {
  engine::ReportExternal command;
  command.expected = expected_by(request);
  for (const NewReport& report : request.reports) {
    const auto task = find_task(entry, report);
    if (!task) return tl::unexpected<Error>(task.error());
    if (const auto* done = std::get_if<CompletedResult>(&report.result)) {
      command.items.push_back({*task, engine::Completed{done->output}});
    } else {
      const auto& failed = std::get<FailedResult>(report.result);
      command.items.push_back(
          {*task, engine::Failed{failed.code, failed.message, failed.details, false, failed.effect}});
    }
  }
  return command;
}

}  // namespace

Result<std::optional<Partition::Repeated>> Partition::find_repeated(const Entry& entry,
                                                                    const std::vector<AskedEvent>& asked) {
  std::optional<Repeated> repeated;
  std::size_t known = 0;
  std::set<std::string_view> ids;
  for (const AskedEvent& event : asked) {
    if (event.id.empty()) continue;
    const std::string id(event.id);
    if (!ids.insert(event.id).second)
      return refuse(ErrorCode::id_reused, "event id '" + id + "' occurs twice in this append");
    const auto before = find_request(entry, id);
    if (!before) return tl::unexpected<Error>(before.error());
    if (!*before) continue;
    if ((*before)->digest != event.digest)
      return refuse(ErrorCode::id_reused, "event id '" + id + "' was used for an event with other content");
    const Sequence at = (*before)->first_sequence;
    if (!repeated) repeated = Repeated{at, at};
    repeated = Repeated{std::min(repeated->first, at), std::max(repeated->last, at)};
    ++known;
  }
  if (known != 0 && known != asked.size())
    return refuse(ErrorCode::id_reused,
                  "only some of these event ids are known: an append is repeated whole or not at all");
  return repeated;
}

void Partition::append(Entry& entry, const std::vector<AskedEvent>& asked,
                       const std::function<Result<engine::Command>()>& make, bool (*is_asked)(const Event&),
                       ReplyTo<AppendReply> reply, Time now) {
  const auto refused = [&](const Error& error) {
    answer<AppendReply>(entry.last_position, std::move(reply), tl::unexpected<Error>(error));
  };
  const auto repeated = find_repeated(entry, asked);
  if (!repeated) return refused(repeated.error());
  if (*repeated) {
    after(entry.last_position,
          [this, number = entry.number, then = **repeated, reply = std::move(reply)](const Error* failed) {
            if (failed != nullptr) return reply(tl::unexpected<Error>(*failed));
            const auto stood = load_as_answered(number, then.last);
            if (!stood) return reply(tl::unexpected<Error>(stood.error()));
            reply(reply_of(**stood, then.first, then.last, true));
          });
    return;
  }
  const auto command = make();
  if (!command) return refused(command.error());
  Turn turn(entry);
  const auto decision = decide(turn, *command, now);
  if (!decision) return refused(decision.error());
  // One event for each that was asked for, in their order; what follows from them stands between and behind.
  const Sequence first = asked.empty() ? entry.state.sequence : turn.first;
  Sequence sequence = turn.first, last = entry.state.sequence;
  std::vector<std::pair<std::string, storage::RequestEntry>> requests;
  std::size_t next = 0;
  for (const Event& event : decision->events) {
    if (is_asked(event)) {
      DTA_ASSERT(next < asked.size());
      const AskedEvent& one = asked[next++];
      if (!one.id.empty()) requests.emplace_back(one.id, storage::RequestEntry{sequence, one.digest});
      last = sequence;
    }
    sequence = sequence.next();
  }
  DTA_ASSERT(next == asked.size());
  finish(turn, now);
  for (const auto& [id, request] : requests) remember_request(entry, id, request);
  answer<AppendReply>(entry.last_position, std::move(reply), reply_of(entry, first, last, false));
}

void Partition::on(AppendRequest& request, Time now) {
  auto found = find(request.id);
  if (!found) return answer<AppendReply>({}, std::move(request.reply), tl::unexpected<Error>(found.error()));
  std::vector<AskedEvent> asked;
  for (const NewTransition& event : request.events)
    asked.push_back({event.id, event.id.empty() ? Hash{} : asked_digest(event)});
  const auto make = [&]() -> Result<engine::Command> {
    engine::Append command;
    command.expected = expected_by(request);
    for (const NewTransition& event : request.events) command.items.push_back({event.id, event.on, event.data});
    return command;
  };
  append(**found, asked, make, is_transition, std::move(request.reply), now);
}

void Partition::on(ReportRequest& request, Time now) {
  auto found = find(request.id);
  if (!found) return answer<AppendReply>({}, std::move(request.reply), tl::unexpected<Error>(found.error()));
  std::vector<AskedEvent> asked;
  for (const NewReport& report : request.reports)
    asked.push_back({report.id, report.id.empty() ? Hash{} : asked_digest(report)});
  const Entry& entry = **found;
  append(**found, asked, [&] { return report_of(entry, request); }, is_report, std::move(request.reply), now);
}

}  // namespace dta::server

// People who decide incidents, and participants who do external tasks and report them by name.
#include <fmt/format.h>

#include "simulation/chance.h"
#include "simulation/world.h"

namespace dta::simulation {

using namespace schema;

// One decision an incident, however often it is sent: two people who decide against each other would each have to know
// what the other did outside.
World::CallPtr World::decide(const std::string& id, const IncidentRaised& raised) {
  const auto incident_of = std::pair(id, raised.number);
  const auto events = host_.history(id);
  if (has_ended(events)) return resolve(id, raised.number, IncidentResolution::accept);
  auto decision = decisions_.find(incident_of);
  if (decision == decisions_.end() || refused_decisions_.erase(incident_of) > 0) {
    Chance chance = chance_for(plan_.seed, fmt::format("{}/{}/{}", id, raised.number, names_));
    auto fitting = answers_to(raised.kind);
    // What was refused was a retry of what cannot be tried again.
    if (decision != decisions_.end() && raised.kind != IncidentKind::expired)
      std::erase(fitting, IncidentResolution::retry);
    decision = decisions_.insert_or_assign(incident_of, chance.of(fitting)).first;
  }
  if (!concerns_step(raised.kind)) {
    const std::string key = key_of(id, raised.task);
    if (decision->second == IncidentResolution::force_done) {
      ledger_.force(key, raised.kind == IncidentKind::pivot_unknown);
    } else if (decision->second == IncidentResolution::force_failed) {
      ledger_.force(key, false);
    }
  }
  return resolve(id, raised.number, decision->second);
}

void World::take_part(const std::string& id, const PlannedMove& step, bool at_once) {
  const Definition& definition = definition_of(id);
  const auto events = host_.history(id);
  auto asked = asked_outside(events, definition);
  if (step.b % 16 == 0) {
    // One that nobody has asked for, perhaps.
    asked.clear();
    for (std::uint16_t s = 0; s < definition.steps.size(); ++s)
      for (std::uint16_t t = 0; t < definition.steps[s].tasks.size(); ++t)
        if (definition.steps[s].tasks[t].external) asked.push_back({s, t, 0});
  }
  if (asked.empty()) return;
  std::vector<TaskRef> tasks{asked[step.b / 16 % asked.size()]};
  if (step.c % 5 == 0) tasks.push_back(asked[step.c / 5 % asked.size()]);
  if (tasks.size() == 2 && tasks[0] == tasks[1]) tasks.pop_back();
  std::optional<std::uint64_t> expected;
  if (step.c % 7 == 0) expected = events.size();
  send(report_outside(id, tasks, step.c, expected), at_once);
}

// A participant does what it was asked for when it reports it for the first time, and says the same ever after.
World::CallPtr World::report_outside(const std::string& id, const std::vector<TaskRef>& tasks, std::uint32_t mood,
                                     std::optional<std::uint64_t> expected) {
  const Definition& definition = definition_of(id);
  const auto asked = asked_outside(host_.history(id), definition);
  server::ReportRequest request;
  request.id = id;
  if (expected) request.expect = server::Expect::exactly;
  request.expected_sequence = expected.value_or(0);
  bool all_asked = true;
  for (const TaskRef& ref : tasks) {
    const std::string key = key_of(id, ref);
    const bool is_asked = std::find(asked.begin(), asked.end(), ref) != asked.end();
    all_asked &= is_asked;
    const Step& step = definition.steps[ref.step];
    auto said = reported_.find(key);
    if (said == reported_.end()) {
      // What nobody has asked for it refuses, now and later.
      Outcome outcome = is_asked ? perform(id, key, step.name, step.tasks[ref.task].name, mood)
                                 : server::FailedResult{"refused", "too early", "", false, Effect::none};
      if (std::holds_alternative<server::ReleasedResult>(outcome))
        outcome = server::FailedResult{"refused", "it said no", "", false, Effect::none};
      said = reported_.emplace(key, std::move(outcome)).first;
    }
    // Unless a person has closed its key since: then its barrier lets nothing of it count any more.
    if (const Ledger::Entry* entry = ledger_.find(key);
        entry != nullptr && entry->closed && std::holds_alternative<server::CompletedResult>(said->second))
      said->second = server::FailedResult{"undone_before", "it was called off", "", false, Effect::none};
    server::NewReport& report = request.reports.emplace_back();
    report.id = fmt::format("r{}", ++names_);
    report.step = step.name;
    report.task = step.tasks[ref.task].name;
    report.instance = ref.instance;
    if (const auto* done = std::get_if<server::CompletedResult>(&said->second)) report.result = *done;
    if (const auto* failed = std::get_if<server::FailedResult>(&said->second)) report.result = *failed;
  }
  const std::string first = request.reports.front().id;
  const std::string text = fmt::format("report {} of {}/{}", first, id, request.reports.front().task);
  return make_call<server::AppendReply>(
      text, request,
      [this, id, text, all_asked, expected, ref = tasks.front()](Call& call, const Result<server::AppendReply>& reply) {
        const auto events = host_.history(id);
        if (!reply) {
          const ErrorCode code = reply.error().code;
          const bool fair = ((code == ErrorCode::illegal_event || code == ErrorCode::task_not_found) && !all_asked) ||
                            (code == ErrorCode::transaction_not_found && !known_.contains(id)) ||
                            (code == ErrorCode::wrong_sequence && expected && events.size() != *expected);
          if (call.firm || !fair)
            fail(id, fmt::format("{} is refused: {}, {}", text, to_string(code), reply.error().message));
          return;
        }
        bool there = false;
        if (reply->first_sequence > 0 && reply->sequence <= events.size())
          std::visit(
              [&]<class E>(const E& e) {
                if constexpr (requires { e.attempt.lease; })
                  there = e.attempt.task == ref && !e.attempt.lease && e.attempt.action == Action::perform;
              },
              events[reply->first_sequence - 1].event.event);
        if (!there) fail(id, text + " is acknowledged and not in the log");
        if (call.firm && (!reply->repeated || reply->first_sequence != call.first_sequence))
          fail(id, text + " has two answers");
        call.firm = true;
        call.first_sequence = reply->first_sequence;
      },
      [](const Result<server::AppendReply>&) {});
}

}  // namespace dta::simulation

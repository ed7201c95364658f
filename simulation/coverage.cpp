// See coverage.h.
#include "simulation/coverage.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace dta::simulation {

using namespace schema;

namespace {

using List = Coverage::Counts Coverage::*;
constexpr std::array<std::pair<const char*, List>, 6> kLists{{{"event", &Coverage::events},
                                                              {"transition", &Coverage::transitions},
                                                              {"end", &Coverage::ends},
                                                              {"incident", &Coverage::incidents},
                                                              {"route", &Coverage::routes},
                                                              {"place", &Coverage::places}}};

const char* phase_after(EventKind kind) {
  switch (kind) {
    case EventKind::transaction_started:
      return "running";
    case EventKind::compensation_started:
      return "compensating";
    case EventKind::transaction_completed:
      return "completed";
    case EventKind::transaction_compensated:
      return "compensated";
    case EventKind::transaction_terminated:
      return "terminated";
    default:
      return nullptr;
  }
}

const char* word(GoKind kind) {
  static constexpr const char* kWords[] = {"follow", "step", "end", "compensate"};
  return kWords[static_cast<std::size_t>(kind)];
}

// What one event says about places of the definition.
class Places {
 public:
  Places(Coverage::Counts& counts, const Definition& definition) : counts_(counts), d_(definition) {}

  void operator()(const StepEntered& e) {
    step("entered", e.step);
    for (const TaskRef& ref : e.skipped) task("skipped", ref);
  }
  void operator()(const StepSkipped& e) { step("skipped", e.step); }
  void operator()(const StepMet& e) {
    step("met", e.step);
    choice(e.step, "next", e.route);
  }
  void operator()(const StepFailed& e) {
    step("failed", e.step);
    choice(e.step, "on_failure", e.route);
  }
  void operator()(const StepUndone& e) { step("undone", e.step); }
  void operator()(const TaskSkipped& e) { task("skipped", e.task); }
  void operator()(const TaskLeased& e) {
    task(e.action == Action::undo ? "undo handed out" : e.attempt > 1 ? "tried again" : "handed out", e.task);
  }
  void operator()(const TaskCompleted& e) {
    task(e.attempt.action == Action::undo ? "undone" : "done", e.attempt.task);
  }
  void operator()(const TaskFailed& e) {
    if (e.attempt.action == Action::undo) return task("undo refused", e.attempt.task);
    if (e.retry_at == Time::never()) task(e.effect == Effect::unknown ? "unknown" : "failed", e.attempt.task);
  }
  void operator()(const AttemptTimedOut& e) {
    if (e.attempt.action == Action::perform && e.retry_at == Time::never()) task("unknown", e.attempt.task);
  }
  void operator()(const TaskTimedOut& e) { task("timed out", e.task); }
  void operator()(const IncidentRaised& e) {
    if (concerns_step(e.kind))
      step("incident", e.task.step);
    else
      task("incident", e.task);
  }
  void operator()(const Transitioned& e) {
    const Transition& t = d_.transitions[e.transition];
    ++counts_[fmt::format("moved {} {} {}", d_.states[t.from].name, t.on, d_.states[t.to].name)];
  }
  template <class E>
  void operator()(const E&) {}

 private:
  void step(const char* what, std::uint16_t index) { ++counts_[fmt::format("{} {}", what, d_.steps[index].name)]; }
  void task(const char* what, const TaskRef& ref) {
    ++counts_[fmt::format("{} {}/{}", what, d_.steps[ref.step].name, d_.steps[ref.step].tasks[ref.task].name)];
  }
  void choice(std::uint16_t index, const char* list, const Route& route) {
    if (route.choice != kNoChoice) ++counts_[fmt::format("chosen {}/{}/{}", d_.steps[index].name, list, route.choice)];
  }

  Coverage::Counts& counts_;
  const Definition& d_;
};

}  // namespace

void Coverage::add(const Events& list, const Definition& definition, bool with_places) {
  std::string phase = "none";
  Places place(places, definition);
  for (const Logged& logged : list) {
    const EventKind kind = kind_of(logged.event.event);
    const std::string text(to_string(kind));
    ++events[text];
    ++transitions[phase + " " + text];
    if (const char* next = phase_after(kind)) phase = next;
    if (const auto* met = std::get_if<StepMet>(&logged.event.event))
      ++routes[fmt::format("met {}", word(met->route.kind))];
    if (const auto* failed = std::get_if<StepFailed>(&logged.event.event))
      ++routes[fmt::format("failed {}", word(failed->route.kind))];
    if (const auto* raised = std::get_if<IncidentRaised>(&logged.event.event))
      ++incidents[fmt::format("{} raised", to_string(raised->kind))];
    if (const auto* resolved = std::get_if<IncidentResolved>(&logged.event.event))
      if (const IncidentRaised* raised = incident(list, resolved->number))
        ++incidents[fmt::format("{} {}", to_string(raised->kind), to_string(resolved->resolution))];
    if (with_places) std::visit(place, logged.event.event);
  }
  ++ends[phase];
}

void Coverage::add(const Coverage& other) {
  for (const auto& [word, list] : kLists)
    for (const auto& [name, count] : other.*list) (this->*list)[name] += count;
}

std::vector<std::string> Coverage::lines() const {
  std::vector<std::string> lines;
  for (const auto& [word, list] : kLists)
    for (const auto& [name, count] : this->*list) lines.push_back(fmt::format("{} {} {}", word, name, count));
  return lines;
}

bool Coverage::read(const std::string& line) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  std::uint64_t count = 0;
  if (first == std::string::npos || first == last ||
      std::from_chars(line.data() + last + 1, line.data() + line.size(), count).ec != std::errc())
    return false;
  for (const auto& [word, list] : kLists)
    if (line.compare(0, first, word) == 0) {
      (this->*list)[line.substr(first + 1, last - first - 1)] += count;
      return true;
    }
  return false;
}

}  // namespace dta::simulation

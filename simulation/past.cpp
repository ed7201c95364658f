// See past.h.
#include "simulation/past.h"

#include <deque>

namespace dta::simulation {

using namespace schema;

bool has_ended(const Events& events) {
  return has<TransactionCompleted>(events) || has<TransactionCompensated>(events) || has<TransactionTerminated>(events);
}

bool is_closed(const Events& events) {
  return has_ended(events) || has<OutcomeDecided>(events) || has<CompensationStarted>(events);
}

bool is_paused(const Events& events, Sequence before) {
  bool paused = false;
  for (const Logged& logged : events) {
    if (logged.event.sequence >= before) break;
    if (std::holds_alternative<TransactionPaused>(logged.event.event)) paused = true;
    if (std::holds_alternative<TransactionResumed>(logged.event.event)) paused = false;
  }
  return paused;
}

bool past_pivot(const Events& events, const Definition& definition) {
  return has<StepMet>(events, [&](const StepMet& met) { return definition.steps[met.step].pivot; });
}

const IncidentRaised* incident(const Events& events, std::uint32_t number) {
  for (const Logged& logged : events)
    if (const auto* raised = std::get_if<IncidentRaised>(&logged.event.event);
        raised != nullptr && raised->number == number)
      return raised;
  return nullptr;
}

bool is_resolved(const Events& events, std::uint32_t number) {
  return has<IncidentResolved>(events, [&](const IncidentResolved& r) { return r.number == number; });
}

std::vector<const IncidentRaised*> open_incidents(const Events& events) {
  std::vector<const IncidentRaised*> open;
  for (const Logged& logged : events)
    if (const auto* raised = std::get_if<IncidentRaised>(&logged.event.event);
        raised != nullptr && !is_resolved(events, raised->number))
      open.push_back(raised);
  return open;
}

std::vector<TaskRef> asked_outside(const Events& events, const Definition& definition) {
  std::vector<TaskRef> asked;
  for (const Logged& logged : events) {
    if (const auto* ready = std::get_if<TaskReady>(&logged.event.event))
      if (definition.steps[ready->task.step].tasks[ready->task.task].external) asked.push_back(ready->task);
    const auto* entered = std::get_if<StepEntered>(&logged.event.event);
    if (entered == nullptr || entered->unresolved) continue;
    const Step& step = definition.steps[entered->step];
    const std::uint32_t instances = step.for_each.empty() ? 1 : entered->instances;
    for (std::uint32_t i = 0; i < instances; ++i)
      for (std::uint16_t t = 0; t < step.tasks.size(); ++t) {
        const TaskRef ref{entered->step, t, i};
        if (step.tasks[t].external && step.tasks[t].after.empty() &&
            std::find(entered->skipped.begin(), entered->skipped.end(), ref) == entered->skipped.end())
          asked.push_back(ref);
      }
  }
  return asked;
}

bool is_reported(const Events& events, const TaskRef& task) {
  bool reported = false;
  for (const Logged& logged : events) {
    if (const auto* resolved = std::get_if<IncidentResolved>(&logged.event.event)) {
      const IncidentRaised* raised = incident(events, resolved->number);
      const bool again = raised != nullptr && resolved->resolution == IncidentResolution::retry &&
                         (raised->task == task || (concerns_step(raised->kind) && raised->task.step == task.step));
      if (again) reported = false;
    }
    std::visit(
        [&]<class E>(const E& e) {
          if constexpr (requires { e.attempt.lease; })
            reported |= e.attempt.task == task && !e.attempt.lease && e.attempt.action == Action::perform;
        },
        logged.event.event);
  }
  return reported;
}

std::vector<std::string> awaited_signals(const Events& events, const Definition& definition) {
  // Which signals the steps before have taken: each takes the oldest that is left.
  std::vector<std::string> kept, awaited;
  const auto take = [&](const std::string& name) {
    const auto found = std::find(kept.begin(), kept.end(), name);
    if (found == kept.end()) return false;
    kept.erase(found);
    return true;
  };
  for (const Logged& logged : events) {
    if (const auto* received = std::get_if<SignalReceived>(&logged.event.event)) {
      const auto waits = std::find(awaited.begin(), awaited.end(), received->name);
      if (waits != awaited.end())
        awaited.erase(waits);
      else
        kept.push_back(received->name);
    }
    const auto* entered = std::get_if<StepEntered>(&logged.event.event);
    if (entered != nullptr || std::holds_alternative<StepMet>(logged.event.event) ||
        std::holds_alternative<StepFailed>(logged.event.event) || std::holds_alternative<WaitEnded>(logged.event.event))
      awaited.clear();
    if (entered == nullptr || !definition.steps[entered->step].wait_for) continue;
    for (const std::string& name : definition.steps[entered->step].wait_for->signals)
      if (!take(name)) awaited.push_back(name);
  }
  return is_closed(events) ? std::vector<std::string>() : awaited;
}

std::vector<TaskRef> entered_tasks(const Events& events, const Definition& definition) {
  std::vector<TaskRef> tasks;
  for (const Logged& logged : events) {
    const auto* entered = std::get_if<StepEntered>(&logged.event.event);
    if (entered == nullptr) continue;
    const Step& step = definition.steps[entered->step];
    const std::uint32_t instances = step.for_each.empty() ? 1 : entered->instances;
    for (std::uint32_t i = 0; i < instances; ++i)
      for (std::uint16_t t = 0; t < step.tasks.size(); ++t) tasks.push_back({entered->step, t, i});
  }
  return tasks;
}

bool is_decided(const Events& events, std::uint16_t step) {
  const auto is_it = [&](const auto& e) { return e.step == step; };
  return has<StepMet>(events, is_it) || has<StepFailed>(events, is_it) || has<CompensationStarted>(events);
}

bool is_given_up(const Events& events, const TaskRef& task) {
  return has<IncidentResolved>(events, [&](const IncidentResolved& resolved) {
    const IncidentRaised* raised = incident(events, resolved.number);
    return raised != nullptr && raised->kind == IncidentKind::undo_failed && raised->task == task &&
           (resolved.resolution == IncidentResolution::give_up || resolved.resolution == IncidentResolution::accept);
  });
}

bool is_counted(const Events& events, const Definition& definition, const TaskRef& task) {
  const Step& step = definition.steps[task.step];
  bool met = false, done = false, counted = false;
  for (const Logged& logged : events) {
    if (const auto* join = std::get_if<StepMet>(&logged.event.event); join != nullptr && join->step == task.step) {
      met = true;
      counted = done;
    }
    bool now = false;
    if (const auto* resolved = std::get_if<IncidentResolved>(&logged.event.event)) {
      const IncidentRaised* raised = incident(events, resolved->number);
      now = raised != nullptr && raised->kind == IncidentKind::pivot_unknown && raised->task == task &&
            resolved->resolution == IncidentResolution::force_done;
    }
    const auto* completed = std::get_if<TaskCompleted>(&logged.event.event);
    now |= completed != nullptr && completed->attempt.task == task && completed->attempt.action == Action::perform;
    done |= now;
    if (now && met && step.leftover == Leftover::keep) counted = true;
  }
  return counted;
}

bool is_left_over(const Events& events, const Definition& definition, const TaskRef& task) {
  return has<StepMet>(events, [&](const StepMet& join) { return join.step == task.step; }) &&
         !is_counted(events, definition, task) && definition.steps[task.step].late_success == LateSuccess::compensate;
}

std::uint16_t table_state(const Events& events, const Definition& definition) {
  std::uint16_t state = definition.initial;
  for (const Logged& logged : events)
    if (const auto* moved = std::get_if<Transitioned>(&logged.event.event)) state = moved->to;
  return state;
}

std::vector<std::string> way_to_end(const Definition& definition, std::uint16_t state) {
  std::vector<std::vector<std::string>> ways(definition.states.size());
  std::set<std::uint16_t> seen{state};
  for (std::deque<std::uint16_t> next{state}; !next.empty(); next.pop_front()) {
    const std::uint16_t here = next.front();
    if (definition.states[here].end != StateEnd::none) return ways[here];
    for (const Transition& t : definition.transitions) {
      if (t.from != here || t.on == "expired" || !seen.insert(t.to).second) continue;
      ways[t.to] = ways[here];
      ways[t.to].push_back(t.on);
      next.push_back(t.to);
    }
  }
  return {};
}

std::vector<IncidentResolution> answers_to(IncidentKind kind) {
  using enum IncidentResolution;
  switch (kind) {
    case IncidentKind::undo_failed:
      return {retry, force_done, give_up};
    case IncidentKind::effect_after_undo:
      return {retry, accept};
    case IncidentKind::pivot_unknown:
      return {retry, force_done, force_failed};
    case IncidentKind::step_failed:
      return {retry, force_done};
    case IncidentKind::expired:
      return {accept};
  }
  return {};
}

}  // namespace dta::simulation

// See telling.h.
#include "tests/model/telling.h"

#include <fmt/format.h>

#include <type_traits>

namespace dta::model {

using namespace schema;

std::string tell(const TaskRef& task) {
  return fmt::format("{}/{}/{}", task.step, task.task, task.instance);
}

std::string tell(const Route& route) {
  const std::string choice = route.choice == kNoChoice ? "" : fmt::format(" by {}", route.choice);
  switch (route.kind) {
    case GoKind::follow:
      return "follow" + choice;
    case GoKind::step:
      return fmt::format("step {}{}", route.step, choice);
    case GoKind::end:
      return "end" + choice;
    case GoKind::compensate:
      break;
  }
  return "compensate" + choice;
}

std::string tell(const char* name, const std::optional<Duration>& length) {
  return length ? fmt::format(" {} {}", name, length->ms) : "";
}

std::string tell_failure(std::size_t step, const std::optional<TaskRef>& task, const std::string& code,
                         const Route& route) {
  return fmt::format("{} {} {} {}", step, task ? tell(*task) : "-", code, tell(route));
}

std::string tell_incident(IncidentKind kind, const TaskRef& task, const std::string& code) {
  return fmt::format("{} {} {}", to_string(kind), concerns_step(kind) ? fmt::format("{}", task.step) : tell(task),
                     code);
}

std::string tell(const Event& event) {
  return std::visit(
      []<class E>(const E& e) -> std::string {
        if constexpr (std::is_same_v<E, StepEntered>) {
          std::string text = fmt::format("{} of {}{}", e.step, e.instances, e.unresolved ? " unresolved" : "");
          for (const TaskRef& ref : e.skipped) text += " -" + tell(ref);
          text += tell("deadline", e.deadline) + tell("wait", e.wait) + tell("until", e.wait_deadline);
          for (const ResolvedTimeouts& t : e.timeouts) text += " limits " + tell(t.task);
          return text;
        } else if constexpr (std::is_same_v<E, StepSkipped> || std::is_same_v<E, StepUndone>) {
          return fmt::format("{}", e.step);
        } else if constexpr (std::is_same_v<E, StepMet>) {
          return fmt::format("{} {}", e.step, tell(e.route));
        } else if constexpr (std::is_same_v<E, StepFailed>) {
          return tell_failure(e.step, e.has_task ? std::optional(e.task) : std::nullopt, e.code, e.route);
        } else if constexpr (std::is_same_v<E, WaitEnded>) {
          return fmt::format("{} {}", e.step, e.how == WaitEnd::time ? "time" : "deadline");
        } else if constexpr (std::is_same_v<E, TaskLeased>) {
          return tell(e.task) + (e.action == Action::undo ? fmt::format(" undo {}", e.order) : "");
        } else if constexpr (requires { e.attempt.task; }) {
          return tell(e.attempt.task) + (e.attempt.action == Action::undo ? " undo" : "");
        } else if constexpr (std::is_same_v<E, TaskTimedOut>) {
          return tell(e.task) + (e.limit == TaskLimit::queue ? " queue" : " total");
        } else if constexpr (std::is_same_v<E, TaskReady> || std::is_same_v<E, TaskSkipped>) {
          return tell(e.task);
        } else if constexpr (std::is_same_v<E, CompensationStarted>) {
          // The reason of a cancellation is a person's.
          const bool by_person = e.cause == CompensationCause::cancelled;
          return fmt::format("{} {}", static_cast<int>(e.cause), by_person ? "" : e.reason);
        } else if constexpr (std::is_same_v<E, IncidentRaised>) {
          return tell_incident(e.kind, e.task, e.code);
        } else if constexpr (std::is_same_v<E, IncidentResolved>) {
          return fmt::format("{} {}", e.number, to_string(e.resolution));
        } else {
          return {};
        }
      },
      event);
}

}  // namespace dta::model

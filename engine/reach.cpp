// See reach.h. Pure.
#include "engine/reach.h"

#include <type_traits>

namespace dta::engine {

using namespace schema;

std::optional<TaskRef> confined_to(const Event& event) {
  return std::visit(
      []<class E>(const E& e) -> std::optional<TaskRef> {
        if constexpr (std::is_same_v<E, TaskReady> || std::is_same_v<E, TaskSkipped> || std::is_same_v<E, TaskLeased> ||
                      std::is_same_v<E, TaskTimedOut>)
          return e.task;
        else if constexpr (std::is_same_v<E, TaskCompleted> || std::is_same_v<E, TaskFailed> ||
                           std::is_same_v<E, TaskReleased> || std::is_same_v<E, AttemptTimedOut> ||
                           std::is_same_v<E, HeartbeatRecorded> || std::is_same_v<E, LateResult>)
          return e.attempt.task;
        else
          return std::nullopt;
      },
      event);
}

}  // namespace dta::engine

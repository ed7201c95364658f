// What a durable history says, read from the outside: no state is folded, each question looks through the list. Pure.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/definition.h"
#include "simulation/judge.h"

namespace dta::simulation {

template <class E, class Test>
bool has(const Events& events, Test&& test) {
  return std::any_of(events.begin(), events.end(), [&](const Logged& logged) {
    const auto* e = std::get_if<E>(&logged.event.event);
    return e != nullptr && test(*e);
  });
}
template <class E>
bool has(const Events& events) {
  return has<E>(events, [](const E&) { return true; });
}

bool has_ended(const Events& events);
// Decided, in compensation or ended: no cancel, no signal.
bool is_closed(const Events& events);
bool is_paused(const Events& events, schema::Sequence before);  // before that event
bool past_pivot(const Events& events, const schema::Definition& definition);
// The first one: what a person was told.
const schema::IncidentRaised* incident(const Events& events, std::uint32_t number);
bool is_resolved(const Events& events, std::uint32_t number);
std::vector<const schema::IncidentRaised*> open_incidents(const Events& events);
// External tasks that became ready, whatever has become of them since.
std::vector<schema::TaskRef> asked_outside(const Events& events, const schema::Definition& definition);
// A participant's report has settled it, and nobody has asked for it again since.
bool is_reported(const Events& events, const schema::TaskRef& task);
// The signals that the step entered last still waits for.
std::vector<std::string> awaited_signals(const Events& events, const schema::Definition& definition);
// Every task that was entered, of every instance.
std::vector<schema::TaskRef> entered_tasks(const Events& events, const schema::Definition& definition);
// Its join is decided, either way.
bool is_decided(const Events& events, std::uint16_t step);
// A person decided that the task's undo is given up.
bool is_given_up(const Events& events, const schema::TaskRef& task);
// The step's join was met, and took the task as done.
bool is_counted(const Events& events, const schema::Definition& definition, const schema::TaskRef& task);
// The join was met without the task: its undo may run at any time after that.
bool is_left_over(const Events& events, const schema::Definition& definition, const schema::TaskRef& task);
std::uint16_t table_state(const Events& events, const schema::Definition& definition);
// What leads from the state to an end on the shortest way; nothing: no way does, or it is one.
std::vector<std::string> way_to_end(const schema::Definition& definition, std::uint16_t state);

// What a person may say of an incident while the transaction is open.
std::vector<schema::IncidentResolution> answers_to(schema::IncidentKind kind);

}  // namespace dta::simulation

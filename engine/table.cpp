// Table form: events come from outside and are validated by the machine's masks on append.
#include <algorithm>

#include "engine/decider.h"
#include "engine/lifecycle.h"

namespace dta::engine {

using namespace schema;

namespace {

std::string legal_names(const Machine& machine, std::size_t state) {
  std::string names;
  for (std::uint32_t i : machine.leaving(state))
    names += (names.empty() ? "'" : ", '") + machine.definition().transitions[i].on + "'";
  return names.empty() ? "no event is legal there" : "legal are " + names;
}

const std::uint32_t* transition_for(const Machine& machine, std::size_t state, std::string_view on) {
  const auto& leaving = machine.leaving(state);
  const auto it = std::find_if(leaving.begin(), leaving.end(),
                               [&](std::uint32_t i) { return machine.definition().transitions[i].on == on; });
  return it == leaving.end() ? nullptr : &*it;
}

// Moves bits and state as the events would, so that a batch is refused whole before any of it happened.
Status rehearse(const Decider& d, const Append& command) {
  BitSet bits = d.s.bits;
  std::size_t state = d.s.table_state;
  bool ended = false;
  const Definition& definition = d.m.definition();
  for (std::size_t i = 0; i < command.items.size(); ++i) {
    const std::string& on = command.items[i].on;
    const std::string place = command.items.size() == 1 ? "" : "event " + std::to_string(i) + ": ";
    if (d.s.ended())
      return refuse(ErrorCode::closed,
                    place + "the transaction has ended in state '" + definition.states[state].name + "'");
    // An event of this batch that leads to an end lets no other follow; the transaction itself is still open.
    const std::uint32_t* found = ended ? nullptr : transition_for(d.m, state, on);
    Masks masks;
    if (found != nullptr) {
      const Transition& t = definition.transitions[*found];
      masks = masks_of(d.m, d.s, Transitioned{*found, t.from, t.to, {}, {}});
    }
    if (found == nullptr || !legal(bits, masks)) {
      Error error{ErrorCode::illegal_event, place + "'" + on + "' is not legal in state '" +
                                                definition.states[state].name + "'; " + legal_names(d.m, state)};
      error.current_sequence = d.s.sequence.value;
      return tl::unexpected<Error>(std::move(error));
    }
    apply(bits, masks);
    state = definition.transitions[*found].to;
    ended = definition.states[state].end != StateEnd::none;
  }
  return {};
}

// The terminal event that follows from standing in a state that is an end.
void end_if_due(Decider& d) {
  switch (d.m.definition().states[d.s.table_state].end) {
    case StateEnd::none:
      return;
    case StateEnd::completed:
      d.emit(TransactionCompleted{});
      return;
    case StateEnd::terminated:
      d.emit(TransactionTerminated{"the definition ends here", {}, {}});
      return;
  }
}

void take(Decider& d, std::uint32_t transition, const std::string& event_id, const std::string& data) {
  const Transition& t = d.m.definition().transitions[transition];
  Transitioned event{transition, t.from, t.to, event_id, {}};
  event.data = d.attach(data);
  d.emit(std::move(event));
  end_if_due(d);
}

}  // namespace

void begin_table(Decider& d) {
  end_if_due(d);
}

Status wrong_sequence(const Decider& d, Sequence expected) {
  Error error{ErrorCode::wrong_sequence, "expected sequence " + std::to_string(expected.value) +
                                             ", but the transaction is at " + std::to_string(d.s.sequence.value)};
  error.current_sequence = d.s.sequence.value;
  return tl::unexpected<Error>(std::move(error));
}

Status append(Decider& d, const Append& command) {
  if (d.s.form != Form::table)
    return refuse(ErrorCode::reserved_kind,
                  "this transaction runs in steps form: its events are made by the engine, not by clients");
  if (command.expected && *command.expected != d.s.sequence) return wrong_sequence(d, *command.expected);
  for (const Append::Item& item : command.items)
    if (item.on.starts_with("dta.") || item.on.starts_with("$"))
      return refuse(ErrorCode::reserved_kind, "'" + item.on + "' is a name of the engine");
  if (Status status = rehearse(d, command); !status) return status;
  for (const Append::Item& item : command.items)
    take(d, *transition_for(d.m, d.s.table_state, item.on), item.event_id, item.data);
  return {};
}

void expire_table(Decider& d) {
  if (d.s.expires_at > d.now) return;
  const std::uint32_t* expired = transition_for(d.m, d.s.table_state, "expired");
  if (expired != nullptr &&
      legal(d.s.bits,
            masks_of(d.m, d.s,
                     Transitioned{*expired, d.s.table_state, d.m.definition().transitions[*expired].to, {}, {}}))) {
    take(d, *expired, {}, {});
    if (!d.s.ended()) return;
  } else {
    d.emit(TransactionTerminated{"expired", {}, {}});
  }
}

}  // namespace dta::engine

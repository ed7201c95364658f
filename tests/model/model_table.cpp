// Table form in the reference model: states, and transitions that a client appends or the expiry takes. See model.h.
#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

std::optional<ErrorCode> Transaction::append(std::optional<Sequence> expected, const std::vector<std::string>& names,
                                             Time now) {
  static_cast<void>(now);
  if (definition_->form != Form::table) return ErrorCode::reserved_kind;
  if (expected && expected->value != log.size()) return ErrorCode::wrong_sequence;
  for (const std::string& name : names)
    if (name.starts_with("dta.") || name.starts_with("$")) return ErrorCode::reserved_kind;
  if (ended() && !names.empty()) return ErrorCode::closed;
  // All or nothing: walk the table first.
  std::string state = table_state;
  std::vector<const Transition*> walk;
  for (const std::string& name : names) {
    walk.push_back(leaving(state, name));
    if (walk.back() == nullptr) return ErrorCode::illegal_event;
    state = definition_->states[walk.back()->to].name;
  }
  for (const Transition* transition : walk) take(*transition);
  return std::nullopt;
}

const Transition* Transaction::leaving(const std::string& state, const std::string& on) const {
  for (const Transition& t : definition_->transitions)
    if (definition_->states[t.from].name == state && t.on == on) return &t;
  return nullptr;
}

void Transaction::take(const Transition& transition) {
  note(EventKind::transitioned);
  table_state = definition_->states[transition.to].name;
  if (transition.on == "expired") expires_at_ = Time::never();
  end_if_final();
}

void Transaction::end_if_final() {
  for (const schema::State& state : definition_->states) {
    if (state.name != table_state || state.end == StateEnd::none) continue;
    const bool well = state.end == StateEnd::completed;
    note(well ? EventKind::transaction_completed : EventKind::transaction_terminated);
    phase = well ? Phase::completed : Phase::terminated;
  }
}

}  // namespace dta::model

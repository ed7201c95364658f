// Child transactions: what pending() of the parent wishes is held against what the child does, and the child's end is
// told to the parent. Both are ordinary transactions with logs of their own in this partition; every step between them
// is a command that changes nothing when it is given twice, so that it does not matter where a crash came in between.
// Partition's thread.
#include <algorithm>

#include "server/partition_turn.h"

namespace dta::server {

using namespace schema;

namespace {

constexpr std::size_t kNesting = 8;   // generations below the root; deeper is an error of the definitions
constexpr std::size_t kIdTokens = 4;  // that a child adds to its parent's id: step, task, instance, generation

std::string id_of_parent(const std::string& child) {
  std::size_t end = child.size();
  for (std::size_t i = 0; i < kIdTokens; ++i) end = child.rfind('/', end - 1);
  return child.substr(0, end);
}

engine::Failed failed(std::string code, std::string message, schema::Effect effect = schema::Effect::none) {
  return {std::move(code), std::move(message), {}, false, effect};
}

// Why a child that compensated did so.
engine::Failed failure_of(const engine::State& s) {
  switch (s.cause) {
    case CompensationCause::step_failed:
    case CompensationCause::decided:
      return failed(s.failure.code, s.failure.message);
    case CompensationCause::cancelled:
      return failed("dta.cancelled", s.reason);
    case CompensationCause::expired:
      return failed("dta.expired", "the child transaction expired");
    case CompensationCause::parent:
      break;
  }
  return failed("dta.compensated", s.reason);
}

}  // namespace

void Partition::tend_families(Time now) {
  // Whoever is sealed meanwhile stands at the end of the list again.
  while (!families_.empty()) {
    const TransactionNumber number = families_.front();
    families_.pop_front();
    const auto it = entries_.find(number);
    if (it != entries_.end()) tend(*it->second, now);
  }
}

void Partition::command(Entry& entry, const engine::Command& command, Time now) {
  Turn turn(entry);
  static_cast<void>(decide(turn, command, now));
  finish(turn, now);
}

void Partition::tend(Entry& entry, Time now) {
  if (is_child(entry)) {
    auto parent = find(id_of_parent(entry.state.id));
    if (parent && (*parent)->state.phase == engine::Phase::terminated && !entry.state.ended())
      command(entry, engine::Terminate{"its parent was terminated", {}}, now);
    else if (parent && !(*parent)->state.ended() && entry.state.ended())
      families_.push_back((*parent)->number);  // which hears of the end; nothing else of a child concerns it
  }
  if (!entry.machine->has_children()) return;
  for (const engine::ChildWish& wish : pending(entry).children) serve(entry, wish, now);
  if (entry.state.phase != engine::Phase::terminated) return;
  // Open transactions are always in memory.
  for (const TaskRef& ref : engine::begun_children(*entry.machine, entry.state)) {
    const auto known = ids_.find(engine::child_id(*entry.machine, entry.state, ref));
    if (known == ids_.end() || entries_.at(known->second)->state.ended()) continue;
    command(*entries_.at(known->second), engine::Terminate{"its parent was terminated", {}}, now);
  }
}

void Partition::serve(Entry& parent, const engine::ChildWish& wish, Time now) {
  // What was told of an earlier wish may have changed this one.
  const bool undo = wish.kind == engine::ChildWish::Kind::undo;
  const engine::TaskState& now_is = parent.state.tasks[parent.machine->flat(parent.state, wish.task)];
  if (undo ? now_is.undo_status != engine::UndoStatus::child : now_is.status != engine::TaskStatus::child) return;
  const bool stopping = !undo && now_is.stopping;
  const auto tell = [&](engine::Outcome outcome, bool irreversible, bool left_behind) {
    engine::ReportChild report{wish.task, undo ? Action::undo : Action::perform, std::move(outcome), irreversible,
                               left_behind};
    command(parent, report, now);
  };
  const std::string id = engine::child_id(*parent.machine, parent.state, wish.task);
  auto found = find(id);
  if (!found) {
    if (found.error().code != ErrorCode::transaction_not_found) return;  // told when the log can be read again
    if (stopping) return tell(failed("dta.cancelled", "it was stopped before it began"), false, false);
    if (parent.state.paused) return;  // begun when it is resumed
    const Child& child = *parent.machine->task(wish.task).child;
    // A version that is named is taken as it is; else the newest that takes starts.
    const auto newest = child.version ? Result<const Published*>(definitions_.find(child.definition, *child.version))
                                      : definitions_.startable(child.definition, 0);
    const Published* published = newest ? *newest : nullptr;
    if (published == nullptr)
      return tell(failed("dta.definition_not_found",
                         newest ? "there is no definition '" + child.definition + "'" : newest.error().message),
                  false, false);
    if (static_cast<std::size_t>(std::count(id.begin(), id.end(), '/')) > kNesting * kIdTokens)
      return tell(failed("dta.too_deep", "child transactions are nested deeper than " + std::to_string(kNesting)),
                  false, false);
    const engine::TaskState& t = parent.state.tasks[parent.machine->flat(parent.state, wish.task)];
    auto input = payload(parent, t.input.present() ? t.input : parent.state.input);
    if (!input) return;
    begin(*published, engine::Start{id, std::move(*input), {}, parent.state.headers, {}}, parent.priority, now);
    return;
  }
  Entry& child = **found;
  const engine::State& s = child.state;
  if (undo) {
    if (s.phase == engine::Phase::completed && parent.state.paused) return;
    if (s.phase == engine::Phase::completed && !engine::entered_any(*child.machine, s))
      return tell(engine::Completed{}, false, false);  // it did nothing
    if (s.phase == engine::Phase::completed)
      return command(child, engine::UndoChild{parent.state.reason.empty() ? "its parent" : parent.state.reason}, now);
    if (s.phase == engine::Phase::compensated) return tell(engine::Completed{}, !s.not_undone.empty(), false);
    if (s.phase == engine::Phase::terminated)
      tell(failed("dta.terminated", "the child transaction was terminated while it was compensated"), false, false);
    return;
  }
  switch (s.phase) {
    case engine::Phase::completed: {
      auto output = payload(child, s.output);
      if (!output) return;
      return tell(engine::Completed{std::move(*output), {}}, !engine::undoable_child(*child.machine, s), false);
    }
    case engine::Phase::compensated:
      return tell(failure_of(s), false, !s.not_undone.empty());
    case engine::Phase::terminated:
      return tell(failed("dta.terminated", "the child transaction was terminated", schema::Effect::unknown), false,
                  false);
    default:
      // Refused once the child has passed its pivot: then its end is waited for.
      if (stopping && s.phase == engine::Phase::running && !s.cancel)
        command(child, engine::Cancel{"its parent stopped it", {}}, now);
  }
}

}  // namespace dta::server

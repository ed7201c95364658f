// What is checked: every answer against the durable log in the moment it is given, and at the end every log against the
// model and against what workers really did.
//
// The invariants of the design by number: (1) (2) (3) (4) (6) the replay through the model, which knows no other way;
// (2) (5) check_undo and check_effects, from the outside; (7) (10) compare_with_log after every opening, now and then
// in between, and at the end; (8) the replay and Host::verify; (9) check_hand_out,
// check_answer and what callers check (world.cpp); (11) check_end.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "tests/simulation/world.h"

namespace dta::simulation {

using namespace schema;

namespace {

// The sequence inside a lease token: number.sequence.time.
std::uint64_t lease_of(const std::string& token) {
  const std::size_t dot = token.find('.');
  std::uint64_t sequence = 0;
  if (dot != std::string::npos) std::from_chars(token.data() + dot + 1, token.data() + token.size(), sequence);
  return sequence;
}

// Whether the join of the step was met without the task: its undo may run at any time after that.
bool left_over(const std::vector<model::Logged>& events, const Step& step, const TaskRef& ref) {
  bool met = false, done = false, counted = false;
  for (const model::Logged& logged : events) {
    if (const auto* join = std::get_if<StepMet>(&logged.event.event); join != nullptr && join->step == ref.step) {
      met = true;
      counted = done;
    }
    const auto* completed = std::get_if<TaskCompleted>(&logged.event.event);
    if (completed == nullptr || completed->attempt.task != ref || completed->attempt.action != Action::perform)
      continue;
    done = true;
    if (met && step.leftover == Leftover::keep) counted = true;
  }
  return met && !counted && step.late_success == LateSuccess::compensate;
}

std::string key_of(const std::string& id, const Step& step, const Task& task) {
  return fmt::format("{}/{}/{}/0/1/do/1", id, step.name, task.name);
}

}  // namespace

void World::check_host() {
  for (std::string& what : host_.broken) fail(std::move(what));
  host_.broken.clear();
}

// (9): the intent is durable before anybody is told.
void World::check_hand_out(const server::HandOut& task) {
  transaction_of_[task.token] = task.transaction;
  const auto events = host_.history(task.transaction);
  const std::uint64_t sequence = lease_of(task.token);
  const auto* leased =
      sequence == 0 || sequence > events.size() ? nullptr : std::get_if<TaskLeased>(&events[sequence - 1].event.event);
  if (leased == nullptr) return fail(task.idempotency_key + " is handed out before that is durable");
  const Definition& definition = *definition_of(task.transaction);
  const Step& step = definition.steps[leased->task.step];
  if (step.name != task.step || step.tasks[leased->task.task].name != task.task || leased->action != task.action ||
      leased->attempt != task.attempt)
    return fail(task.idempotency_key + " is handed out as something else than the log says");
  // One key for all attempts, one input for all attempts and the undo.
  const std::string action = key_of(task.transaction, step, step.tasks[leased->task.task]);
  const std::string key = task.action == Action::undo ? action.substr(0, action.size() - 5) + "/undo/1" : action;
  if (task.idempotency_key != key) fail(task.idempotency_key + " should be " + key);
  if (inputs_.try_emplace(action, task.input).first->second != task.input)
    fail(key + " is handed out with another input");
  if (task.action == Action::undo) check_undo(task, left_over(events, step, leased->task));
}

// (2), from the outside: when an undo is asked for, nothing that a later step did is left, unless it is of a leftover.
// And it is told what was done.
void World::check_undo(const server::HandOut& task, bool is_left_over) {
  const Definition& definition = *definition_of(task.transaction);
  bool later = false;
  for (const Step& step : definition.steps) {
    for (const Task& other : step.tasks) {
      const Ledger::Entry* entry = ledger_.find(key_of(task.transaction, step, other));
      if (entry == nullptr) continue;
      if (later && !is_left_over && other.undo && entry->effect && !entry->undone)
        fail(fmt::format("{} is asked for while {}/{} is not undone", task.idempotency_key, step.name, other.name));
      const bool own = step.name == task.step && other.name == task.task;
      if (own && task.output && *task.output != (entry->output.empty() ? "null" : entry->output))
        fail(task.idempotency_key + " is told another output than was reported");
    }
    later |= step.name == task.step;
  }
}

void World::check_answer(const server::TaskResult& result, const Status& answer) {
  const auto code = answer ? std::nullopt : std::optional(answer.error().code);
  const auto [known, fresh] = answers_.try_emplace(result.token, code);
  if (known->second != code) return fail("the result of lease " + result.token + " has two answers");
  if (code && *code != ErrorCode::stale_lease)
    return fail("the result of lease " + result.token + " is refused: " + answer.error().message);
  const std::uint64_t lease = lease_of(result.token);
  bool taken = false, late = false, timed_out = false;
  for (const model::Logged& logged : host_.history(transaction_of_.at(result.token)))
    std::visit(
        [&]<class E>(const E& e) {
          if constexpr (requires { e.attempt.lease; }) {
            if (e.attempt.lease.value != lease) return;
            taken |=
                std::is_same_v<E, TaskCompleted> || std::is_same_v<E, TaskFailed> || std::is_same_v<E, TaskReleased>;
            late |= std::is_same_v<E, LateResult>;
            timed_out |= std::is_same_v<E, AttemptTimedOut>;
          }
        },
        logged.event.event);
  const bool is_release = std::holds_alternative<server::ReleasedResult>(result.result);
  if (!code && !taken) fail("the result of lease " + result.token + " is acknowledged and not in the log");
  if (code && (!timed_out || (!late && !is_release)))
    fail("lease " + result.token + " is called stale, and the log does not say why");
}

// ---- the end

void World::check_end() {
  for (const std::string& difference : host_.differences()) fail(difference);
  for (const CallPtr& call : calls_)
    if (!call->answered) fail("never answered: " + call->text);
  for (const auto& [number, entry] : host_.partition().entries()) {
    const engine::State& s = entry->state;
    const bool person = std::any_of(s.tasks.begin(), s.tasks.end(), [](const engine::TaskState& t) {
      return t.undo_status == engine::UndoStatus::incident;
    });
    if (!s.ended() && !person) fail(s.id + " has not ended and waits for nobody");
  }
  std::set<std::string> ids = known_;
  ids.insert(created_.begin(), created_.end());
  for (const std::string& id : ids) check_transaction(id);
  for (const std::string& finding : host_.verify()) fail("the log: " + finding);
}

void World::check_transaction(const std::string& id) {
  const auto events = host_.history(id);
  if (events.empty()) return fail(id + " was acknowledged and is lost");
  model::Replay replay(definition_of(id),
                       [&](Sequence sequence, std::uint32_t index) { return host_.payload(id, sequence, index); });
  if (const auto wrong = replay.run(events)) {
    if (tell_)
      for (const model::Logged& e : events)
        tell(fmt::format("  {} {} +{} {}", id, e.event.sequence.value, e.record, to_string(kind_of(e.event.event))));
    return fail(id + ", " + *wrong);
  }
  cover(events);
  check_effects(id, replay.transaction());
}

// (4), (5): what the log promises and what workers did are the same.
void World::check_effects(const std::string& id, const model::Transaction& transaction) {
  const Definition& definition = *definition_of(id);
  const auto left = transaction.not_undone();
  for (std::size_t s = 0; s < definition.steps.size(); ++s)
    for (std::size_t t = 0; t < definition.steps[s].tasks.size(); ++t) {
      const TaskRef ref{static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(t), 0};
      const std::string key = key_of(id, definition.steps[s], definition.steps[s].tasks[t]);
      const Ledger::Entry* entry = ledger_.find(key);
      const auto handed = inputs_.find(key);
      if (handed != inputs_.end() && handed->second != transaction.task(ref).input)
        fail(key + " was handed out with an input that the definition does not give");
      const bool stands = entry != nullptr && entry->effect && !entry->undone;
      if (transaction.phase == model::Phase::completed) {
        const bool counted = transaction.task(ref).counted;
        if (counted && !stands) fail(id + " is completed, but " + key + " is not there");
        if (counted || definition.steps[s].late_success == LateSuccess::ignore) continue;
      } else if (transaction.phase != model::Phase::compensated) {
        continue;
      }
      if (!stands) continue;
      if (std::find(left.begin(), left.end(), ref) == left.end())
        fail(id + " has ended, but " + key + " is still there and is not named");
      else if (definition.steps[s].tasks[t].undo)
        fail(id + " has ended, but " + key + " was never undone");
    }
  // What the terminal event names is what is left, and nothing else.
  for (const model::Logged& logged : host_.history(id))
    std::visit(
        [&]<class E>(const E& e) {
          if constexpr (requires { e.not_undone; }) {
            std::vector<TaskRef> named;
            for (const NotUndone& n : e.not_undone) named.push_back(n.task);
            if (named != left) fail(id + " names other tasks as not undone than are left");
          }
        },
        logged.event.event);
}

void World::cover(const std::vector<model::Logged>& events) {
  std::string phase = "none";
  for (const model::Logged& logged : events) {
    const std::string kind(to_string(kind_of(logged.event.event)));
    ++coverage_.events[kind];
    ++coverage_.transitions[phase + " " + kind];
    switch (kind_of(logged.event.event)) {
      case EventKind::transaction_started:
        phase = "running";
        break;
      case EventKind::compensation_started:
        phase = "compensating";
        break;
      case EventKind::transaction_completed:
        phase = "completed";
        break;
      case EventKind::transaction_compensated:
        phase = "compensated";
        break;
      case EventKind::transaction_terminated:
        phase = "terminated";
        break;
      default:
        break;
    }
  }
  ++coverage_.ends[phase];
}

}  // namespace dta::simulation

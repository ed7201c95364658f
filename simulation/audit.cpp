// What is checked: every answer against the durable log in the moment it is given, and at the end every log against the
// model and against what workers and participants really did.
//
// The invariants of the design by number: (1) (2) (3) (4) (6) the replay through the model, which knows no other way;
// (2) (5) check_undo and check_effects, from the outside; (7) (10) compare_with_log after every opening, now and then
// in between, and at the end; (8) the replay and Host::verify; (9) check_hand_out, check_answer and what callers check
// (callers.cpp); (11) check_end.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "simulation/rules.h"
#include "simulation/world.h"

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

bool comes_before(const Step& step, std::uint16_t task, std::uint16_t other) {
  const auto& next = step.tasks[task].before;
  return std::any_of(next.begin(), next.end(),
                     [&](std::uint16_t t) { return t == other || comes_before(step, t, other); });
}

bool was_met(const Events& events, std::uint16_t step) {
  return has<StepMet>(events, [&](const StepMet& met) { return met.step == step; });
}

}  // namespace

std::string World::key_of(const std::string& id, const TaskRef& ref) const {
  const Step& step = definition_of(id).steps[ref.step];
  return fmt::format("{}/{}/{}/{}/1/do/1", id, step.name, step.tasks[ref.task].name, ref.instance);
}

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
  if (leased == nullptr) return fail(task.transaction, task.idempotency_key + " is handed out before that is durable");
  const Step& step = definition_of(task.transaction).steps[leased->task.step];
  if (step.name != task.step || step.tasks[leased->task.task].name != task.task || leased->action != task.action ||
      leased->attempt != task.attempt || leased->task.instance != task.instance || leased->order != task.order)
    return fail(task.transaction, task.idempotency_key + " is handed out as something else than the log says");
  if (step.tasks[leased->task.task].external && task.action == Action::perform)
    return fail(task.transaction, task.idempotency_key + " is handed out, though a participant does it");
  if (is_paused(events, Sequence(sequence)))
    return fail(task.transaction, task.idempotency_key + " is handed out while the transaction is paused");
  // One key for all attempts, one input for all attempts and the undo; an undo that was ordered again has its own.
  const std::string action = key_of(task.transaction, leased->task);
  const std::string key = task.action == Action::undo
                              ? fmt::format("{}/undo/{}", action.substr(0, action.size() - 5), leased->order)
                              : action;
  if (task.idempotency_key != key) fail(task.transaction, task.idempotency_key + " should be " + key);
  if (inputs_.try_emplace(action, task.input).first->second != task.input)
    fail(task.transaction, key + " is handed out with another input");
  if (task.action == Action::undo) check_undo(task, *leased, events);
}

// (2), from the outside: when an undo is asked for, nothing that a later step did is left, and nothing that a task did
// that comes after this one in its own. Unless it is of a leftover, or a person has ordered it once more. And it is
// told what was done.
void World::check_undo(const server::HandOut& task, const TaskLeased& leased, const Events& events) {
  const Definition& definition = definition_of(task.transaction);
  const TaskRef& own = leased.task;
  const Ledger::Entry* entry = ledger_.find(key_of(task.transaction, own));
  if (entry != nullptr && !entry->forced && task.output &&
      *task.output != (entry->output.empty() ? "null" : entry->output))
    fail(task.transaction, task.idempotency_key + " is told another output than was reported");
  if (leased.order > 1) return;
  const bool left_over = is_left_over(events, definition, own);
  for (const TaskRef& other : entered_tasks(events, definition)) {
    const Step& step = definition.steps[other.step];
    if (!step.tasks[other.task].undo || !ledger_.stands(key_of(task.transaction, other))) continue;
    const bool later = other.step > own.step && !left_over;
    const bool after =
        other.step == own.step && other.instance == own.instance && comes_before(step, own.task, other.task);
    if ((later || after) && !is_given_up(events, other))
      fail(task.transaction, fmt::format("{} is asked for while {}/{} is not undone", task.idempotency_key, step.name,
                                         step.tasks[other.task].name));
  }
}

void World::check_answer(const server::TaskResult& result, const Status& answer) {
  const auto code = answer ? std::nullopt : std::optional(answer.error().code);
  const auto [known, fresh] = answers_.try_emplace(result.token, code);
  const std::string& id = transaction_of_.at(result.token);
  if (known->second != code) return fail(id, "the result of lease " + result.token + " has two answers");
  if (code && *code != ErrorCode::stale_lease)
    return fail(id, "the result of lease " + result.token + " is refused: " + answer.error().message);
  const std::uint64_t lease = lease_of(result.token);
  bool taken = false, late = false, timed_out = false, stopped = false;
  for (const Logged& logged : host_.history(id)) {
    stopped |= std::holds_alternative<TransactionTerminated>(logged.event.event);
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
  }
  const bool is_release = std::holds_alternative<server::ReleasedResult>(result.result);
  if (!code && !taken) fail(id, "the result of lease " + result.token + " is acknowledged and not in the log");
  if (code && ((!timed_out && !stopped) || (!late && !is_release)))
    fail(id, "lease " + result.token + " is called stale, and the log does not say why");
}

// ---- the end

void World::check_end() {
  for (const std::string& difference : host_.differences()) fail(difference);
  for (const CallPtr& call : calls_)
    if (!call->answered) fail("never answered: " + call->text);
  for (const auto& [number, entry] : host_.partition().entries()) {
    const engine::State& s = entry->state;
    if (s.ended()) continue;
    // A table that has no way to an end waits for whoever appends its events.
    const Definition& definition = entry->machine->definition();
    if (s.form == Form::table && way_to_end(definition, s.table_state).empty()) continue;
    const bool person = s.attention() || s.paused;
    if (!person)
      fail(s.id, s.id + " has not ended and waits for nobody");
    else
      fail(s.id, s.id + " has not ended, though everybody did what was asked");
  }
  std::set<std::string> all = known_;
  all.insert(created_.begin(), created_.end());
  for (const std::string& id : all) check_transaction(id);
  if (!failures_.empty()) return;  // what the log looks like then is to be read
  for (const std::string& finding : host_.verify()) fail("the log: " + finding);
}

void World::check_transaction(const std::string& id) {
  const auto events = host_.history(id);
  if (events.empty()) return fail(id, id + " was acknowledged and is lost");
  const Definition& definition = definition_of(id);
  coverage_.add(events, definition, plan_.definitions.size() == 1);
  std::unique_ptr<Judge> judge;
  if (make_judge_)
    judge = make_judge_(plan_.definitions[definition_index(id)], [this, id](Sequence sequence, std::uint32_t index) {
      return host_.payload(id, sequence, index);
    });
  if (const auto wrong = broken_rule(events, definition)) return fail(id, id + ", " + *wrong);
  if (judge != nullptr)
    if (const auto wrong = judge->run(events)) return fail(id, id + ", " + *wrong);
  check_effects(id, events, judge.get());
}

// (4), (5): what the log promises and what was done are the same.
void World::check_effects(const std::string& id, const Events& events, const Judge* judge) {
  const Definition& definition = definition_of(id);
  std::vector<NotUndone> named;
  for (const Logged& logged : events)
    std::visit(
        [&]<class E>(const E& e) {
          if constexpr (requires { e.not_undone; }) named = e.not_undone;
        },
        logged.event.event);
  // What the terminal event names is what is left, and nothing else.
  std::vector<TaskRef> tasks;
  for (const NotUndone& left : named) tasks.push_back(left.task);
  if (judge != nullptr && has_ended(events) && definition.form == Form::steps && tasks != judge->not_undone())
    fail(id, id + " names other tasks as not undone than are left");
  const bool completed = has<TransactionCompleted>(events), compensated = has<TransactionCompensated>(events);
  for (const TaskRef& ref : entered_tasks(events, definition)) {
    const Step& step = definition.steps[ref.step];
    const std::string key = key_of(id, ref);
    const auto handed = inputs_.find(key);
    if (judge != nullptr && handed != inputs_.end() && handed->second != judge->input(ref))
      fail(id, key + " was handed out with an input that the definition does not give");
    if (!completed && !compensated) continue;
    const bool stands = ledger_.stands(key);
    if (completed && is_counted(events, definition, ref)) {
      if (!stands) fail(id, id + " is completed, but " + key + " is not there");
      continue;
    }
    if (!stands || (completed && was_met(events, ref.step) && step.late_success == LateSuccess::ignore)) continue;
    const auto left = std::find_if(named.begin(), named.end(), [&](const NotUndone& n) { return n.task == ref; });
    if (left == named.end())
      fail(id, id + " has ended, but " + key + " is still there and is not named");
    else if (left->reason == NotUndoneReason::no_undo && step.tasks[ref.task].undo)
      fail(id, id + " has ended, but " + key + " was never undone");
    else if (left->reason == NotUndoneReason::given_up && !is_given_up(events, ref))
      fail(id, id + " has ended, but nobody has given up the undo of " + key);
  }
}

}  // namespace dta::simulation

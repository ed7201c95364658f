// Folding a transaction's events again (replay.h). Reading thread.
#include "server/replay.h"

#include <utility>

#include "engine/evolve.h"
#include "engine/pending.h"
#include "schema/json.h"
#include "server/event_writer.h"
#include "server/view_json.h"

namespace dta::server {
namespace {

using engine::Machine;
using engine::State;
using schema::ErrorCode;
using schema::Position;
using schema::RecordedEvent;
using schema::refuse;
using schema::Result;
using schema::Sequence;
using schema::Status;

constexpr std::size_t kPageBytes = 256u << 10;

struct Subject {
  schema::TransactionNumber number;
  TransactionName name;
  std::shared_ptr<const Machine> machine;
};

Result<Subject> find_subject(LogReading& log, const storage::Reader& reader, const std::string& id) {
  auto number = log.find(reader, id);
  if (!number) return tl::unexpected(number.error());
  auto name = log.name(reader, *number);
  if (!name) return tl::unexpected(name.error());
  if (!name->definition)
    return refuse(ErrorCode::transaction_not_found, id + " holds settings; it has no state to show");
  return Subject{*number, *name, std::make_shared<const Machine>(name->definition)};
}

// The log passed its checksums, but another release may have written it: an event the life-cycle table does not know is
// damage to report, not a reason to end the process.
Status fold(const Machine& machine, State& state, const RecordedEvent& event) {
  if (auto legal = engine::check(machine, state, event); !legal)
    return refuse(ErrorCode::log_damaged,
                  "event " + std::to_string(event.sequence.value) + ": " + legal.error().message);
  engine::evolve(machine, state, event);
  return {};
}

// What the event before left of the state, as far as it is shown: the words of view_json.h, and what they are made of.
// A copy of the whole state for every event would cost a wide transaction its size each time.
struct Shown {
  struct Task {
    engine::TaskStatus status = engine::TaskStatus::not_entered;
    engine::UndoStatus undo_status = engine::UndoStatus::idle;
    schema::Time at, undo_at;
    std::string_view word, undo_word;  // as if nothing were in backoff
    bool same(const engine::TaskState& t) const {
      return status == t.status && undo_status == t.undo_status && at == t.at && undo_at == t.undo_at;
    }
  };
  engine::Phase phase = engine::Phase::none;
  std::uint16_t table_state = 0;
  std::size_t incidents = 0;
  bool outcome_decided = false, paused = false, pivot_passed = false, cancel_requested = false;
  std::vector<std::uint16_t> signals;  // which step consumed each
  std::vector<std::string_view> steps;
  std::vector<Task> tasks;
};

void add_change(std::vector<std::string>& changes, const std::string& what, std::string_view before,
                std::string_view after) {
  if (before != after) changes.push_back(what + ": " + std::string(before) + " -> " + std::string(after));
}

std::string_view word_at(std::string_view word, schema::Time from, schema::Time now) {
  return word == "ready" && from > now ? std::string_view("backoff") : word;
}

Shown::Task shown(const engine::StepView& step, std::size_t slot) {
  const engine::TaskState& task = step.task(slot);
  return {task.status,
          task.undo_status,
          task.at,
          task.undo_at,
          task_word(step, slot, schema::Time::never()),
          undo_word(step, slot, schema::Time::never())};
}

std::string name_of(const engine::StepView& step, std::size_t slot) {
  std::string name = step.rules().name + "/" + step.rules(slot).name;
  if (!step.rules().for_each.empty()) name += "/" + std::to_string(step.ref(slot).instance);
  return name;
}

// What one event changed in the steps, in the words that the transaction's document uses; `before` becomes what is now.
void change_steps(const Machine& machine, Shown& before, const State& after, schema::Time now,
                  std::vector<std::string>& changes) {
  const auto& steps = machine.definition().steps;
  const bool began = before.phase != engine::Phase::none;  // the start itself is no change of its tasks
  before.steps.resize(steps.size());
  // A fan-out adds its tasks behind those there were, not entered until then.
  before.tasks.resize(after.tasks.size(), Shown::Task{{}, {}, {}, {}, "not_entered", {}});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string_view word = step_word(machine, after, i);
    if (began) add_change(changes, "step " + steps[i].name, before.steps[i], word);
    before.steps[i] = word;
    const engine::StepView step(machine, after, i);
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      Shown::Task& task = before.tasks[step.block().first_task + slot];
      if (began && task.same(step.task(slot)) && before.phase == after.phase) continue;
      const Shown::Task was = std::exchange(task, shown(step, slot));
      if (!began) continue;
      const std::string place = name_of(step, slot);
      add_change(changes, "task " + place, word_at(was.word, was.at, now), word_at(task.word, task.at, now));
      if (!was.undo_word.empty())
        add_change(changes, "undo " + place, word_at(was.undo_word, was.undo_at, now),
                   word_at(task.undo_word, task.undo_at, now));
    }
  }
}

void change_signals(const Machine& machine, Shown& before, const State& after, std::vector<std::string>& changes) {
  for (std::size_t i = 0; i < after.signals.size(); ++i) {
    const engine::KeptSignal& signal = after.signals[i];
    const std::uint16_t was = i < before.signals.size() ? before.signals[i] : engine::KeptSignal::kKept;
    if (i >= before.signals.size()) changes.push_back("signal " + signal.name + " received");
    if (signal.step != was)
      changes.push_back("signal " + signal.name + " consumed by step " + machine.step(signal.step).name);
    before.signals.resize(std::max(before.signals.size(), i + 1));
    before.signals[i] = signal.step;
  }
}

std::vector<std::string> changes_of(const Machine& machine, Shown& before, const State& after, schema::Time now) {
  std::vector<std::string> changes;
  add_change(changes, "phase", engine::to_string(before.phase), engine::to_string(after.phase));
  if (after.form == schema::Form::table) {
    const auto& states = machine.definition().states;
    const bool entered = before.phase == engine::Phase::none;
    add_change(changes, "state", entered ? std::string_view("none") : std::string_view(states[before.table_state].name),
               states[after.table_state].name);
  } else {
    change_steps(machine, before, after, now, changes);
    change_signals(machine, before, after, changes);
    const bool passed = after.bits.test(machine.bit(engine::TransactionBit::pivoted));
    if (passed && !before.pivot_passed) changes.push_back("pivot passed");
    before.pivot_passed = passed;
    if (after.cancel.has_value() != before.cancel_requested)
      changes.push_back(after.cancel ? "cancel waits for the pivot" : "cancel waits no longer");
    before.cancel_requested = after.cancel.has_value();
    if (after.paused != before.paused) changes.push_back(after.paused ? "paused" : "resumed");
    before.paused = after.paused;
    if (after.outcome_decided && !before.outcome_decided && !after.ended())
      changes.push_back("outcome decided: " + std::string(engine::outcome(after)));
    for (std::size_t i = before.incidents; i < after.incidents.size(); ++i)
      changes.push_back("incident " + std::to_string(after.incidents[i].number) + " raised");
  }
  before.phase = after.phase;
  before.table_state = after.table_state;
  before.incidents = after.incidents.size();
  before.outcome_decided = after.outcome_decided;
  return changes;
}

void append_strings(std::string& out, const std::vector<std::string>& values) {
  out += '[';
  for (const std::string& value : values) {
    if (out.back() != '[') out += ',';
    schema::append_quoted(out, value);
  }
  out += ']';
}

struct ReplaySource {
  std::string id;
  State state = {};
  Shown before = {};
  Sequence from{1};

  Result<Page> operator()(LogReading& log) {
    auto reader = log.snapshot();
    if (!reader) return tl::unexpected(reader.error());
    auto subject = find_subject(log, **reader, id);
    if (!subject) return tl::unexpected(subject.error());
    Page page;
    Status damage;
    bool full = false;
    EventWriter writer(**reader, subject->number);
    auto read = events_of(**reader, subject->number, from, [&](const RecordedEvent& event, Position position) {
      full = page.text.size() >= kPageBytes;
      if (full) return false;
      damage = append_line(page.text, event, position, *subject, writer);
      from = event.sequence.next();
      return damage.has_value();
    });
    if (!read) return tl::unexpected(read.error());
    if (!damage) return tl::unexpected(damage.error());
    page.next = full ? Page::Next::more : Page::Next::end;
    return page;
  }

  Status append_line(std::string& out, const RecordedEvent& event, Position position, const Subject& subject,
                     EventWriter& writer) {
    const Machine& machine = *subject.machine;
    if (auto folded = fold(machine, state, event); !folded) return folded;
    out += "{\"sequence\":" + std::to_string(event.sequence.value) + ",\"recorded_at\":\"" +
           schema::format_time(event.recorded_at) + "\",\"kind\":\"";
    out += schema::to_string(schema::kind_of(event.event));
    out += "\",\"event\":";
    writer.append(out, event, position, &machine.definition());
    out += ",\"changes\":";
    append_strings(out, changes_of(machine, before, state, event.recorded_at));
    out += ",\"due\":";
    append_strings(out, engine::describe(machine, state, engine::pending(machine, state, {})));
    out += ",\"phase\":\"";
    out += engine::to_string(state.phase);
    out += "\"}\n";
    return writer.damage();
  }
};

}  // namespace

Result<std::string> state_at(LogReading& log, const std::string& id, Sequence at) {
  auto reader = log.snapshot();
  if (!reader) return tl::unexpected(reader.error());
  auto subject = find_subject(log, **reader, id);
  if (!subject) return tl::unexpected(subject.error());
  State state;
  Status damage;
  schema::Time now;
  auto read = events_of(**reader, subject->number, Sequence(1), [&](const RecordedEvent& event, Position) {
    if (event.sequence > at) return false;
    damage = fold(*subject->machine, state, event);
    now = event.recorded_at;
    return damage.has_value();
  });
  if (!read) return tl::unexpected(read.error());
  if (!damage) return tl::unexpected(damage.error());
  if (state.sequence != at) {
    return refuse(ErrorCode::invalid_argument, "the transaction has no event " + std::to_string(at.value) +
                                                   " yet; it is at " + std::to_string(state.sequence.value));
  }
  const ViewContext context{subject->number, now, [&](const engine::PayloadAt& payload) -> std::optional<std::string> {
                              auto bytes = (*reader)->payload(subject->number, payload.sequence, payload.index);
                              if (bytes) return std::move(*bytes);
                              if (damage) damage = tl::unexpected(bytes.error());
                              return std::nullopt;
                            }};
  std::string text = view_json(*subject->machine, state, context);
  if (!damage) return tl::unexpected(damage.error());
  return text;
}

PageSource replay_pages(std::string id) {
  return ReplaySource{std::move(id)};
}

}  // namespace dta::server

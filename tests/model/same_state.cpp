// What engine and model must agree on after every command. See side_by_side.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/side_by_side.h"

namespace dta::model {

using namespace schema;
using engine::StepBit;
using engine::TaskBit;

namespace {

// Compared as text, so that a difference can be read.
std::string names(const std::vector<EventKind>& kinds) {
  std::string text;
  for (const EventKind kind : kinds) text += fmt::format("{} ", to_string(kind));
  return text;
}

std::string place(TaskRef ref) {
  return fmt::format("s{}/t{}/{}", ref.step, ref.task, ref.instance);
}

std::string ready_line(TaskRef task, Action action, Time at) {
  const std::string from = at == Time::never() ? "never" : fmt::format("{}", at.ms - 1'000'000);
  return fmt::format("{}{} at {}; ", action == Action::undo ? "undo " : "", place(task), from);
}

std::string text(Time at) {
  return at == Time::never() ? "never" : fmt::format("{}", at.ms - 1'000'000);
}

}  // namespace

void SideBySide::expect_equal() {
  const engine::State& s = live_.state;
  std::vector<EventKind> kinds;
  for (const RecordedEvent& e : live_.events) kinds.push_back(kind_of(e.event));
  if (model_.log != kinds) {
    // What they share is in the story already.
    const auto [ours, theirs] = std::ranges::mismatch(model_.log, kinds);
    ADD_FAILURE() << "from event " << (theirs - kinds.begin() + 1) << " on the model has "
                  << names({ours, model_.log.end()}) << "\n  and the engine " << names({theirs, kinds.end()});
    return;
  }
  EXPECT_EQ(static_cast<int>(model_.phase), static_cast<int>(s.phase));
  EXPECT_EQ(text(model_.due()), text(live_.due().due));
  std::string ready, theirs;
  for (const auto& [task, action, at] : model_.ready()) ready += ready_line(task, action, at);
  for (const engine::Ready& r : live_.due().ready) theirs += ready_line(r.task, r.action, r.at);
  EXPECT_EQ(ready, theirs);
  const Definition& definition = live_.machine->definition();
  if (definition.form == Form::table) {
    EXPECT_EQ(model_.table_state, definition.states[s.table_state].name);
    return;
  }
  expect_equal_flow();
  for (std::size_t i = 0; i < definition.steps.size(); ++i) expect_equal_step(i);
  if (s.ended()) expect_equal_end();
}

void SideBySide::expect_equal_flow() {
  const engine::State& s = live_.state;
  EXPECT_EQ(model_.step, s.step);
  EXPECT_EQ(model_.paused(), s.paused);
  EXPECT_EQ(model_.epoch, s.epoch);
  if (s.phase == engine::Phase::running) {
    EXPECT_EQ(model_.cancel_kept(), s.cancel.has_value());
  }
  if (s.phase == engine::Phase::running || s.phase == engine::Phase::completed) {
    EXPECT_EQ(model_.decided, s.outcome_decided);
  }
  if (model_.decided && s.outcome_decided) {
    EXPECT_EQ(model_.output, bytes(s.output));
  }
  ASSERT_EQ(model_.incidents.size(), s.incidents.size());
  for (std::size_t i = 0; i < s.incidents.size(); ++i) {
    const Incident& ours = model_.incidents[i];
    EXPECT_EQ(ours.open, s.incidents[i].open) << "incident " << i + 1;
    EXPECT_EQ(to_string(ours.kind), to_string(s.incidents[i].kind)) << "incident " << i + 1;
    if (ours.kind != IncidentKind::expired) {
      EXPECT_EQ(ours.task.step, s.incidents[i].task.step);
    }
    if (ours.kind != IncidentKind::expired && ours.kind != IncidentKind::step_failed) {
      EXPECT_EQ(place(ours.task), place(s.incidents[i].task));
    }
    if (ours.kind == IncidentKind::step_failed) {
      EXPECT_EQ(ours.code, s.incidents[i].code);
    }
  }
  std::string ours, theirs;
  for (const Kept& kept : model_.kept_signals()) ours += kept.id + " ";
  for (const engine::KeptSignal& kept : s.signals)
    if (kept.step == engine::KeptSignal::kKept) theirs += kept.id + " ";
  EXPECT_EQ(ours, theirs) << "signals that are kept";
}

void SideBySide::expect_equal_step(std::size_t index) {
  const StepState& ours = model_.steps()[index];
  const engine::StepView theirs = live_.view(index);
  const StepOutcome outcome = theirs.is(StepBit::skipped)   ? StepOutcome::skipped
                              : theirs.is(StepBit::met)     ? StepOutcome::met
                              : theirs.is(StepBit::failed)  ? StepOutcome::failed
                              : theirs.is(StepBit::entered) ? StepOutcome::open
                                                            : StepOutcome::none;
  EXPECT_EQ(static_cast<int>(ours.outcome), static_cast<int>(outcome)) << "step " << index;
  EXPECT_EQ(ours.undone, theirs.is(StepBit::undone)) << "step " << index;
  if (!live_.state.ended()) {  // after the end only the attention of people is left to change
    EXPECT_EQ(ours.held, live_.state.held(index)) << "step " << index;
  }
  if (outcome == StepOutcome::open && index == live_.state.step && live_.state.phase == engine::Phase::running) {
    EXPECT_EQ(ours.waits(), !theirs.waited()) << "step " << index;
  }
  if (outcome == StepOutcome::failed) {
    const engine::Failure* failure = nullptr;
    for (const engine::Failure& handled : live_.state.handled)
      if (handled.task.step == index) failure = &handled;
    if (live_.state.failure.has_step && live_.state.failure.task.step == index) failure = &live_.state.failure;
    ASSERT_TRUE(failure != nullptr && ours.failure) << "step " << index << " failed, and nobody says why";
    EXPECT_EQ(ours.failure->code, failure->code);
    if (!failure->code.starts_with("dta.")) {  // the engine's own sentences are its own
      EXPECT_EQ(ours.failure->message, failure->message);
    }
    EXPECT_EQ(ours.failure->details, bytes(failure->details));
    EXPECT_EQ(ours.failure->has_task, failure->has_task);
    if (failure->has_task) {
      EXPECT_EQ(place(ours.failure->task), place(failure->task));
    }
  }
  // A fan-out has its tasks once it is entered.
  if (theirs.size() == 0 || outcome == StepOutcome::none || outcome == StepOutcome::skipped) return;
  ASSERT_EQ(ours.tasks.size(), theirs.size()) << "step " << index;
  for (std::size_t slot = 0; slot < theirs.size(); ++slot) expect_equal_task(theirs.ref(slot));
}

void SideBySide::expect_equal_task(TaskRef ref) {
  const model::Task& t = model_.task(ref);
  const engine::TaskState& other = live_.task(ref);
  const std::string where = place(ref);
  const auto outcome = live_.has(TaskBit::skipped, ref)     ? Outcome::skipped
                       : live_.has(TaskBit::done, ref)      ? Outcome::done
                       : live_.has(TaskBit::failed, ref)    ? Outcome::failed
                       : live_.has(TaskBit::unknown, ref)   ? Outcome::unknown
                       : live_.has(TaskBit::withdrawn, ref) ? Outcome::withdrawn
                                                            : Outcome::none;
  EXPECT_EQ(static_cast<int>(t.outcome()), static_cast<int>(outcome)) << where;
  EXPECT_EQ(t.held, other.status == engine::TaskStatus::held) << where;
  EXPECT_EQ(t.blocked && !t.settled, other.status == engine::TaskStatus::blocked) << where;
  EXPECT_EQ(t.action.outside(), other.status == engine::TaskStatus::outside) << where;
  if (!live_.machine->task(ref).external) {
    EXPECT_EQ(t.action.attempts(), other.attempt) << where;
  }
  EXPECT_EQ(t.undo.attempts(), other.undo_attempt) << where;
  EXPECT_EQ(t.counted, live_.has(TaskBit::counted, ref)) << where;
  EXPECT_EQ(t.undone, live_.has(TaskBit::undone, ref)) << where;
  EXPECT_EQ(t.undo_again, other.undo_again) << where;
  EXPECT_EQ(t.undo_order, other.order) << where;
  EXPECT_EQ(t.undo_found, other.undo_found) << where;
  EXPECT_EQ(t.undo_stuck, other.undo_status == engine::UndoStatus::incident) << where;
  EXPECT_EQ(t.given_up, other.undo_status == engine::UndoStatus::given_up) << where;
  EXPECT_EQ(t.action.open() || t.undo.open(),
            other.status == engine::TaskStatus::leased || other.undo_status == engine::UndoStatus::leased)
      << where;
  for (const engine::Lease& lease : live_.state.leases)
    if (lease.task == ref) {
      const Side& side = lease.action == Action::undo ? t.undo : t.action;
      ASSERT_TRUE(side.open()) << where;
      EXPECT_EQ(std::pair(side.hand_outs.back().lease, side.hand_outs.back().asked_to_stop),
                std::pair(lease.sequence, lease.stop_asked))
          << where;
    }
  if (!t.entered || t.skipped || t.blocked || !t.first_ready) return;
  EXPECT_EQ(t.input, bytes(other.input.present() ? other.input : live_.state.input)) << where;
  if (outcome == Outcome::done) {
    EXPECT_EQ(t.output, bytes(other.output)) << where;
  }
}

void SideBySide::expect_equal_end() {
  std::string ours, theirs;
  std::vector<TaskRef> named;
  for (const NotUndone& n : live_.state.not_undone) named.push_back(n.task);
  for (const TaskRef ref : model_.not_undone()) ours += place(ref) + " ";
  for (const TaskRef ref : named) theirs += place(ref) + " ";
  EXPECT_EQ(ours, theirs) << "what is named as not undone";
}

void SideBySide::expect_replay() {
  Replay replay(live_.machine->definition_ptr(), [this](Sequence sequence, std::uint32_t index) {
    const auto found = live_.payloads.lower_bound(engine::PayloadAt{sequence, index, 0});
    const bool there =
        found != live_.payloads.end() && found->first.sequence == sequence && found->first.index == index;
    return there ? found->second : std::string();
  });
  std::vector<Logged> log;
  for (std::size_t i = 0; i < live_.events.size(); ++i) log.push_back({record_of_[i], live_.events[i]});
  const auto wrong = replay.run(log);
  EXPECT_FALSE(wrong) << "the log does not replay: " << wrong.value_or("");
  EXPECT_EQ(static_cast<int>(replay.transaction().phase), static_cast<int>(live_.state.phase));
}

void SideBySide::count(Seen& seen) const {
  ++seen.ends[static_cast<std::size_t>(model_.phase)];
  seen.waiting += model_.waits_for_a_person();
  for (std::size_t i = 0; i < resolved_.size(); ++i) seen.resolutions[i] += resolved_[i];
  for (const Incident& incident : model_.incidents) ++seen.incidents[static_cast<std::size_t>(incident.kind)];
  for (const EventKind kind : model_.log) ++seen.events[kind];
  for (const auto& [code, times] : refusals_) seen.refusals[code] += times;
}

}  // namespace dta::model

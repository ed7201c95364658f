// See side_by_side.h: what must be the same after every command.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/model/side_by_side.h"
#include "tests/model/telling.h"

namespace dta::model {

using namespace schema;
using engine::StepBit;
using engine::TaskBit;

std::string SideBySide::payload(const engine::PayloadAt& at) const {
  return at.present() ? live_.payloads.at(at) : "";
}

void SideBySide::expect_equal() {
  const engine::State& s = live_.state;
  EXPECT_EQ(static_cast<int>(model_.phase), static_cast<int>(s.phase));
  std::vector<std::string> mine, other;
  for (std::size_t i = 0; i < model_.log.size(); ++i)
    mine.push_back(std::string(to_string(model_.log[i])) + " " + model_.words[i]);
  for (const RecordedEvent& e : live_.events)
    other.push_back(std::string(to_string(kind_of(e.event))) + " " + tell(e.event));
  EXPECT_EQ(mine, other);
  ASSERT_EQ(model_.incidents.size(), s.incidents.size());
  for (std::size_t i = 0; i < s.incidents.size(); ++i) EXPECT_EQ(model_.incidents[i].open, s.incidents[i].open) << i;
  const engine::Pending pending = live_.due();
  EXPECT_EQ(model_.due(), pending.due);
  std::vector<Transaction::Waiting> ready;
  for (const engine::Ready& r : pending.ready) ready.emplace_back(r.task, r.action, r.at);
  std::sort(ready.begin(), ready.end());
  EXPECT_EQ(model_.ready(), ready);
  EXPECT_EQ(model_.paused(), s.paused);
  EXPECT_EQ(model_.epoch, s.epoch);
  const Definition& definition = live_.machine->definition();
  if (definition.form == Form::table)
    EXPECT_EQ(model_.table_state, definition.states[s.table_state].name);
  else
    expect_equal_path();
}

void SideBySide::expect_equal_path() {
  const engine::State& s = live_.state;
  const bool some = std::any_of(model_.steps().begin(), model_.steps().end(), [](const Step& e) { return e.entered; });
  if (some) {
    EXPECT_EQ(model_.step, s.step);
  }
  for (std::size_t i = 0; i < model_.steps().size(); ++i) expect_equal_step(i);
  if (s.phase == engine::Phase::running || s.phase == engine::Phase::completed) {
    EXPECT_EQ(model_.decided, s.outcome_decided);
    if (model_.decided) {
      EXPECT_EQ(model_.output.value_or(""), payload(s.output));
    }
  }
  if (!s.ended()) return;
  std::vector<TaskRef> named;
  for (const NotUndone& n : s.not_undone) named.push_back(n.task);
  EXPECT_EQ(model_.not_undone(), named);
}

void SideBySide::expect_equal_step(std::size_t index) {
  const Step& mine = model_.steps()[index];
  const engine::StepView other = live_.view(index);
  EXPECT_EQ(mine.entered, other.is(StepBit::entered)) << index;
  EXPECT_EQ(mine.met, other.is(StepBit::met)) << index;
  EXPECT_EQ(mine.failed, other.is(StepBit::failed)) << index;
  EXPECT_EQ(mine.undone, other.is(StepBit::undone)) << index;
  EXPECT_EQ(mine.skipped, other.is(StepBit::skipped)) << index;
  EXPECT_EQ(mine.stuck, live_.state.held(index)) << index;
  if (mine.entered && !mine.failed) {
    EXPECT_EQ(mine.waited, other.waited()) << index;
  }
  ASSERT_EQ(mine.tasks.size(), other.size()) << index;
  for (const Task& t : mine.tasks) expect_equal_task(t.ref);
}

void SideBySide::expect_equal_task(TaskRef ref) {
  SCOPED_TRACE("task " + tell(ref));
  const Task& t = model_.task(ref);
  const engine::TaskState& other = live_.task(ref);
  const auto outcome = live_.has(TaskBit::skipped, ref)     ? Outcome::skipped
                       : live_.has(TaskBit::done, ref)      ? Outcome::done
                       : live_.has(TaskBit::failed, ref)    ? Outcome::failed
                       : live_.has(TaskBit::unknown, ref)   ? Outcome::unknown
                       : live_.has(TaskBit::withdrawn, ref) ? Outcome::withdrawn
                                                            : Outcome::none;
  EXPECT_EQ(static_cast<int>(t.outcome()), static_cast<int>(outcome));
  EXPECT_EQ(t.blocked, other.status == engine::TaskStatus::blocked);
  EXPECT_EQ(t.held, other.status == engine::TaskStatus::held);
  if (!t.rules->external) {
    EXPECT_EQ(t.action.attempts(), other.attempt);
  }
  EXPECT_EQ(t.undo.attempts(), other.undo_attempt);
  EXPECT_EQ(t.order, other.order);
  EXPECT_EQ(t.counted, live_.has(TaskBit::counted, ref));
  EXPECT_EQ(t.undo_due, live_.has(TaskBit::undo_due, ref));
  EXPECT_EQ(t.undone, live_.has(TaskBit::undone, ref));
  EXPECT_EQ(t.undo_again, other.undo_again);
  EXPECT_EQ(t.undo_found, other.undo_found);
  EXPECT_EQ(t.undo_stuck, other.undo_status == engine::UndoStatus::incident);
  EXPECT_EQ(t.given_up, other.undo_status == engine::UndoStatus::given_up);
  const bool leased = (t.action.open() && !t.rules->external) || t.undo.open();
  EXPECT_EQ(leased, other.status == engine::TaskStatus::leased || other.undo_status == engine::UndoStatus::leased);
  for (const engine::Lease& lease : live_.state.leases)
    if (lease.task == ref) {
      const HandOut& open = (lease.action == Action::undo ? t.undo : t.action).hand_outs.back();
      EXPECT_EQ(std::pair(open.lease, open.asked_to_stop), std::pair(lease.sequence, lease.stop_asked));
    }
  if (!t.fixed) return;
  EXPECT_EQ(t.input, payload(other.input.present() ? other.input : live_.state.input));
}

}  // namespace dta::model

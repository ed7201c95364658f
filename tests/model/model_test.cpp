// Engine and model side by side: the same random commands on the same random definition, and after each of them the
// same phase, outcomes, ready work, timers, undone tasks, inputs and refusals, and the same kinds of events in the same
// order. Only the time of a retry is taken over from the engine, and the model says whether it lies where it must.
//
// DTA_SEED=n runs one seed, DTA_SEEDS=n that many.
#include "tests/model/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "schema/assert.h"
#include "tests/engine/live.h"
#include "tests/model/random_definition.h"

namespace dta::model {
namespace {

using namespace schema;
using engine::Live;

class SideBySide {
 public:
  SideBySide(const std::string& text, std::uint64_t seed)
      : chance_(seed),
        live_(engine::machine_of(text)),
        model_(live_.machine->definition_ptr(),
               [this](Time earliest, Time latest) { return next_retry(earliest, latest); }) {}

  void run(std::size_t commands) {
    const std::string input = chance_.one_in(4) ? "" : "{\"n\":1}";
    live_.start(input);
    model_.start(input, live_.now);
    expect_equal();
    for (std::size_t i = 0; i < commands && !testing::Test::HasFailure(); ++i) {
      one();
      expect_equal();
    }
    EXPECT_TRUE(retries_.empty()) << "the engine retries what the model does not";
  }
  Phase phase() const { return model_.phase; }
  bool waits() const { return model_.waits_for_a_person(); }

  std::size_t resolved[4] = {};  // how many incidents, by resolution

 private:
  void one() {
    if (live_.machine->definition().form == Form::table && !chance_.one_in(4)) return append();
    switch (chance_.below(10)) {
      case 0:
      case 1:
      case 2:
        return hand_out();
      case 3:
      case 4:
      case 5:
        return report();
      case 6:
        return report_late();
      case 7:
        return heartbeat();
      case 8:
        if (chance_.one_in(8)) return cancel();
        if (chance_.one_in(12)) return terminate();
        if (chance_.one_in(2)) return resolve();
        if (chance_.one_in(20)) return append();
        [[fallthrough]];
      default:
        return tick();
    }
  }

  // The engine decides first, so that its retry times are there when the model asks for them.
  Result<engine::Decision> ask(const engine::Command& command) {
    auto decision = live_.run(command);
    if (!decision) return decision;
    for (const Event& event : decision->events)
      std::visit(
          [&]<class E>(const E& e) {
            if constexpr (requires { e.retry_at; })
              if (e.retry_at != Time::never()) retries_.push_back(e.retry_at);
          },
          event);
    return decision;
  }
  Time next_retry(Time earliest, Time latest) {
    if (retries_.empty()) {
      ADD_FAILURE() << "the model retries what the engine does not";
      return latest;
    }
    const Time at = retries_.front();
    retries_.erase(retries_.begin());
    EXPECT_GE(at, earliest);
    EXPECT_LE(at, latest);
    return at;
  }

  void hand_out() {
    engine::HandOut command{{}, "w", ""};
    for (const auto& [task, action, at] : model_.ready())
      if (at <= live_.now && !chance_.one_in(3)) command.items.push_back({task, action});
    if (command.items.empty()) return;
    ASSERT_TRUE(ask(command));
    for (const auto& item : command.items) EXPECT_TRUE(model_.hand_out(item.task, item.action, live_.now));
  }

  static engine::Outcome as_engine(const Said& r) {
    switch (r.ending) {
      case Ending::done:
        return engine::Completed{r.output, r.found};
      case Ending::released:
        return engine::Released{r.delay};
      default:
        return engine::Failed{r.code, "", "", r.retryable,
                              r.ending == Ending::unclear ? Effect::unknown : Effect::none};
    }
  }
  Said random_result() {
    Said r;
    switch (chance_.below(8)) {
      case 0:
        r.ending = Ending::released;
        r.delay = Duration{static_cast<std::int64_t>(chance_.below(3)) * 1000};
        break;
      case 1:
      case 2:
        r.ending = chance_.one_in(2) ? Ending::failed : Ending::unclear;
        r.code = chance_.of(std::vector{"busy", "fatal", "other"});
        r.retryable = !chance_.one_in(3);
        break;
      default:
        r.output = chance_.one_in(4) ? "" : "{\"r\":" + std::to_string(chance_.below(9)) + "}";
        if (!chance_.one_in(3)) r.found = !chance_.one_in(3);
    }
    return r;
  }

  void report() {
    engine::Report command;
    std::vector<Said> results;
    const auto& leases = live_.state.leases;
    for (std::size_t n = 1 + chance_.below(3); n > 0 && !leases.empty(); --n) {
      results.push_back(random_result());
      command.items.push_back({chance_.of(leases).sequence, as_engine(results.back())});
    }
    if (chance_.one_in(6)) {  // a lease that never was, or has ended
      results.push_back(random_result());
      command.items.push_back({Sequence(1 + chance_.below(live_.events.size())), as_engine(results.back())});
    }
    if (command.items.empty()) return;
    const auto decision = ask(command);
    ASSERT_TRUE(decision);
    for (std::size_t i = 0; i < results.size(); ++i) {
      const auto refused = model_.report(command.items[i].lease, results[i], live_.now);
      const Status& answer = decision->answers[i];
      EXPECT_EQ(refused, answer ? std::nullopt : std::optional(answer.error().code)) << "result " << i;
    }
  }

  void report_late() {
    std::vector<Attempt> lost = cut_off_;
    for (const RecordedEvent& e : live_.events)
      if (const auto* out = std::get_if<AttemptTimedOut>(&e.event)) lost.push_back(out->attempt);
    if (lost.empty()) return;
    const Attempt attempt = chance_.of(lost);
    const bool success = chance_.one_in(2);
    ASSERT_TRUE(ask(
        engine::ReportLate{attempt, success ? engine::Outcome(engine::Completed{"1", true})
                                            : engine::Outcome(engine::Failed{"late", "", "", true, Effect::none})}));
    EXPECT_TRUE(model_.report_late(attempt.lease, success, live_.now));
  }

  void heartbeat() {
    if (live_.state.leases.empty()) return;
    const Sequence lease = chance_.of(live_.state.leases).sequence;
    if (chance_.one_in(3)) {
      ASSERT_TRUE(ask(engine::KeepHeartbeat{lease, "{\"at\":1}"}));
      EXPECT_TRUE(model_.keep_detail(lease));
      return;
    }
    live_.beats.push_back({lease, live_.now});
    model_.beat(lease, live_.now);
  }

  void cancel() {
    const auto decision = ask(engine::Cancel{"enough", "anna"});
    EXPECT_EQ(model_.cancel(live_.now), decision ? std::nullopt : std::optional(decision.error().code));
  }

  void terminate() {
    for (const engine::Lease& lease : live_.state.leases)
      cut_off_.push_back({lease.task, lease.action, lease.attempt, lease.sequence});
    const auto decision = ask(engine::Terminate{"by hand", "anna"});
    EXPECT_EQ(model_.terminate(), decision ? std::nullopt : std::optional(decision.error().code));
    if (!decision) return;
    for (const NotUndone& left : live_.state.not_undone)
      EXPECT_EQ(left.reason == NotUndoneReason::given_up, model_.task(left.task).given_up);
  }

  void resolve() {
    // Also what is not there, and what does not fit.
    const std::size_t number = chance_.below(model_.incidents.size() + 2);
    const auto resolution = static_cast<IncidentResolution>(chance_.below(4));
    const auto decision = ask(engine::Resolve{static_cast<std::uint32_t>(number), resolution, "seen", "anna"});
    const auto refused = model_.resolve_incident(number, resolution, live_.now);
    EXPECT_EQ(refused, decision ? std::nullopt : std::optional(decision.error().code));
    if (!refused) ++resolved[static_cast<std::size_t>(resolution)];
  }

  void append() {
    engine::Append command;
    std::vector<std::string> names;
    if (chance_.one_in(4)) command.expected = Sequence(model_.log.size() + chance_.below(2));
    for (std::size_t n = chance_.below(3) + !chance_.one_in(8); n > 0; --n) {
      names.emplace_back(chance_.one_in(30) ? "dta.go"
                                            : chance_.of(std::vector{"go", "go", "end", "expired", "never"}));
      command.items.push_back({"", names.back(), ""});
    }
    const auto decision = ask(command);
    EXPECT_EQ(model_.append(command.expected, names, live_.now),
              decision ? std::nullopt : std::optional(decision.error().code));
  }

  void tick() {
    const Time due = live_.due().due;
    if (due != Time::never() && due > live_.now && chance_.one_in(2))
      live_.now = due;
    else
      live_.now = live_.now + Duration{static_cast<std::int64_t>(chance_.below(3)) * 500};
    ASSERT_TRUE(ask(engine::Tick{}));
    model_.tick(live_.now);
    EXPECT_GT(model_.due(), live_.now) << "a tick leaves nothing that is due";
  }

  void expect_equal() {
    const engine::State& s = live_.state;
    EXPECT_EQ(static_cast<int>(model_.phase), static_cast<int>(s.phase));
    std::vector<EventKind> kinds;
    for (const RecordedEvent& e : live_.events) kinds.push_back(kind_of(e.event));
    EXPECT_EQ(model_.log, kinds);
    ASSERT_EQ(model_.incidents.size(), s.incidents.size());
    for (std::size_t i = 0; i < s.incidents.size(); ++i) EXPECT_EQ(model_.incidents[i].open, s.incidents[i].open) << i;
    EXPECT_EQ(model_.due(), live_.due().due);
    std::vector<Transaction::Waiting> ready;
    for (const engine::Ready& r : live_.due().ready) ready.emplace_back(r.task, r.action, r.at);
    EXPECT_EQ(model_.ready(), ready);
    const Definition& definition = live_.machine->definition();
    if (definition.form == Form::table) {
      EXPECT_EQ(model_.table_state, definition.states[s.table_state].name);
      return;
    }
    EXPECT_EQ(model_.step, s.step);
    EXPECT_EQ(model_.failure.has_value(), s.failure.has_step);
    if (model_.failure && s.failure.has_step) {
      EXPECT_EQ(*model_.failure, std::pair(s.failure.task, s.failure.code));
    }
    for (std::size_t i = 0; i < definition.steps.size(); ++i)
      for (std::size_t t = 0; t < definition.steps[i].tasks.size(); ++t)
        expect_equal_task(TaskRef{static_cast<std::uint16_t>(i), static_cast<std::uint16_t>(t), 0});
    if (s.phase == engine::Phase::running || s.phase == engine::Phase::completed) {
      EXPECT_EQ(model_.decided, s.outcome_decided);
    }
    if (!s.ended()) return;
    std::vector<TaskRef> named;
    for (const NotUndone& n : s.not_undone) named.push_back(n.task);
    EXPECT_EQ(model_.not_undone(), named);
  }

  void expect_equal_task(TaskRef ref) {
    using engine::TaskBit;
    const model::Task& t = model_.task(ref);
    const engine::TaskState& other = live_.state.tasks[live_.machine->flat(ref)];
    const auto outcome = live_.has(TaskBit::done, ref)        ? Outcome::done
                         : live_.has(TaskBit::failed, ref)    ? Outcome::failed
                         : live_.has(TaskBit::unknown, ref)   ? Outcome::unknown
                         : live_.has(TaskBit::withdrawn, ref) ? Outcome::withdrawn
                                                              : Outcome::none;
    EXPECT_EQ(static_cast<int>(t.outcome()), static_cast<int>(outcome)) << ref.step << "/" << ref.task;
    EXPECT_EQ(t.action.attempts(), other.attempt);
    EXPECT_EQ(t.undo.attempts(), other.undo_attempt);
    EXPECT_EQ(t.counted, live_.has(TaskBit::counted, ref)) << ref.step << "/" << ref.task;
    EXPECT_EQ(t.undo_due, live_.has(TaskBit::undo_due, ref)) << ref.step << "/" << ref.task;
    EXPECT_EQ(t.undone, live_.has(TaskBit::undone, ref));
    EXPECT_EQ(t.undo_found, other.undo_found);
    EXPECT_EQ(t.undo_stuck, other.undo_status == engine::UndoStatus::incident);
    EXPECT_EQ(t.given_up, other.undo_status == engine::UndoStatus::given_up);
    EXPECT_EQ(t.action.open() || t.undo.open(),
              other.status == engine::TaskStatus::leased || other.undo_status == engine::UndoStatus::leased);
    for (const engine::Lease& lease : live_.state.leases)
      if (lease.task == ref) {
        const model::HandOut& open = (lease.action == Action::undo ? t.undo : t.action).hand_outs.back();
        EXPECT_EQ(std::pair(open.lease, open.asked_to_stop), std::pair(lease.sequence, lease.stop_asked));
      }
    if (!t.entered || (model_.failure && model_.failure->second == "dta.input_unresolved")) return;
    const engine::PayloadAt at = other.input.present() ? other.input : live_.state.input;
    EXPECT_EQ(t.input, at.present() ? live_.payloads.at(at) : "");
  }

  Chance chance_;
  Live live_;
  std::vector<Attempt> cut_off_;  // leases that were open when the transaction was terminated
  std::vector<Time> retries_;
  Transaction model_;
};

TEST(Model, AgreesWithTheEngineAfterEveryCommand) {
  const char* one = std::getenv("DTA_SEED");
  const char* many = std::getenv("DTA_SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 10) : 2000;
  std::size_t ends[6] = {}, resolved[4] = {}, waiting = 0;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    Chance chance(seed);
    const std::string text = chance.one_in(6) ? random_table(chance, "d") : random_steps(chance, "d");
    SCOPED_TRACE("DTA_SEED=" + std::to_string(seed) + " model_test\n" + text);
    SideBySide both(text, chance.draw());
    both.run(20 + chance.below(80));
    ++ends[static_cast<std::size_t>(both.phase())];
    waiting += both.waits();
    for (std::size_t i = 0; i < std::size(resolved); ++i) resolved[i] += both.resolved[i];
  }
  if (one != nullptr || HasFailure()) return;
  // The comparison is worth something only when it reaches every end.
  for (const Phase end : {Phase::completed, Phase::compensated, Phase::terminated})
    EXPECT_GT(ends[static_cast<std::size_t>(end)], count / 50) << static_cast<int>(end);
  EXPECT_GT(waiting, count / 100);
  for (const std::size_t times : resolved) EXPECT_GT(times, 0u);
}

}  // namespace
}  // namespace dta::model

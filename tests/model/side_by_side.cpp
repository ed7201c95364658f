// See side_by_side.h: the commands.
#include "tests/model/side_by_side.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schema/assert.h"

namespace dta::model {

using namespace schema;

SideBySide::SideBySide(const std::string& text, std::uint64_t seed)
    : chance_(seed),
      live_(engine::machine_of(text)),
      model_(live_.machine->definition_ptr(),
             [this](Time earliest, Time latest) { return next_retry(earliest, latest); }) {}

void SideBySide::run(std::size_t commands) {
  const std::string input = random_input(chance_, live_.now);
  static_cast<void>(ask(engine::Start{"t-1", input, {}, {}, {}}).value());
  model_.start(input, live_.now);
  expect_equal();
  for (std::size_t i = 0; i < commands && !testing::Test::HasFailure(); ++i) {
    one();
    expect_equal();
  }
  EXPECT_TRUE(retries_.empty()) << "the engine retries what the model does not";
}

void SideBySide::one() {
  if (live_.machine->definition().form == Form::table && !chance_.one_in(4)) return append();
  switch (chance_.below(13)) {
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
      return report_external();
    case 9:
      if (chance_.one_in(2)) return signal();
      if (chance_.one_in(3)) return pause_or_resume();
      return resolve();
    case 10:
      if (chance_.one_in(8))
        return expect_same(engine::Cancel{"enough", "anna"}, [&] { return model_.cancel(live_.now); });
      if (chance_.one_in(14)) return terminate();
      if (chance_.one_in(20)) return append();
      return resolve();
    default:
      return tick();
  }
}

Result<engine::Decision> SideBySide::ask(const engine::Command& command) {
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

Time SideBySide::next_retry(Time earliest, Time latest) {
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

void SideBySide::expect_same(const engine::Command& command,
                             const std::function<std::optional<ErrorCode>()>& model) {
  const auto decision = ask(command);
  const auto code = decision ? std::nullopt : std::optional(decision.error().code);
  const auto refused = model();
  EXPECT_EQ(refused ? to_string(*refused) : "accepted", code ? to_string(*code) : "accepted");
}

void SideBySide::hand_out() {
  engine::HandOut command{{}, "w", ""};
  for (const auto& [task, action, at] : model_.ready())
    if (at <= live_.now && !chance_.one_in(3)) command.items.push_back({task, action});
  if (command.items.empty()) return;
  ASSERT_TRUE(ask(command));
  for (const auto& item : command.items) EXPECT_TRUE(model_.hand_out(item.task, item.action, live_.now));
}

namespace {

engine::Outcome as_engine(const Said& r) {
  switch (r.ending) {
    case Ending::done:
      return engine::Completed{r.output, r.found};
    case Ending::released:
      return engine::Released{r.delay};
    default:
      return engine::Failed{r.code, r.message, r.details, r.retryable,
                            r.ending == Ending::unclear ? Effect::unknown : Effect::none};
  }
}

}  // namespace

Said SideBySide::random_result() {
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
      if (chance_.one_in(2)) r.details = "{\"d\":1}";
      break;
    default:
      r.output = chance_.one_in(4) ? "" : "{\"r\":" + std::to_string(chance_.below(9)) + "}";
      if (!chance_.one_in(3)) r.found = !chance_.one_in(3);
  }
  return r;
}

void SideBySide::report() {
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

void SideBySide::report_late() {
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

// By name: external tasks, now and then one that is none.
void SideBySide::report_external() {
  std::vector<TaskRef> outside, others;
  for (const Step& s : model_.steps())
    for (const Task& t : s.tasks) (t.rules->external ? outside : others).push_back(t.ref);
  if (outside.empty() && !chance_.one_in(10)) return;
  others.push_back({0, 77, 0});
  engine::ReportExternal command;
  std::vector<SaidOutside> items;
  if (chance_.one_in(10)) command.expected = Sequence(model_.log.size() + chance_.below(2));
  for (std::size_t n = 1 + chance_.one_in(4); n > 0; --n) {
    const TaskRef ref = outside.empty() || chance_.one_in(20) ? chance_.of(others) : chance_.of(outside);
    Said said = random_result();
    if (said.ending == Ending::released) said = Said{};
    said.found.reset();
    command.items.push_back({ref, as_engine(said)});
    items.push_back({ref, std::move(said)});
  }
  expect_same(command, [&] { return model_.report_external(command.expected, items, live_.now); });
}

void SideBySide::heartbeat() {
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

void SideBySide::signal() {
  const std::string name = chance_.one_in(15) ? "nobody" : chance_.of(kSignals);
  if (live_.machine->definition().signals.empty() && !chance_.one_in(10)) return tick();
  const std::string payload = chance_.one_in(4) ? "" : "{\"r\":" + std::to_string(chance_.below(3)) + "}";
  expect_same(engine::Signal{name, "s-" + std::to_string(++signals_), payload},
              [&] { return model_.signal(name, payload, live_.now); });
}

void SideBySide::pause_or_resume() {
  if (model_.paused() != chance_.one_in(6))
    expect_same(engine::Resume{"on", "anna"}, [&] { return model_.resume(live_.now); });
  else if (chance_.one_in(3))
    expect_same(engine::Pause{"wait", "anna"}, [&] { return model_.pause(live_.now); });
}

void SideBySide::terminate() {
  const std::vector<engine::Lease> open = live_.state.leases;
  expect_same(engine::Terminate{"by hand", "anna"}, [&] { return model_.terminate(); });
  if (model_.phase != Phase::terminated) return;
  for (const engine::Lease& lease : open)
    cut_off_.push_back({lease.task, lease.action, lease.attempt, lease.sequence});
  for (const NotUndone& left : live_.state.not_undone)
    EXPECT_EQ(left.reason == NotUndoneReason::given_up, model_.task(left.task).given_up);
}

void SideBySide::resolve() {
  // Also what is not there, and what does not fit.
  const std::size_t number = chance_.below(model_.incidents.size() + 2);
  const auto word = static_cast<IncidentResolution>(chance_.below(5));
  const std::size_t before = model_.log.size();
  expect_same(engine::Resolve{static_cast<std::uint32_t>(number), word, "seen", "anna"},
              [&] { return model_.resolve_incident(number, word, live_.now); });
  if (model_.log.size() > before) ++resolved[static_cast<std::size_t>(word)];
}

void SideBySide::append() {
  engine::Append command;
  std::vector<std::string> names;
  if (chance_.one_in(4)) command.expected = Sequence(model_.log.size() + chance_.below(2));
  for (std::size_t n = chance_.below(3) + !chance_.one_in(8); n > 0; --n) {
    names.emplace_back(chance_.one_in(30) ? "dta.go" : chance_.of(std::vector{"go", "go", "end", "expired", "never"}));
    command.items.push_back({"", names.back(), ""});
  }
  expect_same(command, [&] { return model_.append(command.expected, names, live_.now); });
}

void SideBySide::tick() {
  const Time due = live_.due().due;
  if (due != Time::never() && due > live_.now && chance_.one_in(2))
    live_.now = due;
  else
    live_.now = live_.now + Duration{static_cast<std::int64_t>(chance_.below(3)) * 500};
  ASSERT_TRUE(ask(engine::Tick{}));
  model_.tick(live_.now);
  EXPECT_GT(model_.due(), live_.now) << "a tick leaves nothing that is due";
}

}  // namespace dta::model

// The commands: drawn so that most are legal, and some are not. See side_by_side.h.
#include "tests/model/side_by_side.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace dta::model {

using namespace schema;

SideBySide::SideBySide(const std::string& text, std::uint64_t seed)
    : chance_(seed),
      calm_(chance_.one_in(2)),
      live_(engine::machine_of(text)),
      model_(live_.machine->definition_ptr(),
             [this](Time earliest, Time latest) { return next_retry(earliest, latest); }) {}

void SideBySide::run(std::size_t commands) {
  const std::string input = random_input(chance_, live_.now);
  ASSERT_TRUE(ask(engine::Start{"t-1", input, {}, {}, {}}, "start " + input));
  model_.start(input, live_.now);
  expect_equal();
  for (std::size_t i = 0; i < commands && !testing::Test::HasFailure(); ++i) {
    one();
    expect_equal();
  }
  EXPECT_TRUE(retries_.empty()) << "the engine retries what the model does not";
  if (!testing::Test::HasFailure()) expect_replay();
}

void SideBySide::one() {
  const Definition& definition = live_.machine->definition();
  if (definition.form == Form::table && !chance_.one_in(4)) return append();
  switch (chance_.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      return hand_out();
    case 5:
    case 6:
    case 7:
    case 8:
      return report();
    case 9:
      return report_late();
    case 10:
      return heartbeat();
    case 11:
    case 12:
      return definition.form == Form::steps && !definition.steps.empty() ? report_external() : report();
    case 13:
      return definition.signals.empty() && !chance_.one_in(10) ? hand_out() : signal();
    case 14:
      if (chance_.one_in(6)) return cancel();
      if (chance_.one_in(10)) return terminate();
      if (chance_.one_in(20)) return append();
      return chance_.one_in(3) ? pause() : report();
    case 15:
      return model_.incidents.empty() && !chance_.one_in(10) ? report() : resolve();
    case 16:
      return model_.paused() ? pause() : tick();
    default:
      return tick();
  }
}

Result<engine::Decision> SideBySide::ask(const engine::Command& command, const std::string& told) {
  story_ += fmt::format("{:>7} {}", live_.now.ms - 1'000'000, told);
  auto decision = live_.run(command);
  if (!decision) {
    story_ += fmt::format(": refused, {}\n", to_string(decision.error().code));
    return decision;
  }
  story_ += " -> " + engine::kinds(*decision) + "\n";
  for (const Event& event : decision->events) {
    record_of_.push_back(records_);
    std::visit(
        [&]<class E>(const E& e) {
          if constexpr (requires { e.retry_at; })
            if (e.retry_at != Time::never()) retries_.push_back(e.retry_at);
        },
        event);
  }
  ++records_;
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

bool SideBySide::same_answer(const Result<engine::Decision>& decision, std::optional<ErrorCode> refused) {
  if (refused) ++refusals_[*refused];
  const auto text = [](std::optional<ErrorCode> code) { return code ? std::string(to_string(*code)) : "accepted"; };
  EXPECT_EQ(text(refused), text(decision ? std::nullopt : std::optional(decision.error().code)));
  return decision.has_value() && !refused;
}

std::string SideBySide::name(TaskRef ref) const {
  return fmt::format("s{}/t{}/{}", ref.step, ref.task, ref.instance);
}

void SideBySide::hand_out() {
  engine::HandOut command{{}, "w", ""};
  std::string told = "hand out";
  for (const auto& [task, action, at] : model_.ready())
    if (at <= live_.now && !chance_.one_in(3)) {
      command.items.push_back({task, action});
      told += (action == Action::undo ? " undo " : " ") + name(task);
    }
  if (command.items.empty()) return;
  ASSERT_TRUE(ask(command, told));
  for (const auto& item : command.items) EXPECT_TRUE(model_.hand_out(item.task, item.action, live_.now));
}

namespace {

engine::Outcome as_engine(const Said& said) {
  switch (said.ending) {
    case Ending::done:
      return engine::Completed{said.output, said.found};
    case Ending::released:
      return engine::Released{said.delay};
    default:
      return engine::Failed{said.code, said.message, said.details, said.retryable,
                            said.ending == Ending::unclear ? Effect::unknown : Effect::none};
  }
}

std::string told(const Said& said) {
  switch (said.ending) {
    case Ending::done:
      return "done " + said.output + (said.found ? *said.found ? " found" : " not found" : "");
    case Ending::released:
      return fmt::format("released {}ms", said.delay.ms);
    default:
      return fmt::format("{} {}{}", said.ending == Ending::unclear ? "unclear" : "failed", said.code,
                         said.retryable ? "" : " for good");
  }
}

}  // namespace

Said SideBySide::random_result() {
  Said r;
  switch (calm_ && !chance_.one_in(5) ? 7 : chance_.below(8)) {
    case 0:
      r.ending = Ending::released;
      r.delay = Duration{static_cast<std::int64_t>(chance_.below(3)) * 1000};
      break;
    case 1:
    case 2:
      r.ending = chance_.one_in(2) ? Ending::failed : Ending::unclear;
      r.code = chance_.of(std::vector{"busy", "fatal", "other"});
      r.retryable = !chance_.one_in(3);
      r.message = "as it says";
      if (chance_.one_in(3)) r.details = "{\"n\":1}";
      break;
    default:
      r.output = random_output(chance_);
      if (!chance_.one_in(3)) r.found = !chance_.one_in(3);
  }
  return r;
}

void SideBySide::report() {
  engine::Report command;
  std::vector<Said> results;
  std::string story = "report";
  const auto add = [&](Sequence lease) {
    results.push_back(random_result());
    command.items.push_back({lease, as_engine(results.back())});
    story += fmt::format(" #{} {}", lease.value, told(results.back()));
  };
  const auto& leases = live_.state.leases;
  for (std::size_t n = 1 + chance_.below(3); n > 0 && !leases.empty(); --n) add(chance_.of(leases).sequence);
  // A lease that never was, or has ended.
  if (chance_.one_in(6)) add(Sequence(1 + chance_.below(live_.events.size())));
  if (command.items.empty()) return;
  const auto decision = ask(command, story);
  ASSERT_TRUE(decision);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto refused = model_.report(command.items[i].lease, results[i], live_.now);
    const Status& answer = decision->answers[i];
    EXPECT_EQ(refused, answer ? std::nullopt : std::optional(answer.error().code)) << "result " << i;
    if (refused) ++refusals_[*refused];
  }
}

void SideBySide::report_late() {
  std::vector<Attempt> lost = cut_off_;
  for (const RecordedEvent& e : live_.events)
    if (const auto* out = std::get_if<AttemptTimedOut>(&e.event)) lost.push_back(out->attempt);
  if (lost.empty()) return;
  const Attempt attempt = chance_.of(lost);
  const bool success = chance_.one_in(2);
  ASSERT_TRUE(
      ask(engine::ReportLate{attempt, success ? engine::Outcome(engine::Completed{"1", true})
                                              : engine::Outcome(engine::Failed{"late", "", "", true, Effect::none})},
          fmt::format("late report #{} {}", attempt.lease.value, success ? "done" : "failed")));
  EXPECT_TRUE(model_.report_late(attempt.lease, success, live_.now));
}

void SideBySide::report_external() {
  // Most often of tasks that are external; also before their turn, after it, and of instances that are not there.
  const Definition& definition = live_.machine->definition();
  std::vector<TaskRef> known, others;
  for (std::size_t s = 0; s < definition.steps.size(); ++s)
    for (std::size_t t = 0; t < definition.steps[s].tasks.size(); ++t)
      for (std::uint32_t i = 0; i < (definition.steps[s].for_each.empty() ? 2 : 6); ++i) {
        const TaskRef ref{static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(t), i};
        const bool external = definition.steps[s].tasks[t].external;
        // Of two things wrong at once nobody says which is told. And whoever asks has looked the place up before, so
        // that the engine need not look for the neighbours of nowhere.
        const Step& step = definition.steps[s];
        if (!model_.exists(ref) && (!external || step.ordered() || !model_.steps()[s].was_entered())) continue;
        (external && model_.exists(ref) ? known : others).push_back(ref);
      }
  const bool odd = known.empty() || chance_.one_in(12);
  if (odd && (others.empty() || !chance_.one_in(6))) return report();
  engine::ReportExternal command;
  std::vector<Said> results;
  std::string story = "outside";
  for (std::size_t n = odd ? 1 : 1 + chance_.below(2); n > 0; --n) {
    const TaskRef ref = chance_.of(odd ? others : known);
    // Of several results none may be one that the ones before it make legal.
    if (n == 1 && !command.items.empty() && !model_.task(ref).action.outside()) break;
    Said said = random_result();
    if (said.ending == Ending::released) said = Said{};
    said.found = std::nullopt;
    results.push_back(said);
    command.items.push_back({ref, as_engine(said)});
    story += " " + name(ref) + " " + told(said);
  }
  const auto decision = ask(command, story);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto refused = model_.report_external(command.items[i].task, results[i], live_.now);
    if (!same_answer(decision, refused)) return;
  }
}

void SideBySide::heartbeat() {
  if (live_.state.leases.empty()) return;
  const Sequence lease = chance_.of(live_.state.leases).sequence;
  if (chance_.one_in(3)) {
    ASSERT_TRUE(ask(engine::KeepHeartbeat{lease, "{\"at\":1}"}, fmt::format("keep detail #{}", lease.value)));
    EXPECT_TRUE(model_.keep_detail(lease));
    return;
  }
  story_ += fmt::format("{:>7} beat #{}\n", live_.now.ms - 1'000'000, lease.value);
  engine::keep_beat(live_.beats, {lease, live_.now});
  model_.beat(lease, live_.now);
}

void SideBySide::signal() {
  const std::string which = chance_.one_in(12) ? "never" : chance_.of(kSignals);
  const std::string id = fmt::format("i{}", ++signals_), payload = random_output(chance_);
  const auto decision = ask(engine::Signal{which, id, payload}, "signal " + which + " " + payload);
  same_answer(decision, model_.signal(which, id, payload, live_.now));
}

void SideBySide::pause() {
  const bool pause = chance_.one_in(8) ? chance_.one_in(2) : !model_.paused();
  const auto decision =
      pause ? ask(engine::Pause{"wait", "anna"}, "pause") : ask(engine::Resume{"go", "anna"}, "resume");
  same_answer(decision, pause ? model_.pause(live_.now) : model_.resume(live_.now));
}

void SideBySide::cancel() {
  const auto decision = ask(engine::Cancel{"enough", "anna"}, "cancel");
  same_answer(decision, model_.cancel(live_.now));
}

void SideBySide::terminate() {
  const std::vector<engine::Lease> open = live_.state.leases;
  const auto decision = ask(engine::Terminate{"by hand", "anna"}, "terminate");
  if (!same_answer(decision, model_.terminate())) return;
  for (const engine::Lease& lease : open) cut_off_.push_back({lease.task, lease.action, lease.attempt, lease.sequence});
  for (const NotUndone& left : live_.state.not_undone)
    EXPECT_EQ(left.reason == NotUndoneReason::given_up, model_.task(left.task).given_up);
}

void SideBySide::resolve() {
  // Also what is not there, and what does not fit.
  const std::size_t number = chance_.below(model_.incidents.size() + 2);
  const auto resolution = static_cast<IncidentResolution>(chance_.below(resolved_.size()));
  const auto decision = ask(engine::Resolve{static_cast<std::uint32_t>(number), resolution, "seen", "anna"},
                            fmt::format("resolve {} {}", number, to_string(resolution)));
  if (same_answer(decision, model_.resolve_incident(number, resolution, live_.now, "seen")))
    ++resolved_[static_cast<std::size_t>(resolution)];
}

void SideBySide::append() {
  engine::Append command;
  std::vector<std::string> names;
  if (chance_.one_in(4)) command.expected = Sequence(model_.log.size() + chance_.below(2));
  for (std::size_t n = chance_.below(3) + !chance_.one_in(8); n > 0; --n) {
    names.emplace_back(chance_.one_in(30) ? "dta.go" : chance_.of(std::vector{"go", "go", "end", "expired", "never"}));
    command.items.push_back({"", names.back(), ""});
  }
  const auto decision = ask(command, fmt::format("append {}", names.size()));
  same_answer(decision, model_.append(command.expected, names, live_.now));
}

void SideBySide::tick() {
  if (calm_ && !chance_.one_in(4)) return hand_out();
  const Time due = live_.due().due;
  if (due != Time::never() && due > live_.now && chance_.one_in(2))
    live_.now = due;
  else
    live_.now = live_.now + Duration{static_cast<std::int64_t>(chance_.below(3)) * 500};
  ASSERT_TRUE(ask(engine::Tick{}, "tick"));
  model_.tick(live_.now);
  EXPECT_GT(model_.due(), live_.now) << "a tick leaves nothing that is due";
}

}  // namespace dta::model

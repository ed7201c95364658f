// Random commands against random definitions. After every command the rules that hold for all transactions are checked;
// in the end every transaction is driven on until it ends or says which person it waits for.
//
// Size: the drawing of definitions and commands, and the rules they are held to, change together.
//
// DTA_SEED=n runs one seed, DTA_SEEDS=n as many (2000 if not said). A failure names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "engine/state_codec.h"
#include "tests/engine/live.h"

namespace dta::engine {
namespace {

using namespace schema;

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return n == 0 ? 0 : engine_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  const T& of(const std::vector<T>& list) {
    return list[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

std::string random_task(Chance& chance, std::size_t step, std::size_t task) {
  std::string text = "{\"name\":\"t" + std::to_string(task) + "\",\"queue\":\"q\"";
  if (!chance.one_in(4)) {
    text += ",\"undo\":{\"queue\":\"u\"";
    if (chance.one_in(4)) text += ",\"retry\":{\"max_attempts\":2}";
    text += "}";
  }
  text += ",\"retry\":{\"max_attempts\":" + std::to_string(chance.below(4)) + ",\"first\":\"" +
          std::to_string(chance.below(3)) +
          "s\",\"jitter\":0.3,\"by_error\":[{\"errors\":[\"fatal\"],\"max_attempts\":1}]}";
  text += ",\"timeouts\":{\"attempt\":\"10s\"";
  if (chance.one_in(3)) text += ",\"queue\":\"8s\"";
  if (chance.one_in(3)) text += ",\"total\":\"15s\"";
  if (chance.one_in(3)) text += ",\"heartbeat\":\"3s\"";
  text += "}";
  if (step > 0 && chance.one_in(3))
    text += ",\"input\":{\"n\":\"/input/n\",\"o\":{\"$first\":[\"/steps/s0/t0/output\",null]}}";
  else if (step > 0 && chance.one_in(9))
    text += ",\"input\":\"/steps/s0/t0/output\"";
  if (chance.one_in(5)) text += ",\"optional\":true";
  if (chance.one_in(3)) text += ",\"weight\":" + std::to_string(1 + chance.below(3));
  return text + "}";
}

std::string random_need(Chance& chance, std::size_t tasks) {
  if (tasks == 0 || chance.one_in(2)) return "\"all\"";
  const std::string amount = std::to_string(1 + chance.below(tasks));
  return chance.one_in(3) ? "\"any\""
                          : "{\"" + std::string(chance.one_in(2) ? "at_least" : "weight") + "\":" + amount + "}";
}

std::string random_definition(Chance& chance) {
  std::string text = "{\"name\":\"d\",\"version\":1";
  if (chance.one_in(4)) text += ",\"expires_after\":\"20s\"";
  text += ",\"steps\":[";
  const std::size_t steps = chance.below(5);
  for (std::size_t s = 0; s < steps; ++s) {
    // Now and then wide enough to cross a word of bits; the first step always has the task that templates name.
    const std::size_t tasks = chance.one_in(20) ? 70 : s == 0 ? 1 + chance.below(3) : chance.below(5);
    text += std::string(s == 0 ? "" : ",") + "{\"name\":\"s" + std::to_string(s) +
            "\",\"join\":{\"need\":" + random_need(chance, tasks) + ",\"siblings\":\"" +
            (chance.one_in(3) ? "drain" : "cancel") + "\",\"leftover\":\"" +
            chance.of(std::vector<std::string>{"cancel", "drain", "keep"}) + "\",\"late_success\":\"" +
            (chance.one_in(4) ? "ignore" : "compensate") + "\"" + (chance.one_in(4) ? ",\"deadline\":\"12s\"" : "") +
            "},\"tasks\":[";
    for (std::size_t t = 0; t < tasks; ++t) text += (t == 0 ? "" : ",") + random_task(chance, s, t);
    text += "]}";
  }
  text += "]";
  if (steps > 0 && chance.one_in(2)) text += ",\"output\":[\"/steps/s0/t0/output\"]";
  return text + "}";
}

// Leases that ended without a result, whose workers may still be heard of.
std::vector<Attempt> lost_attempts(const Live& t) {
  std::vector<Attempt> lost;
  for (const RecordedEvent& e : t.events)
    if (const auto* out = std::get_if<AttemptTimedOut>(&e.event)) lost.push_back(out->attempt);
  return lost;
}

Outcome random_outcome(Chance& chance) {
  switch (chance.below(7)) {
    case 0:
      return Failed{"busy", "later", chance.one_in(3) ? "{\"log\":1}" : "", true, Effect::none};
    case 1:
      return Failed{"fatal", "", "", true, chance.one_in(2) ? Effect::unknown : Effect::none};
    case 2:
      return Failed{"refused", "", "", false, chance.one_in(3) ? Effect::unknown : Effect::none};
    case 3:
      return Released{Duration{static_cast<std::int64_t>(chance.below(4000))}};
    default:
      return Completed{chance.one_in(3) ? "" : "{\"id\":" + std::to_string(chance.below(9)) + "}",
                       chance.one_in(3) ? std::nullopt : std::optional(!chance.one_in(3))};
  }
}

HandOut random_hand_out(Chance& chance, const Live& t) {
  HandOut command{{}, "w" + std::to_string(chance.below(3)), ""};
  for (const Ready& ready : t.due().ready)
    if (ready.at <= t.now && !chance.one_in(3)) command.items.push_back({ready.task, ready.action});
  return command;
}

Command random_command(Chance& chance, Live& t) {
  const auto& leases = t.state.leases;
  switch (chance.below(10)) {
    case 0:
    case 1:
    case 2:
      return random_hand_out(chance, t);
    case 3:
    case 4:
    case 5: {
      Report command;
      for (std::size_t i = 1 + chance.below(3); i > 0 && !leases.empty(); --i)
        command.items.push_back({chance.of(leases).sequence, random_outcome(chance)});
      if (chance.one_in(8))
        command.items.push_back({Sequence(1 + chance.below(t.events.size())), random_outcome(chance)});
      return command;
    }
    case 6: {
      const auto lost = lost_attempts(t);
      if (lost.empty()) return Tick{};
      Outcome outcome = random_outcome(chance);
      while (std::holds_alternative<Released>(outcome)) outcome = random_outcome(chance);
      return ReportLate{chance.of(lost), outcome};
    }
    case 7: {
      if (leases.empty()) return Tick{};
      const Sequence lease = chance.of(leases).sequence;
      if (chance.one_in(2)) {
        keep_beat(t.beats, {lease, t.now});
        return Tick{};
      }
      return KeepHeartbeat{lease, "{\"at\":" + std::to_string(t.now.ms) + "}"};
    }
    case 8:
      if (chance.one_in(6)) return Cancel{"enough", "anna"};
      [[fallthrough]];
    default: {
      const Time due = t.due().due;
      const Duration little{static_cast<std::int64_t>(chance.below(3000))};
      if (due == Time::never() || chance.one_in(2)) {
        t.now = t.now + little;
      } else {
        // Exactly when it is due, or a moment before.
        t.now = std::max(t.now, chance.one_in(3) ? Time{due.ms - 1} : due);
      }
      return Tick{};
    }
  }
}

// ---- rules

// Settled, and done or unknown only where it is undone or cannot be.
bool is_clean(const Live& t, std::size_t index) {
  const StepView step = t.view(index);
  for (std::size_t slot = 0; slot < step.size(); ++slot) {
    const bool happened = step.has(TaskBit::done, slot) || step.has(TaskBit::unknown, slot);
    if (!step.has(TaskBit::settled, slot) || (happened && step.rules(slot).undo && !step.has(TaskBit::undone, slot)))
      return false;
  }
  return true;
}

void expect_bits_only_gained(const State& before, const State& after) {
  for (std::size_t i = 0; i < before.bits.word_count(); ++i)
    EXPECT_EQ(before.bits.word(i) & ~after.bits.word(i), 0u) << "a bit was lost in word " << i;
}

void expect_one_outcome_each(const Live& t) {
  for (std::size_t index = 0; index < t.machine->definition().steps.size(); ++index) {
    const StepView step = t.view(index);
    for (std::size_t slot = 0; slot < step.size(); ++slot) {
      const auto has = [&](TaskBit b) { return step.has(b, slot); };
      const int outcomes = has(TaskBit::done) + has(TaskBit::failed) + has(TaskBit::unknown) + has(TaskBit::withdrawn);
      EXPECT_EQ(outcomes, has(TaskBit::settled) ? 1 : 0) << index << "/" << slot;
      EXPECT_EQ(step.task(slot).status == TaskStatus::settled, has(TaskBit::settled));
      if (has(TaskBit::withdrawn)) {
        EXPECT_FALSE(has(TaskBit::requested)) << "withdrawn means never handed out";
      }
      if (has(TaskBit::failed)) {
        EXPECT_FALSE(has(TaskBit::maybe)) << "an unknown attempt makes the task unknown";
      }
      if (has(TaskBit::undo_requested)) {
        EXPECT_TRUE(has(TaskBit::done) || has(TaskBit::unknown)) << "nothing else is undone";
      }
    }
  }
}

// Whether the task belongs to what a met join did not count: its undo may run at any time after the join.
bool is_late(const Live& t, const TaskRef& ref) {
  return t.state.bits.test(t.machine->bit(StepBit::met, ref.step)) && !t.has(TaskBit::counted, ref) &&
         t.machine->step(ref.step).late_success == LateSuccess::compensate;
}

// One task has at most one lease; an undo runs only when its task settled and every later step is clean.
void expect_undos_in_order(const Live& t) {
  for (const Lease& lease : t.state.leases) {
    const auto same = [&](const Lease& other) { return other.task == lease.task; };
    EXPECT_EQ(std::count_if(t.state.leases.begin(), t.state.leases.end(), same), 1)
        << "nothing runs beside an open lease";
    if (lease.action != Action::undo) continue;
    EXPECT_TRUE(t.has(TaskBit::settled, lease.task));
    if (is_late(t, lease.task)) continue;
    EXPECT_EQ(t.state.phase, Phase::compensating);
    for (std::size_t step = lease.task.step + std::size_t{1}; step < t.machine->definition().steps.size(); ++step)
      if (t.state.bits.test(t.machine->bit(StepBit::entered, step))) {
        EXPECT_TRUE(is_clean(t, step)) << "step " << step << " comes first";
      }
  }
}

// What each step counted satisfies its need, and is not undone; the rest is undone or named where the join asks for it.
void expect_completion_to_be_true(const Live& t) {
  const Definition& d = t.machine->definition();
  for (std::size_t step = 0; step < d.steps.size(); ++step) {
    const Step& rules = d.steps[step];
    std::uint64_t reached = 0;
    for (std::size_t i = 0; i < rules.tasks.size(); ++i) {
      const TaskRef ref = t.view(step).ref(i);
      EXPECT_TRUE(t.has(TaskBit::settled, ref));
      const bool named = std::any_of(t.state.not_undone.begin(), t.state.not_undone.end(),
                                     [&](const NotUndone& n) { return n.task == ref; });
      if (t.has(TaskBit::counted, ref)) {
        reached += rules.need.kind == Need::Kind::weight ? rules.tasks[i].weight : 1;
        EXPECT_TRUE(t.has(TaskBit::done, ref));
        EXPECT_FALSE(t.has(TaskBit::undo_requested, ref));
        EXPECT_FALSE(named);
        continue;
      }
      EXPECT_FALSE(rules.need.kind == Need::Kind::all && !rules.tasks[i].optional) << "all means all";
      const bool due = (t.has(TaskBit::done, ref) || t.has(TaskBit::unknown, ref)) && is_late(t, ref);
      EXPECT_EQ(t.has(TaskBit::undone, ref), due && rules.tasks[i].undo) << step << "/" << i;
      EXPECT_EQ(named, due && !rules.tasks[i].undo) << step << "/" << i;
    }
    EXPECT_GE(reached, rules.need.amount);
  }
}

void expect_ends_to_be_true(const Live& t) {
  const auto terminal = [](const RecordedEvent& e) {
    return std::holds_alternative<TransactionCompleted>(e.event) ||
           std::holds_alternative<TransactionCompensated>(e.event) ||
           std::holds_alternative<TransactionTerminated>(e.event);
  };
  EXPECT_EQ(std::count_if(t.events.begin(), t.events.end(), terminal), t.state.ended() ? 1 : 0);
  if (!t.state.ended()) return;
  EXPECT_TRUE(t.state.leases.empty());
  EXPECT_EQ(t.due(), Pending{});
  if (t.state.phase == Phase::completed) return expect_completion_to_be_true(t);
  const Definition& d = t.machine->definition();
  for (std::size_t step = 0; step < d.steps.size(); ++step) {
    if (!t.state.bits.test(t.machine->bit(StepBit::entered, step))) continue;
    EXPECT_TRUE(is_clean(t, step));
    for (std::size_t slot = 0; slot < t.view(step).size(); ++slot) {
      const TaskRef ref = t.view(step).ref(slot);
      const bool named = std::any_of(t.state.not_undone.begin(), t.state.not_undone.end(),
                                     [&](const NotUndone& n) { return n.task == ref; });
      const bool left = (t.has(TaskBit::done, ref) || t.has(TaskBit::unknown, ref)) && !t.has(TaskBit::undone, ref);
      EXPECT_EQ(named, left) << "what is left is named, and nothing else";
    }
  }
}

// Every undo that was given up has an incident of its own that names it.
void expect_incidents_to_be_true(const Live& t) {
  std::size_t stuck = 0, raised = 0;
  for (const TaskState& task : t.state.tasks) stuck += task.undo_status == UndoStatus::incident;
  for (const Incident& incident : t.state.incidents) {
    EXPECT_EQ(incident.number, static_cast<std::uint32_t>(&incident - t.state.incidents.data() + 1));
    if (incident.kind != IncidentKind::undo_failed) continue;
    ++raised;
    EXPECT_EQ(t.task(incident.task).undo_status, UndoStatus::incident);
  }
  EXPECT_EQ(stuck, raised);
}

// siblings drain: when a task's failure decides, every task of the step has settled by itself.
void expect_drains(const Live& t, std::size_t from) {
  for (std::size_t i = from; i < t.events.size(); ++i) {
    const auto* failed = std::get_if<StepFailed>(&t.events[i].event);
    if (failed == nullptr || !failed->has_task || failed->code == "dta.input_unresolved") continue;
    if (t.machine->step(failed->step).siblings != Siblings::drain) continue;
    EXPECT_EQ(t.view(failed->step).count(TaskBit::withdrawn), 0u);
    for (const Lease& lease : t.state.leases)
      EXPECT_TRUE(lease.action == Action::undo || lease.task.step != failed->step);
  }
}

void expect_rules(const Live& t, const State& before, const Command& command) {
  expect_bits_only_gained(before, t.state);
  expect_one_outcome_each(t);
  expect_undos_in_order(t);
  expect_ends_to_be_true(t);
  expect_incidents_to_be_true(t);
  expect_drains(t, before.sequence.value);
  EXPECT_EQ(decode_state(encode_state(t.state)), t.state);
  if (before.phase == Phase::compensating || before.ended()) {
    EXPECT_TRUE(t.state.phase != Phase::running);
    for (std::size_t i = before.sequence.value; i < t.events.size(); ++i)
      if (const auto* leased = std::get_if<TaskLeased>(&t.events[i].event)) {
        EXPECT_EQ(leased->action, Action::undo) << "no new action";
      }
  }
  if (before.ended()) {
    EXPECT_EQ(t.state.phase, before.phase);
  }
  if (before.outcome_decided) {
    EXPECT_EQ(outcome(t.state), outcome(before)) << "what was told stays true";
    EXPECT_EQ(t.state.output, before.output);
  }
  if (std::holds_alternative<Tick>(command)) {
    EXPECT_GT(t.due().due, t.now) << "a tick leaves nothing that is due";
  }
}

void step(Chance& chance, Live& t) {
  const Command command = random_command(chance, t);
  const State before = t.state;
  const Time due = t.due().due;
  const bool ended = t.state.ended();
  const auto decision = t.run(command);
  if (!decision) {
    EXPECT_TRUE(std::holds_alternative<Cancel>(command)) << decision.error().message;
    EXPECT_TRUE(ended || before.outcome_decided || before.phase == Phase::compensating);
    return;
  }
  if (std::holds_alternative<Tick>(command) && t.now < due) {
    EXPECT_TRUE(decision->events.empty()) << "never early";
  }
  expect_rules(t, before, command);
}

// Workers that do as they are asked: whatever is open comes to an end.
void drive_to_the_end(Live& t) {
  for (int round = 0; round < 400 && !t.state.ended(); ++round) {
    Report all;
    for (const Lease& lease : t.state.leases) all.items.push_back({lease.sequence, Completed{}});
    const State before = t.state;
    if (!all.items.empty()) {
      t.run(all).value();
      expect_rules(t, before, all);
      continue;
    }
    HandOut next{{}, "w", ""};
    Time soonest = t.due().due;
    for (const Ready& ready : t.due().ready) {
      if (ready.at <= t.now) next.items.push_back({ready.task, ready.action});
      soonest = std::min(soonest, ready.at);
    }
    if (next.items.empty() && soonest == Time::never()) break;
    if (next.items.empty()) {
      t.now = std::max(t.now, soonest);
      t.run(Tick{}).value();
    } else {
      t.run(next).value();
    }
  }
  EXPECT_TRUE(t.state.ended() || t.state.attention()) << "it ends, or says which person it waits for";
  if (t.state.ended()) return;
  for (const Ready& ready : t.due().ready) ADD_FAILURE() << "still ready: task " << ready.task.task;
  const bool waits = std::any_of(t.state.tasks.begin(), t.state.tasks.end(),
                                 [](const TaskState& s) { return s.undo_status == UndoStatus::incident; });
  EXPECT_TRUE(waits);
}

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Property, RandomCommandsKeepEveryRule) {
  const bool single = std::getenv("DTA_SEED") != nullptr;
  const std::uint64_t first = number_from("DTA_SEED", 1), count = single ? 1 : number_from("DTA_SEEDS", 2000);
  std::size_t ended[6] = {}, waiting = 0;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    Chance chance(seed);
    const std::string definition = random_definition(chance);
    SCOPED_TRACE("DTA_SEED=" + std::to_string(seed) + " engine_test --gtest_filter=Property.*\n" + definition);
    Live t(machine_of(definition));
    t.start(chance.one_in(5) ? "" : "{\"n\":1}");
    const std::size_t commands = 10 + chance.below(60);
    for (std::size_t i = 0; i < commands && !HasFailure(); ++i) step(chance, t);
    if (!HasFailure()) drive_to_the_end(t);
    ++ended[static_cast<std::size_t>(t.state.phase)];
    waiting += t.state.attention();
  }
  if (single || HasFailure()) return;
  // The search is worth something only when it reaches every end.
  EXPECT_GT(ended[static_cast<std::size_t>(Phase::completed)], count / 50);
  EXPECT_GT(ended[static_cast<std::size_t>(Phase::compensated)], count / 50);
  EXPECT_GT(waiting, count / 100);
}

// Folding any prefix gives a state from which the rest follows; checkpoints may cut anywhere.
TEST(Property, AnyPrefixAndItsRestGiveTheWhole) {
  for (std::uint64_t seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Chance chance(seed);
    Live t(machine_of(random_definition(chance)));
    t.start("{\"n\":1}");
    for (std::size_t i = 0; i < 40; ++i) t.run(random_command(chance, t));
    State prefix;
    for (const RecordedEvent& event : t.events) {
      evolve(*t.machine, prefix, event);
      const auto read = decode_state(encode_state(prefix));
      ASSERT_TRUE(read.has_value());
      prefix = *read;
    }
    EXPECT_EQ(prefix, t.state);
  }
}

}  // namespace
}  // namespace dta::engine

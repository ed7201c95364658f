// The end: no fault any more, workers that do as they are asked, and people who decide whatever waits for them. So
// everything must end.
#include <fmt/format.h>

#include "simulation/chance.h"
#include "simulation/world.h"

namespace dta::simulation {

using namespace schema;

namespace {

constexpr int kRounds = 3000, kMoodyRounds = 60;

}  // namespace

void World::drain() {
  prompt_ = true;
  tell("the faults stop");
  flush();
  for (const CallPtr& call : std::vector<CallPtr>(calls_))
    if (!call->answered) send(call, true);
  flush();
  settle(0);
  // Whatever was answered is asked once more, and once more after a restart. What was refused may be taken now.
  for (int again = 0; again < 2 && failures_.empty(); ++again) {
    for (const CallPtr& call : std::vector<CallPtr>(calls_))
      if (call->answered && failures_.empty()) send(call, true);
    flush();
    settle(kMoodyRounds);
    if (again == 0 && failures_.empty()) host_.crash(Fate::lost, false, 0, now_);
    check_host();
  }
}

void World::settle(int first_round) {
  for (int round = first_round; failures_.empty(); ++round) {
    if (!step_on()) return;
    if (round == kRounds) return fail("it goes on without end");
    if (workers_are_busy(round) || people_are_busy(round)) continue;
    const Time due = host_.partition().next_due();
    if (due == Time::never()) break;
    now_ = std::max(now_, due);
    tell(fmt::format("it is +{}ms", now_.ms - kBegin.ms));
    host_.partition().tick(now_);
    flush();
  }
}

// In the first rounds some are still moody, so that what comes late in a definition fails as well.
bool World::workers_are_busy(int round) {
  bool busy = false;
  for (Worker& worker : workers_) {
    poll(worker, poll_of(worker, ~0u, 100, {}, true), true);
    flush();
    for (Held& held : worker.held) {
      Chance chance = chance_for(plan_.seed, held.task.token);
      const bool moody = round < kMoodyRounds && chance.one_in(3);
      work(worker, held, moody ? static_cast<std::uint32_t>(chance.draw()) : kWilling);
    }
    // What was reported already waits for its answer: a report that asks for more work is answered with that.
    const bool more =
        std::any_of(worker.held.begin(), worker.held.end(), [](const Held& held) { return !held.reported; });
    if (more) report(worker, worker.held.size(), std::nullopt, true);
    busy |= more;
    flush();
  }
  return busy;
}

// Whether anybody had something to do. Who does not feel like it in this round lets time pass instead: so timeouts and
// deadlines of what people are waited for happen as well.
bool World::people_are_busy(int round) {
  bool busy = false;
  for (std::size_t i = 0; i < plan_.transactions.size() && failures_.empty(); ++i) {
    const std::string id = id_of(i);
    const auto events = host_.history(id);
    if (events.empty()) continue;
    const Definition& definition = definition_of(id);
    Chance chance = chance_for(plan_.seed, fmt::format("{} in round {}", id, round));
    const bool lazy = round < 200 && chance.one_in(4) && host_.partition().next_due() != Time::never();
    const auto act = [&](const CallPtr& call) {
      send(call, true);
      flush();
      busy = true;
    };
    if (!has_ended(events) && is_paused(events, Sequence(events.size() + 1))) act(resume(id));
    if (lazy) continue;
    const auto open = open_incidents(events);
    if (!open.empty()) act(decide(id, *open[chance.below(open.size())]));
    if (has_ended(events) || !failures_.empty()) continue;
    if (definition.form == Form::table) {
      const auto way = way_to_end(definition, table_state(events, definition));
      if (!way.empty()) act(append(id, {way.front()}));
      continue;
    }
    const auto awaited = awaited_signals(events, definition);
    if (!awaited.empty()) act(signal(id, awaited[chance.below(awaited.size())]));
    for (const TaskRef& ref : asked_outside(events, definition)) {
      const bool reported = is_reported(events, ref);
      if (reported) continue;
      act(report_outside(id, {ref}, kWilling));
      break;
    }
  }
  return busy;
}

}  // namespace dta::simulation

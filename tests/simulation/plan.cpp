// See plan.h. Each history has its own mixture of moves, so that some are calm, some full of crashes, some of slow
// workers.
#include "tests/simulation/plan.h"

#include <array>
#include <numeric>

#include "tests/model/random_definition.h"

namespace dta::simulation {
namespace {

struct Weight {
  Move move;
  std::string_view name;
  std::size_t weight;
  bool fault;
};

constexpr std::array kMoves{
    Weight{Move::start, "start", 5, false},
    Weight{Move::cancel, "cancel", 1, false},
    Weight{Move::append, "append", 3, false},
    Weight{Move::look, "look", 1, false},
    Weight{Move::poll, "poll", 14, false},
    Weight{Move::work, "work", 16, false},
    Weight{Move::report, "report", 14, false},
    Weight{Move::heartbeat, "heartbeat", 3, false},
    Weight{Move::worker_dies, "worker dies", 1, true},
    Weight{Move::send_again, "send again", 3, false},
    Weight{Move::repeat, "repeat", 3, false},
    Weight{Move::deliver, "deliver", 24, false},
    Weight{Move::duplicate, "duplicate", 2, true},
    Weight{Move::lose, "lose", 2, true},
    Weight{Move::pass_time, "pass time", 7, false},
    Weight{Move::tick, "tick", 3, false},
    Weight{Move::give_away, "give away", 14, false},
    Weight{Move::finish, "finish", 14, false},
    Weight{Move::crash, "crash", 2, true},
    Weight{Move::power_loss, "power loss", 1, true},
    Weight{Move::bad_disk, "bad disk", 1, true},
    Weight{Move::checkpoint, "checkpoint", 1, false},
    Weight{Move::restart, "restart", 1, true},
};

}  // namespace

std::string_view name(Move move) {
  for (const Weight& w : kMoves)
    if (w.move == move) return w.name;
  return "?";
}

Plan make_plan(std::uint64_t seed, bool leveldb) {
  model::Chance chance(seed * 2 + (leveldb ? 1 : 0));
  Plan plan;
  plan.seed = seed;
  plan.leveldb = leveldb;
  plan.grace_ms = chance.one_in(2) ? 0 : 2000;
  plan.closed_cache = chance.below(3);
  for (std::size_t i = 0, n = 1 + chance.below(2); i < n; ++i)
    plan.definitions.push_back(model::random_steps(chance, "steps" + std::to_string(i)));
  plan.definitions.push_back(model::random_table(chance, "table"));
  // Of the faults there are none, a few, or twice as many as the weights say.
  const std::size_t faults = chance.of(std::array<std::size_t, 4>{0, 1, 2, 4});
  std::array<std::size_t, kMoves.size()> weights{};
  for (std::size_t i = 0; i < kMoves.size(); ++i) weights[i] = kMoves[i].weight * (kMoves[i].fault ? faults : 2);
  // Time runs fast in some, so that everything times out, and hardly at all in others.
  weights[static_cast<std::size_t>(Move::pass_time)] = 1 + chance.below(3) * chance.below(8);
  const std::size_t all = std::accumulate(weights.begin(), weights.end(), std::size_t{0});
  plan.moves.resize(60 + chance.below(300));
  for (PlannedMove& step : plan.moves) {
    std::size_t at = chance.below(all), i = 0;
    while (at >= weights[i]) at -= weights[i++];
    step = PlannedMove{kMoves[i].move, static_cast<std::uint32_t>(chance.draw()),
                       static_cast<std::uint32_t>(chance.draw()), static_cast<std::uint32_t>(chance.draw())};
  }
  return plan;
}

}  // namespace dta::simulation

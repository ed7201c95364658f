// See plan.h. Each history has its own mixture of moves, so that some are calm, some full of crashes, some of slow
// workers, some of busy people.
#include "simulation/plan.h"

#include <array>
#include <numeric>

namespace dta::simulation {
namespace {

struct Weight {
  Move move;
  std::string_view name;
  std::size_t weight;
  enum class Kind : std::uint8_t { calm, fault, person } kind = Kind::calm;
};
using enum Weight::Kind;

constexpr std::array kMoves{
    Weight{Move::start, "start", 5},
    Weight{Move::cancel, "cancel", 1},
    Weight{Move::append, "append", 3},
    Weight{Move::look, "look", 1},
    Weight{Move::signal, "signal", 4},
    Weight{Move::take_part, "take part", 6},
    Weight{Move::pause, "pause", 1, person},
    Weight{Move::resume, "resume", 2, person},
    Weight{Move::terminate, "terminate", 1, person},
    Weight{Move::resolve, "resolve", 4, person},
    Weight{Move::poll, "poll", 14},
    Weight{Move::work, "work", 16},
    Weight{Move::report, "report", 14},
    Weight{Move::heartbeat, "heartbeat", 3},
    Weight{Move::worker_dies, "worker dies", 1, fault},
    Weight{Move::send_again, "send again", 3},
    Weight{Move::repeat, "repeat", 3},
    Weight{Move::deliver, "deliver", 24},
    Weight{Move::duplicate, "duplicate", 2, fault},
    Weight{Move::lose, "lose", 2, fault},
    Weight{Move::pass_time, "pass time", 7},
    Weight{Move::tick, "tick", 3},
    Weight{Move::give_away, "give away", 14},
    Weight{Move::finish, "finish", 14},
    Weight{Move::crash, "crash", 2, fault},
    Weight{Move::power_loss, "power loss", 1, fault},
    Weight{Move::bad_disk, "bad disk", 1, fault},
    Weight{Move::checkpoint, "checkpoint", 1},
    Weight{Move::restart, "restart", 1, fault},
};

void draw_settings(Plan& plan, Chance& chance) {
  plan.grace_ms = chance.one_in(2) ? 0 : 2000;
  plan.closed_cache = chance.below(3);
}

void draw_moves(Plan& plan, Chance& chance) {
  // Of the faults there are none, a few, or twice as many as the weights say; so of what people do.
  const std::size_t faults = chance.of(std::array<std::size_t, 4>{0, 1, 2, 4});
  const std::size_t people = chance.of(std::array<std::size_t, 4>{0, 1, 2, 4});
  std::array<std::size_t, kMoves.size()> weights{};
  for (std::size_t i = 0; i < kMoves.size(); ++i)
    weights[i] = kMoves[i].weight * (kMoves[i].kind == fault ? faults : kMoves[i].kind == person ? people : 2);
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
}

}  // namespace

std::string_view name(Move move) {
  for (const Weight& w : kMoves)
    if (w.move == move) return w.name;
  return "?";
}

Plan make_plan(std::uint64_t seed, std::vector<schema::DefinitionPtr> definitions,
               std::vector<std::size_t> transactions, Chance& chance) {
  Plan plan;
  plan.seed = seed;
  plan.definitions = std::move(definitions);
  plan.transactions = std::move(transactions);
  draw_settings(plan, chance);
  draw_moves(plan, chance);
  return plan;
}

Plan make_plan(std::uint64_t seed, const schema::DefinitionPtr& definition, const std::string& input) {
  Chance chance(seed);
  const std::size_t transactions = 1 + chance.below(4);
  Plan plan = make_plan(seed, {definition}, std::vector<std::size_t>(transactions, 0), chance);
  plan.input = input;
  return plan;
}

}  // namespace dta::simulation

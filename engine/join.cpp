// Counting of joins (join.h): popcounts over the planes of a step, or sums over its tasks where they weigh or follow
// each other. Pure.
#include "engine/join.h"

#include <cmath>

namespace dta::engine {

using schema::Need;

namespace {

struct Sums {
  std::uint64_t present = 0, done = 0, lost = 0;  // of the tasks that count, in pieces or by weight
};

Sums sums(const StepView& step) {
  if (step.rules().need.kind != Need::Kind::weight && !step.rules().ordered()) {
    const std::uint64_t done = step.count(TaskBit::done), skipped = step.count(TaskBit::skipped);
    return {step.size() - skipped, done, step.count(TaskBit::settled) - done - skipped};
  }
  Sums total;
  for (std::size_t slot = 0; slot < step.size(); ++slot) {
    const schema::Task& rules = step.rules(slot);
    if (!rules.before.empty() || step.has(TaskBit::skipped, slot)) continue;
    const std::uint64_t amount = step.rules().need.kind == Need::Kind::weight ? rules.weight : 1;
    total.present += amount;
    if (step.has(TaskBit::done, slot))
      total.done += amount;
    else if (step.has(TaskBit::settled, slot))
      total.lost += amount;
  }
  return total;
}

std::uint64_t amount_of(const Need& need, std::uint64_t present) {
  if (need.kind != Need::Kind::share) return need.amount;
  // The product of a share like 0.4 and a count may lie a hair above the whole number that is meant.
  return static_cast<std::uint64_t>(std::ceil(need.share * static_cast<double>(present) - 1e-9));
}

bool nothing_there(const StepView& step) {
  return step.count(TaskBit::skipped) == step.size();
}

bool all_settled(const StepView& step) {
  return step.count(TaskBit::settled) == step.size();
}

// A task that "all" cannot do without has settled without being done.
bool required_task_lost(const StepView& step) {
  if (step.count(TaskBit::settled) == step.count(TaskBit::done) + step.count(TaskBit::skipped)) return false;
  const auto lost = [&](std::size_t slot, std::size_t n) {
    return step.bits(TaskBit::settled, slot, n) & ~step.bits(TaskBit::done, slot, n) &
           ~step.bits(TaskBit::skipped, slot, n);
  };
  return step.find(lost, [&](std::size_t slot) { return !step.rules(slot).optional; }) < step.size();
}

}  // namespace

bool reachable(const StepView& step) {
  const Need& need = step.rules().need;
  if (need.kind == Need::Kind::all) return !required_task_lost(step);
  if (nothing_there(step)) return true;
  const Sums total = sums(step);
  return total.present - total.lost >= amount_of(need, total.present);
}

bool enough(const StepView& step) {
  const Need& need = step.rules().need;
  if (need.kind == Need::Kind::all) return all_settled(step) && !required_task_lost(step);
  if (nothing_there(step)) return true;
  const Sums total = sums(step);
  return total.done >= amount_of(need, total.present);
}

Verdict judge_join(const StepView& step) {
  if (enough(step))
    return step.rules().leftover == schema::Leftover::drain && !all_settled(step) ? Verdict::open : Verdict::met;
  if (reachable(step)) return Verdict::open;
  return step.rules().siblings == schema::Siblings::drain && !all_settled(step) ? Verdict::open : Verdict::failed;
}

}  // namespace dta::engine

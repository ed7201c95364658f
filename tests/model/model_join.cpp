// Joins: what a step needs (semantics section 4). Skipped tasks are as if they were not there.
#include <cmath>

#include "tests/model/model.h"

namespace dta::model {

using namespace schema;

// "all": every task that is not optional is done, and every task has settled. Otherwise: enough tasks, or enough weight,
// is done among those that no other comes after; an optional task counts like any other, but only by being done. Where
// no task is present, any need is met.
bool Transaction::need_met(const Step& s, Open open) const {
  const Need& need = rules(static_cast<std::size_t>(&s - steps_.data())).need;
  std::uint64_t reached = 0, counting = 0, present = 0;
  for (const Task& t : s.tasks) {
    if (t.skipped) continue;
    ++present;
    const bool done = t.settled ? t.outcome() == Outcome::done : open == Open::supposed_done;
    if (need.kind == Need::Kind::all) {
      if (!done && !(t.settled && t.rules->optional)) return false;
      continue;
    }
    if (!t.rules->before.empty()) continue;
    ++counting;
    if (done) reached += need.kind == Need::Kind::weight ? t.rules->weight : 1;
  }
  if (need.kind == Need::Kind::all || present == 0) return true;
  if (need.kind == Need::Kind::share) return reached >= std::ceil(need.share * static_cast<double>(counting));
  return reached >= need.amount;
}

// More is needed than all the tasks that are there could give together, those that have failed included.
bool Transaction::unreachable(const Step& s) const {
  const Need& need = rules(static_cast<std::size_t>(&s - steps_.data())).need;
  if (need.kind == Need::Kind::all || need.kind == Need::Kind::share) return false;
  std::uint64_t all = 0, present = 0;
  for (const Task& t : s.tasks) {
    if (t.skipped) continue;
    ++present;
    if (t.rules->before.empty()) all += need.kind == Need::Kind::weight ? t.rules->weight : 1;
  }
  return present > 0 && all < need.amount;
}

}  // namespace dta::model

// Counting of joins (join.h): popcounts over the planes of a step, or sums of weights. Pure.
#include "engine/join.h"

namespace dta::engine {

using schema::Need;

namespace {

// Tasks of the step that have the bit, each counted as 1 or by its weight.
std::uint64_t sum(const Machine& m, const BitSet& bits, TaskBit bit, std::size_t step) {
  if (m.step(step).need.kind != Need::Kind::weight) return m.count(bits, bit, step);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < m.step(step).tasks.size(); ++i)
    if (bits.test(m.bit(bit, m.step(step).first_task + i))) total += m.step(step).tasks[i].weight;
  return total;
}

std::uint64_t sum_of_all(const Machine& m, std::size_t step) {
  if (m.step(step).need.kind != Need::Kind::weight) return m.step(step).tasks.size();
  std::uint64_t total = 0;
  for (const schema::Task& task : m.step(step).tasks) total += task.weight;
  return total;
}

// A task that "all" cannot do without has settled without being done.
bool required_task_lost(const Machine& m, const BitSet& bits, std::size_t step) {
  const schema::Step& s = m.step(step);
  if (m.count(bits, TaskBit::settled, step) == m.count(bits, TaskBit::done, step)) return false;
  for (std::size_t i = 0; i < s.tasks.size(); ++i) {
    const std::size_t flat = s.first_task + i;
    if (!s.tasks[i].optional && bits.test(m.bit(TaskBit::settled, flat)) && !bits.test(m.bit(TaskBit::done, flat)))
      return true;
  }
  return false;
}

}  // namespace

bool reachable(const Machine& m, const BitSet& bits, std::size_t step) {
  if (m.step(step).need.kind == Need::Kind::all) return !required_task_lost(m, bits, step);
  const std::uint64_t lost = sum(m, bits, TaskBit::settled, step) - sum(m, bits, TaskBit::done, step);
  return sum_of_all(m, step) - lost >= m.step(step).need.amount;
}

bool enough(const Machine& m, const BitSet& bits, std::size_t step) {
  if (m.step(step).need.kind == Need::Kind::all)
    return m.count(bits, TaskBit::settled, step) == m.step(step).tasks.size() && !required_task_lost(m, bits, step);
  return sum(m, bits, TaskBit::done, step) >= m.step(step).need.amount;
}

Verdict judge_join(const Machine& m, const BitSet& bits, std::size_t step) {
  const schema::Step& s = m.step(step);
  const bool all_settled = m.count(bits, TaskBit::settled, step) == s.tasks.size();
  if (enough(m, bits, step))
    return s.leftover == schema::Leftover::drain && !all_settled ? Verdict::open : Verdict::met;
  if (reachable(m, bits, step)) return Verdict::open;
  return s.siblings == schema::Siblings::drain && !all_settled ? Verdict::open : Verdict::failed;
}

}  // namespace dta::engine

// Two indexes of one set, by time and by transaction, that always hold the same entries (deadlines.h).
#include "projections/deadlines.h"

namespace dta::projections {

void Deadlines::set(schema::TransactionNumber number, schema::Time due) {
  const auto it = by_number_.find(number);
  if (it != by_number_.end()) {
    if (it->second == due) return;
    by_time_.erase({it->second, number});
    if (due == schema::Time::never()) {
      by_number_.erase(it);
      return;
    }
    it->second = due;
  } else {
    if (due == schema::Time::never()) return;
    by_number_.emplace(number, due);
  }
  by_time_.emplace(due, number);
}

schema::Time Deadlines::next() const {
  return by_time_.empty() ? schema::Time::never() : by_time_.begin()->first;
}

std::vector<schema::TransactionNumber> Deadlines::due(schema::Time now, std::size_t count) const {
  std::vector<schema::TransactionNumber> list;
  for (auto it = by_time_.begin(); it != by_time_.end() && it->first <= now && list.size() < count; ++it)
    list.push_back(it->second);
  return list;
}

}  // namespace dta::projections

// One entry a transaction: its earliest due timer. A timer may fire late, never early. Owned by the partition's thread.
#pragma once

#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "schema/ids.h"
#include "schema/time.h"

namespace dta::projections {

class Deadlines {
 public:
  // Replaces the transaction's entry; Time::never() removes it.
  void set(schema::TransactionNumber number, schema::Time due);
  schema::Time next() const;  // never when there is none
  // At most `count` transactions whose entry is due by now, earliest first; their entries stay until set() again.
  std::vector<schema::TransactionNumber> due(schema::Time now, std::size_t count) const;
  std::size_t size() const { return by_number_.size(); }

 private:
  std::set<std::pair<schema::Time, schema::TransactionNumber>> by_time_;
  std::unordered_map<schema::TransactionNumber, schema::Time> by_number_;
};

}  // namespace dta::projections

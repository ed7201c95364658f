// The databases on which the tests of the barrier run: each gives connections to the same tables, `stock` with one
// level of 10, and the barrier's.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>

#include "dta/barrier.h"

namespace barrier_test {

class TestDatabase {
 public:
  virtual ~TestDatabase() = default;
  // Every call gives a connection of its own.
  virtual std::unique_ptr<dta::BarrierSql> connect() = 0;
};

struct DatabaseKind {
  const char* name;
  // Null when there is no such database here; `why_not` says it in a sentence.
  std::unique_ptr<TestDatabase> (*open)();
  const char* why_not;

  friend void PrintTo(const DatabaseKind& kind, std::ostream* out) { *out << kind.name; }
};

inline constexpr const char* kDo = "t/s/a/0/1/do/1";
inline constexpr const char* kUndo = "t/s/a/0/1/undo/1";
inline constexpr const char* kUndoAgain = "t/s/a/0/1/undo/2";

inline int level(dta::BarrierSql& sql) {
  return std::stoi(sql.row("SELECT level FROM stock", {})->at(0).value());
}

// The effect of the action and that of its undo, as a service would have them.
inline std::string take(dta::BarrierSql& sql) {
  sql.run("UPDATE stock SET level = level - 1", {});
  return "{\"level\":" + std::to_string(level(sql)) + "}";
}
inline void put(dta::BarrierSql& sql) {
  sql.run("UPDATE stock SET level = level + 1", {});
}

}  // namespace barrier_test

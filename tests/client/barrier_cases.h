// The suite of the barrier's tests, instantiated once for each database (barrier_test.cpp,
// barrier_postgresql_test.cpp).
#pragma once

#include <memory>
#include <string>

#include "tests/client/barrier_database.h"

namespace barrier_test {

class Barrier : public testing::TestWithParam<DatabaseKind> {
 protected:
  void SetUp() override {
    database_ = GetParam().open();
    if (database_ == nullptr) GTEST_SKIP() << GetParam().why_not;
    sql_ = database_->connect();
  }

  std::string take_once(const char* key = kDo) {
    return dta::run_once(*sql_, key, [&] { return take(*sql_); });
  }
  dta::Undone put_once(const char* key = kUndo) {
    return dta::undo_once(*sql_, key, [&] { put(*sql_); });
  }
  std::string count(const char* table) {
    return sql_->row(("SELECT count(*) FROM " + std::string(table)).c_str(), {})->at(0).value();
  }

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<dta::BarrierSql> sql_;
};

}  // namespace barrier_test

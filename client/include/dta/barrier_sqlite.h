// The barrier on a SQLite connection of yours; see dta/barrier.h. Compiled by those who include it: link sqlite3.
//
// The connection stays yours: open it, set its busy timeout, use it inside the effect, close it after this object.
// Transactions are BEGIN IMMEDIATE, so that one that waits for another waits at its beginning and nowhere else.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "dta/barrier.h"

namespace dta {

class SqliteBarrier : public BarrierSql {
 public:
  explicit SqliteBarrier(sqlite3* connection) : connection_(connection) {}

  void begin() override {
    if (sqlite3_get_autocommit(connection_) == 0) throw std::logic_error("the barrier begins the transaction itself");
    execute("BEGIN IMMEDIATE");
  }
  void commit() override { execute("COMMIT"); }
  void rollback() noexcept override {
    // After some errors SQLite has rolled back by itself.
    if (sqlite3_get_autocommit(connection_) == 0) sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
  }

  std::int64_t run(const char* sql, std::initializer_list<std::string_view> values) override {
    const Statement statement = prepare(sql, values);
    step(statement.get());
    return sqlite3_changes(connection_);
  }

  std::optional<Row> row(const char* sql, std::initializer_list<std::string_view> values) override {
    const Statement statement = prepare(sql, values);
    if (step(statement.get()) != SQLITE_ROW) return std::nullopt;
    Row row;
    for (int column = 0; column < sqlite3_column_count(statement.get()); ++column) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), column));
      row.push_back(text == nullptr ? std::nullopt : std::optional<std::string>(std::in_place, text, size));
    }
    return row;
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  [[noreturn]] void fail(std::string_view what) const {
    throw std::runtime_error(std::string(what) + ": " + sqlite3_errmsg(connection_));
  }

  void execute(const char* sql) {
    if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
  }

  // The values outlive the statement, so that SQLite need not copy them.
  Statement prepare(const char* sql, std::initializer_list<std::string_view> values) {
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(connection_, sql, -1, &prepared, nullptr) != SQLITE_OK) fail(sql);
    Statement statement(prepared);
    int index = 0;
    for (const std::string_view value : values) {
      // An empty view may have no address, and to SQLite that would mean NULL.
      const char* text = value.empty() ? "" : value.data();
      if (sqlite3_bind_text(prepared, ++index, text, static_cast<int>(value.size()), SQLITE_STATIC) != SQLITE_OK)
        fail(sql);
    }
    return statement;
  }

  int step(sqlite3_stmt* statement) {
    const int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) fail(sqlite3_sql(statement));
    return code;
  }

  sqlite3* connection_;
};

}  // namespace dta

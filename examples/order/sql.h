// SQLite behind two small classes: a connection and a statement. Errors are thrown as std::runtime_error with SQLite's
// words, which a worker reports as an unknown effect. Neither class is for more than one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace order {

class Database {
 public:
  // Opens or creates the file: write-ahead log, every commit synced.
  explicit Database(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Any number of statements without values or rows.
  void execute(const char* sql);
  // Rows changed by the last INSERT, UPDATE or DELETE.
  int changes() const;
  // For the barrier, which brings the transaction; it stays this object's.
  sqlite3* connection() const { return db_; }

 private:
  friend class Statement;
  [[noreturn]] void fail(std::string_view what) const;
  sqlite3* db_ = nullptr;
};

// Prepared, bound from left to right, then run once or stepped row by row.
class Statement {
 public:
  Statement(Database& db, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(std::int64_t number);
  // True when there is a row to read.
  bool step();
  void run() {
    while (step()) {
    }
  }
  std::string text(int column);
  std::int64_t integer(int column);

 private:
  Database& db_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

}  // namespace order

// SQLite behind two small classes; see sql.h.
#include "sql.h"

#include <sqlite3.h>

#include <stdexcept>

namespace order {

Database::Database(const std::string& path) {
  if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) {
    const std::string message = sqlite3_errmsg(db_);
    sqlite3_close(db_);
    throw std::runtime_error(path + ": " + message);
  }
  sqlite3_busy_timeout(db_, 10'000);
  execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
}

Database::~Database() {
  sqlite3_close(db_);
}

void Database::fail(std::string_view what) const {
  throw std::runtime_error(std::string(what) + ": " + sqlite3_errmsg(db_));
}

void Database::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

int Database::changes() const {
  return sqlite3_changes(db_);
}

Statement::Statement(Database& db, std::string_view sql) : db_(db) {
  if (sqlite3_prepare_v2(db.db_, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr) != SQLITE_OK)
    db.fail(sql);
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(std::string_view text) {
  // SQLite copies the text (its SQLITE_TRANSIENT is a cast of -1, spelt out here without the C cast).
  const auto copy = reinterpret_cast<sqlite3_destructor_type>(-1);
  if (sqlite3_bind_text(statement_, ++bound_, text.data(), static_cast<int>(text.size()), copy) != SQLITE_OK)
    db_.fail("bind");
  return *this;
}

Statement& Statement::bind(std::int64_t number) {
  if (sqlite3_bind_int64(statement_, ++bound_, number) != SQLITE_OK) db_.fail("bind");
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code != SQLITE_ROW && code != SQLITE_DONE) db_.fail(sqlite3_sql(statement_));
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return bytes == nullptr ? std::string()
                          : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Statement::integer(int column) {
  return sqlite3_column_int64(statement_, column);
}

}  // namespace order

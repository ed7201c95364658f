// The barrier: at most one effect for an idempotency key, in your own SQL database and your own local transaction.
//
//   dta::SqliteBarrier sql(db);                       // dta/barrier_sqlite.h; or dta::PostgresqlBarrier
//   sql(connection) worker.on_do("stock.reserve", [&](dta::Task& task) {
//     return dta::run_once(sql, task.idempotency_key, [&] { return reserve(db, task.input); });
//   });
//   worker.on_undo("stock.release", [&](dta::Task& task) {
//     return dta::undo_once(sql, task.idempotency_key, [&] { release(db, task.input); });
//   });
//
// What is written, in the same local transaction as the effect, is a row of one small table (kBarrierTable). So:
// - duplicate: a call whose key is known does nothing and gives the first answer again;
// - empty: an undo also inserts its action's key. Finding that key free means that the action never took effect;
// nothing
//   is undone, and the answer says so (Undone::nothing_found);
// - hanging: an action that arrives after its undo finds its key taken and fails for good, without effect.
//
// Invariants, with `origin` = who inserted the row and `undone` = its undo took effect:
// - a key has at most one row, and what was done under it is committed with that row or not at all;
// - an effect runs after its key was inserted, an undo's effect also after `undone` went from 0 to 1: both are won by
// one
//   connection only. A second one waits in the database for the end of the first, then sees what came of it. That holds
//   from READ COMMITTED upwards; a stricter level may end a call with a serialization error, which undoes it as a
//   whole.
//
// Errors: whatever the database or the effect throws is passed on after the transaction was rolled back, key included;
// a worker reports it as unknown, and the next attempt tells. TaskFailed "undone" is the answer to a hanging action.
// Threads: none of its own. A connection serves one call at a time.
// The Python and JavaScript clients use the same table with the same meaning.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dta/worker.h"

namespace dta {

// Create it once, with the rest of your schema. SQLite and PostgreSQL take it as it stands. Further columns with
// defaults do no harm, for example a time by which old rows are found.
inline constexpr const char* kBarrierTable =
    "CREATE TABLE IF NOT EXISTS dta_barrier (key TEXT PRIMARY KEY, origin TEXT NOT NULL,"
    " undone INTEGER NOT NULL DEFAULT 0, found INTEGER, output TEXT)";

// What the barrier needs of a connection. There is one for SQLite and one for PostgreSQL; for another driver write
// these five functions. Statements hold $1, $2 … once each and in this order, so that a driver with other placeholders
// replaces them one by one; values are text. Each function but rollback() throws when the database says no.
class BarrierSql {
 public:
  using Row = std::vector<std::optional<std::string>>;

  virtual ~BarrierSql() = default;
  // Throws std::logic_error when a transaction is open already.
  virtual void begin() = 0;
  // Returns only when the transaction is committed.
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  // Gives the number of rows that were changed.
  virtual std::int64_t run(const char* sql, std::initializer_list<std::string_view> values) = 0;
  // Gives the first row, if there is one; numbers come as text.
  virtual std::optional<Row> row(const char* sql, std::initializer_list<std::string_view> values) = 0;
};

// The key of the action that an undo's key belongs to. The last two parts of a key are do | undo and order, and only an
// undo is ever ordered again: the action's order is 1. Throws std::invalid_argument if it is no undo's key.
inline std::string action_key(std::string_view undo_key) {
  const std::size_t order = undo_key.rfind('/');
  const std::size_t kind = order == std::string_view::npos || order == 0 ? order : undo_key.rfind('/', order - 1);
  if (kind == std::string_view::npos || undo_key.substr(kind, order - kind) != "/undo")
    throw std::invalid_argument("this is not the key of an undo: " + std::string(undo_key));
  return std::string(undo_key.substr(0, kind)) + "/do/1";
}

namespace barrier_detail {

// True for one caller only: of two at once the second waits until the first has ended, and is first if that one failed.
inline bool insert_key(BarrierSql& sql, std::string_view key, std::string_view origin) {
  return sql.run("INSERT INTO dta_barrier (key, origin) VALUES ($1, $2) ON CONFLICT DO NOTHING", {key, origin}) == 1;
}

inline BarrierSql::Row known(BarrierSql& sql, std::string_view key) {
  auto row = sql.row("SELECT origin, undone, found, output FROM dta_barrier WHERE key = $1", {key});
  if (!row || row->size() != 4) throw std::runtime_error("the barrier's row is gone: " + std::string(key));
  return *std::move(row);
}

inline bool is(const std::optional<std::string>& value, std::string_view wanted) {
  return value && *value == wanted;
}

// Begins; rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(BarrierSql& sql) : sql_(sql) { sql_.begin(); }
  ~Transaction() {
    if (open_) sql_.rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    sql_.commit();
    open_ = false;
  }

 private:
  BarrierSql& sql_;
  bool open_ = true;
};

}  // namespace barrier_detail

// run_once inside a transaction that you began. Commit it when this returns, roll it back when this throws.
inline std::string run_once_inside(BarrierSql& sql, std::string_view key, const std::function<std::string()>& effect) {
  namespace detail = barrier_detail;
  if (!detail::insert_key(sql, key, "do")) {
    auto row = detail::known(sql, key);
    if (detail::is(row[0], "undo") || !detail::is(row[1], "0"))
      throw TaskFailed::refused("undone", "this action was undone before it took effect");
    return row[3].value_or("");
  }
  std::string output = effect();
  sql.run("UPDATE dta_barrier SET output = nullif($1, '') WHERE key = $2", {output, key});
  return output;
}

// undo_once inside a transaction that you began. Commit it when this returns, roll it back when this throws.
inline Undone undo_once_inside(BarrierSql& sql, std::string_view undo_key, const std::function<void()>& effect) {
  namespace detail = barrier_detail;
  const std::string action = action_key(undo_key);
  bool found = false;
  if (!detail::insert_key(sql, undo_key, "undo")) {
    found = detail::is(detail::known(sql, undo_key)[2], "1");
    return found ? Undone::found : Undone::nothing_found;
  }
  if (!detail::insert_key(sql, action, "undo")) {
    // The undo may have been ordered more than once, and two orders may run at once: one of them gets the row.
    const bool mine =
        sql.run("UPDATE dta_barrier SET undone = 1 WHERE key = $1 AND origin = 'do' AND undone = 0", {action}) == 1;
    if (mine) effect();
    found = mine || detail::is(detail::known(sql, action)[0], "do");
  }
  sql.run("UPDATE dta_barrier SET found = CAST($1 AS INTEGER) WHERE key = $2", {found ? "1" : "0", undo_key});
  return found ? Undone::found : Undone::nothing_found;
}

// Runs `effect` once for an action's key. Gives its output (JSON; empty: none), or the one that the first call gave.
// Throws TaskFailed "undone" if the action was undone before it took effect, or has been undone since.
inline std::string run_once(BarrierSql& sql, std::string_view key, const std::function<std::string()>& effect) {
  barrier_detail::Transaction transaction(sql);
  std::string output = run_once_inside(sql, key, effect);
  transaction.commit();
  return output;
}

// Runs `effect` once for whatever the action did, however often its undo is called or ordered, and not at all if the
// action did nothing. Gives whether there was something to undo, or what the first call gave.
inline Undone undo_once(BarrierSql& sql, std::string_view undo_key, const std::function<void()>& effect) {
  barrier_detail::Transaction transaction(sql);
  const Undone undone = undo_once_inside(sql, undo_key, effect);
  transaction.commit();
  return undone;
}

}  // namespace dta

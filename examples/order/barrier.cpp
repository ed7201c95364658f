// The barrier; see barrier.h.
#include "barrier.h"

#include "dta/worker.h"

namespace order {
namespace {

bool insert_key(Database& db, std::string_view key, std::string_view origin) {
  Statement(db, "INSERT OR IGNORE INTO dta_barrier (key, origin) VALUES (?1, ?2)").bind(key).bind(origin).run();
  return db.changes() == 1;
}

}  // namespace

std::string action_key(std::string_view undo_key) {
  const std::size_t order = undo_key.rfind('/');
  const std::size_t kind = undo_key.rfind('/', order == std::string_view::npos || order == 0 ? order : order - 1);
  if (kind == std::string_view::npos) return std::string(undo_key);
  return std::string(undo_key.substr(0, kind)) + "/do/1";
}

std::string run_once(Database& db, std::string_view key, const std::function<std::string()>& effect) {
  SqlTransaction transaction(db);
  if (!insert_key(db, key, "do")) {
    Statement known(db, "SELECT origin = 'undo' OR undone, output FROM dta_barrier WHERE key = ?1");
    known.bind(key).step();
    if (known.integer(0) != 0) throw dta::TaskFailed::refused("undone", "this action was undone before it took effect");
    return known.text(1);
  }
  std::string output = effect();
  Statement(db, "UPDATE dta_barrier SET output = ?2 WHERE key = ?1").bind(key).bind(output).run();
  transaction.commit();
  return output;
}

bool undo_once(Database& db, std::string_view undo_key, const std::function<void()>& effect) {
  SqlTransaction transaction(db);
  if (!insert_key(db, undo_key, "undo")) {
    Statement known(db, "SELECT found FROM dta_barrier WHERE key = ?1");
    known.bind(undo_key).step();
    return known.integer(0) != 0;
  }
  const std::string action = action_key(undo_key);
  bool found = false;
  if (!insert_key(db, action, "undo")) {
    bool undone = false;
    {
      Statement known(db, "SELECT origin = 'do', undone FROM dta_barrier WHERE key = ?1");
      known.bind(action).step();
      found = known.integer(0) != 0;
      undone = known.integer(1) != 0;
    }
    if (found && !undone) {  // an undo that is ordered again finds it undone already
      effect();
      Statement(db, "UPDATE dta_barrier SET undone = 1 WHERE key = ?1").bind(action).run();
    }
  }
  Statement(db, "UPDATE dta_barrier SET found = ?2 WHERE key = ?1").bind(undo_key).bind(std::int64_t{found}).run();
  transaction.commit();
  return found;
}

}  // namespace order

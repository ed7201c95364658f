// The barrier: at most one effect for an idempotency key, in the user's own SQL transaction.
//
// - A duplicate does nothing and gives the first answer again.
// - An undo inserts its action's key as well. Finding that key free means that the action never took effect: nothing is
//   undone, and an action that arrives later finds itself undone and fails without effect.
// - If the effect throws, the SQL transaction is rolled back, key included.
// Copy these two files (with sql.h) into a service of your own: they know nothing of orders.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sql.h"

namespace order {

inline constexpr const char* kBarrierTable =
    "CREATE TABLE IF NOT EXISTS dta_barrier (key TEXT PRIMARY KEY, origin TEXT NOT NULL,"
    " undone INTEGER NOT NULL DEFAULT 0, found INTEGER, output TEXT)";

// The key of the action that an undo's key belongs to: the last two parts are do|undo and order, and only an undo is
// ever ordered again, so the action's order is 1.
std::string action_key(std::string_view undo_key);

// Gives the effect's output (JSON), or that of the first call. Throws dta::TaskFailed "undone".
std::string run_once(Database& db, std::string_view key, const std::function<std::string()>& effect);

// Gives whether there was something to undo.
bool undo_once(Database& db, std::string_view undo_key, const std::function<void()>& effect);

}  // namespace order

// The stock service of the order example: stock levels and reservations in one SQLite file.
//
// Invariants (the audit of the demo checks them from outside):
// - level = initial - the quantities of reservations in state 'reserved', for every article, at every commit;
// - an order's articles are reserved all or none;
// - every effect is in one SQL transaction with its idempotency key (dta/barrier.h), so that a duplicate, an undo of
//   nothing and an action that arrives after its undo change nothing.
//
// Usage: order_stock_worker --server URL --db FILE [--troubles] [--cheat]. With --troubles the service obeys the
// `trouble` of an order: it crashes after its effect and before its report, once. With --cheat it swallows releases:
// only to see that the audit notices.
// Threads: handlers run on the worker's threads; one connection, used under one mutex.
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <mutex>
#include <string>
#include <string_view>

#include "dta/barrier_sqlite.h"
#include "dta/json.h"
#include "dta/worker.h"
#include "sql.h"

namespace {

using order::Database;
using order::Statement;

constexpr const char* kSchema = R"sql(
  CREATE TABLE IF NOT EXISTS stock (
    sku TEXT PRIMARY KEY, initial INTEGER NOT NULL, level INTEGER NOT NULL CHECK (level >= 0));
  CREATE TABLE IF NOT EXISTS reservations (
    transaction_id TEXT NOT NULL, sku TEXT NOT NULL REFERENCES stock (sku),
    quantity INTEGER NOT NULL CHECK (quantity > 0), state TEXT NOT NULL CHECK (state IN ('reserved', 'released')),
    PRIMARY KEY (transaction_id, sku));
  INSERT OR IGNORE INTO stock VALUES
    ('lamp', 100000, 100000), ('chair', 100000, 100000), ('desk', 100000, 100000), ('anvil', 100000, 100000),
    ('clock', 5, 5);
)sql";

class Stock {
 public:
  enum class Honesty { honest, cheats };

  Stock(const std::string& path, Honesty honesty) : honesty_(honesty), db_(path) {
    db_.execute(dta::kBarrierTable);
    db_.execute(kSchema);
  }

  std::string reserve(const dta::Task& task) {
    const std::lock_guard lock(mutex_);
    return dta::run_once(barrier_, task.idempotency_key, [&] {
      const auto input = dta::Json::parse(task.input);
      if (!input) throw dta::TaskFailed::refused("bad_input", "the input is no JSON");
      for (const dta::Json& item : (*input)["items"].items()) {
        take(task.transaction, item["sku"].string(), item["quantity"].integer());
      }
      return dta::JsonObject().add("reservation", task.transaction).text();
    });
  }

  dta::Undone release(const dta::Task& task) {
    const std::lock_guard lock(mutex_);
    return dta::undo_once(barrier_, task.idempotency_key, [&] {
      if (honesty_ == Honesty::cheats) return;
      Statement(db_,
                "UPDATE stock SET level = level + r.quantity FROM reservations AS r"
                " WHERE r.sku = stock.sku AND r.transaction_id = ?1 AND r.state = 'reserved'")
          .bind(task.transaction)
          .run();
      Statement(db_, "UPDATE reservations SET state = 'released' WHERE transaction_id = ?1")
          .bind(task.transaction)
          .run();
    });
  }

 private:
  void take(const std::string& transaction, const std::string& sku, std::int64_t quantity) {
    Statement(db_, "UPDATE stock SET level = level - ?2 WHERE sku = ?1 AND level >= ?2 AND ?2 > 0")
        .bind(sku)
        .bind(quantity)
        .run();
    if (db_.changes() != 1)
      throw dta::TaskFailed::refused("sold_out", "there are no " + std::to_string(quantity) + " of " + sku);
    // An order whose card was refused gave its articles back and takes them again with an invoice.
    Statement(db_,
              "INSERT INTO reservations VALUES (?1, ?2, ?3, 'reserved')"
              " ON CONFLICT DO UPDATE SET quantity = excluded.quantity, state = 'reserved'")
        .bind(transaction)
        .bind(sku)
        .bind(quantity)
        .run();
  }

  const Honesty honesty_;
  std::mutex mutex_;
  Database db_;
  dta::SqliteBarrier barrier_{db_.connection()};
};

struct Options {
  std::string server = "http://127.0.0.1:7117";
  std::string db = "stock.db";
  bool troubles = false;
  Stock::Honesty honesty = Stock::Honesty::honest;
};

Options parse(int argc, char** argv) {
  Options options;
  if (const char* server = std::getenv("DTA_SERVER")) options.server = server;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--troubles") {
      options.troubles = true;
    } else if (name == "--cheat") {
      options.honesty = Stock::Honesty::cheats;
    } else if (name == "--server" && i + 1 < argc) {
      options.server = argv[++i];
    } else if (name == "--db" && i + 1 < argc) {
      options.db = argv[++i];
    } else {
      throw std::runtime_error("usage: order_stock_worker [--server URL] [--db FILE] [--troubles] [--cheat]");
    }
  }
  return options;
}

void crash_if_asked(const dta::Task& task) {
  if (task.attempt != 1) return;
  const auto input = dta::Json::parse(task.input);
  if (input && (*input)["trouble"].string() == "stock crashes")
    ::_exit(70);  // the effect is there, and nobody was told
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    Stock stock(options.db, options.honesty);
    dta::WorkerOptions settings;
    settings.name = "stock-" + std::to_string(::getpid());
    settings.concurrency = 4;
    dta::Worker worker(options.server, settings);
    worker.on_do("stock.reserve", [&](dta::Task& task) {
      std::string output = stock.reserve(task);
      if (options.troubles) crash_if_asked(task);
      return output;
    });
    worker.on_undo("stock.release", [&](dta::Task& task) { return stock.release(task); });
    worker.run_until_signalled();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "stock worker: " << error.what() << '\n';
    return 1;
  }
}

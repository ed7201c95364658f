// The barrier of the C++ client: what it promises for each database, and SQLite as the first of them.
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "dta/barrier_sqlite.h"
#include "tests/client/barrier_cases.h"

namespace barrier_test {

TEST_P(Barrier, ADuplicateDoesNothingAndAnswersTheSame) {
  EXPECT_EQ(take_once(), "{\"level\":9}");
  EXPECT_EQ(take_once(), "{\"level\":9}");
  EXPECT_EQ(level(*sql_), 9);
}

TEST_P(Barrier, AnUndoTakesBackOnceHoweverOftenItIsCalledOrOrdered) {
  take_once();
  EXPECT_EQ(put_once(), dta::Undone::found);
  EXPECT_EQ(put_once(), dta::Undone::found);
  EXPECT_EQ(put_once(kUndoAgain), dta::Undone::found);
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, AnEmptyUndoShutsTheDoorForAHangingAction) {
  EXPECT_EQ(put_once(), dta::Undone::nothing_found);
  EXPECT_EQ(put_once(), dta::Undone::nothing_found);
  EXPECT_EQ(put_once(kUndoAgain), dta::Undone::nothing_found);
  try {
    take_once();
    FAIL() << "the action took effect after its undo";
  } catch (const dta::TaskFailed& failure) {
    EXPECT_EQ(failure.code, "undone");
    EXPECT_FALSE(failure.retryable);
    EXPECT_EQ(failure.effect, dta::Effect::none);
  }
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, ADuplicateOfAnUndoneActionIsToldSo) {
  take_once();
  put_once();
  EXPECT_THROW(take_once(), dta::TaskFailed);
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, AnotherGenerationIsAnotherAction) {
  take_once();
  put_once();
  EXPECT_EQ(take_once("t/s/a/0/2/do/1"), "{\"level\":9}");
  EXPECT_EQ(put_once("t/s/a/0/2/undo/1"), dta::Undone::found);
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, ARefusedEffectLeavesNoTrace) {
  const auto refuse = [&]() -> std::string {
    take(*sql_);
    throw dta::TaskFailed::refused("sold_out", "nothing is left");
  };
  EXPECT_THROW(dta::run_once(*sql_, kDo, refuse), dta::TaskFailed);
  EXPECT_EQ(level(*sql_), 10);
  EXPECT_EQ(count("dta_barrier"), "0");
  EXPECT_EQ(take_once(), "{\"level\":9}");
}

TEST_P(Barrier, AnUndoThatFailsLeavesTheActionAndCanBeTriedAgain) {
  take_once();
  const auto fail = [&] {
    put(*sql_);
    throw std::runtime_error("the printer is on fire");
  };
  EXPECT_THROW(dta::undo_once(*sql_, kUndo, fail), std::runtime_error);
  EXPECT_EQ(level(*sql_), 9);
  EXPECT_EQ(take_once(), "{\"level\":9}") << "a duplicate is still told that the action is done";
  EXPECT_EQ(put_once(), dta::Undone::found);
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, TakesPartInATransactionThatWasBegunOutside) {
  sql_->begin();
  EXPECT_EQ(dta::run_once_inside(*sql_, kDo, [&] { return take(*sql_); }), "{\"level\":9}");
  sql_->rollback();
  EXPECT_EQ(level(*sql_), 10);

  sql_->begin();
  dta::run_once_inside(*sql_, kDo, [&] { return take(*sql_); });
  sql_->commit();
  EXPECT_EQ(level(*sql_), 9);

  sql_->begin();
  EXPECT_EQ(dta::undo_once_inside(*sql_, kUndo, [&] { put(*sql_); }), dta::Undone::found);
  sql_->commit();
  EXPECT_EQ(level(*sql_), 10);
}

TEST_P(Barrier, RefusesToBeginInsideATransaction) {
  sql_->begin();
  EXPECT_THROW(take_once(), std::logic_error);
  EXPECT_THROW(put_once(), std::logic_error);
  sql_->rollback();
  EXPECT_EQ(take_once(), "{\"level\":9}");
}

TEST_P(Barrier, KeepsTheOutputByteByByteAndKnowsNone) {
  const std::string text = R"({"a":1.0,"b":"it's \"ü\" 💥","c":123456789012345678901234567890})";
  EXPECT_EQ(dta::run_once(*sql_, kDo, [&] { return text; }), text);
  EXPECT_EQ(dta::run_once(*sql_, kDo, [&] { return take(*sql_); }), text);
  const char* silent = "t/s/b/0/1/do/1";
  EXPECT_EQ(dta::run_once(*sql_, silent, [] { return std::string(); }), "");
  EXPECT_EQ(take_once(silent), "");
  EXPECT_EQ(level(*sql_), 10);
}

// Several connections call the same actions and undos as often as each likes. Whoever wins: an effect is in place if,
// and only if, its row says so, and none is there twice.
TEST_P(Barrier, ManyConnectionsAtOnceDoubleNothing) {
  constexpr int kKeys = 20;
  constexpr int kConnections = 6;
  std::vector<std::unique_ptr<dta::BarrierSql>> connections;
  for (int i = 0; i < kConnections; ++i) connections.push_back(database_->connect());
  std::vector<std::thread> threads;
  for (int i = 0; i < kConnections; ++i) {
    threads.emplace_back([&, i] {
      dta::BarrierSql& sql = *connections[static_cast<std::size_t>(i)];
      for (int key = 0; key < kKeys; ++key) {
        const std::string task = "t/s/" + std::to_string(key) + "/0/1/";
        if (i % 3 == 0) {
          try {
            dta::run_once(sql, task + "do/1", [&] { return take(sql); });
          } catch (const dta::TaskFailed& failure) {
            EXPECT_EQ(failure.code, "undone");
          }
        } else if (key % 2 == 0) {  // the other half is never undone
          dta::undo_once(sql, task + "undo/" + std::to_string(i % 3), [&] { put(sql); });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(level(*sql_), 10 - kKeys / 2);
  EXPECT_EQ(count("dta_barrier WHERE origin = 'do' AND undone = 0"), std::to_string(kKeys / 2));
}

TEST(BarrierKey, LeadsFromAnUndoToItsAction) {
  EXPECT_EQ(dta::action_key("t/s/a/0/2/undo/3"), "t/s/a/0/2/do/1");
  EXPECT_EQ(dta::action_key("t/undo/a/0/2/undo/1"), "t/undo/a/0/2/do/1");
  for (const char* wrong : {"t/s/a/0/2/do/1", "", "/", "undo", "undo/1", "/1"})
    EXPECT_THROW(dta::action_key(wrong), std::invalid_argument) << wrong;
}

namespace {

class SqliteConnection : public dta::SqliteBarrier {
 public:
  explicit SqliteConnection(sqlite3* connection) : SqliteBarrier(connection), connection_(connection) {}
  ~SqliteConnection() override { sqlite3_close(connection_); }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

 private:
  sqlite3* connection_;
};

class SqliteDatabase : public TestDatabase {
 public:
  SqliteDatabase() {
    std::string name = (std::filesystem::temp_directory_path() / "dta-barrier-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder: " + name);
    folder_ = name;
    const auto sql = connect();
    sql->run("PRAGMA journal_mode = WAL", {});
    sql->run(dta::kBarrierTable, {});
    sql->run("CREATE TABLE stock (level INTEGER)", {});
    sql->run("INSERT INTO stock VALUES (10)", {});
  }
  ~SqliteDatabase() override { std::filesystem::remove_all(folder_); }
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  std::unique_ptr<dta::BarrierSql> connect() override {
    sqlite3* connection = nullptr;
    if (sqlite3_open((folder_ / "stock.db").c_str(), &connection) != SQLITE_OK)
      throw std::runtime_error("SQLite cannot open a file in " + folder_.string());
    sqlite3_busy_timeout(connection, 600'000);
    sqlite3_exec(connection, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
    return std::make_unique<SqliteConnection>(connection);
  }

 private:
  std::filesystem::path folder_;
};

std::unique_ptr<TestDatabase> open_sqlite() {
  return std::make_unique<SqliteDatabase>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Sqlite, Barrier, testing::Values(DatabaseKind{"sqlite", open_sqlite, ""}),
                         [](const auto& context) { return context.param.name; });

}  // namespace barrier_test

// The barrier on PostgreSQL: the suite that SQLite runs too, and what only a server with real concurrency can show. The
// interleavings tests drive two or three connections statement by statement through every order in which these can
// reach the server (or through many random ones), and hold the outcome against what a service has to be able to rely
// on.
//
// Needs a server that it may use: tests/clients/postgresql_server.py starts one and sets DTA_TEST_POSTGRESQL.
#include "dta/barrier_postgresql.h"

#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/client/barrier_cases.h"
#include "tests/client/interleaving.h"

namespace barrier_test {
namespace {

constexpr const char* kWhyNot =
    "there is no PostgreSQL server for this test; tests/clients/postgresql_server.py COMMAND starts one";

class PostgresqlConnection : public dta::PostgresqlBarrier {
 public:
  // libpq takes the server from PGHOST, PGUSER and PGDATABASE.
  PostgresqlConnection() : PostgresqlConnection(PQconnectdb("")) {}
  ~PostgresqlConnection() override { PQfinish(connection_); }
  PostgresqlConnection(const PostgresqlConnection&) = delete;
  PostgresqlConnection& operator=(const PostgresqlConnection&) = delete;
  int process() const { return PQbackendPID(connection_); }

 private:
  explicit PostgresqlConnection(PGconn* connection) : PostgresqlBarrier(connection), connection_(connection) {
    if (PQstatus(connection) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection));
    run("SET client_min_messages = warning", {});
  }
  PGconn* connection_;
};

class PostgresqlDatabase : public TestDatabase {
 public:
  PostgresqlDatabase() {
    PostgresqlConnection sql;
    sql.run("DROP TABLE IF EXISTS dta_barrier, stock", {});
    sql.run(dta::kBarrierTable, {});
    sql.run("CREATE TABLE stock (level INTEGER)", {});
    sql.run("INSERT INTO stock VALUES (10)", {});
  }
  std::unique_ptr<dta::BarrierSql> connect() override { return std::make_unique<PostgresqlConnection>(); }
};

std::unique_ptr<TestDatabase> open_postgresql() {
  if (std::getenv("DTA_TEST_POSTGRESQL") == nullptr) return nullptr;
  return std::make_unique<PostgresqlDatabase>();
}

// What one call came to.
enum class Answer { done, refused, found, nothing_found, failed };

// One call that a worker was handed out: an action or an undo, whose effect may break after it happened.
struct Call {
  const char* key;
  bool breaks = false;
};

Answer make(const Call& call, dta::BarrierSql& sql) {
  const bool action = call.key == std::string(kDo);
  const auto effect = [&] {
    sql.run(action ? "UPDATE stock SET level = level - 1" : "UPDATE stock SET level = level + 1", {});
    if (call.breaks) throw std::runtime_error("broken after the effect");
    return std::string("{}");
  };
  try {
    if (action) return dta::run_once(sql, call.key, effect) == "{}" ? Answer::done : Answer::failed;
    const dta::Undone undone = dta::undo_once(sql, call.key, effect);
    return undone == dta::Undone::found ? Answer::found : Answer::nothing_found;
  } catch (const dta::TaskFailed& failure) {
    return failure.code == "undone" ? Answer::refused : Answer::failed;
  } catch (const std::runtime_error&) {
    return Answer::failed;
  }
}

class BarrierInterleavings : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("DTA_TEST_POSTGRESQL") == nullptr) GTEST_SKIP() << kWhyNot;
    database_ = std::make_unique<PostgresqlDatabase>();
    watcher_ = std::make_unique<PostgresqlConnection>();
    for (int i = 0; i < 3; ++i) connections_.push_back(std::make_unique<PostgresqlConnection>());
  }

  void isolation(const char* level_name) {
    for (auto& connection : connections_)
      connection->run(("SET default_transaction_isolation = '" + std::string(level_name) + "'").c_str(), {});
  }

  // Runs the calls at once in the order that `choose` decides, beginning with an action that is done or is not, and
  // checks what came of it. Gives false when that was wrong or the calls wait for each other.
  bool run(const std::vector<Call>& calls, bool done_before, const Choose& choose) {
    watcher_->run("DELETE FROM dta_barrier", {});
    watcher_->run("UPDATE stock SET level = 10", {});
    if (done_before) make({kDo}, *watcher_);
    std::vector<Answer> answers(calls.size(), Answer::failed);
    std::vector<std::function<void(dta::BarrierSql&)>> bodies;
    std::vector<dta::BarrierSql*> connections;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      bodies.emplace_back([&, i](dta::BarrierSql& sql) { answers[i] = make(calls[i], sql); });
      connections.push_back(connections_[i].get());
    }
    const auto waits = [&](std::size_t i) {
      const std::string process = std::to_string(connections_[i]->process());
      const auto row = watcher_->row("SELECT cardinality(pg_blocking_pids($1)) > 0", {process});
      return row->at(0).value() == "t";
    };
    if (!interleave(connections, bodies, waits, choose)) {
      ADD_FAILURE() << "the calls wait for each other";
      return false;
    }
    check(calls, answers, done_before);
    return !HasFailure();
  }

  void check(const std::vector<Call>& calls, const std::vector<Answer>& answers, bool done_before) {
    const auto row = watcher_->row("SELECT origin, undone FROM dta_barrier WHERE key = $1", {kDo});
    const bool taken = row && row->at(0) == "do";
    const bool undone = row && (row->at(0) == "undo" || row->at(1) == "1");
    EXPECT_EQ(level(*watcher_), taken && !undone ? 9 : 10) << "the level is not what the barrier's row says";
    for (std::size_t i = 0; i < calls.size(); ++i) {
      SCOPED_TRACE(std::string(calls[i].key) + " answered " + std::to_string(static_cast<int>(answers[i])));
      switch (answers[i]) {
        case Answer::done:
          EXPECT_TRUE(taken);
          break;
        case Answer::refused:
          EXPECT_TRUE(undone);
          break;
        case Answer::found:
          EXPECT_TRUE(taken && undone);
          break;
        case Answer::nothing_found:
          EXPECT_TRUE(undone && !taken);
          break;
        case Answer::failed:  // by its own effect, or by the stricter isolation level; nothing of it is there
          EXPECT_TRUE(calls[i].breaks || strict_);
          break;
      }
    }
    EXPECT_TRUE(taken || !done_before);
    // The engine goes on until an undo is acknowledged; from then on nothing is there, whatever happened before.
    EXPECT_NE(make({kUndo}, *watcher_), Answer::failed);
    EXPECT_EQ(level(*watcher_), 10);
  }

  // Every order of every two of these calls; gives how many there were.
  int all_pairs() {
    int runs = 0;
    const char* pairs[][2] = {{kDo, kDo}, {kDo, kUndo}, {kUndo, kUndo}, {kUndo, kUndoAgain}};
    for (const auto& pair : pairs) {
      for (const bool done_before : {false, true}) {
        for (int breaking = 0; breaking < 3; ++breaking) {
          const std::vector<Call> calls{{pair[0], breaking == 1}, {pair[1], breaking == 2}};
          SCOPED_TRACE(std::string(pair[0]) + " and " + pair[1] + (done_before ? ", done before" : "") + ", breaking " +
                       std::to_string(breaking));
          EveryOrder orders;
          do {
            ++runs;
            if (!run(calls, done_before, orders.chooser())) {
              ADD_FAILURE() << "order " << orders.text();
              return runs;
            }
          } while (orders.next());
        }
      }
    }
    return runs;
  }

  bool strict_ = false;
  std::unique_ptr<PostgresqlDatabase> database_;
  std::unique_ptr<PostgresqlConnection> watcher_;
  std::vector<std::unique_ptr<PostgresqlConnection>> connections_;
};

TEST_F(BarrierInterleavings, OfTwoCallsNoneDoublesAnEffect) {
  const int runs = all_pairs();
  EXPECT_GT(runs, 500);
  RecordProperty("interleavings", runs);
}

TEST_F(BarrierInterleavings, OfTwoCallsNoneDoublesAnEffectAtStricterLevels) {
  strict_ = true;
  isolation("repeatable read");
  EXPECT_GT(all_pairs(), 500);
  isolation("serializable");
  EXPECT_GT(all_pairs(), 500);
}

TEST_F(BarrierInterleavings, OfThreeCallsNoneDoublesAnEffect) {
  const std::vector<Call> mixes[] = {{{kDo}, {kUndo}, {kUndoAgain}},
                                     {{kDo}, {kDo}, {kUndo}},
                                     {{kDo, true}, {kDo}, {kUndo}},
                                     {{kUndo, true}, {kUndoAgain}, {kUndo}}};
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto choose = [&](std::size_t count) { return random() % count; };
    if (!run(mixes[seed % 4], seed % 8 >= 4, choose)) return;
  }
}

// The effect swallowed an error of the database, so PostgreSQL will commit nothing of this transaction. The barrier may
// not say that it is done.
TEST_F(BarrierInterleavings, AnErrorThatTheEffectSwallowedIsNoSuccess) {
  PostgresqlConnection sql;
  const auto swallow = [&]() {
    sql.run("UPDATE stock SET level = level - 1", {});
    EXPECT_THROW(sql.run("UPDATE nowhere SET level = 1", {}), std::runtime_error);
    return std::string("{}");
  };
  EXPECT_THROW(dta::run_once(sql, kDo, swallow), std::runtime_error);
  EXPECT_EQ(level(sql), 10);
  sql.begin();
  EXPECT_THROW(sql.run("UPDATE nowhere SET level = 1", {}), std::runtime_error);
  EXPECT_THROW(sql.commit(), std::runtime_error);
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Postgresql, Barrier, testing::Values(DatabaseKind{"postgresql", open_postgresql, kWhyNot}),
                         [](const auto& context) { return context.param.name; });

}  // namespace barrier_test

// The barrier on a PostgreSQL connection of yours (libpq); see dta/barrier.h. Compiled by those who include it: link
// pq.
//
// The connection stays yours: connect, use it inside the effect, reset it when it is lost, finish it after this object.
// Transactions have the isolation level that the connection has by default.
#pragma once

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#elif __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#error "libpq-fe.h was not found: install libpq-dev, and take the include path from pkg-config libpq"
#endif

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "dta/barrier.h"

namespace dta {

class PostgresqlBarrier : public BarrierSql {
 public:
  explicit PostgresqlBarrier(PGconn* connection) : connection_(connection) {}

  void begin() override {
    const PGTransactionStatusType status = PQtransactionStatus(connection_);
    if (status != PQTRANS_IDLE && status != PQTRANS_UNKNOWN)
      throw std::logic_error("the barrier begins the transaction itself");
    execute("BEGIN", {});
  }
  void commit() override {
    // A transaction in which a statement failed answers COMMIT with success, and with the tag ROLLBACK.
    const Result result = execute("COMMIT", {});
    if (std::string_view(PQcmdStatus(result.get())) != "COMMIT")
      throw std::runtime_error("COMMIT: the transaction was rolled back, because a statement in it had failed");
  }
  void rollback() noexcept override { PQclear(PQexec(connection_, "ROLLBACK")); }

  std::int64_t run(const char* sql, std::initializer_list<std::string_view> values) override {
    const Result result = execute(sql, values);
    const std::string_view count = PQcmdTuples(result.get());
    std::int64_t changed = 0;
    std::from_chars(count.data(), count.data() + count.size(), changed);
    return changed;
  }

  std::optional<Row> row(const char* sql, std::initializer_list<std::string_view> values) override {
    const Result result = execute(sql, values);
    if (PQntuples(result.get()) == 0) return std::nullopt;
    Row row;
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      if (PQgetisnull(result.get(), 0, column) != 0) {
        row.emplace_back();
      } else {
        const auto size = static_cast<std::size_t>(PQgetlength(result.get(), 0, column));
        row.emplace_back(std::in_place, PQgetvalue(result.get(), 0, column), size);
      }
    }
    return row;
  }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  Result execute(const char* sql, std::initializer_list<std::string_view> values) {
    const std::vector<std::string> texts(values.begin(), values.end());  // libpq wants them closed by a zero
    std::vector<const char*> pointers;
    for (const std::string& text : texts) pointers.push_back(text.c_str());
    Result result(PQexecParams(connection_, sql, static_cast<int>(pointers.size()), nullptr, pointers.data(), nullptr,
                               nullptr, 0));
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      throw std::runtime_error(std::string(sql) + ": " + PQerrorMessage(connection_));
    return result;
  }

  PGconn* connection_;
};

}  // namespace dta

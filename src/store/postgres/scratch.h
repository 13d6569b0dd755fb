#pragma once
// For tests of the trace store: a database of its own with a writer, and the rows that are expected in it.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/drawn_traces.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/test_server.h"

namespace gw::store::postgres {

inline constexpr std::int64_t kHours = 60;

class PostgresTraces : public DrawnTraces {
 protected:
  PostgresTraces() : DrawnTraces(kHours, 1'000), database_(TestServer::get().fresh_database()) {}

  PgOptions options() const {
    PgOptions o;
    o.dsn = TestServer::get().dsn(database_);
    return o;
  }
  std::unique_ptr<TraceWriter> writer(const PgOptions& o) {
    auto w = open_postgres_writer(o);
    EXPECT_TRUE(w) << w.error().message;
    return w ? std::move(*w) : nullptr;
  }
  std::unique_ptr<TraceReader> reader(const PgOptions& o) {
    auto r = open_postgres_reader(o);
    EXPECT_TRUE(r) << r.error().message;
    return r ? std::move(*r) : nullptr;
  }
  std::unique_ptr<TraceReader> reader() { return reader(options()); }
  void open() { writer_ = writer(options()); }

  using DrawnTraces::check;
  void check(int questions = 6) {
    auto r = reader();
    check(*r, questions);
  }
  /// As one whom row-level security does not bind.
  std::string ask(const std::string& sql) { return PlainPg(TestServer::get().dsn(database_, "postgres")).ask(sql); }

  const std::string database_;
};

}  // namespace gw::store::postgres

#pragma once
// For tests of the trace store: a database of its own with a writer, and the rows that are expected in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "store/postgres/postgres_store.h"
#include "store/postgres/test_server.h"
#include "store/questions.h"

namespace gw::store::postgres {

inline constexpr std::int64_t kHours = 60;

class PostgresTraces : public testing::Test {
 protected:
  PostgresTraces() : database_(TestServer::get().fresh_database()), seed_(first_seed()), draw_(seed_) {}

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

  /// Times as Postgres keeps them.
  std::vector<Trace> rows(std::size_t n) {
    std::vector<Trace> out;
    for (std::size_t i = 0; i < n; ++i) {
      Trace t = draw_row(draw_, next_++, kHours);
      t.timestamp_ns -= t.timestamp_ns % 1000;
      t.created_at_ns -= t.created_at_ns % 1000;
      out.push_back(std::move(t));
    }
    return out;
  }
  void write(TraceWriter& to, const std::vector<Trace>& batch) {
    const auto r = to.write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  /// `n` rows in batches of up to `most`.
  void fill(std::size_t n, std::int64_t most = 1'000) {
    while (n > 0 && !HasFatalFailure()) {
      const std::size_t now = std::min(n, static_cast<std::size_t>(draw_.number(1, most)));
      write(*writer_, rows(now));
      n -= now;
    }
  }
  void settle() {
    for (int i = 0; i < 1'000 && writer_->idle(); ++i) {
    }
  }
  void check(TraceReader& r, int questions) { expect_answers(r, draw_, expected_, kHours, questions); }
  void check(int questions = 6) {
    auto r = reader();
    check(*r, questions);
  }
  /// As one whom row-level security does not bind.
  std::string ask(const std::string& sql) { return PlainPg(TestServer::get().dsn(database_, "postgres")).ask(sql); }

  const std::string database_;
  std::uint64_t seed_;
  TraceDraw draw_;
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};

}  // namespace gw::store::postgres

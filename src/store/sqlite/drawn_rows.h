#pragma once
// For tests: a SQLite database of drawn rows, and questions to it.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "store/questions.h"
#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store::sqlite {

/// A database of random rows over `hours`, beside the rows that it should have.
class DrawnRows : public testing::Test {
 protected:
  explicit DrawnRows(std::int64_t hours) : hours_(hours) {}

  virtual SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    return o;
  }
  void open(const SqliteOptions& o) {
    writer_.reset();
    auto w = open_sqlite_writer(o);
    ASSERT_TRUE(w) << w.error().message;
    writer_ = std::move(*w);
  }
  void open() { open(options()); }
  std::vector<Trace> rows(std::size_t n) {
    std::vector<Trace> out;
    out.reserve(n);
    for (std::size_t i = 0; i < n; ++i) out.push_back(draw_row(draw_, next_++, hours_));
    return out;
  }
  void write(const std::vector<Trace>& batch) {
    const auto r = writer_->write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  /// `n` rows in batches of up to `most`.
  void fill(std::size_t n, std::int64_t most = 1'000) {
    while (n > 0) {
      const std::size_t now = std::min(n, static_cast<std::size_t>(draw_.number(1, most)));
      write(rows(now));
      n -= now;
    }
  }
  void settle() {
    for (int i = 0; i < 10'000 && writer_->idle(); ++i) {
    }
  }
  void check(int questions) {
    auto reader = open_sqlite_reader(options());
    ASSERT_TRUE(reader) << reader.error().message;
    expect_answers(**reader, draw_, expected_, hours_, questions);
  }
  std::string ask(const std::string& sql) { return PlainSql(options().path).ask(sql); }

  const std::int64_t hours_;
  ScratchFolder folder_;
  std::uint64_t seed_ = first_seed();
  TraceDraw draw_{seed_};
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};

}  // namespace gw::store::sqlite

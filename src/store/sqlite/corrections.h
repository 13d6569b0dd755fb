#pragma once
// For tests of what changes or removes rows: a database with a writer, and the rows that are expected in it.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "store/sqlite/erase.h"
#include "store/sqlite/questions.h"

namespace gw::store::sqlite {

inline constexpr std::int64_t kHours = 60;
inline std::int64_t wall_ns = 0;

class SqliteCorrections : public testing::Test {
 protected:
  SqliteCorrections() : seed_(first_seed()), draw_(seed_) { wall_ns = kTestEpoch; }

  SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    o.clock.wall_ns = [] { return wall_ns; };
    return o;
  }
  void open(const SqliteOptions& o) {
    writer_.reset();
    auto w = open_sqlite_writer(o);
    ASSERT_TRUE(w) << w.error().message;
    writer_ = std::move(*w);
  }
  void open() { open(options()); }
  void write(const std::vector<Trace>& batch) {
    const auto r = writer_->write(batch);
    ASSERT_TRUE(r) << r.error().message;
    for (const Trace& t : batch) expected_.add(t);
  }
  void fill(std::size_t n) {
    while (n > 0) {
      std::vector<Trace> batch;
      for (std::int64_t i = draw_.number(1, 1'500); i > 0 && n > 0; --i, --n)
        batch.push_back(draw_row(draw_, next_++, kHours));
      write(batch);
    }
  }
  void settle() {
    for (int i = 0; i < 10'000 && writer_->idle(); ++i) {
    }
  }
  std::unique_ptr<TraceReader> reader() { return std::move(*open_sqlite_reader(options())); }
  void check(int questions = 6) {
    auto r = reader();
    expect_answers(*r, draw_, expected_, kHours, questions);
  }
  template <class Gone>
  std::int64_t forget(Gone gone) {
    return static_cast<std::int64_t>(
        std::erase_if(expected_.rows(), [&](const auto& row) { return gone(row.second); }));
  }
  EraseReport erase(const EraseSelector& selector, bool dry_run = false) {
    const auto r = erase_sqlite(options(), selector, dry_run);
    EXPECT_TRUE(r) << r.error().message;
    return r ? *r : EraseReport{};
  }
  std::string ask(const std::string& sql) { return PlainSql(options().path).ask(sql); }
  bool files_hold(const std::string& text) {
    for (const char* suffix : {"", "-wal"}) {
      std::ifstream in(options().path + suffix, std::ios::binary);
      std::stringstream all;
      all << in.rdbuf();
      if (all.str().find(text) != std::string::npos) return true;
    }
    return false;
  }

  ScratchFolder folder_;
  std::uint64_t seed_;
  TraceDraw draw_;
  ExpectedRows expected_;
  std::int64_t next_ = 1;
  std::unique_ptr<TraceWriter> writer_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, "GW_SEED=" + std::to_string(seed_)};
};

}  // namespace gw::store::sqlite

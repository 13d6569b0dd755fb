#pragma once
// For tests: a SQLite database of drawn rows, and questions to it.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/drawn_traces.h"
#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::store::sqlite {

class DrawnRows : public DrawnTraces {
 protected:
  explicit DrawnRows(std::int64_t hours) : DrawnTraces(hours) {}
  ~DrawnRows() override { writer_.reset(); }  // before its folder goes

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
  using DrawnTraces::check;
  void check(int questions) {
    auto reader = open_sqlite_reader(options());
    ASSERT_TRUE(reader) << reader.error().message;
    check(**reader, questions);
  }
  std::string ask(const std::string& sql) { return PlainSql(options().path).ask(sql); }

  ScratchFolder folder_;
};

}  // namespace gw::store::sqlite

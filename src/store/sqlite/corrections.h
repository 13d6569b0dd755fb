#pragma once
// For tests of what changes or removes rows: a database with a writer, and the rows that are expected in it.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "store/sqlite/drawn_rows.h"
#include "store/sqlite/erase.h"

namespace gw::store::sqlite {

inline constexpr std::int64_t kHours = 60;
inline std::int64_t wall_ns = 0;

class SqliteCorrections : public DrawnRows {
 protected:
  SqliteCorrections() : DrawnRows(kHours) { wall_ns = kTestEpoch; }

  SqliteOptions options() const override {
    SqliteOptions o = DrawnRows::options();
    o.clock.wall_ns = [] { return wall_ns; };
    return o;
  }
  using DrawnRows::check;
  void check() { check(6); }
  std::unique_ptr<TraceReader> reader() { return std::move(*open_sqlite_reader(options())); }
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
  bool files_hold(const std::string& text) {
    for (const char* suffix : {"", "-wal"}) {
      std::ifstream in(options().path + suffix, std::ios::binary);
      std::stringstream all;
      all << in.rdbuf();
      if (all.str().find(text) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace gw::store::sqlite

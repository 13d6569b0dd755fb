// Searches in bodies that take longer than the deadline: they end early, with a place to go on from, and get to the
// end.
#include <gtest/gtest.h>

#include <set>

#include "store/sqlite/scratch.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/trace_rows.h"
#include "store/test_traces.h"

namespace gw::store::sqlite {
namespace {

constexpr std::int64_t kMs = 1'000'000;
std::int64_t test_now_ns = 0;

/// Looking into a body takes 100 ms.
void slow_contains(sqlite3_context* context, int, sqlite3_value** args) {
  test_now_ns += 100 * kMs;
  const auto text = [](sqlite3_value* v) { return reinterpret_cast<const char*>(sqlite3_value_text(v)); };
  sqlite3_result_int(context, contains_text(text(args[0]), text(args[1])) ? 1 : 0);
}

class LongSearch : public testing::Test {
 protected:
  SqliteOptions options() const {
    SqliteOptions o;
    o.path = folder_ / "traces.db";
    o.read_deadline_ms = 10'000;
    o.clock.mono_ns = [] { return test_now_ns; };
    o.on_open = [](sqlite3* db) {
      sqlite3_create_function_v2(db, "gw_contains", 2, SQLITE_UTF8, nullptr, slow_contains, nullptr, nullptr, nullptr);
    };
    return o;
  }
  /// Three in a hundred have the text; some share their times.
  void fill(int n) {
    auto writer = open_sqlite_writer(options());
    ASSERT_TRUE(writer) << writer.error().message;
    std::vector<Trace> rows;
    for (int i = 1; i <= n; ++i) {
      Trace t = test_trace(i);
      t.id = "trace-" + std::to_string(100'000 + i);
      t.timestamp_ns = t.created_at_ns = 1'770'000'000'000'000'000 + i / 3;
      const bool has = i % 100 == 7 || i % 100 == 8 || i % 100 == 50;
      t.request_body = "{}";
      t.response_body = has ? "a NEEDLE here" : "nothing";
      if (has) having_.insert(t.id);
      rows.push_back(std::move(t));
    }
    const auto written = (*writer)->write(std::span<const Trace>(rows));
    ASSERT_TRUE(written) << written.error().message;
  }

  /// Every page; a call takes a part of the deadline, and bodies of one time more.
  std::vector<std::string> list(int limit, int& cut) {
    std::vector<std::string> out;
    auto reader = open_sqlite_reader(options());
    std::optional<TraceCursor> after;
    for (int pages = 0; pages < 100'000; ++pages) {
      const std::int64_t began = test_now_ns;
      const auto page = (*reader)->list(TenantScope::all(), filter_, after, limit);
      if (!page) {
        ADD_FAILURE() << page.error().message;
        return out;
      }
      EXPECT_LE(test_now_ns - began, 3'000 * kMs);
      for (const Trace& t : page->items) out.push_back(t.id);
      cut += page->cut_at ? 1 : 0;
      EXPECT_EQ(page->more, page->next().has_value());
      after = page->next();
      if (!after) return out;
    }
    ADD_FAILURE() << "a list that does not end";
    return out;
  }
  std::vector<std::string> exported(int& calls) {
    std::vector<std::string> out;
    auto reader = open_sqlite_reader(options());
    std::int64_t after = 0;
    for (bool more = true; more;) {
      const std::int64_t began = test_now_ns;
      const auto end = (*reader)->export_rows(TenantScope::all(), filter_, after, 1'000, {}, [&](const Trace& t) {
        out.push_back(t.id);
        return true;
      });
      if (!end) {
        ADD_FAILURE() << end.error().message;
        return out;
      }
      EXPECT_LE(test_now_ns - began, 2'000 * kMs);
      if (end->more && end->last_seq <= after) {
        ADD_FAILURE() << "an export that does not move";
        return out;
      }
      after = end->last_seq;
      more = end->more;
      ++calls;
    }
    return out;
  }
  void expect_all() {
    int cut = 0, calls = 0;
    const auto listed = list(7, cut);
    EXPECT_EQ(std::set(listed.begin(), listed.end()), having_);
    EXPECT_EQ(listed.size(), having_.size()) << "one was listed twice";
    EXPECT_TRUE(std::is_sorted(listed.rbegin(), listed.rend()));
    EXPECT_GT(cut, 2);
    const auto rows = exported(calls);
    EXPECT_EQ(std::set(rows.begin(), rows.end()), having_);
    EXPECT_EQ(rows.size(), having_.size());
    EXPECT_GT(calls, 2);
  }

  ScratchFolder folder_;
  TraceFilter filter_{.text = "needle"};
  std::set<std::string> having_;
};

TEST_F(LongSearch, GetsThroughRowsThatAreInNoBlock) {
  fill(900);
  expect_all();
}

TEST_F(LongSearch, GetsThroughBlocks) {
  fill(4'500);
  expect_all();
}

TEST_F(LongSearch, GetsThroughADatabaseWithoutBlocks) {
  fill(900);
  PlainSql sql(options().path);
  forget_analytics(sql);
  expect_all();
}

TEST_F(LongSearch, FindsNothingInTheEnd) {
  fill(900);
  filter_.text = "haystack";
  having_.clear();
  expect_all();
}

TEST_F(LongSearch, OtherFiltersLeaveFewBodiesToRead) {
  fill(4'500);
  filter_.model = "none of them";
  int cut = 0;
  EXPECT_TRUE(list(7, cut).empty());
  EXPECT_EQ(cut, 0);
}

TEST_F(LongSearch, AQuestionThatWasGivenUpSaysSo) {
  fill(900);
  SqliteOptions o = options();
  o.read_deadline_ms = -1;
  o.on_open = nullptr;
  auto reader = open_sqlite_reader(o);
  ASSERT_TRUE(reader);
  AnalyticsQuery q;
  q.group_by = GroupBy::session;
  q.edges = {0, INT64_MAX};
  const auto answer = (*reader)->analyze(TenantScope::all(), q);
  ASSERT_FALSE(answer);
  EXPECT_TRUE((*reader)->gave_up()) << answer.error().message;
  EXPECT_TRUE((*reader)->ping());
  EXPECT_FALSE((*reader)->gave_up());
}

}  // namespace
}  // namespace gw::store::sqlite

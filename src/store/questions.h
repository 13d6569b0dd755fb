#pragma once
// For tests: questions to a store beside a plain scan of the rows that it should have.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time_format.h"
#include "store/answer_model.h"
#include "store/facts.h"
#include "store/trace_store.h"

namespace gw::store {

/// Facts as the metadata of a row tell them.
inline std::string metadata_of(const TraceFacts& f) {
  std::string out = "{\"cost_source\":\"";
  out += f.unpriced ? "unpriced" : f.estimated ? "estimated" : "computed";
  out += "\",\"cache_saved_usd\":" + std::to_string(static_cast<double>(f.cache_saved_nano_usd) / 1e9);
  if (f.outcome != TraceFacts::Outcome::unknown) out += ",\"outcome\":\"" + std::string(to_string(f.outcome)) + "\"";
  if (!f.thread_id.empty()) out += ",\"lineage_thread_id\":\"" + f.thread_id + "\"";
  if (!f.run_id.empty()) out += ",\"lineage_run_id\":\"" + f.run_id + "\"";
  return out + ",\"usage\":{\"cache_read_tokens\":" + std::to_string(f.cache_read_tokens) +
         ",\"cache_write_5m_tokens\":" + std::to_string(f.cache_write_tokens) + "}}";
}

/// A row in which columns and metadata agree; half of them say so themselves.
inline Trace draw_row(TraceDraw& draw, std::int64_t n, std::int64_t hours) {
  Trace t = draw.trace(n, hours);
  t.seq = 0;
  t.facts.estimated = t.facts.estimated && !t.facts.unpriced;
  t.facts.cache_saved_nano_usd = t.facts.cache_saved_nano_usd / 1000 * 1000;
  t.metadata = metadata_of(t.facts);
  if (draw.chance(50)) t.facts = {};
  t.request_body = draw.chance(5) ? "{\"text\":\"Needle " + std::to_string(draw.number(0, 9)) + "\"}" : "{}";
  t.estimated_cost_usd = static_cast<double>(t.cost_nano_usd) / 1e9;
  return t;
}

inline TraceFilter draw_filter(TraceDraw& draw, std::int64_t hours) {
  TraceFilter f;
  if (draw.chance(25)) f.from_ns = draw.time(hours);
  if (draw.chance(25)) f.to_ns = draw.time(hours);
  if (draw.chance(10)) f.trace_group_id = draw.name("tg", 51);
  if (draw.chance(10)) f.thread_id = draw.name("th", 31);
  if (draw.chance(10)) f.run_id = draw.name("run", 31);
  if (draw.chance(15)) f.provider = draw.name("p", 4);
  if (draw.chance(15)) f.model = draw.name("m", 6);
  if (draw.chance(10)) f.api_key_hash = draw.name("a", 5);
  if (draw.chance(15)) f.session_id = draw.name("s", 21);
  if (draw.chance(10)) f.status = draw.chance(50) ? 200 : 429;
  if (draw.chance(10)) f.min_tokens = draw.number(1, 100'000);
  if (draw.chance(10)) f.max_tokens = draw.number(1, 100'000);
  if (draw.chance(10)) f.path = draw.name("/r", 4);
  if (draw.chance(10)) f.gateway_key_id = draw.name("g", 5);
  if (draw.chance(10)) f.outcome = static_cast<TraceFacts::Outcome>(draw.number(1, 5));
  if (draw.chance(10)) f.min_cost_nano_usd = draw.number(1, 1'000'000'000);
  if (draw.chance(10)) f.min_latency_ms = draw.number(1, 300'000);
  if (draw.chance(5)) f.text = draw.chance(50) ? "nEEdle" : "needle 3";
  return f;
}

inline bool row_matches(const Trace& t, const TenantScope& s, const TraceFilter& f) {
  const auto is = [](const std::string& wanted, const std::string& has) { return wanted.empty() || wanted == has; };
  const std::int64_t tokens = t.total_tokens == 0 ? t.input_tokens + t.output_tokens : t.total_tokens;
  std::string body = t.request_body, text = f.text;
  for (std::string* x : {&body, &text})
    for (char& c : *x) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return (s.everything || (t.org_id == s.org_id && t.workspace_id == s.workspace_id)) &&
         (!f.from_ns || t.timestamp_ns >= *f.from_ns) && (!f.to_ns || t.timestamp_ns <= *f.to_ns) &&
         is(f.trace_group_id, t.trace_group_id) && is(f.thread_id, t.facts.thread_id) && is(f.run_id, t.facts.run_id) &&
         is(f.provider, t.provider) && is(f.model, t.model) && is(f.api_key_hash, t.api_key_hash) &&
         is(f.session_id, t.session_id) && (f.status == 0 || f.status == t.response_status) &&
         (f.min_tokens == 0 || tokens >= f.min_tokens) && (f.max_tokens == 0 || tokens <= f.max_tokens) &&
         is(f.path, t.request_path) && is(f.gateway_key_id, t.gateway_key_id) &&
         (f.outcome == TraceFacts::Outcome::unknown || f.outcome == t.facts.outcome) &&
         t.cost_nano_usd >= f.min_cost_nano_usd && t.latency_ms >= f.min_latency_ms &&
         body.find(text) != std::string::npos;
}

/// The rows that a database should have, by id, with the facts that their metadata tell.
class ExpectedRows {
 public:
  void add(Trace t) {
    t.facts = facts_from_metadata(t.metadata);
    rows_.try_emplace(t.id, std::move(t));
  }
  std::map<std::string, Trace>& rows() { return rows_; }
  std::vector<Trace> all() const {
    std::vector<Trace> out;
    out.reserve(rows_.size());
    for (const auto& [id, t] : rows_) out.push_back(t);
    return out;
  }
  std::vector<Trace> listed(const TenantScope& scope, const TraceFilter& f) const {
    std::vector<Trace> out;
    for (const auto& [id, t] : rows_)
      if (row_matches(t, scope, f)) out.push_back(t);
    std::sort(out.begin(), out.end(), [](const Trace& a, const Trace& b) {
      return a.created_at_ns != b.created_at_ns ? a.created_at_ns > b.created_at_ns : a.id > b.id;
    });
    return out;
  }

 private:
  std::map<std::string, Trace> rows_;
};

inline std::string ids_of(const std::vector<Trace>& rows) {
  std::string out;
  for (const Trace& t : rows) out += t.id + ' ';
  return out;
}

inline void expect_list(TraceReader& reader, TraceDraw& draw, const ExpectedRows& expected, std::int64_t hours) {
  const TenantScope scope = draw.scope();
  const TraceFilter f = draw_filter(draw, hours);
  std::vector<Trace> want = expected.listed(scope, f);
  std::optional<TraceCursor> after;
  const int limit = static_cast<int>(draw.number(1, 40));
  for (int pages = 0; pages < 3;) {
    const auto got = reader.list(scope, f, after, limit);
    ASSERT_TRUE(got) << got.error().message;
    const std::size_t n = got->cut_at ? got->items.size() : std::min(want.size(), static_cast<std::size_t>(limit));
    ASSERT_LE(n, want.size());
    const auto end = want.begin() + static_cast<std::ptrdiff_t>(n);
    ASSERT_EQ(ids_of(got->items), ids_of({want.begin(), end}));
    want.erase(want.begin(), end);
    if (got->cut_at) {  // on a busy machine time can be up: nothing before the cut is missing, and the next page moves
                        // on
      const auto place = [](const auto& row) { return std::pair(row.created_at_ns, std::string_view(row.id)); };
      ASSERT_TRUE(!after || place(*got->cut_at) < place(*after)) << "a cut that does not move";
      ASSERT_TRUE(want.empty() || place(want[0]) < place(*got->cut_at)) << "left out: " << want[0].id;
    } else {
      ASSERT_EQ(got->more, !want.empty());
      ++pages;
    }
    after = got->next();
    if (!after) return;
  }
}

inline void expect_export(TraceReader& reader, TraceDraw& draw, const ExpectedRows& expected, std::int64_t hours) {
  const TenantScope scope = draw.scope();
  const TraceFilter f = draw_filter(draw, hours);
  std::vector<std::string> want, got;
  for (const Trace& t : expected.listed(scope, f)) want.push_back(t.id);
  std::int64_t after = 0, last = 0;
  for (bool more = true; more;) {
    const auto end = reader.export_rows(scope, f, after, draw.number(1, 2'000), {}, [&](const Trace& t) {
      EXPECT_GT(t.seq, last);
      last = t.seq;
      got.push_back(t.id);
      return true;
    });
    ASSERT_TRUE(end) << end.error().message;
    ASSERT_TRUE(!end->more || end->last_seq > after) << "an export that does not move";
    after = end->last_seq;
    more = end->more;
  }
  std::sort(want.begin(), want.end());
  std::sort(got.begin(), got.end());
  ASSERT_EQ(got, want);
}

inline void expect_analytics(TraceReader& reader, TraceDraw& draw, const std::vector<Trace>& rows, std::int64_t hours) {
  const TenantScope scope = draw.scope();
  const AnalyticsQuery q = draw.query(hours);
  const auto got = reader.analyze(scope, q);
  ASSERT_TRUE(got) << got.error().message;
  expect_answer(*got, model_answer(rows, scope, q), q);
}

/// A number of questions of every kind.
inline void expect_answers(TraceReader& reader, TraceDraw& draw, const ExpectedRows& expected, std::int64_t hours,
                           int questions) {
  const std::vector<Trace> rows = expected.all();
  for (int n = 0; n < questions && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE("question " + std::to_string(n));
    expect_analytics(reader, draw, rows, hours);
    expect_list(reader, draw, expected, hours);
    if (n % 4 == 0) expect_export(reader, draw, expected, hours);
  }
  const auto span = reader.span(TenantScope::all());
  ASSERT_TRUE(span) << span.error().message;
  ASSERT_EQ(span->any, !rows.empty());
  std::int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Trace& t : rows) {
    first = std::min(first, t.timestamp_ns);
    last = std::max(last, t.timestamp_ns);
  }
  if (!rows.empty()) {
    ASSERT_EQ(span->first_ns, first);
    ASSERT_EQ(span->last_ns, last);
  }
}

}  // namespace gw::store

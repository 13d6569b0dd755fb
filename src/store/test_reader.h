#pragma once
// For tests: a store in memory that answers every question by looking at all of its rows. One thread.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "store/metadata_text.h"
#include "store/trace_store.h"

namespace gw::store {

class MemoryReader final : public TraceReader {
 public:
  explicit MemoryReader(std::vector<Trace> traces = {}) { add(std::move(traces)); }

  /// Commits them: those without a number get the next ones.
  void add(std::vector<Trace> traces) {
    for (Trace& t : traces) {
      if (t.seq == 0) t.seq = state.last + 1;
      state.last = t.seq;
      rows.push_back(std::move(t));
    }
    find_first();
  }
  /// Retention takes away those up to number `seq`.
  void remove_up_to(std::int64_t seq) {
    std::erase_if(rows, [&](const Trace& t) { return t.seq <= seq; });
    state.removed_up_to = std::max(state.removed_up_to, seq);
    find_first();
  }

  std::vector<Trace> rows;  ///< by seq
  SequenceState state{.last = 0, .removed_up_to = 0, .before_first = 0, .epoch = 7};
  std::string failure;                      ///< what every call fails with
  std::int64_t removed_meanwhile = 0;       ///< what retention has removed once rows were exported
  std::int64_t fail_after = -1;             ///< export_rows fails once it has handed out this many rows
  std::int64_t most_looked_at = INT64_MAX;  ///< rows of an export, before it ends early
  std::function<void()> after_rows;         ///< what happens between rows that were exported and what comes next

  Result<TracePage> list(const TenantScope&, const TraceFilter& filter, const std::optional<TraceCursor>& after,
                         int limit) override {
    if (!failure.empty()) return fail(failure);
    std::vector<Trace> all = matching(filter);
    std::sort(all.begin(), all.end(), [](const Trace& a, const Trace& b) {
      return std::tie(b.created_at_ns, b.id) < std::tie(a.created_at_ns, a.id);
    });
    TracePage page;
    for (Trace& t : all) {
      if (after && std::tie(t.created_at_ns, t.id) >= std::tie(after->created_at_ns, after->id)) continue;
      if (static_cast<int>(page.items.size()) == limit) {
        page.more = true;
        break;
      }
      for (std::string* s : {&t.metadata, &t.request_headers, &t.request_body, &t.response_headers, &t.response_body})
        s->clear();
      page.items.push_back(std::move(t));
    }
    return page;
  }
  Result<std::optional<Trace>> find(const TenantScope&, std::string_view id) override {
    if (!failure.empty()) return fail(failure);
    for (const Trace& t : rows)
      if (t.id == id) return std::optional(t);
    return std::optional<Trace>();
  }
  Result<ExportEnd> export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                std::int64_t limit, const ExportColumns& columns,
                                const std::function<bool(const Trace&)>& row) override {
    if (!failure.empty()) return fail(failure);
    ExportEnd end{.last_seq = after, .more = false};
    state.removed_up_to = std::max(state.removed_up_to, removed_meanwhile);
    std::int64_t looked_at = 0;
    bool enough = limit <= 0;
    for (const Trace& t : rows) {
      if (t.seq <= after) continue;
      end.more = enough || looked_at++ == most_looked_at;
      if (end.more) break;
      end.last_seq = t.seq;
      if (!sees(scope, t) || !matches(t, filter)) continue;
      if (fail_after == 0) return fail("disk on fire");
      --fail_after;
      Trace seen = t;
      if (!columns.metadata) seen.metadata.clear();
      if (!columns.headers) seen.request_headers = seen.response_headers = {};
      if (!columns.bodies) seen.request_body = seen.response_body = {};
      enough = !row(seen) || --limit == 0;
    }
    if (after_rows) after_rows();
    return end;
  }
  Result<SequenceState> sequence() override {
    if (!failure.empty()) return fail(failure);
    return state;
  }
  Result<std::vector<AnalyticsGroup>> analyze(const TenantScope&, const AnalyticsQuery& q) override {
    if (!failure.empty()) return fail(failure);
    std::map<std::pair<std::size_t, std::string>, Figures> groups;
    TraceFilter filter;
    filter.provider = q.filter.provider;
    filter.model = q.filter.model;
    for (const Trace& t : matching(filter))
      for (std::size_t i = 0; i + 1 < q.edges.size(); ++i)
        if (t.timestamp_ns >= q.edges[i] && t.timestamp_ns < q.edges[i + 1]) add(groups[{i, group(t, q.group_by)}], t);
    std::vector<AnalyticsGroup> out;
    for (auto& [key, figures] : groups) out.push_back({key.first, key.second, figures});
    return out;
  }
  Result<TimeSpan> span(const TenantScope&) override {
    if (!failure.empty()) return fail(failure);
    TimeSpan s;
    for (const Trace& t : rows) {
      s.first_ns = s.any ? std::min(s.first_ns, t.timestamp_ns) : t.timestamp_ns;
      s.last_ns = s.any ? std::max(s.last_ns, t.timestamp_ns) : t.timestamp_ns;
      s.any = true;
    }
    return s;
  }
  Result<std::int64_t> count() override { return static_cast<std::int64_t>(rows.size()); }
  std::int64_t size_bytes() override { return 0; }
  Result<bool> ping() override { return true; }

 private:
  void find_first() { state.before_first = rows.empty() ? state.last : rows.front().seq - 1; }
  static bool sees(const TenantScope& s, const Trace& t) {
    return s.everything || (t.org_id == s.org_id && t.workspace_id == s.workspace_id);
  }
  static std::string member(const Trace& t, std::string_view key) {
    const auto members = json_members(t.metadata);
    return members ? json_text(find_member(*members, key)) : std::string();
  }
  static bool matches(const Trace& t, const TraceFilter& f) {
    const auto is = [](const std::string& wanted, const std::string& value) {
      return wanted.empty() || wanted == value;
    };
    return (!f.from_ns || t.timestamp_ns >= *f.from_ns) && (!f.to_ns || t.timestamp_ns <= *f.to_ns) &&
           is(f.provider, t.provider) && is(f.model, t.model) && is(f.session_id, t.session_id) &&
           is(f.trace_group_id, t.trace_group_id) && is(f.thread_id, member(t, "lineage_thread_id")) &&
           is(f.run_id, member(t, "lineage_run_id")) && (f.status == 0 || f.status == t.response_status);
  }
  std::vector<Trace> matching(const TraceFilter& filter) const {
    std::vector<Trace> out;
    for (const Trace& t : rows)
      if (matches(t, filter)) out.push_back(t);
    return out;
  }
  static std::string group(const Trace& t, GroupBy by) {
    if (by == GroupBy::provider) return t.provider;
    if (by == GroupBy::model) return t.model;
    if (by == GroupBy::gateway_key) return t.gateway_key_id;
    return by == GroupBy::api_key ? t.api_key_hash : std::string();
  }
  static void add(Figures& f, const Trace& t) {
    ++f.requests;
    f.input_tokens += t.input_tokens;
    f.output_tokens += t.output_tokens;
    f.total_tokens += t.total_tokens;
    f.cost_nano_usd += t.cost_nano_usd;
    f.latency_ms_sum += t.latency_ms;
    f.ttft_ms_sum += t.time_to_first_token_ms;
    f.last_created_at_ns = std::max(f.last_created_at_ns, t.created_at_ns);
  }
};

}  // namespace gw::store

#pragma once
// For tests: a store in memory that answers every question by looking at all of its rows.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "store/metadata_text.h"
#include "store/trace_store.h"

namespace gw::cli {

class MemoryReader final : public store::TraceReader {
 public:
  explicit MemoryReader(std::vector<Trace> traces = {}) : rows(std::move(traces)) {
    std::int64_t seq = 0;
    for (Trace& t : rows) {
      if (t.seq == 0) t.seq = seq + 1;
      seq = t.seq;
    }
    state = {.last = seq, .removed_up_to = 0, .before_first = 0, .epoch = 7};
  }

  std::vector<Trace> rows;  ///< by seq
  store::SequenceState state;
  std::string failure;                 ///< what every call fails with
  std::int64_t removed_meanwhile = 0;  ///< what retention has removed once rows were exported
  std::int64_t fail_after = -1;        ///< export_rows fails once it has handed out this many rows

  Result<store::TracePage> list(const store::TenantScope&, const store::TraceFilter& filter,
                                const std::optional<store::TraceCursor>& after, int limit) override {
    if (!failure.empty()) return gw::fail(failure);
    std::vector<Trace> all = matching(filter);
    std::sort(all.begin(), all.end(), [](const Trace& a, const Trace& b) {
      return std::tie(b.created_at_ns, b.id) < std::tie(a.created_at_ns, a.id);
    });
    store::TracePage page;
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
  Result<std::optional<Trace>> find(const store::TenantScope&, std::string_view id) override {
    if (!failure.empty()) return gw::fail(failure);
    for (const Trace& t : rows)
      if (t.id == id) return std::optional(t);
    return std::optional<Trace>();
  }
  Result<store::ExportEnd> export_rows(const store::TenantScope&, const store::TraceFilter& filter, std::int64_t after,
                                       std::int64_t limit, const store::ExportColumns&,
                                       const std::function<bool(const Trace&)>& row) override {
    if (!failure.empty()) return gw::fail(failure);
    store::ExportEnd end{.last_seq = after, .more = false};
    state.removed_up_to = std::max(state.removed_up_to, removed_meanwhile);
    for (const Trace& t : rows) {
      if (t.seq <= after) continue;
      if (limit == 0) {
        end.more = true;
        break;
      }
      end.last_seq = t.seq;
      if (!matches(t, filter)) continue;
      if (fail_after == 0) return gw::fail("disk on fire");
      --fail_after;
      --limit;
      if (!row(t)) {
        end.more = &t != &rows.back();
        break;
      }
    }
    return end;
  }
  Result<store::SequenceState> sequence() override {
    if (!failure.empty()) return gw::fail(failure);
    return state;
  }
  Result<std::vector<store::AnalyticsGroup>> analyze(const store::TenantScope&,
                                                     const store::AnalyticsQuery& q) override {
    if (!failure.empty()) return gw::fail(failure);
    std::map<std::pair<std::size_t, std::string>, store::Figures> groups;
    store::TraceFilter filter;
    filter.provider = q.filter.provider;
    filter.model = q.filter.model;
    for (const Trace& t : matching(filter))
      for (std::size_t i = 0; i + 1 < q.edges.size(); ++i)
        if (t.timestamp_ns >= q.edges[i] && t.timestamp_ns < q.edges[i + 1]) add(groups[{i, group(t, q.group_by)}], t);
    std::vector<store::AnalyticsGroup> out;
    for (auto& [key, figures] : groups) out.push_back({key.first, key.second, figures});
    return out;
  }
  Result<store::TimeSpan> span(const store::TenantScope&) override {
    if (!failure.empty()) return gw::fail(failure);
    store::TimeSpan s;
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
  static std::string member(const Trace& t, std::string_view key) {
    const auto members = store::json_members(t.metadata);
    return members ? store::json_text(store::find_member(*members, key)) : std::string();
  }
  static bool matches(const Trace& t, const store::TraceFilter& f) {
    const auto is = [](const std::string& wanted, const std::string& value) {
      return wanted.empty() || wanted == value;
    };
    return (!f.from_ns || t.timestamp_ns >= *f.from_ns) && (!f.to_ns || t.timestamp_ns <= *f.to_ns) &&
           is(f.provider, t.provider) && is(f.model, t.model) && is(f.session_id, t.session_id) &&
           is(f.trace_group_id, t.trace_group_id) && is(f.thread_id, member(t, "lineage_thread_id")) &&
           is(f.run_id, member(t, "lineage_run_id")) && (f.status == 0 || f.status == t.response_status);
  }
  std::vector<Trace> matching(const store::TraceFilter& filter) const {
    std::vector<Trace> out;
    for (const Trace& t : rows)
      if (matches(t, filter)) out.push_back(t);
    return out;
  }
  static std::string group(const Trace& t, store::GroupBy by) {
    if (by == store::GroupBy::provider) return t.provider;
    if (by == store::GroupBy::model) return t.model;
    return by == store::GroupBy::api_key ? t.api_key_hash : std::string();
  }
  static void add(store::Figures& f, const Trace& t) {
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

/// Takes rows; refuses those whose model is `poison` for good, and everything while `failure` is set.
class MemoryWriter final : public store::TraceWriter {
 public:
  explicit MemoryWriter(std::vector<Trace>& rows) : rows_(rows) {}
  std::string failure;
  std::int64_t fail_after = -1;  ///< writes until it fails

  using TraceWriter::write;
  tl::expected<store::WriteReport, store::WriteError> write(store::TraceRows& batch) override {
    if (fail_after-- == 0) return tl::make_unexpected(store::WriteError{.message = "disk full"});
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch.row(i)->model == "poison")
        return tl::make_unexpected(store::WriteError{.invalid_data = true, .message = "too big"});
    store::WriteReport report;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Trace& t = *batch.row(i);
      if (std::any_of(rows_.begin(), rows_.end(), [&](const Trace& r) { return r.id == t.id; })) continue;
      rows_.push_back(t);
      ++report.inserted;
    }
    return report;
  }
  bool probe() override { return true; }

 private:
  std::vector<Trace>& rows_;
};

}  // namespace gw::cli

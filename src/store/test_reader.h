#pragma once
// A store in memory that does what the interface says of exports in the plainest way; for tests of what reads exports.
#include <algorithm>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "store/trace_store.h"

namespace gw::store {

class MemoryStore {
 public:
  /// Commits them: they get the next sequence numbers.
  void add(std::vector<Trace> rows) {
    const std::lock_guard lock(mutex_);
    for (Trace& t : rows) {
      t.seq = ++state_.last;
      rows_.push_back(std::move(t));
    }
  }
  /// Retention takes away those up to number `seq`.
  void remove_up_to(std::int64_t seq) {
    const std::lock_guard lock(mutex_);
    std::erase_if(rows_, [&](const Trace& t) { return t.seq <= seq; });
    state_.removed_up_to = std::max(state_.removed_up_to, seq);
  }
  void set_epoch(std::int64_t epoch) {
    const std::lock_guard lock(mutex_);
    state_.epoch = epoch;
  }
  std::vector<Trace> snapshot() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  SequenceState state() const {
    const std::lock_guard lock(mutex_);
    SequenceState s = state_;
    s.before_first = rows_.empty() ? s.last : rows_.front().seq - 1;
    return s;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Trace> rows_;
  SequenceState state_{.last = 0, .removed_up_to = 0, .before_first = 0, .epoch = 77};
};

class MemoryReader final : public TraceReader {
 public:
  explicit MemoryReader(MemoryStore& store) : store_(store) {}

  Result<ExportEnd> export_rows(const TenantScope& scope, const TraceFilter& filter, std::int64_t after,
                                std::int64_t limit, const ExportColumns& columns,
                                const std::function<bool(const Trace&)>& row) override {
    if (broken) return fail("disk on fire");
    ExportEnd end{.last_seq = after, .more = false};
    std::int64_t given = 0;
    bool enough = false;
    for (const Trace& t : store_.snapshot()) {
      if (t.seq <= after) continue;
      if (enough || given == limit) {
        end.more = true;
        break;
      }
      end.last_seq = t.seq;
      if (!scope.everything && (t.org_id != scope.org_id || t.workspace_id != scope.workspace_id)) continue;
      if (!filter.model.empty() && t.model != filter.model) continue;
      if (filter.status != 0 && t.response_status != filter.status) continue;
      if (filter.from_ns && t.timestamp_ns < *filter.from_ns) continue;
      Trace seen = t;
      if (!columns.metadata) seen.metadata.clear();
      if (!columns.headers) seen.request_headers = seen.response_headers = {};
      if (!columns.bodies) seen.request_body = seen.response_body = {};
      ++given;
      enough = !row(seen);
    }
    if (after_rows) after_rows();
    return end;
  }
  Result<SequenceState> sequence() override {
    if (broken) return fail("disk on fire");
    return store_.state();
  }

  Result<TracePage> list(const TenantScope&, const TraceFilter&, const std::optional<TraceCursor>&, int) override {
    return fail("not in this test");
  }
  Result<std::optional<Trace>> find(const TenantScope&, std::string_view) override { return fail("not in this test"); }
  Result<std::vector<AnalyticsGroup>> analyze(const TenantScope&, const AnalyticsQuery&) override {
    return fail("not in this test");
  }
  Result<TimeSpan> span(const TenantScope&) override { return fail("not in this test"); }
  Result<std::int64_t> count() override { return static_cast<std::int64_t>(store_.snapshot().size()); }
  std::int64_t size_bytes() override { return 0; }
  Result<bool> ping() override { return true; }

  bool broken = false;
  std::function<void()> after_rows;  ///< what happens to the store between a snapshot of rows and what comes next

 private:
  MemoryStore& store_;
};

}  // namespace gw::store

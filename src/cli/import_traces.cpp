#include "cli/import_traces.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::cli {
namespace {

constexpr std::int64_t kRowsPerBatch = 1'000;
/// Rows with bodies: a batch ends early rather than fill the memory.
constexpr std::size_t kBatchBytes = 32 << 20;

std::size_t size_of(const Trace& t) {
  return sizeof t + t.metadata.size() + t.request_headers.size() + t.response_headers.size() + t.request_body.size() +
         t.response_body.size();
}

/// Databases of others hold what ours does not take.
void make_storable(Trace& t) {
  for (std::string* s : {&t.id, &t.trace_group_id, &t.org_id, &t.workspace_id, &t.provider, &t.model, &t.request_method,
                         &t.request_path, &t.request_headers, &t.request_body, &t.response_headers, &t.response_body,
                         &t.api_key_hash, &t.metadata, &t.gateway_key_id, &t.session_id})
    if (!is_storable_text(*s)) *s = storable_text(*s);
  if (t.session_id.size() > kMaxSessionIdBytes) t.session_id = cut_at_character(t.session_id, kMaxSessionIdBytes);
  t.seq = 0;  // the target gives its own
}

using Batch = std::vector<Trace>;

/// Hands over the source's rows in batches, in the order in which they came, until the one that is its last now.
Result<void> for_each_batch(store::TraceReader& source, const ImportOptions& options, ImportReport& report,
                            const std::function<Result<void>(Batch&)>& take) {
  const auto state = source.sequence();
  if (!state) return tl::make_unexpected(state.error());
  report.last_seq = std::max(options.after, std::min(state->before_first, state->last));
  Batch batch;
  while (report.last_seq < state->last) {
    batch.clear();
    std::size_t bytes = 0;
    std::int64_t last = report.last_seq;
    bool full = false;
    const auto end = source.export_rows(store::TenantScope::all(), {}, report.last_seq, kRowsPerBatch,
                                        {.metadata = true, .headers = true, .bodies = true}, [&](const Trace& t) {
                                          if (full || t.seq > state->last) return false;
                                          batch.push_back(t);
                                          last = t.seq;
                                          bytes += size_of(t);
                                          full = bytes >= kBatchBytes;
                                          return !full;
                                        });
    if (!end) return tl::make_unexpected(end.error());
    const auto read = static_cast<std::int64_t>(batch.size());
    report.expired += static_cast<std::int64_t>(
        std::erase_if(batch, [&](const Trace& t) { return t.timestamp_ns < options.kept_from_ns; }));
    if (auto ok = take(batch); !ok) return ok;
    report.read += read;
    report.last_seq = full || end->more ? last : state->last;
    if (read == 0) report.last_seq = state->last;
    if (options.progress && !options.progress(report, state->last)) return fail("interrupted");
  }
  return {};
}

/// A batch that is called invalid is halved until the rows are found that cannot be stored.
Result<void> write(store::TraceWriter& target, std::span<const Trace> rows, ImportReport& report) {
  if (rows.empty()) return {};
  const auto written = target.write(rows);
  if (written) {
    const auto inserted = static_cast<std::int64_t>(written->inserted);
    report.imported += inserted;
    report.present += static_cast<std::int64_t>(rows.size()) - inserted;
    return {};
  }
  if (!written.error().invalid_data) return fail(written.error().message);
  if (rows.size() > 1) {
    const std::size_t half = rows.size() / 2;
    if (auto ok = write(target, rows.first(half), report); !ok) return ok;
    return write(target, rows.subspan(half), report);
  }
  ++report.refused;
  if (report.refused_ids.size() < ImportReport::kMaxRefusedIds)
    report.refused_ids.push_back(rows[0].id + ": " + written.error().message);
  return {};
}

}  // namespace

Result<void> import_traces(store::TraceReader& source, store::TraceWriter& target, const ImportOptions& options,
                           ImportReport& report) {
  return for_each_batch(source, options, report, [&](Batch& batch) {
    for (Trace& t : batch) make_storable(t);
    auto ok = write(target, batch, report);
    if (ok) target.idle();
    return ok;
  });
}

Result<void> compare_traces(store::TraceReader& source, store::TraceReader* target, const ImportOptions& options,
                            ImportReport& report) {
  return for_each_batch(source, options, report, [&](Batch& batch) -> Result<void> {
    for (const Trace& t : batch) {
      bool there = false;
      if (target != nullptr) {
        const auto found = target->find(store::TenantScope::all(), t.id);
        if (!found) return tl::make_unexpected(found.error());
        there = found->has_value();
      }
      ++(there ? report.present : report.imported);
    }
    return {};
  });
}

}  // namespace gw::cli

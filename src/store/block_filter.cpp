#include "store/block_filter.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "store/block_column.h"
#include "store/name_digest.h"

namespace gw::store {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kGreatest = std::numeric_limits<std::int64_t>::max();

bool overlaps(const Extent& e, std::int64_t least, std::int64_t greatest) {
  return e.least <= greatest && e.greatest >= least;
}

/// 0: no bound.
std::int64_t at_least(std::int64_t bound) { return bound == 0 ? kLeast : bound; }
std::int64_t at_most(std::int64_t bound) { return bound == 0 ? kGreatest : bound; }

class Narrowing {
 public:
  Narrowing(const BlockHeader& header, ColumnSource& source, RowSelection& selection)
      : header_(header), source_(source), selection_(selection) {}

  Result<void> name(BlockColumn c, std::string_view wanted) {
    if (wanted.empty() || selection_.empty()) return {};
    if (is_digested(c) && !may_have(c, analytic_name(wanted))) selection_.clear();
    return exactly(c, wanted);
  }
  Result<void> exactly(BlockColumn c, std::string_view wanted) {
    if (selection_.empty()) return {};
    const auto bytes = source_.column(c);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto view = NamesView::parse(*bytes, header_.rows);
    if (!view) return malformed_block("a column of names");
    view->keep(analytic_name(wanted), selection_);
    return {};
  }
  Result<void> hash(BlockColumn c, std::string_view wanted) {
    if (wanted.empty()) return {};
    const std::int64_t h = name_hash(wanted);
    return between(c, h, h);
  }
  Result<void> between(BlockColumn c, std::int64_t least, std::int64_t greatest) {
    if (selection_.empty()) return {};
    const auto view = numbers(c);
    if (!view) return tl::make_unexpected(view.error());
    view->keep(least, greatest, selection_);
    return {};
  }
  /// Only when the header does not tell that all rows are between.
  Result<void> between(BlockColumn c, const Extent& extent, std::int64_t least, std::int64_t greatest) {
    return extent.least >= least && extent.greatest <= greatest ? Result<void>() : between(c, least, greatest);
  }
  Result<void> outcome(TraceFacts::Outcome wanted) {
    if (wanted == TraceFacts::Outcome::unknown) return {};
    const Extent flags = flags_of(wanted);
    return between(BlockColumn::flags, flags.least, flags.greatest);
  }
  Result<NumberView> numbers(BlockColumn c) {
    const auto bytes = source_.column(c);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto view = NumberView::parse(*bytes, header_.rows);
    if (!view) return malformed_block("a column of numbers");
    return *view;
  }

 private:
  bool may_have(BlockColumn c, std::string_view name) {
    const auto digest = source_.column(BlockColumn::name_digest);
    return !digest || may_have_name(*digest, header_, c, name);
  }

  const BlockHeader& header_;
  ColumnSource& source_;
  RowSelection& selection_;
};

Result<void> narrow(Narrowing in, const BlockHeader& h, const TenantScope& scope, const TraceFilter& f) {
  Result<void> r;
  // What most often leaves no row comes first.
  (r = in.hash(BlockColumn::trace_group, f.trace_group_id)) && (r = in.hash(BlockColumn::thread, f.thread_id)) &&
      (r = in.hash(BlockColumn::run, f.run_id)) &&
      (r = in.hash(BlockColumn::session_hash, analytic_name(f.session_id))) &&
      (r = in.name(BlockColumn::session, f.session_id)) && (r = in.name(BlockColumn::gateway_key, f.gateway_key_id)) &&
      (r = in.name(BlockColumn::api_key, f.api_key_hash)) && (r = in.name(BlockColumn::model, f.model)) &&
      (r = in.name(BlockColumn::route, f.path)) && (r = in.name(BlockColumn::provider, f.provider)) &&
      (r = in.name(BlockColumn::status, status_name(f.status))) && (r = in.outcome(f.outcome)) &&
      (r = in.between(BlockColumn::total_tokens, h.total_tokens, at_least(f.min_tokens), at_most(f.max_tokens))) &&
      (r = in.between(BlockColumn::cost, h.cost, at_least(f.min_cost_nano_usd), kGreatest)) &&
      (r = in.between(BlockColumn::latency_ms, h.latency_ms, at_least(f.min_latency_ms), kGreatest)) &&
      (r = in.between(BlockColumn::timestamp, h.timestamp, f.from_ns.value_or(kLeast), f.to_ns.value_or(kGreatest)));
  if (!r || scope.everything) return r;
  (r = in.exactly(BlockColumn::org, scope.org_id)) && (r = in.exactly(BlockColumn::workspace, scope.workspace_id));
  return r;
}

}  // namespace

BlockFilter::BlockFilter(const TenantScope& scope, const TraceFilter& filter) : scope_(scope), filter_(filter) {}

bool BlockFilter::may_match(const BlockHeader& h) const {
  const TraceFilter& f = filter_;
  return overlaps(h.timestamp, f.from_ns.value_or(kLeast), f.to_ns.value_or(kGreatest)) &&
         overlaps(h.total_tokens, at_least(f.min_tokens), at_most(f.max_tokens)) &&
         overlaps(h.cost, at_least(f.min_cost_nano_usd), kGreatest) &&
         overlaps(h.latency_ms, at_least(f.min_latency_ms), kGreatest);
}

Result<void> BlockFilter::find(const BlockHeader& header, ColumnSource& columns, std::vector<Match>& out) const {
  if (header.rows == 0 || header.rows > kBlockRows) return malformed_block("its header");
  if (!may_match(header)) return {};
  RowSelection selection(header.rows);
  Narrowing in(header, columns, selection);
  if (auto r = narrow(in, header, scope_, filter_); !r || selection.empty()) return r;
  const std::size_t before = out.size();
  const auto seqs = in.numbers(BlockColumn::seq);
  if (!seqs) return tl::make_unexpected(seqs.error());
  for (const std::uint16_t row : selection.rows()) out.push_back({seqs->at(row), 0});
  const auto times = in.numbers(BlockColumn::created_at);
  if (!times) {
    out.resize(before);
    return tl::make_unexpected(times.error());
  }
  for (std::size_t i = 0; i < selection.size(); ++i) out[before + i].created_at_ns = times->at(selection.rows()[i]);
  return {};
}

bool BlockFilter::exact() const {
  const TraceFilter& f = filter_;
  const auto is_cut = [](const std::string& name) { return name.size() >= kMaxNameBytes - 3; };
  return f.trace_group_id.empty() && f.thread_id.empty() && f.run_id.empty() && f.text.empty() && !is_cut(f.provider) &&
         !is_cut(f.model) && !is_cut(f.path) && !is_cut(f.gateway_key_id) && !is_cut(f.api_key_hash) &&
         !is_cut(f.session_id) && !is_cut(scope_.org_id) && !is_cut(scope_.workspace_id);
}

}  // namespace gw::store

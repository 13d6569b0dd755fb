#include "store/group_sink.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "store/block_column.h"
#include "store/figures.h"
#include "store/group_slots.h"
#include "store/rollup_page.h"

namespace gw::store {
namespace {

/// Of a group that is a column of names; nothing for GroupBy::none.
std::optional<BlockColumn> group_column(GroupBy by) {
  switch (by) {
    case GroupBy::none:
      return std::nullopt;
    case GroupBy::provider:
      return BlockColumn::provider;
    case GroupBy::model:
      return BlockColumn::model;
    case GroupBy::route:
      return BlockColumn::route;
    case GroupBy::status:
      return BlockColumn::status;
    case GroupBy::gateway_key:
      return BlockColumn::gateway_key;
    case GroupBy::api_key:
      return BlockColumn::api_key;
    case GroupBy::workspace:
      return BlockColumn::workspace;
    case GroupBy::session:
      return BlockColumn::session;
  }
  return std::nullopt;
}

void cut(std::string& name) { name.resize(analytic_name(name).size()); }

bool is(std::string_view wanted, std::string_view has) { return wanted.empty() || wanted == has; }

/// Whether a range holds a time; times mostly ascend.
class InRanges {
 public:
  explicit InRanges(std::span<const TimeRange> ranges) : ranges_(ranges) {}
  bool operator()(std::int64_t ns) {
    if (last_ < ranges_.size() && ns >= ranges_[last_].from_ns && ns < ranges_[last_].to_ns) return true;
    const auto at = std::upper_bound(ranges_.begin(), ranges_.end(), ns,
                                     [](std::int64_t t, const TimeRange& r) { return t < r.to_ns; });
    last_ = static_cast<std::size_t>(at - ranges_.begin());
    return at != ranges_.end() && ns >= at->from_ns;
  }

 private:
  std::span<const TimeRange> ranges_;
  std::size_t last_ = 0;
};

}  // namespace

class GroupSink::Impl {
 public:
  Impl(TenantScope scope, AnalyticsQuery query)
      : scope_(std::move(scope)),
        query_(std::move(query)),
        status_(status_name(query_.filter.status)),
        slots_(kMaxGroups, query_.latency, query_.time_to_first_token) {
    AnalyticsFilter& f = query_.filter;
    for (std::string* name : {&scope_.org_id, &scope_.workspace_id, &f.provider, &f.model, &f.route, &f.api_key_hash,
                              &f.gateway_key_id, &f.session_id})
      cut(*name);
  }

  void add_row(const AnalyticRow& row) {
    if (!matches(row, scope_, query_.filter)) return;
    const auto bucket = bucket_of(row.timestamp_ns);
    if (bucket) add(slots_.slot(*bucket, group_of(row)), row.numbers);
  }

  Result<void> add_block(const BlockHeader& header, ColumnSource& source, std::span<const TimeRange> ranges);
  PageUse add_page(const PageKey& key, std::string_view sums, std::string_view latency, std::string_view ttft,
                   bool rows_gone);
  std::vector<AnalyticsGroup> finish() { return slots_.finish(); }

 private:
  /// Nothing: outside of the edges.
  std::optional<std::size_t> bucket_of(std::int64_t ns);
  std::string_view group_of(const AnalyticRow& row);
  void add(std::uint32_t slot, const RowNumbers& numbers) {
    add_sums(slots_.figures(slot), numbers);
    if (query_.latency) slots_.latency(slot).add(numbers.latency_ms);
    if (query_.time_to_first_token && numbers.ttft_ms > 0) slots_.ttft(slot).add(numbers.ttft_ms);
  }

  Result<void> filter_block(ColumnSource& source, std::size_t rows, RowSelection& selection) const;
  Result<void> place_rows(const BlockHeader& header, ColumnSource& source, std::span<const TimeRange> ranges,
                          RowSelection& selection);
  Result<void> group_rows(ColumnSource& source, std::size_t rows);
  Result<void> add_rows(ColumnSource& source, std::size_t rows);

  bool page_filter(Dimension d, std::string_view value) const;
  std::string_view page_group(const PageKey& key, std::string_view value) const;

  TenantScope scope_;
  AnalyticsQuery query_;
  std::string status_;  ///< of the filter, as a name
  GroupSlots slots_;
  std::size_t last_bucket_ = 0;
  std::string row_status_;

  // Of the block at hand: its rows that count, with their bucket and slot.
  std::vector<std::uint16_t> rows_;
  std::vector<std::size_t> buckets_;
  std::vector<std::uint32_t> row_slots_;
  std::vector<std::uint32_t> slot_table_;
  std::vector<std::int64_t> codes_;
  std::vector<RowNumbers> numbers_;
};

std::optional<std::size_t> GroupSink::Impl::bucket_of(std::int64_t ns) {
  const auto& e = query_.edges;
  if (e.size() < 2 || ns < e.front() || ns >= e.back()) return std::nullopt;
  if (ns < e[last_bucket_] || ns >= e[last_bucket_ + 1])
    last_bucket_ = static_cast<std::size_t>(std::upper_bound(e.begin(), e.end(), ns) - e.begin()) - 1;
  return last_bucket_;
}

std::string_view GroupSink::Impl::group_of(const AnalyticRow& row) {
  switch (query_.group_by) {
    case GroupBy::none:
      return {};
    case GroupBy::provider:
      return row.provider;
    case GroupBy::model:
      return row.model;
    case GroupBy::route:
      return row.route;
    case GroupBy::status:
      row_status_ = status_name(row.numbers.status);
      return row_status_;
    case GroupBy::gateway_key:
      return row.gateway_key;
    case GroupBy::api_key:
      return row.api_key;
    case GroupBy::workspace:
      return row.workspace;
    case GroupBy::session:
      return row.session;
  }
  return {};
}

Result<void> GroupSink::Impl::filter_block(ColumnSource& source, std::size_t rows, RowSelection& selection) const {
  const AnalyticsFilter& f = query_.filter;
  const auto keep = [&](BlockColumn c, std::string_view name) -> Result<void> {
    if (selection.empty()) return {};
    const auto bytes = source.column(c);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto names = NamesView::parse(*bytes, rows);
    if (!names) return malformed_block("a column of names");
    names->keep(name, selection);
    return {};
  };
  if (!scope_.everything) {
    if (auto r = keep(BlockColumn::org, scope_.org_id); !r) return r;
    if (auto r = keep(BlockColumn::workspace, scope_.workspace_id); !r) return r;
  }
  if (!f.session_id.empty() && !selection.empty()) {
    const auto bytes = source.column(BlockColumn::session_hash);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto hashes = NumberView::parse(*bytes, rows);
    if (!hashes) return malformed_block("a column of numbers");
    const std::int64_t hash = name_hash(f.session_id);
    hashes->keep(hash, hash, selection);
  }
  const std::pair<BlockColumn, std::string_view> wanted[] = {
      {BlockColumn::session, f.session_id},   {BlockColumn::gateway_key, f.gateway_key_id},
      {BlockColumn::api_key, f.api_key_hash}, {BlockColumn::model, f.model},
      {BlockColumn::route, f.route},          {BlockColumn::provider, f.provider},
      {BlockColumn::status, status_},
  };
  for (const auto& [column, name] : wanted) {
    if (name.empty()) continue;
    if (auto r = keep(column, name); !r) return r;
  }
  return {};
}

/// Fills in rows_ and buckets_.
Result<void> GroupSink::Impl::place_rows(const BlockHeader& header, ColumnSource& source,
                                         std::span<const TimeRange> ranges, RowSelection& selection) {
  rows_.clear();
  buckets_.clear();
  const Extent& time = header.timestamp;
  const bool one_range = std::any_of(ranges.begin(), ranges.end(), [&](const TimeRange& r) {
    return r.from_ns <= time.least && time.greatest < r.to_ns;
  });
  const auto first = bucket_of(time.least), last = bucket_of(time.greatest);
  if (one_range && first && last && *first == *last) {
    rows_.assign(selection.rows().begin(), selection.rows().end());
    buckets_.assign(rows_.size(), *first);
    return {};
  }
  const auto bytes = source.column(BlockColumn::timestamp);
  if (!bytes) return tl::make_unexpected(bytes.error());
  const auto times = NumberView::parse(*bytes, header.rows);
  if (!times) return malformed_block("its times");
  times->gather(selection.rows(), codes_);
  InRanges in_ranges(ranges);
  for (std::size_t i = 0; i < codes_.size(); ++i) {
    if (!in_ranges(codes_[i])) continue;
    const auto bucket = bucket_of(codes_[i]);
    if (!bucket) continue;
    rows_.push_back(selection.rows()[i]);
    buckets_.push_back(*bucket);
  }
  return {};
}

/// Fills in row_slots_.
Result<void> GroupSink::Impl::group_rows(ColumnSource& source, std::size_t rows) {
  constexpr std::size_t kMaxTable = 1U << 15;  // filled anew for each block
  constexpr std::uint32_t kUnknown = UINT32_MAX;
  std::vector<std::string_view> names{std::string_view()};
  codes_.assign(rows_.size(), 0);
  if (const auto column = group_column(query_.group_by)) {
    const auto bytes = source.column(*column);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto view = NamesView::parse(*bytes, rows);
    if (!view) return malformed_block("a column of names");
    auto all = view->names();
    view->codes().gather(rows_, codes_);
    if (!all || *std::max_element(codes_.begin(), codes_.end()) >= static_cast<std::int64_t>(all->size()))
      return malformed_block("a column of names");
    names = std::move(*all);
  }
  const auto [least, greatest] = std::minmax_element(buckets_.begin(), buckets_.end());
  const std::size_t first = *least, buckets = *greatest - first + 1;
  const bool table = buckets <= kMaxTable / names.size();
  slot_table_.assign(table ? buckets * names.size() : 0, kUnknown);
  row_slots_.resize(rows_.size());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto code = static_cast<std::size_t>(codes_[i]);
    std::uint32_t known = kUnknown;
    std::uint32_t& slot = table ? slot_table_[(buckets_[i] - first) * names.size() + code] : known;
    if (slot == kUnknown) slot = slots_.slot(buckets_[i], names[code]);
    row_slots_[i] = slot;
  }
  return {};
}

Result<void> GroupSink::Impl::add_rows(ColumnSource& source, std::size_t rows) {
  numbers_.assign(rows_.size(), {});
  const auto load = [&](BlockColumn c, auto set) -> Result<void> {
    const auto bytes = source.column(c);
    if (!bytes) return tl::make_unexpected(bytes.error());
    const auto view = NumberView::parse(*bytes, rows);
    if (!view) return malformed_block("a column of numbers");
    if (view->all_zero()) return {};  // as they are already
    view->gather(rows_, codes_);
    for (std::size_t i = 0; i < rows_.size(); ++i) set(numbers_[i], codes_[i]);
    return {};
  };
  constexpr std::pair<BlockColumn, std::int64_t RowNumbers::*> kPlain[] = {
      {BlockColumn::created_at, &RowNumbers::created_at_ns},
      {BlockColumn::input_tokens, &RowNumbers::input_tokens},
      {BlockColumn::output_tokens, &RowNumbers::output_tokens},
      {BlockColumn::total_tokens, &RowNumbers::total_tokens},
      {BlockColumn::cost, &RowNumbers::cost_nano_usd},
      {BlockColumn::latency_ms, &RowNumbers::latency_ms},
      {BlockColumn::ttft_ms, &RowNumbers::ttft_ms},
      {BlockColumn::cache_read_tokens, &RowNumbers::cache_read_tokens},
      {BlockColumn::cache_write_tokens, &RowNumbers::cache_write_tokens},
      {BlockColumn::cache_saved, &RowNumbers::cache_saved_nano_usd},
  };
  for (const auto& [column, field] : kPlain)
    if (auto r = load(column, [f = field](RowNumbers& n, std::int64_t v) { n.*f = v; }); !r) return r;
  if (auto r = load(BlockColumn::flags,
                    [](RowNumbers& n, std::int64_t v) {
                      n.unpriced = flags_unpriced(v);
                      n.estimated = flags_estimated(v);
                    });
      !r)
    return r;
  const auto bytes = source.column(BlockColumn::status);
  if (!bytes) return tl::make_unexpected(bytes.error());
  const auto view = NamesView::parse(*bytes, rows);
  if (!view) return malformed_block("its statuses");
  const auto names = view->names();
  view->codes().gather(rows_, codes_);
  if (!names || *std::max_element(codes_.begin(), codes_.end()) >= static_cast<std::int64_t>(names->size()))
    return malformed_block("its statuses");
  std::vector<std::int64_t> statuses;
  for (const std::string_view name : *names) statuses.push_back(status_number(name));
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    numbers_[i].status = statuses[static_cast<std::size_t>(codes_[i])];
    add(row_slots_[i], numbers_[i]);
  }
  return {};
}

Result<void> GroupSink::Impl::add_block(const BlockHeader& header, ColumnSource& source,
                                        std::span<const TimeRange> ranges) {
  if (header.rows == 0 || header.rows > kBlockRows) return malformed_block("its header");
  const Extent& time = header.timestamp;
  const auto first = std::upper_bound(ranges.begin(), ranges.end(), time.least,
                                      [](std::int64_t t, const TimeRange& r) { return t < r.to_ns; });
  const bool outside = query_.edges.size() < 2 || time.greatest < query_.edges.front() ||
                       time.least >= query_.edges.back() || first == ranges.end() || first->from_ns > time.greatest;
  if (outside) return {};
  RowSelection selection(header.rows);
  if (auto r = filter_block(source, header.rows, selection); !r || selection.empty()) return r;
  const std::span<const TimeRange> near(first, ranges.end());
  if (auto r = place_rows(header, source, near, selection); !r || rows_.empty()) return r;
  if (auto r = group_rows(source, header.rows); !r) return r;
  return add_rows(source, header.rows);
}

bool GroupSink::Impl::page_filter(Dimension d, std::string_view value) const {
  const AnalyticsFilter& f = query_.filter;
  switch (d) {
    case Dimension::model: {
      if (f.provider.empty() && f.model.empty()) return true;
      const auto [provider, model] = split_model_value(value);
      return is(f.provider, provider) && is(f.model, model);
    }
    case Dimension::route:
      return is(f.route, value);
    case Dimension::gateway_key:
      return is(f.gateway_key_id, value);
    case Dimension::api_key:
      return is(f.api_key_hash, value);
    case Dimension::status:
      return is(status_, value);
  }
  return false;
}

std::string_view GroupSink::Impl::page_group(const PageKey& key, std::string_view value) const {
  if (query_.group_by == GroupBy::none) return {};
  if (query_.group_by == GroupBy::workspace) return key.workspace;
  if (value == RollupPage::kOtherValue) return kOtherGroups;
  if (key.dimension != Dimension::model) return value;
  const auto [provider, model] = split_model_value(value);
  return query_.group_by == GroupBy::provider ? provider : model;
}

GroupSink::PageUse GroupSink::Impl::add_page(const PageKey& key, std::string_view sums, std::string_view latency,
                                             std::string_view ttft, bool rows_gone) {
  if (!scope_.everything && (key.org != scope_.org_id || key.workspace != scope_.workspace_id)) return PageUse::added;
  const auto& edges = query_.edges;
  std::int64_t start = key.start_ns;
  // The hour that the first edge cuts, when its rows are gone.
  if (edges.size() >= 2 && start < edges.front() && edges.front() - level_ns(key.level) < start) start = edges.front();
  const auto bucket = bucket_of(start);
  if (!bucket) return PageUse::added;

  struct Item {
    std::string_view value, sums, latency, ttft;
  };
  std::vector<Item> items;
  auto s = PagePart::open(sums);
  auto l = query_.latency ? PagePart::open(latency) : std::nullopt;
  auto t = query_.time_to_first_token ? PagePart::open(ttft) : std::nullopt;
  if (!s || (query_.latency && (!l || l->cells() != s->cells())) ||
      (query_.time_to_first_token && (!t || t->cells() != s->cells())))
    return PageUse::malformed;
  bool has_other = false;
  items.reserve(s->cells());
  for (std::size_t i = 0; i < s->cells(); ++i) {
    Item item;
    if (!s->next(item.value) || !s->next(item.sums) || (l && !l->next(item.latency)) || (t && !t->next(item.ttft)))
      return PageUse::malformed;
    has_other = has_other || item.value == RollupPage::kOtherValue;
    if (page_filter(key.dimension, item.value)) items.push_back(item);
  }
  const AnalyticsFilter& f = query_.filter;
  const bool about_one = query_.group_by == GroupBy::provider || !f.provider.empty() || !f.model.empty() ||
                         !f.route.empty() || !f.gateway_key_id.empty() || !f.api_key_hash.empty() || f.status != 0;
  if (has_other && about_one && !rows_gone) return PageUse::needs_rows;
  Figures figures;
  for (Item& item : items) {
    if (!decode_sums(item.sums, figures) || !item.sums.empty()) return PageUse::malformed;
    const std::uint32_t slot = slots_.slot(*bucket, page_group(key, item.value));
    merge_sums(slots_.figures(slot), figures);
    if ((l && !slots_.latency(slot).merge_encoded(item.latency)) || (t && !slots_.ttft(slot).merge_encoded(item.ttft)))
      return PageUse::malformed;
  }
  return PageUse::added;
}

GroupSink::GroupSink(const TenantScope& scope, const AnalyticsQuery& query)
    : impl_(std::make_unique<Impl>(scope, query)) {}
GroupSink::~GroupSink() = default;

void GroupSink::add_row(const AnalyticRow& row) { impl_->add_row(row); }

Result<void> GroupSink::add_block(const BlockHeader& header, ColumnSource& columns, std::span<const TimeRange> ranges) {
  return impl_->add_block(header, columns, ranges);
}

GroupSink::PageUse GroupSink::add_page(const PageKey& key, std::string_view sums, std::string_view latency,
                                       std::string_view ttft, bool rows_gone) {
  return impl_->add_page(key, sums, latency, ttft, rows_gone);
}

std::vector<AnalyticsGroup> GroupSink::finish() { return impl_->finish(); }

}  // namespace gw::store

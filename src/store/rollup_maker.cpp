// From the rows of a block to pages. Each dimension gives every row a cell; the rows, sorted once by the value of each
// histogram, then fill the cells' histograms in ascending order, which is all that makes this cheap.
#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <utility>

#include "store/figures.h"
#include "store/rollup.h"

namespace gw::store {
namespace {

/// Numbers pairs of codes (below `a` and `b`) in the order of their first use.
class Pairs {
 public:
  Pairs() = default;
  Pairs(std::size_t a, std::size_t b) : width_(b) {
    constexpr std::size_t kMaxTable = 1U << 16;
    if (a <= kMaxTable / std::max<std::size_t>(1, b)) table_.assign(a * b, kNone);
  }
  std::uint32_t of(std::uint32_t a, std::uint32_t b) {
    const auto fresh = static_cast<std::uint32_t>(pairs_.size());
    std::uint32_t& id =
        table_.empty() ? ids_.try_emplace(std::uint64_t{a} << 32 | b, kNone).first->second : table_[a * width_ + b];
    if (id == kNone) {
      id = fresh;
      pairs_.emplace_back(a, b);
    }
    return id;
  }
  std::pair<std::uint32_t, std::uint32_t> operator[](std::uint32_t id) const { return pairs_[id]; }
  std::size_t size() const { return pairs_.size(); }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  std::size_t width_ = 0;
  std::vector<std::uint32_t> table_;                      ///< when it is small enough
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;  ///< else
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
};

struct Keyed {
  std::uint64_t value = 0;
  std::uint32_t row = 0;
};

/// By bytes from the lowest one, as many as the greatest value has.
void sort_by_value(std::vector<Keyed>& rows, std::vector<Keyed>& scratch) {
  std::uint64_t all = 0;
  for (const Keyed& k : rows) all |= k.value;
  scratch.resize(rows.size());
  for (unsigned shift = 0; shift < 64 && all >> shift != 0; shift += 8) {
    std::array<std::uint32_t, 257> starts{};
    for (const Keyed& k : rows) ++starts[(k.value >> shift & 255) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    for (const Keyed& k : rows) scratch[starts[k.value >> shift & 255]++] = k;
    rows.swap(scratch);
  }
}

}  // namespace

class PageMaker {
 public:
  PageMaker(const TraceBlock& block, const TimeRange& range, bool days) : block_(block), days_(days) {
    const auto& times = block.numbers(BlockColumn::timestamp);
    for (std::uint32_t row = 0; row < times.size(); ++row)
      if (times[row] >= range.from_ns && times[row] < range.to_ns) rows_.push_back(row);
  }

  RollupDelta make() {
    find_places();
    sort_histograms();
    std::map<PageKey, RollupPage> pages;
    for (std::size_t d = 0; d < kDimensions; ++d) add_dimension(static_cast<Dimension>(d), pages);
    RollupDelta out;
    for (auto& [key, page] : pages) out.pages.push_back({key, std::move(page)});
    return out;
  }

 private:
  /// Hour and tenant of each row, as one number; provider and model.
  void find_places() {
    const auto& times = block_.numbers(BlockColumn::timestamp);
    const NameColumn &orgs = block_.names(BlockColumn::org), &workspaces = block_.names(BlockColumn::workspace);
    const NameColumn &providers = block_.names(BlockColumn::provider), &models = block_.names(BlockColumn::model);
    std::unordered_map<std::int64_t, std::uint32_t> hour_ids;
    std::vector<std::uint32_t> hour_of;
    hour_of.reserve(rows_.size());
    std::int64_t hour = 0;
    std::uint32_t hour_id = 0;
    for (const std::uint32_t row : rows_) {
      if (hours_.empty() || times[row] < hour || times[row] - hour >= kHourNs) {
        hour = bucket_start(RollupLevel::hour, times[row]);
        const auto [at, fresh] = hour_ids.try_emplace(hour, static_cast<std::uint32_t>(hours_.size()));
        if (fresh) hours_.push_back(hour);
        hour_id = at->second;
      }
      hour_of.push_back(hour_id);
    }
    tenants_ = Pairs(orgs.names.size(), workspaces.names.size());
    models_ = Pairs(providers.names.size(), models.names.size());
    places_ = Pairs(hours_.size(), orgs.names.size() * workspaces.names.size());
    for (auto* column : {&places_of_, &models_of_}) column->reserve(rows_.size());
    numbers_.resize(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const std::uint32_t row = rows_[i];
      places_of_.push_back(places_.of(hour_of[i], tenants_.of(orgs.codes[row], workspaces.codes[row])));
      models_of_.push_back(models_.of(providers.codes[row], models.codes[row]));
      block_.row_numbers(row, numbers_[i]);
    }
  }

  void sort_histograms() {
    std::vector<Keyed> scratch;
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
      const RowNumbers& n = numbers_[i];
      latencies_.push_back({static_cast<std::uint64_t>(std::max<std::int64_t>(0, n.latency_ms)), i});
      if (n.ttft_ms > 0) ttfts_.push_back({static_cast<std::uint64_t>(n.ttft_ms), i});
    }
    sort_by_value(latencies_, scratch);
    sort_by_value(ttfts_, scratch);
  }

  static BlockColumn column(Dimension d) {
    constexpr BlockColumn kColumns[] = {BlockColumn::model, BlockColumn::route, BlockColumn::gateway_key,
                                        BlockColumn::api_key, BlockColumn::status};
    return kColumns[static_cast<std::size_t>(d)];
  }

  std::string value(Dimension d, std::uint32_t code) const {
    if (d != Dimension::model) return block_.names(column(d)).names[code];
    const auto [provider, model] = models_[code];
    return model_value(block_.names(BlockColumn::provider).names[provider],
                       block_.names(BlockColumn::model).names[model]);
  }

  void add_dimension(Dimension d, std::map<PageKey, RollupPage>& pages) {
    const NameColumn& names = block_.names(column(d));
    const bool model = d == Dimension::model;
    const std::size_t values = model ? models_.size() : names.names.size();
    std::vector<std::vector<RollupPage::Cell>> by_place(places_.size());
    if (values == 1) {
      if (whole_.empty()) whole_ = figures(places_of_, places_.size());
      for (std::size_t place = 0; place < places_.size(); ++place)
        by_place[place].push_back({value(d, 0), whole_[place]});
    } else {
      Pairs cell_ids(places_.size(), values);
      std::vector<std::uint32_t> cell_of(rows_.size());
      for (std::uint32_t i = 0; i < rows_.size(); ++i)
        cell_of[i] = cell_ids.of(places_of_[i], model ? models_of_[i] : names.codes[rows_[i]]);
      std::vector<Figures> cells = figures(cell_of, cell_ids.size());
      for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
        const auto [place, code] = cell_ids[cell];
        by_place[place].push_back({value(d, code), std::move(cells[cell])});
      }
    }
    for (std::uint32_t place = 0; place < by_place.size(); ++place) put_page(d, place, by_place[place], pages);
  }

  std::vector<Figures> figures(const std::vector<std::uint32_t>& cell_of, std::size_t count) const {
    std::vector<Figures> cells(count);
    for (std::size_t i = 0; i < cell_of.size(); ++i) add_sums(cells[cell_of[i]], numbers_[i]);
    for (Figures& f : cells) {
      f.latency_ms.reserve(static_cast<std::size_t>(f.requests));
      f.ttft_ms.reserve(static_cast<std::size_t>(f.ttft_requests));
    }
    for (const Keyed& k : latencies_) cells[cell_of[k.row]].latency_ms.add(static_cast<std::int64_t>(k.value));
    for (const Keyed& k : ttfts_) cells[cell_of[k.row]].ttft_ms.add(static_cast<std::int64_t>(k.value));
    return cells;
  }

  void put_page(Dimension d, std::uint32_t place, std::vector<RollupPage::Cell>& cells,
                std::map<PageKey, RollupPage>& pages) {
    const auto [hour, tenant] = places_[place];
    const auto [org, workspace] = tenants_[tenant];
    std::sort(cells.begin(), cells.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
    RollupPage page;
    if (cells.size() <= RollupPage::kMaxCells) {
      page.cells_ = std::move(cells);
    } else {
      RollupPage whole;
      whole.cells_ = std::move(cells);
      page.merge(whole);
    }
    PageKey key{.level = RollupLevel::day,
                .start_ns = bucket_start(RollupLevel::day, hours_[hour]),
                .dimension = d,
                .org = block_.names(BlockColumn::org).names[org],
                .workspace = block_.names(BlockColumn::workspace).names[workspace]};
    if (days_) pages[key].merge(page);
    key.level = RollupLevel::hour;
    key.start_ns = hours_[hour];
    pages[std::move(key)] = std::move(page);
  }

  const TraceBlock& block_;
  bool days_;
  std::vector<std::uint32_t> rows_;  ///< of the block; below, rows are indexes into this
  std::vector<RowNumbers> numbers_;
  std::vector<std::int64_t> hours_;
  Pairs tenants_;  ///< of org and workspace
  Pairs places_;   ///< of hour and tenant
  Pairs models_;   ///< of provider and model
  std::vector<std::uint32_t> places_of_, models_of_;
  std::vector<Keyed> latencies_, ttfts_;
  std::vector<Figures> whole_;  ///< by place, without a dimension: what one with a single value has too
};

RollupDelta rollup_of(const TraceBlock& block, const TimeRange& range, bool days) {
  return PageMaker(block, range, days).make();
}

}  // namespace gw::store

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

constexpr std::uint32_t kNoCell = UINT32_MAX;

/// Numbers pairs of codes in the order of their first use.
class Pairs {
 public:
  std::uint32_t of(std::uint32_t a, std::uint32_t b) {
    const std::uint64_t key = std::uint64_t{a} << 32 | b;
    if (key == last_ && !pairs_.empty()) return last_id_;
    const auto [at, fresh] = ids_.try_emplace(key, static_cast<std::uint32_t>(pairs_.size()));
    if (fresh) pairs_.emplace_back(a, b);
    last_ = key;
    return last_id_ = at->second;
  }
  std::pair<std::uint32_t, std::uint32_t> operator[](std::uint32_t id) const { return pairs_[id]; }
  std::size_t size() const { return pairs_.size(); }

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> ids_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
  std::uint64_t last_ = 0;
  std::uint32_t last_id_ = 0;
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
  PageMaker(const TraceBlock& block, const TimeRange& range) : block_(block) {
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
  /// Hour and tenant of each row, as one number.
  void find_places() {
    const auto& times = block_.numbers(BlockColumn::timestamp);
    const auto& orgs = block_.names(BlockColumn::org).codes;
    const auto& workspaces = block_.names(BlockColumn::workspace).codes;
    std::unordered_map<std::int64_t, std::uint32_t> hour_ids;
    std::int64_t hour = 0;
    std::uint32_t hour_id = 0;
    numbers_.reserve(rows_.size());
    for (const std::uint32_t row : rows_) {
      if (hours_.empty() || times[row] < hour || times[row] - hour >= kHourNs) {
        hour = bucket_start(RollupLevel::hour, times[row]);
        const auto [at, fresh] = hour_ids.try_emplace(hour, static_cast<std::uint32_t>(hours_.size()));
        if (fresh) hours_.push_back(hour);
        hour_id = at->second;
      }
      places_of_.push_back(places_.of(hour_id, tenants_.of(orgs[row], workspaces[row])));
      numbers_.push_back(block_.row_numbers(row));
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

  std::uint32_t code(Dimension d, std::uint32_t row) {
    switch (d) {
      case Dimension::model:
        return models_.of(block_.names(BlockColumn::provider).codes[row], block_.names(BlockColumn::model).codes[row]);
      case Dimension::route:
        return block_.names(BlockColumn::route).codes[row];
      case Dimension::gateway_key:
        return block_.names(BlockColumn::gateway_key).codes[row];
      case Dimension::api_key:
        return block_.names(BlockColumn::api_key).codes[row];
      case Dimension::status:
        return block_.names(BlockColumn::status).codes[row];
    }
    return 0;
  }

  std::string value(Dimension d, std::uint32_t code) const {
    switch (d) {
      case Dimension::model: {
        const auto [provider, model] = models_[code];
        return model_value(block_.names(BlockColumn::provider).names[provider],
                           block_.names(BlockColumn::model).names[model]);
      }
      case Dimension::route:
        return block_.names(BlockColumn::route).names[code];
      case Dimension::gateway_key:
        return block_.names(BlockColumn::gateway_key).names[code];
      case Dimension::api_key:
        return block_.names(BlockColumn::api_key).names[code];
      case Dimension::status:
        return block_.names(BlockColumn::status).names[code];
    }
    return {};
  }

  void add_dimension(Dimension d, std::map<PageKey, RollupPage>& pages) {
    Pairs cell_ids;  // of place and code
    std::vector<std::uint32_t> cell_of(rows_.size(), kNoCell);
    std::vector<Figures> cells;
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
      const std::uint32_t cell = cell_ids.of(places_of_[i], code(d, rows_[i]));
      if (cell == cells.size()) cells.emplace_back();
      cell_of[i] = cell;
      add_sums(cells[cell], numbers_[i]);
    }
    for (const Keyed& k : latencies_) cells[cell_of[k.row]].latency_ms.add(static_cast<std::int64_t>(k.value));
    for (const Keyed& k : ttfts_) cells[cell_of[k.row]].ttft_ms.add(static_cast<std::int64_t>(k.value));

    std::vector<std::vector<RollupPage::Cell>> by_place(places_.size());
    for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
      const auto [place, code] = cell_ids[cell];
      by_place[place].push_back({value(d, code), std::move(cells[cell])});
    }
    for (std::uint32_t place = 0; place < by_place.size(); ++place) put_page(d, place, by_place[place], pages);
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
    pages[key].merge(page);
    key.level = RollupLevel::hour;
    key.start_ns = hours_[hour];
    pages[key] = std::move(page);
  }

  const TraceBlock& block_;
  std::vector<std::uint32_t> rows_;  ///< of the block; below, rows are indexes into this
  std::vector<RowNumbers> numbers_;
  std::vector<std::int64_t> hours_;
  Pairs tenants_;  ///< of org and workspace
  Pairs places_;   ///< of hour and tenant
  Pairs models_;   ///< of provider and model
  std::vector<std::uint32_t> places_of_;
  std::vector<Keyed> latencies_, ttfts_;
};

RollupDelta rollup_of(const TraceBlock& block, const TimeRange& range) { return PageMaker(block, range).make(); }

}  // namespace gw::store

#include "store/rollup.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "store/figures.h"
#include "store/rollup_page.h"
#include "store/varint.h"

namespace gw::store {
namespace {

constexpr std::uint64_t kPageVersion = 1;

}  // namespace

std::int64_t bucket_start(RollupLevel level, std::int64_t ns) {
  const std::int64_t length = level_ns(level);
  const std::int64_t into = ns % length;
  const std::int64_t back = into < 0 ? into + length : into;
  // The first hour that 64 bits hold only a part of starts at their end.
  return ns < std::numeric_limits<std::int64_t>::min() + back ? std::numeric_limits<std::int64_t>::min() : ns - back;
}

std::string model_value(std::string_view provider, std::string_view model) {
  std::string out;
  put_bytes(out, provider);
  out += model;
  return out;
}

std::pair<std::string_view, std::string_view> split_model_value(std::string_view value) {
  std::string_view provider;
  if (!take_bytes(value, provider)) return {};
  return {provider, value};
}

void RollupPage::merge(const RollupPage& other) {
  std::size_t named = cells_.size() - (!cells_.empty() && cells_.back().value == kOtherValue ? 1 : 0);
  std::vector<Cell> added;
  Cell rest{std::string(kOtherValue), {}};
  auto mine = cells_.begin();
  for (const Cell& cell : other.cells_) {
    mine = std::lower_bound(mine, cells_.end(), cell.value, [](const Cell& c, const auto& v) { return c.value < v; });
    if (mine != cells_.end() && mine->value == cell.value) {
      mine->figures.merge(cell.figures);
    } else if (cell.value != kOtherValue && named < kMaxCells) {
      added.push_back(cell);
      ++named;
    } else {
      rest.figures.merge(cell.figures);
    }
  }
  if (rest.figures.requests > 0) {
    if (!cells_.empty() && cells_.back().value == kOtherValue)
      cells_.back().figures.merge(rest.figures);
    else
      added.push_back(std::move(rest));
  }
  if (added.empty()) return;
  if (cells_.empty()) {
    cells_ = std::move(added);
    return;
  }
  std::vector<Cell> all;
  all.reserve(cells_.size() + added.size());
  std::merge(std::make_move_iterator(cells_.begin()), std::make_move_iterator(cells_.end()),
             std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()), std::back_inserter(all),
             [](const Cell& a, const Cell& b) { return a.value < b.value; });
  cells_ = std::move(all);
}

void RollupPage::encode(std::string& sums, std::string& latency, std::string& ttft) const {
  for (std::string* part : {&sums, &latency, &ttft}) {
    part->clear();
    put_varint(*part, kPageVersion);
    put_varint(*part, cells_.size());
  }
  std::string scratch;
  const auto put = [&scratch](std::string& out, const auto& write) {
    scratch.clear();
    write(scratch);
    put_bytes(out, scratch);
  };
  for (const Cell& cell : cells_) {
    put_bytes(sums, cell.value);
    put(sums, [&](std::string& out) { encode_sums(cell.figures, out); });
    put(latency, [&](std::string& out) { cell.figures.latency_ms.encode(out); });
    put(ttft, [&](std::string& out) { cell.figures.ttft_ms.encode(out); });
  }
}

std::optional<RollupPage> RollupPage::decode(std::string_view sums, std::string_view latency, std::string_view ttft) {
  auto s = PagePart::open(sums), l = PagePart::open(latency), t = PagePart::open(ttft);
  if (!s || !l || !t || s->cells() != l->cells() || s->cells() != t->cells()) return std::nullopt;
  RollupPage page;
  page.cells_.reserve(s->cells());
  for (std::size_t i = 0; i < s->cells(); ++i) {
    std::string_view value, figures, latencies, ttfts;
    if (!s->next(value) || !s->next(figures) || !l->next(latencies) || !t->next(ttfts)) return std::nullopt;
    Cell cell{std::string(value), {}};
    const bool ordered = page.cells_.empty() || page.cells_.back().value < value;
    if (!ordered || !decode_sums(figures, cell.figures) || !figures.empty() ||
        !cell.figures.latency_ms.merge_encoded(latencies) || !cell.figures.ttft_ms.merge_encoded(ttfts))
      return std::nullopt;
    page.cells_.push_back(std::move(cell));
  }
  const bool fits = page.cells_.size() <= kMaxCells || page.cells_.back().value == kOtherValue;
  return fits && s->done() && l->done() && t->done() ? std::optional(std::move(page)) : std::nullopt;
}

std::optional<PagePart> PagePart::open(std::string_view encoded) {
  PagePart part;
  std::uint64_t version = 0, cells = 0;
  if (!take_varint(encoded, version) || version != kPageVersion || !take_varint(encoded, cells) ||
      cells > RollupPage::kMaxCells + 1)
    return std::nullopt;
  part.cells_ = cells;
  part.in_ = encoded;
  return part;
}

bool PagePart::next(std::string_view& item) { return take_bytes(in_, item); }

}  // namespace gw::store

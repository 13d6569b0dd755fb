#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace gw::cli {
namespace {

constexpr std::size_t kGap = 2;
/// A text column is not cut below this: what is left would say nothing.
constexpr std::size_t kLeastText = 8;

}  // namespace

Table& Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

std::vector<std::size_t> Table::widths(const Terminal& terminal) const {
  std::vector<std::size_t> out(columns_.size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) out[i] = std::max(out[i], display_width(row[i]));
  if (!terminal.interactive || terminal.columns <= 0 || out.empty()) return out;
  const auto available = static_cast<std::size_t>(terminal.columns);
  std::size_t total = std::accumulate(out.begin(), out.end(), kGap * (out.size() - 1));
  while (total > available) {  // a column at a time off the widest, so that they end about equal
    std::size_t widest = out.size();
    for (std::size_t i = 0; i < out.size(); ++i)
      if (columns_[i] == Column::text && out[i] > kLeastText && (widest == out.size() || out[i] > out[widest]))
        widest = i;
    if (widest == out.size()) break;
    --out[widest];
    --total;
  }
  return out;
}

std::string Table::text(const Terminal& terminal) const {
  const std::vector<std::size_t> width = widths(terminal);
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut_to_width(row[i], width[i]);
      out += cell;
      if (i + 1 < row.size()) out.append(width[i] - display_width(cell) + kGap, ' ');
    }
    out += '\n';
  }
  return out;
}

Block& Block::row(std::string_view label, std::string_view value) { return styled(label, printable(value)); }

Block& Block::styled(std::string_view label, std::string value) {
  rows_.emplace_back(printable(label), std::move(value));
  return *this;
}

std::string Block::text() const {
  std::size_t width = 0;
  for (const auto& [label, value] : rows_) width = std::max(width, display_width(label));
  std::string out;
  for (const auto& [label, value] : rows_)
    out.append(label).append(width - display_width(label) + kGap, ' ').append(value).append("\n");
  return out;
}

std::string usd6(double usd) { return fmt::format("{:.6f}", usd); }

}  // namespace gw::cli

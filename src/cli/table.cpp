#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace gw::cli {
namespace {

constexpr std::size_t kGap = 2;
/// A text column is not cut below this: what is left would say nothing.
constexpr std::size_t kLeastText = 8;

}  // namespace

Table::Table(std::vector<Column> columns, std::vector<std::size_t> least)
    : columns_(std::move(columns)), least_(std::move(least)) {
  for (std::size_t i = columns_.size(); i-- > 1;)
    if (std::find(least_.begin(), least_.end(), i) == least_.end()) least_.push_back(i);
}

Table& Table::row(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
  return *this;
}

std::vector<Table::Shown> Table::natural() const {
  std::vector<Shown> out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out.push_back({.column = i, .width = 0});
    for (const auto& row : rows_) out[i].width = std::max(out[i].width, display_width(row[i]));
  }
  return out;
}

/// Cuts text columns as far as that goes, and says how wide all are together.
std::size_t Table::shrink(std::vector<Shown>& shown, std::size_t available) const {
  std::size_t total = kGap * (shown.size() - 1);
  for (const Shown& s : shown) total += s.width;
  while (total > available) {  // a column at a time off the widest, so that they end about equal
    Shown* widest = nullptr;
    for (Shown& s : shown)
      if (columns_[s.column] == Column::text && s.width > kLeastText && (widest == nullptr || s.width > widest->width))
        widest = &s;
    if (widest == nullptr) break;
    --widest->width;
    --total;
  }
  return total;
}

std::string Table::text(const Terminal& terminal) const {
  const std::vector<Shown> whole = natural();
  std::vector<Shown> shown = whole;
  const bool narrow = terminal.interactive && terminal.columns > 0 && !shown.empty();
  const std::size_t available = narrow ? static_cast<std::size_t>(terminal.columns) : SIZE_MAX;
  std::size_t left_out = 0;
  if (narrow) {
    while (shrink(shown, available) > available && left_out < least_.size()) {
      ++left_out;
      const auto last = least_.begin() + static_cast<std::ptrdiff_t>(left_out);
      shown.clear();
      std::copy_if(whole.begin(), whole.end(), std::back_inserter(shown),
                   [&](const Shown& s) { return std::find(least_.begin(), last, s.column) == last; });
    }
    if (shown.size() == 1) shown[0].width = std::min(shown[0].width, available);
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const std::string cell = cut_to_width(row[shown[i].column], shown[i].width);
      out += cell;
      if (i + 1 < shown.size()) out.append(shown[i].width - display_width(cell) + kGap, ' ');
    }
    out += '\n';
  }
  if (left_out > 0)
    out += cut_to_width(
               fmt::format("({} column{} do{} not fit)", left_out, left_out == 1 ? "" : "s", left_out == 1 ? "es" : ""),
               available) +
           "\n";
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

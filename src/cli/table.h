#pragma once
// Aligned text: each cell padded to the widest of its column and two blanks, the last one not (CLI contract §7).
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/terminal.h"

namespace gw::cli {

class Table {
 public:
  enum class Column {
    figure,  ///< whole, or left out
    text,    ///< cut with … where the terminal is narrower than the table
  };

  /// `least`: the columns that a narrow terminal does without, the first one first; behind them the others, from the
  /// right. The first column stays.
  explicit Table(std::vector<Column> columns, std::vector<std::size_t> least = {});

  /// As many cells as there are columns. What a terminal would act on is made harmless here.
  Table& row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// Lines with their ends, none wider than the terminal. A last line says how many columns are left out.
  std::string text(const Terminal& terminal) const;

 private:
  struct Shown {
    std::size_t column = 0, width = 0;
  };
  std::vector<Shown> natural() const;
  std::size_t shrink(std::vector<Shown>& shown, std::size_t available) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> least_;
  std::vector<std::vector<std::string>> rows_;
};

/// Labels and values, the values aligned; never cut.
class Block {
 public:
  /// What a terminal would act on is made harmless here.
  Block& row(std::string_view label, std::string_view value);
  /// A value that is fit for a terminal already, in colour perhaps.
  Block& styled(std::string_view label, std::string value);
  std::string text() const;

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

/// Dollars with six decimals.
std::string usd6(double usd);
inline std::string number(std::int64_t n) { return std::to_string(n); }

}  // namespace gw::cli

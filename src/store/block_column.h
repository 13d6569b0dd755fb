#pragma once
// One encoded column of a block, read in place: numbers as offsets from the least of them in 0 to 8 bytes, names as
// codes into the column's own dictionary. What parse accepts is safe to read at every row below `rows`, whatever its
// bytes are. Views; one thread.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::store {

/// Rows of a block, ascending. Starts with all of them.
class RowSelection {
 public:
  explicit RowSelection(std::size_t rows);
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  std::span<const std::uint16_t> rows();
  void clear();

 private:
  friend class NumberView;
  std::unique_ptr<std::uint16_t[]> rows_;  ///< not filled in while `all_`
  std::size_t count_;
  bool all_ = true;
};

class NumberView {
 public:
  static std::optional<NumberView> parse(std::string_view encoded, std::size_t rows);
  /// Codes into a list of `values`, in no, one or two bytes by its length. A damaged one may be beyond the list.
  static std::optional<NumberView> parse_codes(std::string_view bytes, std::size_t rows, std::size_t values);

  bool all_zero() const;
  std::int64_t at(std::size_t row) const;
  void gather(std::span<const std::uint16_t> rows, std::vector<std::int64_t>& out) const;
  /// Leaves the selected rows whose value is in [least, greatest].
  void keep(std::int64_t least, std::int64_t greatest, RowSelection& selection) const;

 private:
  std::string_view data_;
  std::size_t rows_ = 0;
  unsigned width_ = 0;      ///< bytes of an offset
  std::uint64_t step_ = 0;  ///< without offsets: from row to row
  std::int64_t base_ = 0;
};

class NamesView {
 public:
  static std::optional<NamesView> parse(std::string_view encoded, std::size_t rows);

  std::size_t size() const { return count_; }
  /// By code. Nothing when malformed.
  std::optional<std::vector<std::string_view>> names() const;
  /// Leaves the selected rows that have the name.
  void keep(std::string_view name, RowSelection& selection) const;
  /// Not checked: each is to be compared with size().
  const NumberView& codes() const { return codes_; }

 private:
  std::optional<std::uint16_t> find(std::string_view name) const;

  std::string_view dictionary_;
  std::size_t count_ = 0;
  NumberView codes_;
};

void encode_numbers(std::span<const std::int64_t> values, std::string& out);
void encode_names(std::span<const std::string> names, std::span<const std::uint16_t> codes, std::string& out);

tl::unexpected<Error> malformed_block(const char* what);

}  // namespace gw::store

#include "store/block_column.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "store/trace_block.h"
#include "store/varint.h"

namespace gw::store {
namespace {

static_assert(std::endian::native == std::endian::little, "offsets are stored as they lie in memory");

constexpr unsigned char kRamp = 9;  ///< tag: each value is one more than that before it; smaller tags are widths
constexpr std::size_t kChunk = 64;  ///< rows that one pass of a loop looks at: a constant, so that it is vectorised

/// Calls `f` with the width as a constant.
template <class F>
void with_width(unsigned width, F&& f) {
  switch (width) {
    case 1:
      return f(std::integral_constant<unsigned, 1>());
    case 2:
      return f(std::integral_constant<unsigned, 2>());
    case 3:
      return f(std::integral_constant<unsigned, 3>());
    case 4:
      return f(std::integral_constant<unsigned, 4>());
    case 5:
      return f(std::integral_constant<unsigned, 5>());
    case 6:
      return f(std::integral_constant<unsigned, 6>());
    case 7:
      return f(std::integral_constant<unsigned, 7>());
    default:
      return f(std::integral_constant<unsigned, 8>());
  }
}

template <unsigned W>
using Unsigned = std::conditional_t<
    W == 1, std::uint8_t,
    std::conditional_t<W == 2, std::uint16_t, std::conditional_t<W <= 4, std::uint32_t, std::uint64_t>>>;

template <unsigned W>
Unsigned<W> load(const char* p) {
  Unsigned<W> v = 0;
  std::memcpy(&v, p, W);
  return v;
}

/// Rows of one chunk whose offset is in [low, low + span]; `found` has room for a chunk more than it holds.
template <unsigned W>
std::size_t scan_chunk(const char* p, std::size_t n, std::uint64_t low, std::uint64_t span, std::size_t first,
                       std::uint16_t* found) {
  using U = Unsigned<W>;
  const U from = static_cast<U>(low), width = static_cast<U>(span);
  if (n == kChunk) {
    U any = 0;
    for (std::size_t i = 0; i < kChunk; ++i) {
      const U off = static_cast<U>(load<W>(p + i * W) - from);
      any = static_cast<U>(any | (off <= width ? 1 : 0));
    }
    if (any == 0) return 0;
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) {
    found[count] = static_cast<std::uint16_t>(first + i);
    count += static_cast<U>(load<W>(p + i * W) - from) <= width ? 1 : 0;
  }
  return count;
}

unsigned bytes_of(std::uint64_t offset) { return static_cast<unsigned>(std::bit_width(offset) + 7) / 8; }

template <class T>
void put_offsets(std::string& out, std::span<const T> values, std::uint64_t base, unsigned width) {
  if (width == 0) return;
  const std::size_t before = out.size();
  out.resize(before + values.size() * width);
  with_width(width, [&](auto w) {
    constexpr unsigned W = decltype(w)::value;
    char* p = out.data() + before;
    for (const T v : values) {
      const std::uint64_t offset = static_cast<std::uint64_t>(v) - base;
      std::memcpy(p, &offset, W);
      p += W;
    }
  });
}

std::uint64_t difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
}

}  // namespace

RowSelection::RowSelection(std::size_t rows)
    : rows_(std::make_unique_for_overwrite<std::uint16_t[]>(rows + kChunk)), count_(rows) {}

std::span<const std::uint16_t> RowSelection::rows() {
  if (all_)
    for (std::size_t i = 0; i < count_; ++i) rows_[i] = static_cast<std::uint16_t>(i);
  all_ = false;
  return {rows_.get(), count_};
}

void RowSelection::clear() {
  count_ = 0;
  all_ = false;
}

std::optional<NumberView> NumberView::parse(std::string_view encoded, std::size_t rows) {
  if (encoded.empty() || rows == 0 || rows > kBlockRows) return std::nullopt;
  NumberView v;
  const auto tag = static_cast<unsigned char>(encoded.front());
  encoded.remove_prefix(1);
  if (tag > kRamp || !take_signed(encoded, v.base_)) return std::nullopt;
  v.rows_ = rows;
  v.width_ = tag == kRamp ? 0 : tag;
  v.step_ = tag == kRamp ? 1 : 0;
#ifndef GW_PLANT_BUG
  if (encoded.size() != rows * v.width_) return std::nullopt;
#endif
  v.data_ = encoded;
  return v;
}

std::optional<NumberView> NumberView::parse_codes(std::string_view bytes, std::size_t rows, std::size_t values) {
  if (rows == 0 || rows > kBlockRows || values == 0 || values > rows) return std::nullopt;
  NumberView v;
  v.rows_ = rows;
  v.width_ = values == 1 ? 0 : values <= 256 ? 1 : 2;
  v.data_ = bytes;
  if (bytes.size() != rows * v.width_) return std::nullopt;
  return v;
}

bool NumberView::all_zero() const { return width_ == 0 && step_ == 0 && base_ == 0; }

std::int64_t NumberView::at(std::size_t row) const {
  std::uint64_t offset = row * step_;
  if (width_ != 0) {
    offset = 0;
    std::memcpy(&offset, data_.data() + row * width_, width_);
  }
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(base_) + offset);
}

void NumberView::gather(std::span<const std::uint16_t> rows, std::vector<std::int64_t>& out) const {
  out.resize(rows.size());
  const auto base = static_cast<std::uint64_t>(base_);
  if (width_ == 0) {
    for (std::size_t i = 0; i < rows.size(); ++i) out[i] = static_cast<std::int64_t>(base + rows[i] * step_);
    return;
  }
  with_width(width_, [&](auto w) {
    constexpr unsigned W = decltype(w)::value;
    const char* const p = data_.data();
    for (std::size_t i = 0; i < rows.size(); ++i)
      out[i] = static_cast<std::int64_t>(base + load<W>(p + std::size_t{rows[i]} * W));
  });
}

void NumberView::keep(std::int64_t least, std::int64_t greatest, RowSelection& s) const {
  if (least > greatest || greatest < base_) return s.clear();
  const std::uint64_t low = least <= base_ ? 0 : difference(least, base_);
  const std::uint64_t span = difference(greatest, base_) - low;
  if (width_ == 0 && step_ == 0) {
    if (low > 0) s.clear();
    return;
  }
  const std::uint64_t most = width_ == 0   ? rows_ - 1
                             : width_ == 8 ? UINT64_MAX
                                           : (std::uint64_t{1} << (8 * width_)) - 1;
  if (low > most) return s.clear();
  if (low == 0 && span >= most) return;
  std::size_t count = 0;
  if (s.all_ && width_ != 0) {
    with_width(width_, [&](auto w) {
      constexpr unsigned W = decltype(w)::value;
      for (std::size_t i = 0; i < rows_; i += kChunk)
        count += scan_chunk<W>(data_.data() + i * W, std::min(kChunk, rows_ - i), low, std::min(span, most - low), i,
                               s.rows_.get() + count);
    });
  } else {
    const auto narrow = [&](auto offset_of) {
      for (const std::uint16_t row : s.rows()) {
        s.rows_[count] = row;
        count += offset_of(row) - low <= span ? 1 : 0;
      }
    };
    if (width_ == 0)
      narrow([](std::uint64_t row) { return row; });
    else
      with_width(width_, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        narrow([p = data_.data()](std::size_t row) { return std::uint64_t{load<W>(p + row * W)}; });
      });
  }
  s.all_ = false;
  s.count_ = count;
}

std::optional<NamesView> NamesView::parse(std::string_view encoded, std::size_t rows) {
  NamesView v;
  std::uint64_t count = 0;
  if (!take_varint(encoded, count) || count > rows || !take_bytes(encoded, v.dictionary_)) return std::nullopt;
  v.count_ = count;
  const auto codes = NumberView::parse_codes(encoded, rows, count);
  if (!codes) return std::nullopt;
  v.codes_ = *codes;
  return v;
}

std::optional<std::vector<std::string_view>> NamesView::names() const {
  std::vector<std::string_view> out;
  out.reserve(count_);
  std::string_view in = dictionary_, name;
  while (out.size() < count_ && take_bytes(in, name)) out.push_back(name);
  return in.empty() && out.size() == count_ ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::uint16_t> NamesView::find(std::string_view wanted) const {
  std::string_view in = dictionary_, name;
  for (std::size_t i = 0; i < count_ && take_bytes(in, name); ++i)
    if (name == wanted) return static_cast<std::uint16_t>(i);
  return std::nullopt;
}

void NamesView::keep(std::string_view name, RowSelection& selection) const {
  const auto code = find(name);
  if (!code) return selection.clear();
  codes_.keep(*code, *code, selection);
}

void encode_numbers(std::span<const std::int64_t> values, std::string& out) {
  const auto [base, greatest] = extent(values);
  const std::uint64_t most = difference(greatest, base);
  bool ramp = most > 0 && most == values.size() - 1;
  for (std::size_t i = 0; ramp && i < values.size(); ++i) ramp = difference(values[i], base) == i;
  const unsigned width = ramp ? 0 : bytes_of(most);
  out += static_cast<char>(ramp ? kRamp : width);
  put_signed(out, base);
  put_offsets(out, values, static_cast<std::uint64_t>(base), width);
}

void encode_names(std::span<const std::string> names, std::span<const std::uint16_t> codes, std::string& out) {
  std::string dictionary;
  for (const std::string& name : names) put_bytes(dictionary, name);
  put_varint(out, names.size());
  put_bytes(out, dictionary);
  const unsigned width = names.size() <= 1 ? 0 : names.size() <= 256 ? 1 : 2;
  put_offsets(out, codes, 0, width);
}

tl::unexpected<Error> malformed_block(const char* what) {
  return fail(std::string("a stored block is malformed: ") + what);
}

}  // namespace gw::store

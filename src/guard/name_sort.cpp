#include "guard/name_sort.h"

#include <algorithm>
#include <array>

#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kFew = 32;  // are compared with each other

/// The eight bytes of it at `at`, with zeros behind its end.
std::uint64_t word_at(std::string_view name, std::size_t at) {
  if (at >= name.size()) return 0;
  return __builtin_bswap64(load_halves(name.data() + at, std::min(name.size() - at, kWord))[0]);
}

}  // namespace

void NameSort::order(const std::vector<std::string_view>& names) {
  items_.resize(names.size());
  for (std::size_t i = 0; i < items_.size(); ++i) items_[i].name = static_cast<std::uint32_t>(i);
  groups_.assign(1, {0, names.size(), 0});
  while (!groups_.empty()) {
    const Group group = groups_.back();
    groups_.pop_back();
    for (std::size_t i = group.from; i < group.to; ++i) items_[i].word = word_at(names[items_[i].name], group.at);
    if (group.to - group.from <= kFew) {
      by_comparing(names, group);
    } else {
      by_word(group);
      split(names, group);
    }
  }
}

void NameSort::by_comparing(const std::vector<std::string_view>& names, const Group& group) {
  const auto before = [&](const Item& a, const Item& b) {
    if (a.word != b.word) return a.word < b.word;
    return names[a.name].substr(group.at) < names[b.name].substr(group.at);
  };
  for (std::size_t i = group.from + 1; i < group.to; ++i)
    for (std::size_t k = i; k > group.from && before(items_[k], items_[k - 1]); --k)
      std::swap(items_[k], items_[k - 1]);
}

/// Those that have the same word are a group for the next one.
void NameSort::split(const std::vector<std::string_view>& names, const Group& group) {
  const std::size_t next = group.at + kWord;
  // A name that ends comes before one that goes on with zeros.
  const auto size = [&](const Item& item) { return std::min(names[item.name].size(), next + 1); };
  const auto shorter = [&](const Item& a, const Item& b) {
    return size(a) != size(b) ? size(a) < size(b) : a.name < b.name;
  };
  for (std::size_t i = group.from; i < group.to;) {
    std::size_t same = i + 1;
    while (same < group.to && items_[same].word == items_[i].word) ++same;
    const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end = items_.begin() + static_cast<std::ptrdiff_t>(same);
    if (!std::is_sorted(begin, end, shorter)) std::sort(begin, end, shorter);
    while (i < same && names[items_[i].name].size() <= next) ++i;
    if (same - i > 1) groups_.push_back({i, same, next});
    i = same;
  }
}

/// Stable, by counting: nothing is decided by a branch.
void NameSort::by_word(const Group& group) {
  const auto at = [](std::vector<Item>& v, std::size_t i) { return v.begin() + static_cast<std::ptrdiff_t>(i); };
  std::uint64_t all = 0, any = ~std::uint64_t{0};
  for (std::size_t i = group.from; i < group.to; ++i) {
    all |= items_[i].word;
    any &= items_[i].word;
  }
  other_.resize(items_.size());
  for (unsigned shift = 0; shift < 64; shift += 8) {
    if (((all ^ any) >> shift & 0xFF) == 0) continue;  // one byte in all of them
    std::array<std::uint32_t, 257> begins{};
    for (std::size_t i = group.from; i < group.to; ++i) ++begins[(items_[i].word >> shift & 0xFF) + 1];
    for (std::size_t b = 1; b < begins.size(); ++b) begins[b] += begins[b - 1];
    for (std::size_t i = group.from; i < group.to; ++i)
      other_[group.from + begins[items_[i].word >> shift & 0xFF]++] = items_[i];
    std::copy(at(other_, group.from), at(other_, group.to), at(items_, group.from));
  }
}

}  // namespace gw::guard

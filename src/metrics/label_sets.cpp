#include "metrics/label_sets.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "base/strings.h"

namespace gw::metrics {
namespace {

constexpr std::string_view kUnknown = "unknown";

std::string_view cut(std::string_view value) {
  if (value.empty()) return kUnknown;
  if (value.size() <= kMaxValueBytes) return value;
  std::size_t n = kMaxValueBytes;  // at a character
  while (n > 0 && (static_cast<unsigned char>(value[n]) & 0xc0) == 0x80) --n;
  return value.substr(0, n);
}

std::uint64_t hash_of(std::span<const std::string_view> values) {
  std::uint64_t h = values.size();
  for (const std::string_view v : values)
    h = (std::rotl(h, 29) ^ std::hash<std::string_view>{}(v)) * 0x9e3779b97f4a7c15U;
  return h ^ h >> 32;
}

}  // namespace

struct LabelSets::Entry {
  std::uint64_t hash = 0;
  std::uint32_t index = 0;
  std::vector<std::string> asked;  ///< the values as they came: what is compared
  std::vector<std::string> shown;  ///< empty: the set is shown as another one

  bool is(std::uint64_t h, std::span<const std::string_view> values) const {
    return hash == h && std::equal(values.begin(), values.end(), asked.begin(), asked.end());
  }
};

LabelSets::LabelSets(Options options)
    : options_(options),
      mask_(std::bit_ceil(4 * (options.cap + kOthers)) - 1),
      slots_(new std::atomic<Entry*>[mask_ + 1]()),
      by_index_(new std::atomic<Entry*>[options.cap + kOthers]()) {
  const std::vector<std::string_view> others(options.labels, kOther);
  find_or_add(others, 1);
}

LabelSets::~LabelSets() {
  for (std::size_t i = 0; i <= mask_; ++i) delete slots_[i].load(std::memory_order_relaxed);
}

std::uint32_t LabelSets::index_of(std::span<const std::string_view> values) {
  std::array<std::string_view, kMostLabels> kept{};
  const std::span<std::string_view> set(kept.data(), std::min(values.size(), kept.size()));
  std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(set.size()), set.begin(), cut);
  if (const auto known = find_or_add(set, options_.cap)) return *known;
  overflowed_.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < set.size(); ++i)
    if ((options_.client_labels >> i & 1) != 0) set[i] = kOther;
  return find_or_add(set, capacity()).value_or(0);
}

bool LabelSets::is(std::uint32_t index, std::span<const std::string_view> values) const {
  // The thread that added the set may not have come to this yet.
  const Entry* const entry = by_index_[index].load(std::memory_order_acquire);
  if (entry == nullptr) return false;
  const std::vector<std::string>& asked = entry->asked;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string_view v = values[i].empty() ? kUnknown : values[i];
    if (asked[i].size() != v.size() || !same_bytes(asked[i].data(), v.data(), v.size())) return false;
  }
  return true;
}

const std::vector<std::string>* LabelSets::values(std::uint32_t index) const {
  const Entry* const entry = by_index_[index].load(std::memory_order_acquire);
  return entry != nullptr ? &entry->shown : nullptr;
}

/// `most`: the numbers that may be in use. Nothing: the set is not known, and there is no room for it.
std::optional<std::uint32_t> LabelSets::find_or_add(std::span<const std::string_view> values, std::size_t most) {
  const std::uint64_t hash = hash_of(values);
  Entry* mine = nullptr;
  for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
    Entry* there = slots_[i].load(std::memory_order_acquire);
    if (there == nullptr) {
      if (mine == nullptr) mine = make(values, hash, most);
      if (mine == nullptr) return std::nullopt;
      if (slots_[i].compare_exchange_strong(there, mine, std::memory_order_acq_rel, std::memory_order_acquire)) {
        if (!mine->shown.empty()) by_index_[mine->index].store(mine, std::memory_order_release);
        return mine->index;
      }
    }
    if (!there->is(hash, values)) continue;
    if (mine != nullptr && mine != there) delete mine;  // another thread was first; the number stays unused
    return there->index;
  }
}

LabelSets::Entry* LabelSets::make(std::span<const std::string_view> values, std::uint64_t hash, std::size_t most) {
  // Twice as many sets as numbers: some are shown as another one.
  if (entries_.fetch_add(1, std::memory_order_relaxed) >= 2 * most) {
    entries_.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  auto entry = std::make_unique<Entry>();
  entry->hash = hash;
  entry->asked.assign(values.begin(), values.end());
  std::vector<std::string> shown = entry->asked;
  if (options_.shown != nullptr) std::transform(shown.begin(), shown.end(), shown.begin(), options_.shown);
  if (shown != entry->asked) {
    const std::vector<std::string_view> views(shown.begin(), shown.end());
    const auto index = find_or_add(views, most);
    if (!index) {
      entries_.fetch_sub(1, std::memory_order_relaxed);
      return nullptr;
    }
    entry->index = *index;
    return entry.release();
  }
  entry->index = next_.load(std::memory_order_relaxed);
  do {  // never taken back: another thread could be given the same number meanwhile
    if (entry->index < most) continue;
    entries_.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  } while (!next_.compare_exchange_weak(entry->index, entry->index + 1, std::memory_order_relaxed));
  entry->shown = std::move(shown);
  return entry.release();
}

}  // namespace gw::metrics

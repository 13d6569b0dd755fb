#pragma once
// The distinct label values of one kind of series, numbered. Insert-only and bounded: the values come from outside.
//
// Any thread, no lock; a set that is seen first allocates. Memory: at most kMostEntries(cap) sets of at most
// kMaxValueBytes a value.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::metrics {

inline constexpr std::size_t kMaxValueBytes = 128;
inline constexpr std::string_view kOther = "other";
inline constexpr std::size_t kMostLabels = 8;  ///< of a set

class LabelSets {
 public:
  struct Options {
    std::size_t labels = 0;   ///< values a set has, kMostLabels at most
    std::size_t cap = 2'000;  ///< sets that are told apart
    std::uint32_t client_labels =
        1;  ///< a bit each for those that clients choose freely: beyond the cap they become `other` first
    /// What a value is shown as, such as one without its credentials; called once a set. Null: as it is.
    std::string (*shown)(std::string_view value) = nullptr;
  };

  explicit LabelSets(Options options);
  ~LabelSets();
  LabelSets(const LabelSets&) = delete;
  LabelSets& operator=(const LabelSets&) = delete;

  /// The number of a set, below capacity(). Empty values are `unknown`. Beyond the cap that of the set with `other` for
  /// the clients' labels, and beyond kOthers of those 0: the set with `other` throughout.
  std::uint32_t index_of(std::span<const std::string_view> values);

  /// Whether set number `index`, in use, is shown as these values are; false where that takes a look-up to tell.
  bool is(std::uint32_t index, std::span<const std::string_view> values) const;

  std::size_t capacity() const { return options_.cap + kOthers; }
  /// Null: the number is not in use.
  const std::vector<std::string>* values(std::uint32_t index) const;
  /// How often a set beyond the cap was asked for.
  std::int64_t overflowed() const { return overflowed_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kOthers = 256;
  struct Entry;

  std::optional<std::uint32_t> find_or_add(std::span<const std::string_view> values, std::size_t most);
  Entry* make(std::span<const std::string_view> values, std::uint64_t hash, std::size_t most);

  const Options options_;
  std::size_t mask_;
  std::unique_ptr<std::atomic<Entry*>[]> slots_;     ///< open addressing; owns the entries
  std::unique_ptr<std::atomic<Entry*>[]> by_index_;  ///< of those that have a number of their own
  std::atomic<std::uint32_t> next_{0};
  std::atomic<std::size_t> entries_{0};
  std::atomic<std::int64_t> overflowed_{0};
};

}  // namespace gw::metrics

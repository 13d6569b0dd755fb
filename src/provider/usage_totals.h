#pragma once
// From the usage objects of one exchange to one Usage: the merge rules, and what the counts of each provider mean.
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/usage.h"

namespace gw::provider {

/// A count above this is taken as this: what a double holds exactly, so that sums stay in 64 bits and in every client's
/// numbers.
inline constexpr std::int64_t kMaxTokens = (std::int64_t{1} << 53) - 1;

/// What usage objects state, by meaning. Providers have several names for one thing: field_keys.cpp knows them.
enum class UsageField : std::uint8_t {
  prompt_tokens,  ///< input, with its cached parts
  input_tokens,   ///< input, without what is stated beside it
  completion_tokens,
  output_tokens,
  total_tokens,
  read_beside,      ///< Anthropic's cache reads, beside the input
  write_beside,     ///< Anthropic's cache writes of any lifetime, beside the input
  write_beside_5m,  ///< the part of them that lives for five minutes
  write_beside_1h,  ///< and for an hour
  cached,           ///< the cached part of the input, from its details
  cached_audio,     ///< and of that the audio
  cached_image,     ///< and the images
  cached_flat,      ///< the cached part of the input, stated without details
  cache_miss,       ///< the rest of the input, where only both parts are stated
  cache_write,      ///< the part of the input that was written to the cache
  input_audio,      ///< with its cached part
  input_image,      ///< likewise
  images_api,       ///< 1: counts of the images API, where an output without details is images
  reasoning,        ///< within the output or beside it
  output_audio,
  output_image,
  web_searches,  ///< in the usage object itself
  sources_used,  ///< sources of a live search, sold each
  file_searches,
  code_executions,
  audio_ms,
  cost_nano_usd,
  upstream_cost_nano_usd,  ///< what another provider charges the user for the same answer
  cost_ticks,              ///< 1e-10 USD
  own_key,                 ///< 1: the upstream cost is charged to the user's own account there
};
inline constexpr std::size_t kUsageFields = 30;

/// One `usage` object as it was written. A count may be a JSON number or a string of digits; any other string makes the
/// object anomalous, and what is neither number nor string is as good as absent.
class RawUsage {
 public:
  void clear() { stated_ = bad_ = 0; }
  /// `bad`: the number as written was none that a count can be.
  void set(UsageField f, std::int64_t value, bool bad = false) {
    values_[index(f)] = value;
    stated_ |= bit(f);
    bad_ = bad ? bad_ | bit(f) : bad_ & ~bit(f);
  }
  /// A text stood where a count belongs: nothing is stated.
  void mark_bad(UsageField f) { bad_ |= bit(f); }
  /// `fields`: bit() of each.
  void unset(std::uint32_t fields) {
    stated_ &= ~fields;
    bad_ &= ~fields;
  }
  bool has(UsageField f) const { return (stated_ & bit(f)) != 0; }
  /// The count, 0 when absent.
  std::int64_t count(UsageField f) const { return has(f) ? values_[index(f)] : 0; }
  /// The first of the two that is present, even if it is 0.
  std::int64_t first(UsageField a, UsageField b) const { return has(a) ? count(a) : count(b); }
  bool anomalous() const { return bad_ != 0; }
  bool bad(UsageField f) const { return (bad_ & bit(f)) != 0; }
  std::uint32_t stated() const { return stated_; }

  static constexpr std::uint32_t bit(UsageField f) { return std::uint32_t{1} << index(f); }

 private:
  static constexpr std::size_t index(UsageField f) { return static_cast<std::size_t>(f); }
  static_assert(kUsageFields <= 32);

  std::uint32_t stated_ = 0;
  std::uint32_t bad_ = 0;
  std::array<std::int64_t, kUsageFields> values_{};  ///< of what is stated
};

/// Items of a response's output that are sold by the piece.
enum class ToolItem : std::uint8_t { none, web_search, file_search, code_execution };
struct ToolCounts {
  std::array<std::uint32_t, 4> of{};  ///< by ToolItem
  void add(ToolItem item) { ++of[static_cast<std::size_t>(item)]; }
  std::uint32_t operator[](ToolItem item) const { return of[static_cast<std::size_t>(item)]; }
  /// Something that is sold.
  bool any() const { return (of[1] | of[2] | of[3]) != 0; }
};

/// Usage objects in the order in which they arrived. A later count replaces an earlier one field by field; nothing is
/// summed over events. A later 0 replaces a part only when the same object states more than 0 of the whole, and never
/// a whole.
class UsageTotals {
 public:
  void reset();
  void add(const RawUsage& raw);
  /// The output items of a whole response; those of a later one replace them unless it has none.
  void set_items(const ToolCounts& items);
  /// One finished item of a stream. An item that comes twice counts once; so that this is bounded, items behind the
  /// first 256 of a response count only in its whole output.
  void add_item(ToolItem item, std::int64_t index);
  bool has_items() const { return whole_.any() || single_.any(); }
  /// Everything but what only the reader knows. The parts never exceed their whole. A total that is more than twice its
  /// parts (where any are stated) is not believed: it is their sum then, and the usage anomalous.
  Usage result() const;

 private:
  void add_cache_writes(const RawUsage& raw);
  void put_input(Usage& u) const;
  void put_output(Usage& u) const;
  void put_units(Usage& u) const;

  std::uint32_t positive_ = 0;  ///< RawUsage::bit() of each part that was ever more than 0
  RawUsage parts_;              ///< the last of each count that no rule of its own governs
  std::int64_t input_ = 0;      ///< as written: without cached parts unless input_includes_cached_
  std::int64_t output_ = 0;     ///< as written: perhaps without reasoning
  std::int64_t total_ = 0;
  std::int64_t write_5m_ = 0;  ///< beside the input
  std::int64_t write_1h_ = 0;  ///< likewise
  bool input_includes_cached_ = false;
  bool writes_guessed_ = false;  ///< their lifetimes
  bool seen_ = false;
  bool anomalous_ = false;
  ToolCounts whole_;                            ///< of the response that is over
  ToolCounts single_;                           ///< of finished items
  std::array<std::uint64_t, 4> single_seen_{};  ///< a bit per index
};

}  // namespace gw::provider

#pragma once
// From the usage objects of one exchange to one Usage: the merge rules. The place where an accounting engine puts
// further fields.
#include <array>
#include <cstddef>
#include <cstdint>

#include "model/usage.h"

namespace gw::provider {

/// A count above this is taken as this: what a double holds exactly, so that sums stay in 64 bits and in every client's
/// numbers.
inline constexpr std::int64_t kMaxTokens = (std::int64_t{1} << 53) - 1;

enum class UsageField : std::uint8_t {
  prompt_tokens,
  input_tokens,
  completion_tokens,
  output_tokens,
  total_tokens,
  cache_read_input_tokens,
  cache_creation_input_tokens,
  cache_creation_5m,     ///< cache_creation.ephemeral_5m_input_tokens
  cache_creation_1h,     ///< cache_creation.ephemeral_1h_input_tokens
  prompt_cached,         ///< prompt_tokens_details.cached_tokens
  input_cached,          ///< input_tokens_details.cached_tokens
  completion_reasoning,  ///< completion_tokens_details.reasoning_tokens
  output_reasoning,      ///< output_tokens_details.reasoning_tokens
};
inline constexpr std::size_t kUsageFields = 13;

/// One `usage` object as it was written. Absent, or present without a JSON number: kAbsent.
class RawUsage {
 public:
  static constexpr std::int64_t kAbsent = -1;

  void clear() { values_.fill(kAbsent); }
  void set(UsageField f, std::int64_t tokens) { values_[static_cast<std::size_t>(f)] = tokens; }
  std::int64_t get(UsageField f) const { return values_[static_cast<std::size_t>(f)]; }
  bool has(UsageField f) const { return get(f) != kAbsent; }
  /// The count, 0 when absent.
  std::int64_t count(UsageField f) const { return has(f) ? get(f) : 0; }
  /// The first of the two that is present, even if it is 0.
  std::int64_t first(UsageField a, UsageField b) const { return has(a) ? get(a) : count(b); }

 private:
  std::array<std::int64_t, kUsageFields> values_{};
};

/// Usage objects in the order in which they arrived. A later count replaces an earlier one field by field unless it is
/// 0; nothing is summed over events.
class UsageTotals {
 public:
  void reset() { *this = UsageTotals{}; }
  void add(const RawUsage& raw);
  /// Everything but `estimated`, which only the reader knows.
  Usage result() const;

 private:
  void add_cache_writes(const RawUsage& raw);

  std::int64_t input_ = 0;  ///< as written: without cached parts unless input_includes_cached_
  std::int64_t output_ = 0;
  std::int64_t total_ = 0;
  std::int64_t cache_read_ = 0;       ///< Anthropic's, beside the input
  std::int64_t cache_write_5m_ = 0;   ///< likewise
  std::int64_t cache_write_1h_ = 0;   ///< likewise
  std::int64_t cached_of_input_ = 0;  ///< OpenAI's, part of the input
  std::int64_t reasoning_ = 0;
  bool input_includes_cached_ = false;  ///< the input was called prompt_tokens
  bool seen_ = false;
};

}  // namespace gw::provider

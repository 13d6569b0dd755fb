#pragma once
#include <cstdint>

namespace gw {

/// Token counts of one exchange in disjoint buckets, whatever the provider's own way of counting. What a provider did
/// not report is 0. Every count is 0 .. 2^53 - 1.
struct Usage {
  // The totals of the contract: cached parts are input and reasoning is output for every provider.
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t total_tokens = 0;

  // Parts of input_tokens; what they leave is plain text input, see uncached_text_tokens().
  std::int64_t cache_read_tokens = 0;  ///< text, and whatever was not told apart
  std::int64_t cache_read_audio_tokens = 0;
  std::int64_t cache_read_image_tokens = 0;
  std::int64_t cache_write_5m_tokens = 0;  ///< also writes whose lifetime the provider does not state or sell apart
  std::int64_t cache_write_1h_tokens = 0;
  std::int64_t input_audio_tokens = 0;  ///< not cached
  std::int64_t input_image_tokens = 0;  ///< not cached

  // Parts of output_tokens; what they leave is plain text output, see text_output_tokens().
  std::int64_t reasoning_tokens = 0;
  std::int64_t output_audio_tokens = 0;
  std::int64_t output_image_tokens = 0;

  // What is sold by the piece or by time, beside the tokens.
  std::int64_t web_searches = 0;
  std::int64_t file_searches = 0;
  std::int64_t code_executions = 0;
  std::int64_t audio_ms = 0;  ///< duration that a transcription is billed by

  static constexpr std::int64_t kNoCost = -1;
  std::int64_t provider_cost_nano_usd = kNoCost;  ///< what the provider itself says it charges

  bool seen = false;  ///< the provider reported usage at all
  /// The figures are not all the provider's: reading was given up, the stream was cut short or carried no usage, or a
  /// part had to be guessed.
  bool estimated = false;
  bool anomalous = false;  ///< negative, absurd or contradictory counts were reported and clamped

  std::int64_t uncached_text_tokens() const {
    return input_tokens - cache_read_tokens - cache_read_audio_tokens - cache_read_image_tokens -
           cache_write_5m_tokens - cache_write_1h_tokens - input_audio_tokens - input_image_tokens;
  }
  std::int64_t text_output_tokens() const {
    return output_tokens - reasoning_tokens - output_audio_tokens - output_image_tokens;
  }

  friend bool operator==(const Usage&, const Usage&) = default;
};

enum class CostSource : std::uint8_t { computed, provider, estimated, unpriced };

/// Money of one exchange, rounded once, in nano-dollars (1e-9 USD).
struct Cost {
  std::int64_t nano_usd = 0;
  /// By the price table, kept beside a provider's own figure; equal to nano_usd for every other source.
  std::int64_t computed_nano_usd = 0;
  CostSource source = CostSource::unpriced;
  /// By the price table: what the cached tokens would have cost as plain input, less what they cost. Negative when
  /// writing to the cache cost more than reading from it saved.
  std::int64_t cache_saved_nano_usd = 0;
};

constexpr const char* to_string(CostSource s) {
  switch (s) {
    case CostSource::computed:
      return "computed";
    case CostSource::provider:
      return "provider";
    case CostSource::estimated:
      return "estimated";
    case CostSource::unpriced:
      return "unpriced";
  }
  return "unpriced";
}

}  // namespace gw

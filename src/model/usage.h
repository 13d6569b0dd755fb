#pragma once
#include <cstdint>

namespace gw {

/// Token counts of one exchange. The parts are disjoint: input = uncached + cache reads + cache writes (+ audio,
/// image). What a provider did not report is 0.
struct Usage {
  std::int64_t input_tokens = 0;   ///< all input, cached parts included, for every provider
  std::int64_t output_tokens = 0;  ///< all output, reasoning included
  std::int64_t total_tokens = 0;

  std::int64_t cache_read_tokens = 0;
  std::int64_t cache_write_5m_tokens = 0;
  std::int64_t cache_write_1h_tokens = 0;
  std::int64_t reasoning_tokens = 0;  ///< part of output_tokens

  bool seen = false;  ///< the provider reported usage at all
  bool estimated =
      false;  ///< reading was given up (undecodable or over a bound): the figures are what was seen until then

  friend bool operator==(const Usage&, const Usage&) = default;
};

enum class CostSource : std::uint8_t { computed, provider, estimated, unpriced };

/// Money of one exchange, rounded once, in nano-dollars (1e-9 USD).
struct Cost {
  std::int64_t nano_usd = 0;
  CostSource source = CostSource::unpriced;
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

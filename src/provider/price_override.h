#pragma once
#include <string>

namespace gw::provider {

/// One entry of `pricing.overrides`: takes the place of the table's whole price of the models that it matches. Prices
/// are decimal texts in USD as the file has them, so that they are read exactly; an empty one is not set.
struct PriceOverride {
  std::string provider;        ///< name of the route or of the price provider
  std::string model;           ///< exact, or with `*` for any run of characters
  std::string service_tier;    ///< empty: standard
  std::string effective_from;  ///< YYYY-MM-DD, UTC; empty: always
  std::string input, output, cache_read, cache_write_5m, cache_write_1h;
  std::string input_audio, output_audio, input_image, output_image, cache_read_audio, cache_read_image, reasoning;
  std::string web_search_per_1k, file_search_per_1k, code_execution_per_1k, request_per_1k, audio_minute;
};

}  // namespace gw::provider

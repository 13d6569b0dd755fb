#pragma once
// What exports show of a trace's stored metadata, found in one pass without decoding the rest.
#include <cstdint>
#include <string>
#include <string_view>

namespace gw::api {

/// Texts are trimmed views into the metadata, or into `decoded` when they had escapes.
struct ExportMetadata {
  std::string_view thread_id, run_id, correlation_id, outcome, cost_source, price_version;
  std::int64_t cache_read_tokens = 0, cache_write_tokens = 0, reasoning_tokens = 0;
};

/// All empty when `metadata` is no JSON object; what stands before a break in its structure counts. `decoded` is
/// memory for texts with escapes: it lives as long as the result is used.
ExportMetadata read_export_metadata(std::string_view metadata, std::string& decoded);

}  // namespace gw::api

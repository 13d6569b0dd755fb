#pragma once
// What the demo reads from JSON: requests of its provider, usage in answers, and the gateway's trace list.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gw::app {

/// The parts of a chat request that the simulated provider looks at.
struct Question {
  std::string model;
  std::string text;             ///< all message texts, joined
  std::int64_t max_tokens = 0;  ///< 0: not limited
  bool stream = false;
  bool include_usage = false;  ///< OpenAI: stream_options.include_usage
};
/// An error names the field that is missing or wrong.
Result<Question> read_question(std::string_view body);

struct UsageSeen {
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  friend bool operator==(const UsageSeen&, const UsageSeen&) = default;
};
/// From a whole answer, a JSON object or an event stream of either provider. Zeros when it tells none.
UsageSeen read_usage(std::string_view answer, bool stream);

/// A row of GET /api/traces.
struct TraceRow {
  std::string id, timestamp, provider, model, path;
  std::int64_t status = 0, input_tokens = 0, output_tokens = 0, latency_ms = 0, first_token_ms = 0;
  double cost_usd = 0;
};
Result<std::vector<TraceRow>> read_traces(std::string_view body);

}  // namespace gw::app

#pragma once
// The sample requests that the demo sends, and what must come of them.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/demo_answers.h"
#include "app/demo_json.h"
#include "base/result.h"

namespace gw::app {

struct Sample {
  DemoApi api = DemoApi::openai;
  std::string_view model;
  bool stream = false;
  std::string_view key;
  std::string_view question;
  int status = 200;           ///< expected
  bool priced = true;         ///< the price table knows the model
  std::string_view remark{};  ///< for people
};
const std::vector<Sample>& samples();

/// What the client saw of one sample.
struct Sent {
  Sample sample;
  std::string trace_id;  ///< X-OngoingAI-Trace-ID
  int status = 0;
  std::int64_t latency_ms = 0;
  UsageSeen usage;
  std::string problem;  ///< empty: as expected
};

/// Sends one sample through the gateway on `port` and looks whether the answer is right. Blocking.
Sent send_sample(std::uint16_t port, const Sample& sample);

/// Compares what was sent with what was stored; one line for each difference.
std::vector<std::string> differences(const std::vector<Sent>& sent, const std::vector<TraceRow>& traces);

std::string_view provider_name(DemoApi api);  ///< as in traces: openai, anthropic

}  // namespace gw::app

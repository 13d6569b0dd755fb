#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "app/demo_answers.h"
#include "app/demo_server.h"

namespace gw::app {

/// How long the simulated model thinks. Tests set zeros.
struct DemoPace {
  std::chrono::milliseconds first_token{220};
  std::chrono::milliseconds token{22};
};

/// A provider of the OpenAI and Anthropic APIs that makes everything up, on 127.0.0.1 only:
/// POST /v1/chat/completions and POST /v1/messages, plain and streaming. Every answer carries `X-Simulated-Provider:
/// true`. The key decides what happens: any key works, but the ones below are refused as real providers refuse. No key:
/// 401.
class DemoProvider {
 public:
  static constexpr std::string_view kKey = "sk-demo";
  static constexpr std::string_view kRevokedKey = "sk-demo-revoked";           ///< 401
  static constexpr std::string_view kRateLimitedKey = "sk-demo-rate-limited";  ///< 429 with Retry-After
  static constexpr std::string_view kOutageKey = "sk-demo-outage";             ///< 500

  explicit DemoProvider(DemoPace pace = {}) : pace_(pace) {}

  Result<std::uint16_t> start() {
    return server_.start([this](const HttpRequest& request, Wire& wire) { return answer(request, wire); });
  }
  void stop() { server_.stop(); }

 private:
  bool answer(const HttpRequest& request, Wire& wire);
  bool refuse(DemoApi api, const DemoRefusal& refusal, std::uint64_t number, Wire& wire);
  bool stream(const Answer& answer, std::uint64_t number, Wire& wire);

  DemoPace pace_;
  std::atomic<std::uint64_t> next_number_{0};
  DemoServer server_;  // last: its threads use what is above
};

}  // namespace gw::app

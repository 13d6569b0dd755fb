#pragma once
// One worker's way to the exporter for what OpenTelemetry's GenAI conventions call an inference: a head of plain
// numbers and the texts behind it, in one piece. Never waits: what finds no room is dropped and counted.
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "telemetry/record_ring.h"
#include "telemetry/span_record.h"

namespace gw::telemetry {

enum class GenAiText : std::uint8_t {
  operation,  ///< gen_ai.operation.name
  provider,   ///< gen_ai.provider.name
  request_model,
  response_model,
  server_address,
  conversation,
  api,  ///< openai.api.type, or empty
  service_tier_asked,
  service_tier,
  correlation_id,
  error_type,  ///< empty: it went well
  error,       ///< why the call failed, or empty
  cost_source,
  request_body,  ///< as stored; empty unless bodies are captured
  response_body,
};
inline constexpr std::size_t kGenAiTexts = 15;
inline constexpr std::size_t kGenAiBodies = 13;  ///< of them from here on
/// Longer texts are cut; longer bodies are left out, since half of one cannot be read.
inline constexpr std::size_t kMostGenAiBody = 64UL * 1024;

struct GenAiHead {
  OtelTraceId trace_id{};
  SpanId parent_id{}, id{};
  std::int64_t started_ns = 0, ended_ns = 0;  ///< Unix ns
  std::int64_t first_chunk_us = 0;            ///< 0: no stream
  std::int64_t input_tokens = 0, output_tokens = 0, cache_read_tokens = 0, cache_creation_tokens = 0,
               reasoning_tokens = 0;
  std::int64_t cost_nano_usd = -1;  ///< -1: not known
  std::uint16_t server_port = 0, status = 0;
  bool recorded = false;  ///< the ids are those of a span that is exported
  bool streaming = false;
  bool usage_known = false;
  std::array<std::uint32_t, kGenAiTexts> sizes{};
};

using GenAiTexts = std::array<std::string_view, kGenAiTexts>;

/// A record as it lies in the ring.
class GenAiRecord {
 public:
  /// `bytes` as encoded, aligned to 8.
  explicit GenAiRecord(std::string_view bytes) : bytes_(bytes) {}

  const GenAiHead& head() const { return *reinterpret_cast<const GenAiHead*>(bytes_.data()); }
  std::string_view text(GenAiText which) const {
    std::size_t at = sizeof(GenAiHead);
    const auto n = static_cast<std::size_t>(which);
    for (std::size_t i = 0; i < n; ++i) at += head().sizes[i];
    return bytes_.substr(at, head().sizes[n]);
  }

 private:
  std::string_view bytes_;
};

class GenAiLane {
 public:
  /// `wake` is called by the producer when the ring holds more than `wake_bytes`.
  GenAiLane(std::size_t ring_bytes, std::size_t wake_bytes, std::function<void()> wake)
      : ring_(ring_bytes), wake_bytes_(wake_bytes), wake_(std::move(wake)) {}

  /// Producer.
  void push(GenAiHead& head, const GenAiTexts& texts);

  RecordRing& ring() { return ring_; }
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }  ///< records; any thread
  std::size_t queued_bytes() const { return ring_.used(); }                           ///< any thread

 private:
  RecordRing ring_;
  const std::size_t wake_bytes_;
  const std::function<void()> wake_;
  std::atomic<std::uint64_t> dropped_{0};  // written by the producer only
};

/// Where a worker puts its inferences; null: not exported as that.
struct GenAiLanes {
  GenAiLane* spans = nullptr;
  GenAiLane* events = nullptr;
  bool any() const { return spans != nullptr || events != nullptr; }
};

}  // namespace gw::telemetry

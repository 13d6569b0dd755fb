#include "telemetry/span_lane.h"

#include <cstring>

#include "base/random.h"

namespace gw::telemetry {

http::TraceParent SpanLane::begin(const std::optional<http::TraceParent>& parent) const {
  http::TraceParent own;
  if (parent) {
    own.trace_id = parent->trace_id;
    own.sampled = parent->sampled;
  } else {
    const std::uint64_t high = random_u64() | 1, low = random_u64();  // not zero; the ratio looks at the low half
    std::memcpy(own.trace_id.data(), &high, 8);
    std::memcpy(own.trace_id.data() + 8, &low, 8);
    own.sampled = ratio_.takes(own.trace_id);
  }
  const std::uint64_t id = random_u64() | 1;  // its first byte, so that no id is zero
  std::memcpy(own.span_id.data(), &id, 8);
  own.span_id = part_id(own.span_id, ExchangePart::server);
  return own;
}

void SpanLane::push(SpanHead& head, const SpanTexts& texts) {
  texts.describe(head);
  char* const out = ring_.reserve(sizeof head + texts.bytes());
  if (out == nullptr) {
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return wake_();
  }
  std::memcpy(out, &head, sizeof head);
  texts.write(out + sizeof head);
  ring_.commit();
  if (ring_.holds_more_than(wake_bytes_)) wake_();
}

}  // namespace gw::telemetry

#include "telemetry/genai_lane.h"

#include <cstring>
#include <utility>

#include "base/strings.h"

namespace gw::telemetry {

void GenAiLane::push(GenAiHead& head, const GenAiTexts& texts) {
  std::size_t size = sizeof(GenAiHead);
  for (std::size_t i = 0; i < kGenAiTexts; ++i) {
    std::size_t n = texts[i].size();
    if (i < kGenAiBodies)
      n = cut_at_character(texts[i], kMostSpanText).size();
    else if (n > kMostGenAiBody)
      n = 0;
    head.sizes[i] = static_cast<std::uint32_t>(n);
    size += n;
  }
  // With many workers a lane is small: an inference is told without its bodies rather than not at all.
  if (size > ring_.largest())
    for (std::size_t i = kGenAiBodies; i < kGenAiTexts; ++i) size -= std::exchange(head.sizes[i], 0);
  char* out = ring_.reserve(size);
  if (out == nullptr) {
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return wake_();
  }
  std::memcpy(out, &head, sizeof head);
  out += sizeof head;
  for (std::size_t i = 0; i < kGenAiTexts; ++i) {
    if (head.sizes[i] == 0) continue;
    std::memcpy(out, texts[i].data(), head.sizes[i]);
    out += head.sizes[i];
  }
  ring_.commit();
  if (ring_.holds_more_than(wake_bytes_)) wake_();
}

}  // namespace gw::telemetry

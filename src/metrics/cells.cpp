#include "metrics/cells.h"

#include <cstring>

namespace gw::metrics {
namespace {

template <class T>
std::uint64_t word_of(const T& from) {
  static_assert(sizeof(T) == sizeof(std::uint64_t));
  return std::bit_cast<std::uint64_t>(from);
}

}  // namespace

// A sequence lock for one writer whose payload is atomic itself.
void ExemplarCell::set(double value, std::int64_t at_ns, const SpanRef& span) {
  const std::uint32_t before = version_.load(std::memory_order_relaxed);
  version_.store(before | 1, std::memory_order_relaxed);
  std::array<std::uint64_t, 5> words{word_of(value), word_of(at_ns), 0, 0, word_of(span.span_id)};
  std::memcpy(&words[2], span.trace_id.data(), span.trace_id.size());
  // Each word is a release: a reader that sees one of them sees the odd version too.
  for (std::size_t i = 0; i < words.size(); ++i) words_[i].store(words[i], std::memory_order_release);
  version_.store((before | 1) + 1, std::memory_order_release);
}

std::optional<Exemplar> ExemplarCell::get() const {
  const std::uint32_t before = version_.load(std::memory_order_acquire);
  if (before == 0 || (before & 1) != 0) return std::nullopt;
  std::array<std::uint64_t, 5> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i].load(std::memory_order_acquire);
  if (version_.load(std::memory_order_relaxed) != before) return std::nullopt;
  Exemplar e{.value = std::bit_cast<double>(words[0]), .at_ns = std::bit_cast<std::int64_t>(words[1])};
  std::memcpy(e.trace_id.data(), &words[2], e.trace_id.size());
  e.span_id = std::bit_cast<std::array<std::uint8_t, 8>>(words[4]);
  return e;
}

}  // namespace gw::metrics

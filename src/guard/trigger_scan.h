#pragma once
// Where a detector could have something to look at: a text is read sixteen bytes at a time, and only the few bytes that
// every match has are looked at closely.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gw::guard {

/// Positions of any of a few rare bytes, in order. Each byte is looked for by itself, which the C library does many
/// bytes at a time.
template <std::size_t N>
class TriggerScan {
 public:
  constexpr TriggerScan(std::string_view text, const char (&bytes)[N + 1], std::size_t from = 0) : text_(text) {
    for (std::size_t k = 0; k < N; ++k) {
      bytes_[k] = bytes[k];
      next_[k] = text_.find(bytes_[k], from);
    }
  }

  /// The first trigger at or after `from`, npos when there is none. `from` never decreases.
  std::size_t next(std::size_t from) {
    std::size_t first = std::string_view::npos;
    for (std::size_t k = 0; k < N; ++k) {
      if (next_[k] < from) next_[k] = text_.find(bytes_[k], from);
      if (next_[k] < first) first = next_[k];
    }
    return first;
  }

 private:
  std::string_view text_;
  std::array<char, N> bytes_{};
  std::array<std::size_t, N> next_{};
};

/// Digits, `-`, `.`, `/`, `@`, `_`, `I`, `J` and `j`: one of these is in everything that the detectors know.
constexpr bool is_trigger(char c) {
  return (c >= '-' && c <= '9') || c == '@' || c == '_' || c == 'I' || (c | 32) == 'j';
}

/// Calls f(position) for each trigger in [from, to), in order; f returns where to go on, at the earliest behind it.
template <class F>
void each_trigger(std::string_view text, std::size_t from, std::size_t to, F&& f) {
  using Block = unsigned char __attribute__((vector_size(16)));
  std::size_t resume = from;
  std::size_t i = from;
  for (; i + 16 <= to; i += 16) {
    Block v;
    std::memcpy(&v, text.data() + i, 16);
    const Block hit = (Block)((v - static_cast<unsigned char>('-')) <= static_cast<unsigned char>('9' - '-')) |
                      (Block)(v == static_cast<unsigned char>('@')) | (Block)(v == static_cast<unsigned char>('_')) |
                      (Block)(v == static_cast<unsigned char>('I')) |
                      (Block)((v | static_cast<unsigned char>(32)) == static_cast<unsigned char>('j'));
    std::uint64_t halves[2];
    std::memcpy(halves, &hit, 16);
    for (std::size_t h = 0; h < 2; ++h)
      for (std::uint64_t left = halves[h]; left != 0;) {
        const auto byte = static_cast<unsigned>(std::countr_zero(left)) / 8;
        left &= ~(std::uint64_t{0xFF} << (byte * 8));
        const std::size_t at = i + h * 8 + byte;
        if (at >= resume) resume = f(at);
      }
  }
  for (; i < to; ++i)
    if (i >= resume && is_trigger(text[i])) resume = f(i);
}

}  // namespace gw::guard

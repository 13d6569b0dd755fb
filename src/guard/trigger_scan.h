#pragma once
#include <array>
#include <cstddef>
#include <string_view>

namespace gw::guard {

/// Positions of any of a few rare bytes, in order. Each byte is looked for by itself, which the C library does many
/// bytes at a time.
template <std::size_t N>
class TriggerScan {
 public:
  constexpr TriggerScan(std::string_view text, const char (&bytes)[N + 1]) : text_(text) {
    for (std::size_t k = 0; k < N; ++k) {
      bytes_[k] = bytes[k];
      next_[k] = text_.find(bytes_[k]);
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

}  // namespace gw::guard

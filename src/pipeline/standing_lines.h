#pragma once
// Header lines that say how much of a rate is left, by the names that OpenAI's clients know.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "limits/limiter.h"

namespace gw::pipeline {

/// Kept from one answer to the next, where only the last digits of what remains differ: then only those are written.
/// Owner: the exchange's buffers, on their worker's thread. Memory: sizeof.
class StandingLines {
 public:
  using Standing = std::optional<limits::Standing>;

  /// Without a value: not limited, no lines of it.
  [[gnu::always_inline]] void show(const Standing& requests, const Standing& tokens) {
    shown_ = true;
    if (!change(requests_, requests) || !change(tokens_, tokens)) write(requests, tokens);
  }
  void clear() { shown_ = false; }
  /// Each line with its end. Until the next call.
  std::string_view text() const { return shown_ ? std::string_view(text_.data(), size_) : std::string_view(); }

 private:
  struct Part {
    Standing of;
    std::size_t remaining_end = 0;  ///< where its digits end in the text
  };
  /// False: it has to be written anew.
  bool change(Part& part, const Standing& to);
  void write(const Standing& requests, const Standing& tokens);

  bool shown_ = false;
  Part requests_, tokens_;
  std::size_t size_ = 0;
  std::array<char, 384> text_{};  // has room for six names and six numbers
};

}  // namespace gw::pipeline

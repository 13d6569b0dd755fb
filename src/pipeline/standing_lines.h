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
    if (count_down(requests_, requests) && !tokens && !tokens_.of) return;
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
  /// One less than before, as most are, which changes a digit. False: nothing was done.
  bool count_down(Part& part, const Standing& to) {
    if (!to || !part.of || part.of->limit != to->limit || part.of->reset_s != to->reset_s) return false;
    if (to->remaining < 0 || to->remaining != part.of->remaining - 1 || text_[part.remaining_end - 1] == '0')
      return false;
    --text_[part.remaining_end - 1];
    part.of->remaining = to->remaining;
    return true;
  }
  /// False: it has to be written anew.
  bool change(Part& part, const Standing& to);
  void write(const Standing& requests, const Standing& tokens);

  bool shown_ = false;
  Part requests_, tokens_;
  std::size_t size_ = 0;
  std::array<char, 384> text_{};  // has room for six names and six numbers
};

}  // namespace gw::pipeline

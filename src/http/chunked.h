#pragma once
// Chunked transfer coding, incremental and strict. The scanner checks the framing in place and names the byte ranges
// worth relaying, so that a chunked body passes through without being framed again.
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::http {

class ChunkScanner {
 public:
  enum class Status : std::uint8_t { more, done, bad };

  struct Step {
    Status status = Status::more;
    std::size_t consumed = 0;  ///< bytes of the input that belong to this body
  };

  void reset() { *this = {}; }

  /// Scans `in`. Calls `data(view)` for each piece of content and `raw(view)` for each range to relay when the framing
  /// passes through: everything but chunk extensions (no one may rely on them beyond a hop) and, with keep_trailers
  /// off, trailer fields. A bare LF, a size over 2^62, or more than the bounds below is `bad`. What is called, joined,
  /// does not depend on how the input was cut.
  template <class Data, class Raw>
  Step scan(std::string_view in, bool keep_trailers, Data&& data, Raw&& raw) {
    std::size_t i = 0;
    std::size_t raw_from = 0;
    const auto flush_raw = [&](std::size_t to) {
      if (to > raw_from) raw(in.substr(raw_from, to - raw_from));
    };
    while (i < in.size()) {
      if (state_ == State::data) {
        const std::size_t n = remaining_ < in.size() - i ? static_cast<std::size_t>(remaining_) : in.size() - i;
        data(in.substr(i, n));
        i += n;
        remaining_ -= n;
        if (remaining_ == 0) state_ = State::data_cr;
        continue;
      }
      const bool dropped = drops(in[i], keep_trailers);
      if (!step(in[i])) {
        flush_raw(i);
        return {Status::bad, i};
      }
      if (dropped) {
        flush_raw(i);
        raw_from = i + 1;
      }
      ++i;
      if (state_ == State::done) {
        flush_raw(i);
        return {Status::done, i};
      }
    }
    flush_raw(i);
    return {Status::more, i};
  }

  bool finished() const { return state_ == State::done; }

  static constexpr std::uint32_t kMaxSizeLine = 4096;   ///< one chunk's size line, extension included
  static constexpr std::uint32_t kMaxTrailers = 16384;  ///< the whole trailer section

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_start,
    trailer_name,
    trailer_value,
    trailer_lf,
    end_lf,
    done
  };

  /// Takes one byte of framing; false: malformed.
  bool step(char c);
  bool step_size(char c);
  bool step_trailer(char c);
  /// Whether `c`, next in the present state, is a byte that is not relayed.
  bool drops(char c, bool keep_trailers) const;

  State state_ = State::size_first;
  std::uint32_t line_ = 0;  ///< bytes of this size line or trailer section
  std::uint64_t remaining_ = 0;
};

}  // namespace gw::http

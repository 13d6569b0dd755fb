#pragma once
// Field lines of the heads before. A client's requests repeat most of theirs byte for byte and at the same place, and
// so do a provider's answers; what was found out about a line holds for an equal one. Authorization, X-API-Key
// and Proxy-Authorization are not kept; credentials under other names stay until another line takes their place, as
// they do in the buffer that heads are read into. One thread. 4.3 KiB.
#include <array>
#include <cstddef>
#include <cstdint>

#include "http/header.h"

namespace gw::http {

class LineMemo {
 public:
  static constexpr std::size_t kLines = 32;
  static constexpr std::size_t kMostBytes = 128;

  /// Whether the head's `number`th line, which starts at `p`, is the one that stood there before. Then it is read into
  /// `out`, whose views point into it, and `p` is moved past its CRLF.
  bool take(std::size_t number, const char*& p, const char* end, Field& out) const;
  /// Keeps a well-formed line from `from` to `to`, behind its CRLF, that was read into `field`.
  void keep(std::size_t number, const char* from, const char* to, const Field& field);

 private:
  struct Line {
    std::uint8_t size = 0;  ///< with its CRLF; 0: none is kept
    std::uint8_t name = 0, value_at = 0, value = 0;
    FieldId id = FieldId::other;
  };
  std::array<Line, kLines> lines_{};
  std::array<std::array<char, kMostBytes>, kLines> bytes_;
};

}  // namespace gw::http

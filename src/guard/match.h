#pragma once
#include <cstddef>
#include <cstdint>

#include "guard/placeholder.h"

namespace gw::guard {

/// Bytes [begin, end) of the text that was searched, which is shorter than 4 GiB.
struct Match {
  Match() = default;
  constexpr Match(std::size_t from, std::size_t to, Kind of)
      : begin(static_cast<std::uint32_t>(from)), end(static_cast<std::uint32_t>(to)), kind(of) {}

  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  Kind kind = Kind::email;
};

}  // namespace gw::guard

#pragma once
#include <cstddef>

#include "guard/placeholder.h"

namespace gw::guard {

/// Bytes [begin, end) of the text that was searched.
struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
  Kind kind = Kind::email;
};

}  // namespace gw::guard

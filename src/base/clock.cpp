#include "base/clock.h"

namespace gw {

/// A thread may lose the processor between two readings: the closest of three.
void WallClock::look(std::int64_t mono) {
  std::int64_t between = INT64_MAX;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t before = clock_.mono_ns(), wall = clock_.wall_ns(), after = clock_.mono_ns();
    if (after - before >= between) continue;
    between = after - before;
    distance_ = wall - before - between / 2;
  }
  known_at_ = mono;
  known_ = true;
}

}  // namespace gw

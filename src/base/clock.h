#pragma once
#include <cstdint>
#include <ctime>

namespace gw {

inline constexpr std::int64_t kMs = 1'000'000;  ///< in nanoseconds

inline std::int64_t clock_ns(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
/// Nanoseconds since the Unix epoch, UTC.
inline std::int64_t wall_now_ns() { return clock_ns(CLOCK_REALTIME); }
/// Nanoseconds since an arbitrary point; never goes back.
inline std::int64_t mono_now_ns() { return clock_ns(CLOCK_MONOTONIC); }

/// Injected wherever a decision depends on time, so that tests set it.
struct Clock {
  std::int64_t (*wall_ns)() = wall_now_ns;
  std::int64_t (*mono_ns)() = mono_now_ns;
};

/// The wall clock by way of the other: their distance is read once a millisecond, so that who has read the one need not
/// read both. A wall clock that was set is followed that much later. One thread.
class WallClock {
 public:
  explicit WallClock(Clock clock = {}) : clock_(clock) {}

  /// At `mono`, which is now.
  std::int64_t at(std::int64_t mono) {
    if (!known_ || mono - known_at_ >= kMs) [[unlikely]]
      look(mono);
    return mono + distance_;
  }

 private:
  void look(std::int64_t mono);

  Clock clock_;
  std::int64_t distance_ = 0, known_at_ = 0;
  bool known_ = false;
};

}  // namespace gw

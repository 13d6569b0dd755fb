#include "base/random.h"

#include <sys/random.h>

#include <cstring>

#include "base/clock.h"

namespace gw {
namespace {

struct Xoshiro {  // xoshiro256**
  std::uint64_t s[4];

  Xoshiro() {
    if (::getrandom(s, sizeof s, 0) != sizeof s || (s[0] | s[1] | s[2] | s[3]) == 0) {
      s[0] = static_cast<std::uint64_t>(wall_now_ns());
      s[1] = reinterpret_cast<std::uintptr_t>(this);
      s[2] = static_cast<std::uint64_t>(mono_now_ns());
      s[3] = 0x9E3779B97F4A7C15ULL;
    }
  }
  static std::uint64_t rotl(std::uint64_t x, int k) { return x << k | x >> (64 - k); }
  std::uint64_t next() {
    const std::uint64_t r = rotl(s[1] * 5, 7) * 9;
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return r;
  }
};

}  // namespace

std::uint64_t random_u64() {
  thread_local Xoshiro generator;
  return generator.next();
}

TraceId make_trace_id(std::int64_t unix_ns) {
  TraceId id;
  const auto ms = static_cast<std::uint64_t>(unix_ns / 1'000'000);
  for (int i = 0; i < 6; ++i) id[static_cast<std::size_t>(i)] = static_cast<unsigned char>(ms >> (40 - 8 * i));
  const std::uint64_t a = random_u64();
  const std::uint64_t b = random_u64();
  std::memcpy(id.data() + 6, &a, 8);
  std::memcpy(id.data() + 14, &b, 2);
  return id;
}

}  // namespace gw

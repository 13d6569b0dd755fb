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
  constexpr std::uint64_t kMsNs = 1'000'000;  // takes 20 bits
  const auto ns = static_cast<std::uint64_t>(unix_ns);
  const std::uint64_t random = random_u64();
  const std::uint64_t ms = ns / kMsNs, rest = ns % kMsNs;
  TraceId id;
  const auto put = [&](std::size_t at, std::uint64_t value) {
    value = __builtin_bswap64(value);
    std::memcpy(id.data() + at, &value, sizeof value);
  };
  put(0, ms << 16 | rest >> 4);
  put(8, rest << 60 | random >> 4);
  return id;
}

}  // namespace gw

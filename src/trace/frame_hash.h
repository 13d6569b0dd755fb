#pragma once
// XXH3 of a frame, the same on every processor: a record is hashed on the request path, and twice the width takes half
// the time.
#include <cstddef>
#include <cstdint>

namespace gw::trace {

namespace detail {
using FrameHash = std::uint64_t (*)(const char* bytes, std::size_t n);
std::uint64_t frame_hash_portable(const char* bytes, std::size_t n);
#if defined(__SSE2__)
std::uint64_t frame_hash_avx2(const char* bytes, std::size_t n);
#endif

inline FrameHash best_frame_hash() {
#if defined(__SSE2__)
  if (__builtin_cpu_supports("avx2")) return frame_hash_avx2;
#endif
  return frame_hash_portable;
}
}  // namespace detail

inline std::uint64_t frame_hash(const char* bytes, std::size_t n) {
  static const detail::FrameHash best = detail::best_frame_hash();
  return best(bytes, n);
}

}  // namespace gw::trace

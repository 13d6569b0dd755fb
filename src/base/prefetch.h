#pragma once
// Asking for memory before it is needed: for a ring that is written round and round, in more of it than stays in the
// cache. Pure hints; memory that is not mapped is no error.
#include <cstddef>

namespace gw {

/// The cache lines of [p, p + bytes), to be written: other processors' copies go as well.
inline void prefetch_to_write(const char* p, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < bytes; at += kLine) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(p[at]));  // of the builtin only on processors that are told to the compiler
#else
    __builtin_prefetch(p + at, 1);
#endif
  }
}

}  // namespace gw

#pragma once
// Asking for memory before it is needed: where what is next is known, but nothing of it is in the cache. Pure hints;
// memory that is not mapped is no error.
#include <cstddef>
#include <cstdint>

namespace gw {

constexpr std::size_t kCacheLineBytes = 64;

/// The cache lines of [p, p + bytes), to be read.
inline void prefetch_to_read(const char* p, std::size_t bytes) {
  const char* const end = p + bytes;
  for (p -= reinterpret_cast<std::uintptr_t>(p) % kCacheLineBytes; p < end; p += kCacheLineBytes) __builtin_prefetch(p);
}

/// Of an object, its first `most` bytes.
template <class T>
void prefetch_object(const T& what, std::size_t most = sizeof(T)) {
  prefetch_to_read(reinterpret_cast<const char*>(&what), most);
}

/// The cache lines of [p, p + bytes), to be written: other processors' copies go as well.
inline void prefetch_to_write(const char* p, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += kCacheLineBytes) {
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(p[at]));  // of the builtin only on processors that are told to the compiler
#else
    __builtin_prefetch(p + at, 1);
#endif
  }
}

}  // namespace gw

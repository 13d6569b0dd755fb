#include "provider/scan.h"

#include <array>

namespace gw::provider::scan {
namespace {

#if defined(__SSE2__)
constexpr std::array kAll{&kPortable, &kSse2, &kAvx2, &kAvx512};

std::size_t count_of_runnable() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("popcnt"))
    return 2;
  // The first that have the last one are also the first whose clock hardly suffers from work on 512 bits.
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vbmi2"))
    return 3;
  return 4;
}
#else
constexpr std::array kAll{&kPortable};
std::size_t count_of_runnable() { return 1; }
#endif

}  // namespace

std::span<const Kernel* const> kernels() {
  static const std::size_t count = count_of_runnable();
  return std::span(kAll).first(count);
}

}  // namespace gw::provider::scan

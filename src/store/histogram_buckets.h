#pragma once
// Buckets of ValueHistogram: exact below 256, then 128 to each power of two, so that the middle is at most 1/256 away
// from what it stands for. Stored numbers: must not change.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "store/varint.h"

namespace gw::store {

inline constexpr unsigned kMantissaBits = 7;
inline constexpr std::uint64_t kMantissas = 1U << kMantissaBits;
inline constexpr std::size_t kHistogramBuckets = kMantissas + (63 - kMantissaBits) * kMantissas;

/// Of a value of at least 0.
constexpr std::size_t histogram_bucket(std::int64_t value) {
  const std::uint64_t v = static_cast<std::uint64_t>(value);
  if (v < kMantissas) return v;
  const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - 1 - kMantissaBits;
  return kMantissas * (shift + 1) + ((v >> shift) & (kMantissas - 1));
}

constexpr std::int64_t bucket_middle(std::size_t bucket) {
  if (bucket < kMantissas) return static_cast<std::int64_t>(bucket);
  const unsigned shift = static_cast<unsigned>(bucket / kMantissas - 1);
  const std::uint64_t low = (kMantissas + bucket % kMantissas) << shift;
  return static_cast<std::int64_t>(low + ((std::uint64_t{1} << shift) - 1) / 2);
}

inline constexpr std::uint64_t kHistogramExact = 2, kHistogramBucketed = 3;  ///< first byte: version 1 and the kind

/// Calls `each(value or bucket, count)` for the entries in ascending order. False when malformed; some calls may have
/// been made by then.
template <class F>
bool walk_histogram(std::string_view in, std::size_t max_exact, bool& exact, F&& each) {
  std::uint64_t kind = 0, n = 0, at = 0;
  if (!take_varint(in, kind) || !take_varint(in, n)) return false;
  exact = kind == kHistogramExact;
  if (!exact && kind != kHistogramBucketed) return false;
  const std::uint64_t greatest = exact ? static_cast<std::uint64_t>(INT64_MAX) : kHistogramBuckets - 1;
  if (n > (exact ? max_exact : kHistogramBuckets)) return false;
  for (std::uint64_t i = 0; i < n; ++i) {
    std::uint64_t step = 0, count = 0;
    if (in.size() >= 2 && ((in[0] | in[1]) & 0x80) == 0) [[likely]] {
      step = static_cast<unsigned char>(in[0]);
      count = static_cast<unsigned char>(in[1]);
      in.remove_prefix(2);
    } else if (!take_varint(in, step) || !take_varint(in, count)) {
      return false;
    }
    if ((i > 0 && step == 0) || step > greatest - at || count == 0 || count > static_cast<std::uint64_t>(INT64_MAX))
      return false;
    at += step;
    each(at, static_cast<std::int64_t>(count));
  }
  return in.empty();
}

}  // namespace gw::store

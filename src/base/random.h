#pragma once
#include <array>
#include <cstdint>

namespace gw {

/// Fast, seeded from the kernel, one per thread; for ids, never for secrets.
std::uint64_t random_u64();

using TraceId = std::array<unsigned char, 16>;

/// 48 bits of Unix milliseconds, 20 of the nanoseconds since, then random bits: ids made later sort later, so that the
/// store's unique index grows at its right edge.
TraceId make_trace_id(std::int64_t unix_ns);

}  // namespace gw

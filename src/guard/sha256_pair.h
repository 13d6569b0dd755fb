#pragma once
// SHA-256 of two blocks side by side. The CPU's instructions for it wait for each other: two lanes take hardly longer
// than one.
#include <array>
#include <cstdint>

namespace gw::guard {

using ShaState = std::array<std::uint32_t, 8>;
using ShaBlock = std::array<unsigned char, 64>;

/// The CPU has those instructions; without them digest_pair() must not be called.
bool has_sha_instructions();

/// What each block makes of `state`: the first eight bytes of the digest as a number.
std::array<std::uint64_t, 2> digest_pair(const ShaState& state, const ShaBlock& a, const ShaBlock& b);

}  // namespace gw::guard

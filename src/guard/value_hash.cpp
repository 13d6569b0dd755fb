// The library's newer interface finds its algorithm anew for each digest, which costs several times what a short one
// does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "guard/value_hash.h"

#include <openssl/sha.h>

#include <cstdint>
#include <cstring>

namespace gw::guard {

namespace {

using Hex = std::array<char, ValueHash::kHexSize>;

Hex to_hex(std::uint64_t bits) {
  constexpr char kDigits[] = "0123456789abcdef";
  Hex out;
  for (std::size_t i = ValueHash::kHexSize; i-- > 0; bits >>= 4) out[i] = kDigits[bits & 15];
  return out;
}

}  // namespace

ValueHash::ValueHash(std::string_view before) : begun_size_(before.size() % kBlock), before_size_(before.size()) {
  static_assert(sizeof(SHA256_CTX) == kStateSize);
  SHA256_CTX state;
  ::SHA256_Init(&state);
  ::SHA256_Update(&state, before.data(), before.size() - begun_size_);
  std::memcpy(state_.data(), &state, sizeof state);
  std::memcpy(begun_.data(), before.data() + (before.size() - begun_size_), begun_size_);
}

Hex ValueHash::hex(std::string_view value) const {
  constexpr std::size_t kEnd = 9;  // a mark and the length in bits
  SHA256_CTX state;
  std::memcpy(&state, state_.data(), sizeof state);
  if (begun_size_ + value.size() + kEnd <= kBlock) {  // most are short: the last block is made here
    std::array<unsigned char, kBlock> block{};
    std::memcpy(block.data(), begun_.data(), begun_size_);
    std::memcpy(block.data() + begun_size_, value.data(), value.size());
    block[begun_size_ + value.size()] = 0x80;
    std::uint64_t bits = std::uint64_t{before_size_ + value.size()} * 8;
    for (std::size_t i = kBlock; bits != 0; bits >>= 8) block[--i] = static_cast<unsigned char>(bits & 0xFF);
    ::SHA256_Transform(&state, block.data());
    return to_hex(std::uint64_t{state.h[0]} << 32 | state.h[1]);
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  ::SHA256_Update(&state, begun_.data(), begun_size_);
  ::SHA256_Update(&state, value.data(), value.size());
  ::SHA256_Final(digest.data(), &state);
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < sizeof first; ++i) first = first << 8 | digest[i];
  return to_hex(first);
}

}  // namespace gw::guard

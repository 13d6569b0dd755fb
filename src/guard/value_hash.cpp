// The library's newer interface finds its algorithm anew for each digest, which costs several times what a short one
// does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "guard/value_hash.h"

#include <openssl/sha.h>

#include <bit>
#include <cstring>

namespace gw::guard {
namespace {

/// Eight digits, first digit first.
void write_half(std::uint32_t bits, char* out) {
  std::uint64_t v = bits;  // a digit in each byte
  v = (v | v << 16) & 0x0000FFFF0000FFFFULL;
  v = (v | v << 8) & 0x00FF00FF00FF00FFULL;
  v = (v | v << 4) & 0x0F0F0F0F0F0F0F0FULL;
  const std::uint64_t letters = ((v + 0x0606060606060606ULL) >> 4) & 0x0101010101010101ULL;
  v += 0x3030303030303030ULL + letters * ('a' - '0' - 10);
  static_assert(std::endian::native == std::endian::little);
  v = __builtin_bswap64(v);
  std::memcpy(out, &v, sizeof v);
}

}  // namespace

ValueHash::ValueHash(std::string_view before) : before_(before), begun_size_(before.size() % kBlock) {
  SHA256_CTX state;
  ::SHA256_Init(&state);
  const std::size_t whole = before.size() - begun_size_;
  ::SHA256_Update(&state, before.data(), whole);
  static_assert(sizeof state.h == sizeof state_);
  std::memcpy(state_.data(), state.h, sizeof state_);
  before.substr(whole).copy(reinterpret_cast<char*>(begun_.data()), begun_size_);
}

/// Most values are short: the block that they go on with is the last.
bool ValueHash::fits(std::string_view value) const {
  constexpr std::size_t kMarkAndLength = 9;  // a mark and the length in bits
  return begun_size_ + value.size() + kMarkAndLength <= kBlock;
}

ShaBlock ValueHash::last_block(std::string_view value) const {
  ShaBlock block = begun_;
  value.copy(reinterpret_cast<char*>(block.data()) + begun_size_, value.size());
  block[begun_size_ + value.size()] = 0x80;
  const std::uint64_t bits = __builtin_bswap64(std::uint64_t{before_.size() + value.size()} * 8);
  std::memcpy(block.data() + kBlock - sizeof bits, &bits, sizeof bits);
  return block;
}

std::array<std::uint64_t, 2> ValueHash::of(std::string_view a, std::string_view b) const {
  if (fits(a) && fits(b) && has_sha_instructions()) return digest_pair(state_, last_block(a), last_block(b));
  return {of(a), of(b)};
}

std::uint64_t ValueHash::of(std::string_view value) const {
  SHA256_CTX state;
  if (fits(value)) {
    std::memcpy(state.h, state_.data(), sizeof state_);
    ::SHA256_Transform(&state, last_block(value).data());
  } else {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    ::SHA256_Init(&state);
    ::SHA256_Update(&state, before_.data(), before_.size());
    ::SHA256_Update(&state, value.data(), value.size());
    ::SHA256_Final(digest.data(), &state);
    for (std::size_t i = 0; i < 2; ++i) {
      std::uint32_t word = 0;
      std::memcpy(&word, digest.data() + i * sizeof word, sizeof word);
      state.h[i] = __builtin_bswap32(word);
    }
  }
  return std::uint64_t{state.h[0]} << 32 | state.h[1];
}

void ValueHash::write_hex(std::uint64_t hash, char* out) {
  write_half(static_cast<std::uint32_t>(hash >> 32), out);
  write_half(static_cast<std::uint32_t>(hash), out + kHexSize / 2);
}

}  // namespace gw::guard

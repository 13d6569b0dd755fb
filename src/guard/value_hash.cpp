// The library's newer interface finds its algorithm anew for each digest, which costs several times what a short one
// does.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "guard/value_hash.h"

#include <openssl/sha.h>

#include <cstring>

namespace gw::guard {

ValueHash::ValueHash(std::string_view before) {
  static_assert(sizeof(SHA256_CTX) == kStateSize);
  SHA256_CTX state;
  ::SHA256_Init(&state);
  ::SHA256_Update(&state, before.data(), before.size());
  std::memcpy(state_.data(), &state, sizeof state);
}

std::array<char, ValueHash::kHexSize> ValueHash::hex(std::string_view value) const {
  SHA256_CTX state;
  std::memcpy(&state, state_.data(), sizeof state);
  ::SHA256_Update(&state, value.data(), value.size());
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  ::SHA256_Final(digest.data(), &state);
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, kHexSize> out;
  for (std::size_t i = 0; i < kHexSize / 2; ++i) {
    out[2 * i] = kDigits[digest[i] >> 4];
    out[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return out;
}

}  // namespace gw::guard

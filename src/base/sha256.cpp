#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/strings.h"

namespace gw {

Sha256 sha256(std::string_view data) {
  Sha256 out{};
  unsigned len = 0;
  // Fails only without memory; the digest is then all zeros, which matches no key.
  ::EVP_Digest(data.data(), data.size(), out.data(), &len, ::EVP_sha256(), nullptr);
  return out;
}

std::string sha256_hex(std::string_view data) {
  const Sha256 d = sha256(data);
  return to_hex({reinterpret_cast<const char*>(d.data()), d.size()});
}

}  // namespace gw

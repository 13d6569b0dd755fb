#include "base/sha256.h"

#include <openssl/evp.h>

#include <memory>

#include "base/strings.h"

namespace gw {
namespace {

struct FreeDigest {
  void operator()(EVP_MD* md) const noexcept { ::EVP_MD_free(md); }
  void operator()(EVP_MD_CTX* context) const noexcept { ::EVP_MD_CTX_free(context); }
};

/// Looking the algorithm up and making its state cost several times what a short text's digest does, and each request's
/// gateway key is one: a thread does both once. Nothing of a text is left in the state afterwards.
class Hasher {
 public:
  /// False: without memory.
  bool digest(std::string_view data, Sha256& out) {
    unsigned size = 0;
    return md_ != nullptr && context_ != nullptr && ::EVP_DigestInit_ex2(context_.get(), md_.get(), nullptr) == 1 &&
           ::EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1 &&
           ::EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1;
  }

 private:
  const std::unique_ptr<EVP_MD, FreeDigest> md_{::EVP_MD_fetch(nullptr, "SHA256", nullptr)};
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context_{::EVP_MD_CTX_new()};
};

}  // namespace

Sha256 sha256(std::string_view data) {
  thread_local Hasher hasher;
  Sha256 out{};
  if (!hasher.digest(data, out)) out = {};  // matches no key
  return out;
}

std::string sha256_hex(std::string_view data) {
  const Sha256 d = sha256(data);
  return to_hex({reinterpret_cast<const char*>(d.data()), d.size()});
}

}  // namespace gw

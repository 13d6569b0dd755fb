#include "base/secret.h"

#include <sys/random.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace gw {

Result<std::string> secret_bytes(std::size_t n) {
  std::string out(n, '\0');
  ssize_t got = 0;
  do got = ::getrandom(out.data(), n, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0 || static_cast<std::size_t>(got) != n) return fail(std::string("getrandom: ") + std::strerror(errno));
  return out;
}

std::string base64url(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) out += kDigits[bits >> (held - 6) & 63];
  }
  if (held > 0) out += kDigits[bits << (6 - held) & 63];
  return out;
}

}  // namespace gw

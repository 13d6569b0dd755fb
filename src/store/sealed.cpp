#include "store/sealed.h"

#include <cstdint>
#include <cstring>

namespace gw::store {
namespace {

constexpr std::size_t kChecksumBytes = 4;

std::uint64_t mixed(std::uint64_t h, std::uint64_t word) {
  h = (h ^ word) * 0xFF51AFD7ED558CCDULL;
  return h ^ (h >> 32);
}

std::uint64_t word_at(const char* p, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, bytes);
  return word;
}

/// Stored: must not change. Four chains, which a processor works on at once.
std::uint32_t checksum(std::string_view s) {
  constexpr std::size_t kWord = 8, kStride = 4 * kWord;
  std::uint64_t h[4] = {0x9E3779B97F4A7C15ULL ^ s.size(), 0xC2B2AE3D27D4EB4FULL, 0x165667B19E3779F9ULL,
                        0x27D4EB2F165667C5ULL};
  const char* p = s.data();
  std::size_t left = s.size();
  for (; left >= kStride; p += kStride, left -= kStride)
    for (std::size_t i = 0; i < 4; ++i) h[i] = mixed(h[i], word_at(p + i * kWord, kWord));
  for (; left >= kWord; p += kWord, left -= kWord) h[0] = mixed(h[0], word_at(p, kWord));
  h[0] = mixed(h[0], word_at(p, left));
  for (std::size_t i = 1; i < 4; ++i) h[0] = mixed(h[0], h[i]);
  return static_cast<std::uint32_t>(h[0] ^ (h[0] >> 29));
}

}  // namespace

std::string sealed(std::string blob) {
  const std::uint32_t sum = checksum(blob);
  char bytes[kChecksumBytes];
  std::memcpy(bytes, &sum, kChecksumBytes);
  return std::move(blob.append(bytes, kChecksumBytes));
}

std::optional<std::string_view> unsealed(std::string_view blob) {
  if (blob.size() < kChecksumBytes) return std::nullopt;
  const std::string_view content = blob.substr(0, blob.size() - kChecksumBytes);
  std::uint32_t sum = 0;
  std::memcpy(&sum, blob.data() + content.size(), kChecksumBytes);
  return sum == checksum(content) ? std::optional(content) : std::nullopt;
}

}  // namespace gw::store

#include "route/correlation_id.h"

#include <cstring>

#include "base/random.h"
#include "base/strings.h"

namespace gw::route {
namespace {

constexpr bool is_id_char(char c) {
  return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '-' || c == '_' || c == '.' ||
         c == ':';
}

/// Eight hex digits of 32 random bits, in any order: each byte of the word holds one of the nibbles, and those from ten
/// on are moved from behind '9' to 'a'.
constexpr std::uint64_t hex8(std::uint32_t bits) {
  constexpr std::uint64_t k01 = 0x0101010101010101, k0f = 0x0f * k01;
  const std::uint64_t nibbles = (std::uint64_t{bits} | std::uint64_t{bits} << 28) & k0f;
  const std::uint64_t letters = (nibbles + 6 * k01) >> 4 & k01;
  return nibbles + '0' * k01 + letters * ('a' - '0' - 10);
}

}  // namespace

std::string_view usable_correlation_id(std::string_view header_value) {
  const std::string_view id = trim(header_value);
  if (id.size() > kMaxCorrelationIdBytes) return {};
  for (char c : id)
    if (!is_id_char(c)) return {};
  return id;
}

void append_generated_correlation_id(std::string& out) {
  char text[37] = {'c', 'o', 'r', 'r', '-'};
  for (char* p = text + 5; p != text + sizeof text; p += 16) {
    const std::uint64_t bits = random_u64();
    const std::uint64_t halves[] = {hex8(static_cast<std::uint32_t>(bits)),
                                    hex8(static_cast<std::uint32_t>(bits >> 32))};
    std::memcpy(p, halves, sizeof halves);
  }
  out.append(text, sizeof text);
}

}  // namespace gw::route

#include "route/correlation_id.h"

#include "base/random.h"
#include "base/strings.h"

namespace gw::route {
namespace {

constexpr bool is_id_char(char c) {
  return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '-' || c == '_' || c == '.' ||
         c == ':';
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
  static constexpr char kHex[] = "0123456789abcdef";
  char text[37] = {'c', 'o', 'r', 'r', '-'};
  char* p = text + 5;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = random_u64();
    for (int i = 0; i < 16; ++i, bits >>= 4) *p++ = kHex[bits & 15];
  }
  out.append(text, sizeof text);
}

}  // namespace gw::route

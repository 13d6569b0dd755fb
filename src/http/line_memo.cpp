#include "http/line_memo.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/strings.h"

namespace gw::http {
namespace {

/// Of `n` bytes, at least LineMemo::kLeastBytes.
bool equal(const char* a, const char* b, std::size_t n) {
#if defined(__SSE2__)
  const auto block = [&](std::size_t at) {
    return _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + at)),
                          _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + at)));
  };
  __m128i same = block(n - 16);  // the others may overlap it
  for (std::size_t i = 0; i + 16 < n; i += 16) same = _mm_and_si128(same, block(i));
  return _mm_movemask_epi8(same) == 0xFFFF;
#else
  return std::memcmp(a, b, n) == 0;
#endif
}

/// Also fields of other makers and of ours: api-key, Cookie, X-OngoingAI-Gateway-Key.
bool tells_of_credential(std::string_view name) {
  constexpr std::string_view kWords[] = {"auth", "key", "token", "secret", "cookie", "credential", "password"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view word) {
    return std::search(name.begin(), name.end(), word.begin(), word.end(),
                       [](char a, char b) { return to_lower(a) == b; }) != name.end();
  });
}

}  // namespace

bool LineMemo::take(std::size_t number, const char*& p, const char* end, Field& out) const {
  if (number >= kLines) return false;
  const Line& line = lines_[number];
  if (line.size == 0 || end - p < line.size || !equal(p, bytes_[number].data(), line.size)) return false;
  out = {{p, line.name}, {p + line.value_at, line.value}, line.id};
  p += line.size;
  return true;
}

void LineMemo::keep(std::size_t number, const char* from, const char* to, const Field& field) {
  const auto size = static_cast<std::size_t>(to - from);
  if (number >= kLines) return;
  Line& line = lines_[number];
  line.size = 0;
  if (size < kLeastBytes || size > kMostBytes || tells_of_credential(field.name)) return;
  std::memcpy(bytes_[number].data(), from, size);
  line = {static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(field.name.size()),
          static_cast<std::uint8_t>(field.value.data() - from), static_cast<std::uint8_t>(field.value.size()),
          field.id};
}

}  // namespace gw::http

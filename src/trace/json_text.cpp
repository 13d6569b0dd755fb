#include "trace/json_text.h"

#include <algorithm>
#include <string>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/json_writer.h"
#include "base/strings.h"

namespace gw::trace {
namespace {

constexpr std::uint64_t every(unsigned char c) { return 0x0101010101010101ULL * c; }
constexpr std::uint64_t kHigh = every(0x80);

/// Some byte of `w` is zero.
constexpr std::uint64_t zero_byte(std::uint64_t w) { return (w - every(1)) & ~w & kHigh; }

/// Nonzero when some byte is a control, not ASCII, or one of the five that JSON text escapes.
constexpr std::uint64_t special(std::uint64_t w) {
  const std::uint64_t control_or_high = ((w - every(0x20)) & ~w & kHigh) | (w & kHigh);
  // `<` and `>` differ in one bit only, `"` and `&` too: setting it tests both at once.
  return control_or_high | zero_byte((w | every(0x02)) ^ every('>')) | zero_byte((w | every(0x04)) ^ every('&')) |
         zero_byte(w ^ every('\\'));
}
static_assert(('<' | 0x02) == '>' && ('"' | 0x04) == '&');

#if defined(__SSE2__)
/// Likewise of sixteen bytes: those that are not plain are all ones.
__m128i special16(__m128i v) {
  const __m128i control_or_high = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));  // signed
  const __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(0x02)), _mm_set1_epi8('>'));
  const __m128i quote = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(0x04)), _mm_set1_epi8('&'));
  const __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
  return _mm_or_si128(_mm_or_si128(control_or_high, angle), _mm_or_si128(quote, backslash));
}

/// copy_plain_json() of sixteen bytes or more.
bool copy_plain_json16(char* to, const char* p, std::size_t n) {
  const auto copy = [&](std::size_t at) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), v);
    return special16(v);
  };
  __m128i found = copy(n - 16);  // the others may overlap it
  for (std::size_t i = 0; i + 16 < n; i += 16) found = _mm_or_si128(found, copy(i));
  return _mm_movemask_epi8(found) == 0;
}
#endif

constexpr std::uint64_t nul_or_high(std::uint64_t w) { return zero_byte(w) | (w & kHigh); }

std::uint64_t load8(const char* p) {
  std::uint64_t w;
  std::memcpy(&w, p, 8);
  return w;
}

template <class Test>
bool none(std::string_view s, Test test) {
  const char* p = s.data();
  const std::size_t n = s.size();
  if (n < 8) return test(short_word(p, n, 'a')) == 0;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32)
    if ((test(load8(p + i)) | test(load8(p + i + 8)) | test(load8(p + i + 16)) | test(load8(p + i + 24))) != 0)
      return false;
  for (; i + 8 <= n; i += 8)
    if (test(load8(p + i)) != 0) return false;
  return test(load8(p + n - 8)) == 0;  // overlaps what was seen already
}

}  // namespace

bool copy_plain_json(char* to, std::string_view s) {
  const char* p = s.data();
  const std::size_t n = s.size();
  if (n < 8) {
    copy_bytes(to, p, n);
    return special(short_word(p, n, 'a')) == 0;
  }
#if defined(__SSE2__)
  if (n >= 16) return copy_plain_json16(to, p, n);
#endif
  std::uint64_t found = 0;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const std::uint64_t w = load8(p + i);
    found |= special(w);
    std::memcpy(to + i, &w, 8);
  }
  const std::uint64_t last = load8(p + n - 8);  // overlaps what was seen already
  std::memcpy(to + n - 8, &last, 8);
  return (found | special(last)) == 0;
}

bool is_plain_ascii(std::string_view s) { return none(s, nul_or_high); }

void JsonText::grow(std::size_t n) {
  const std::size_t capacity = std::max({size_ + n, capacity_ * 2, std::size_t{4096}});
  auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ != 0) std::memcpy(bigger.get(), data_.get(), size_);
  data_ = std::move(bigger);
  capacity_ = capacity;
}

void JsonText::release() {
  data_.reset();
  size_ = capacity_ = 0;
}

void JsonText::escaped(std::string_view s) {
  std::string out;
  if (s.find('\0') == std::string_view::npos)
    append_json_string(out, s);
  else
    append_json_string(out, storable_text(s));
  raw(out);
}

}  // namespace gw::trace

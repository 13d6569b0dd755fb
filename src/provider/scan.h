#pragma once
// Byte scanning behind the readers. Pure functions over [p, end); none reads outside that range. The vector forms are
// chosen by the CPU at run time and behave exactly like the portable one.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gw::provider::scan {

/// Where skip_nested stands between two cuts of its input. Any depth: only a counter grows.
struct Nesting {
  std::uint64_t depth = 0;  ///< containers still open
  bool in_string = false;
  bool escaped = false;  ///< the last byte was a backslash that escapes the next one
};

struct Kernel {
  const char* name;
  /// First `"usage"`, white space, `:`, white space, `{` that lies completely inside the range and on one line; else
  /// `end`.
  const char* (*find_usage)(const char* p, const char* end);
  /// The first of that and of `_item.done"`. An event of a Responses stream whose type ends so tells of a finished
  /// output item.
  const char* (*find_usage_or_item_done)(const char* p, const char* end);
  /// Goes on until the container counted by `n.depth` (>= 1) is closed and returns the byte after its closing bracket,
  /// or `end` with `n` updated. Brackets inside strings do not count; which kind of bracket closes which is not
  /// checked.
  const char* (*skip_nested)(const char* p, const char* end, Nesting& n);
};

extern const Kernel kPortable;
#if defined(__SSE2__)
extern const Kernel kSse2;
extern const Kernel kAvx2;
extern const Kernel kAvx512;
#endif

/// Those that this CPU runs, the fastest last.
std::span<const Kernel* const> kernels();

/// The fastest kernel that this CPU runs.
inline const Kernel& best() {
  static const Kernel& kernel = *kernels().back();
  return kernel;
}

/// Does `"usage"` + object start at `p`? What precedes every hit of find_usage.
inline bool is_usage_object(const char* p, const char* end) {
  constexpr std::size_t kName = 7;  // "usage" with its quotes
  if (static_cast<std::size_t>(end - p) < kName + 2 || std::memcmp(p, "\"usage\"", kName) != 0) return false;
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  p += kName;
  while (p < end && blank(*p)) ++p;
  if (p == end || *p != ':') return false;
  ++p;
  while (p < end && blank(*p)) ++p;
  return p < end && *p == '{';
}

/// What a hit of find_usage_or_item_done is.
inline bool is_usage_or_item_done(const char* p, const char* end) {
  constexpr std::string_view kDone = "_item.done\"";
  if (*p != '_') return is_usage_object(p, end);
  return static_cast<std::size_t>(end - p) >= kDone.size() && std::memcmp(p, kDone.data(), kDone.size()) == 0;
}

/// First `"` or `\`, or `end`: the only bytes that matter inside a JSON string.
inline const char* find_string_special(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const int hits = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
    if (hits != 0) return p + __builtin_ctz(static_cast<unsigned>(hits));
  }
#endif
  while (p < end && *p != '"' && *p != '\\') ++p;
  return p;
}

constexpr bool is_json_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/// First byte that is no JSON white space, or `end`.
inline const char* skip_json_space(const char* p, const char* end) {
  if (p < end && static_cast<unsigned char>(*p) > ' ') return p;
#if defined(__SSE2__)
  for (; end - p >= 16; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i a = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
    const __m128i b = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
    const unsigned spaces = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(a, b)));
    if (spaces != 0xffffU) return p + __builtin_ctz(~spaces);
  }
#endif
  while (p < end && is_json_space(*p)) ++p;
  return p;
}

}  // namespace gw::provider::scan

#pragma once
// The vector form of scan::Kernel, included once by each scan_<cpu>.cpp inside its own unnamed namespace, after it has
// defined
//   Vec         kWidth bytes: static load(p), eq(byte), fold() (bit 0x20 set); where they are 64, also
//               load_first(p, n), which reads n bytes and takes the others for blanks
//   Mask        what eq() tells of each of them: bits() as the lowest kWidth bits; either(a, b), both(a, b)
//   usage_hits  of the kWidth places from p those where `"usage":{` can begin; it may look at kLookahead bytes behind
//               them.
//               An OpenAI stream says `"usage":null` in every event and must not stop here each time, so the byte
//               behind the colon is part of the test.
//   prefix_xor  bit i of the result = xor of the bits 0..i
//   kShorter    the kernel for ranges that are too short for this one
// It includes nothing on purpose: it is text that is compiled once for every instruction set.

constexpr std::ptrdiff_t kLookahead = 8;
constexpr std::ptrdiff_t kWidth = Vec::kWidth;

using Hits = Mask (*)(const char* p);
using Is = bool (*)(const char* p, const char* end);

template <Is kIs>
inline const char* first_hit(const char* p, std::uint64_t bits, const char* end) {
  for (; bits != 0; bits &= bits - 1) {
    const char* at = p + __builtin_ctzll(bits);
    if (kIs(at, end)) return at;
  }
  return nullptr;
}

/// Of kVecs times kWidth places: at which place of a Vec there is a hit.
template <int kVecs, Hits kHits>
inline Mask any_hit(const char* p) {
  if constexpr (kVecs == 1)
    return kHits(p);
  else
    return either(any_hit<kVecs / 2, kHits>(p), any_hit<kVecs / 2, kHits>(p + kVecs / 2 * kWidth));
}

/// By blocks of kVecs Vecs, of which [p, last] has room for one. The second begins where the bytes kLookahead behind it
/// are aligned, the last one ends where the places do: those that the block before has tested were no hit, so finding
/// the first one stays right.
template <int kVecs, Hits kHits, Is kIs>
inline const char* find_by(const char* p, const char* last, const char* end) {
  const char* const last_block = last - (kVecs - 1) * kWidth;
  while (true) {
    if (p > last_block) p = last_block;
    if (any_hit<kVecs, kHits>(p).bits() != 0)
      for (int i = 0; i < kVecs; ++i)
        if (const char* hit = first_hit<kIs>(p + i * kWidth, kHits(p + i * kWidth).bits(), end)) return hit;
    if (p == last_block) return end;
    p += kVecs * kWidth;
    p -= (reinterpret_cast<std::uintptr_t>(p) + kLookahead) % kWidth;
  }
}

template <Hits kHits, Is kIs>
inline const char* find(const char* p, const char* end, const char* (*shorter)(const char*, const char*)) {
  if (end - p < kWidth + kLookahead) return shorter(p, end);
  const char* const last = end - kWidth - kLookahead;  // the last place where a whole Vec of positions can be tested
  if (last - p >= 7 * kWidth) return find_by<8, kHits, kIs>(p, last, end);
  if (last - p >= 3 * kWidth) return find_by<4, kHits, kIs>(p, last, end);
  return find_by<1, kHits, kIs>(p, last, end);
}

const char* find_usage(const char* p, const char* end) {
  return find<usage_hits, is_usage_object>(p, end, kShorter.find_usage);
}

// Every delta of such a stream says `_text.`: the dot would be no help.
inline Mask usage_or_item_done_hits(const char* p) {
  return either(usage_hits(p), both(Vec::load(p).eq('_'), Vec::load(p + 4).eq('m')));
}

const char* find_usage_or_item_done(const char* p, const char* end) {
  return find<usage_or_item_done_hits, is_usage_or_item_done>(p, end, kShorter.find_usage_or_item_done);
}

struct Masks {
  std::uint64_t quote = 0;
  std::uint64_t backslash = 0;
  std::uint64_t open = 0;
  std::uint64_t close = 0;
};

inline void add_masks(Vec v, int shift, Masks& m) {
  const Vec folded = v.fold();  // [ ] become { }, nothing else becomes { or }
  m.quote |= static_cast<std::uint64_t>(v.eq('"').bits()) << shift;
  m.backslash |= static_cast<std::uint64_t>(v.eq('\\').bits()) << shift;
  m.open |= static_cast<std::uint64_t>(folded.eq('{').bits()) << shift;
  m.close |= static_cast<std::uint64_t>(folded.eq('}').bits()) << shift;
}

inline Masks masks_of(const char* p) {
  Masks m;
  for (int i = 0; i < 64 / kWidth; ++i) add_masks(Vec::load(p + i * kWidth), i * static_cast<int>(kWidth), m);
  return m;
}

/// Of the last `left` bytes, less than 64. Blanks fill them up, which mean nothing inside strings and outside.
template <class V>
inline Masks masks_of_rest(const char* p, std::ptrdiff_t left) {
  if constexpr (V::kWidth == 64) {
    Masks m;
    add_masks(V::load_first(p, left), 0, m);
    return m;
  } else {
    char padded[64];
    std::memset(padded, ' ', sizeof padded);
    if (left >= 32) {  // two copies of a fixed size, which overlap
      std::memcpy(padded, p, 32);
      std::memcpy(padded + left - 32, p + left - 32, 32);
    } else {
      std::memcpy(padded, p, static_cast<std::size_t>(left));
    }
    return masks_of(padded);
  }
}

// Which of the 64 bytes follow an odd run of backslashes; sets `carry` to whether the byte after the block does.
inline std::uint64_t escaped_bytes(std::uint64_t backslash, bool& carry) {
  constexpr std::uint64_t kEven = 0x5555555555555555ULL;
  const std::uint64_t before = carry ? 1 : 0;
  if (backslash == 0) {
    carry = false;
    return before;
  }
  backslash &= ~before;
  const std::uint64_t follows = (backslash << 1) | before;
  const std::uint64_t odd_starts = backslash & ~kEven & ~follows;
  unsigned long long ends_of_runs = 0;
  carry = __builtin_uaddll_overflow(odd_starts, backslash, &ends_of_runs);
  return (kEven ^ (static_cast<std::uint64_t>(ends_of_runs) << 1)) & follows;
}

inline Mask string_specials(const char* p) {
  const Vec v = Vec::load(p);
  return either(v.eq('"'), v.eq('\\'));
}

/// Over places that are none of those, by whole Vecs.
inline const char* skip_prose(const char* p, const char* end) {
  while (end - p >= 4 * kWidth && any_hit<4, string_specials>(p).bits() == 0) p += 4 * kWidth;
  while (end - p >= kWidth && string_specials(p).bits() == 0) p += kWidth;
  return p;
}

const char* skip_nested(const char* p, const char* end, Nesting& n) {
  Nesting s = n;
  while (p < end) {
    if (s.in_string && !s.escaped) p = skip_prose(p, end);  // only its end matters
    const std::ptrdiff_t left = end - p;
    const Masks m = left < 64 ? masks_of_rest<Vec>(p, left) : masks_of(p);
    bool carry = s.escaped;
    const std::uint64_t escaped = escaped_bytes(m.backslash, carry);
    s.escaped = left < 64 ? ((escaped >> left) & 1) != 0 : carry;
    const std::uint64_t strings = prefix_xor(m.quote & ~escaped) ^ (s.in_string ? ~std::uint64_t{0} : 0);
    s.in_string = (strings >> 63) != 0;
    const std::uint64_t open = m.open & ~strings;
    const std::uint64_t close = m.close & ~strings;
    const auto closing = static_cast<std::uint64_t>(__builtin_popcountll(close));
    if (closing < s.depth) {  // cannot end here
      s.depth += static_cast<std::uint64_t>(__builtin_popcountll(open)) - closing;
    } else {
      for (std::uint64_t rest = open | close; rest != 0; rest &= rest - 1) {
        const std::uint64_t bit = rest & (~rest + 1);
        if ((open & bit) != 0) {
          ++s.depth;
        } else if (--s.depth == 0) {
          n = Nesting{};
          return p + __builtin_ctzll(bit) + 1;
        }
      }
    }
    p += left < 64 ? left : 64;
  }
  n = s;
  return end;
}

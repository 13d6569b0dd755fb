#include "telemetry/scrub.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/strings.h"
#include "guard/credential_forms.h"
#include "guard/credentials.h"
#include "guard/detectors.h"
#include "guard/text_class.h"
#include "route/percent.h"

namespace gw::telemetry {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }
constexpr char folded(char c) { return static_cast<char>(c | 0x20); }

// ---- what may be a credential: a rare byte, then a look around it ----

/// Three-byte ends of the prefixes of `sk_…` and its like, any case: a bit each, by the bytes one and two before `_`.
constexpr std::string_view kUnderscored[] = {"sk", "pk", "rk", "at", "hp", "ho", "hu",
                                             "hs", "hr", "xb", "xa", "xp", "xr", "xs"};
constexpr std::array<std::uint16_t, 256> underscored_by_byte(std::size_t n) {
  std::array<std::uint16_t, 256> t{};
  for (std::size_t i = 0; i < std::size(kUnderscored); ++i) {
    // `xox` has a letter of its own before the underscore: what stands two before it is the x, or the h of `gh`.
    const char c = kUnderscored[i][n];
    t[static_cast<unsigned char>(c)] |= static_cast<std::uint16_t>(1U << i);
    t[static_cast<unsigned char>(c - 32)] |= static_cast<std::uint16_t>(1U << i);
  }
  return t;
}
constexpr std::array<std::uint16_t, 256> kUnderscoredFirst = underscored_by_byte(0);
constexpr std::array<std::uint16_t, 256> kUnderscoredSecond = underscored_by_byte(1);

bool may_end_assignment_name(std::string_view text, std::size_t equals) {
  std::size_t i = equals;
  while (i > 0 && is_blank(text[i - 1])) --i;
  if (i < 5) return false;
  const char last = folded(text[i - 1]);
  const char before = folded(text[i - 2]);
  return ((last == 'n' || last == 't' || last == 'y') && before == 'e') || (last == 'd' && before == 'r');
}

/// Something like `://user:password` stands before the `@`. Looks no further back than the `@` before it.
bool may_end_userinfo(std::string_view text, std::size_t at) {
  bool colon = false;
  for (std::size_t i = at; i > 1 && text[i - 1] != '@' && !is_blank(text[i - 1]); --i) {
    if (text[i - 1] == '/' && text[i - 2] == '/') return colon;
    colon = colon || text[i - 1] == ':';
  }
  return false;
}

/// A whole prefix of an issued credential ends in `text[i]`.
bool ends_form(std::string_view text, std::size_t i) {
  for (std::uint64_t left = guard::forms_ending(text, i); left != 0; left &= left - 1)
    if (text.substr(0, i + 1).ends_with(guard::kForms[std::countr_zero(left)].prefix)) return true;
  return false;
}

/// What stands around the rare byte `text[i]` is what a credential has there.
bool suspicious(std::string_view text, std::size_t i) {
  const auto at = [&](std::size_t k) {
    return k < text.size() ? text[k] : '\0';
  };  // also for what lies before the text
  switch (text[i]) {
    case '=':
      return may_end_assignment_name(text, i);
    case '@':
      return may_end_userinfo(text, i);
    case '%':
      return route::escaped_byte(text.substr(i)) >= 0;
    case 'I':
      if (at(i + 1) == 'z') return at(i - 1) == 'A';
      return at(i + 1) == 'A' && at(i - 2) == 'A' && (at(i - 1) == 'K' || at(i - 1) == 'S' || at(i - 1) == 'B');
    case 'j':
    case 'J':
      return folded(at(i - 1)) == 'y' && folded(at(i - 2)) == 'e';
    case 'x':
    case 'X':
      return folded(at(i - 1)) == 'o' && folded(at(i - 2)) == 'x';
    case ' ':
    case '\t':
    case '\n':
    case '\f':
    case '\r':
      return folded(at(i - 1)) == 'r' && folded(at(i - 2)) == 'e' && folded(at(i - 3)) == 'r';
    case '_':
      return ends_form(text, i) || (kUnderscoredFirst[static_cast<unsigned char>(at(i - 2))] &
                                    kUnderscoredSecond[static_cast<unsigned char>(at(i - 1))]) != 0;
    default:
      return ends_form(text, i) || (at(i + 1) == '-' && at(i + 2) == '-');
  }
}

using Bytes __attribute__((vector_size(16))) = unsigned char;
using Halves __attribute__((vector_size(16))) = std::uint64_t;
constexpr std::size_t kBlock = sizeof(Bytes);
static_assert(std::endian::native == std::endian::little, "the lowest bits of a half are its first byte");

constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
static_assert(std::all_of(std::begin(guard::kForms), std::end(guard::kForms),
                          [](const guard::Form& f) {
                            const std::string_view p = f.prefix;
                            return !p.ends_with('-') || !is_hex(p[p.size() - 2]) || p.starts_with("xox") ||
                                   p.starts_with("sk-");
                          }),
              "a dash behind a hex digit is not looked at, for the sake of UUIDs: another byte has to tell");

/// Every credential has one of these, and most text few of them. `before` is the byte before each.
Halves rare_bytes(Bytes b, Bytes before) {
  const Bytes lower = b | 0x20;
  const Bytes lower_before = before | 0x20;
  const auto dash = (b == '-') & ((before - '0') > 9) & ((before - 'a') > 5);
  const auto blank = (b <= 0x20) & (lower_before == 'r');
  const auto hit = dash | blank | (b == '_') | (b == '=') | (b == '.') | (b == '@') | (b == '%') | (b == 'I') |
                   (lower == 'j') | ((lower == 'x') & (lower_before == 'o'));
  return reinterpret_cast<Halves>(hit);
}

Bytes load(const char* p) {
  Bytes b;
  std::memcpy(&b, p, sizeof b);
  return b;
}

/// The byte before the first one is no letter and no digit.
Bytes shifted(Bytes b) {
  return __builtin_shufflevector(Bytes{}, b, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30);
}

[[gnu::noinline]] bool suspicious_half(std::string_view text, std::uint64_t hits, std::size_t at) {
  constexpr std::uint64_t kOneEach = 0x0101010101010101;
  for (std::uint64_t left = hits & kOneEach; left != 0; left &= left - 1)
    if (suspicious(text, at + static_cast<std::size_t>(std::countr_zero(left)) / 8)) return true;
  return false;
}

/// One of the rare bytes in a block, whose first byte is `text[at]`, is suspicious.
[[gnu::always_inline]] inline bool suspicious_block(std::string_view text, Bytes block, Bytes before, std::size_t at) {
  const Halves hits = rare_bytes(block, before);
  if ((hits[0] | hits[1]) == 0) [[likely]]
    return false;
  return suspicious_half(text, hits[0], at) || suspicious_half(text, hits[1], at + 8);
}

// ---- what is one ----

using Matches = std::vector<guard::Match>;

bool starts_word(std::string_view text, std::size_t i) { return i == 0 || !guard::is_alnum(text[i - 1]); }

bool is_bearer_char(char c) {
  return guard::is_alnum(c) || c == '_' || c == '.' || c == '-' || c == '/' || c == '+' || c == '=';
}

void find_bearers(std::string_view text, Matches& out) {
  constexpr std::string_view kBearer = "bearer";
  constexpr std::size_t kLeast = 8;
  for (std::size_t i = kBearer.size(); i < text.size(); ++i) {
    if (!is_blank(text[i])) continue;
    const std::size_t name = i - kBearer.size();
    const bool named = iequals(text.substr(name, kBearer.size()), kBearer) && starts_word(text, name);
    while (i < text.size() && is_blank(text[i])) ++i;
    if (!named) continue;
    std::size_t end = i;
    while (end < text.size() && is_bearer_char(text[end])) ++end;
    while (end > i && !guard::is_word(text[end - 1])) --end;
    if (end - i < kLeast) continue;
    out.push_back({name, end, guard::Kind::token_like});
    i = end;
  }
}

/// Where the name of a secret starts that ends before `end`; npos when there is none.
std::size_t secret_name(std::string_view text, std::size_t end) {
  for (const std::string_view name : {"password", "secret", "token", "api_key", "api-key", "apikey"}) {
    if (end < name.size() || !iequals(text.substr(end - name.size(), name.size()), name)) continue;
    if (starts_word(text, end - name.size())) return end - name.size();
  }
  return npos;
}

void find_assignments(std::string_view text, Matches& out) {
  constexpr std::size_t kLeast = 4;
  std::size_t floor = 0;
  for (std::size_t equals = text.find('='); equals != npos; equals = text.find('=', equals + 1)) {
    if (equals < floor) continue;
    std::size_t name_end = equals;
    while (name_end > floor && is_blank(text[name_end - 1])) --name_end;
    const std::size_t begin = secret_name(text, name_end);
    if (begin == npos || begin < floor) continue;
    std::size_t value = equals + 1;
    while (value < text.size() && is_blank(text[value])) ++value;
    std::size_t end = value;
    while (end < text.size() && !is_blank(text[end])) ++end;
    if (end - value < kLeast) continue;
    out.push_back({begin, end, guard::Kind::token_like});
    floor = end;
  }
}

/// The part of a URL's authority behind its first colon, which no `@` stands before, and before its last `@`.
void find_passwords(std::string_view text, Matches& out) {
  constexpr std::string_view kBefore = "://";
  for (std::size_t at = text.find(kBefore); at != npos; at = text.find(kBefore, at + 1)) {
    const std::size_t begin = at + kBefore.size();
    const std::string_view authority = text.substr(begin, text.find_first_of("/?#\"'<>\\, \t\n\f\r", begin) - begin);
    const std::size_t end = authority.rfind('@');
    const std::size_t colon = authority.find_first_of(":@");
    if (end == npos || authority[colon] != ':' || colon + 1 >= end) continue;
    out.push_back({begin + colon + 1, begin + end, guard::Kind::token_like});
  }
}

/// Puts the replacement in the place of each match. False: there was none.
bool replace(std::string& text, const Matches& matches) {
  if (matches.empty()) return false;
  std::string out;
  out.reserve(text.size() + kCredentialRedacted.size());
  std::size_t kept = 0;
  for (const guard::Match& m : matches) {
    out.append(text, kept, m.begin - kept).append(kCredentialRedacted);
    kept = m.end;
  }
  text = std::move(out.append(text, kept));
  return true;
}

/// False: there was none.
bool take_out(std::string& text) {
  static const guard::Detectors kTokens({.email = false, .phone = false, .ssn = false, .token_like = true});
  Matches found;
  bool changed = false;
  const auto pass = [&](auto&& find) {
    found.clear();
    find(std::string_view(text), found);
    changed = replace(text, found) || changed;
  };
  pass([](std::string_view t, Matches& m) {
    guard::Scan scan;
    guard::find_credentials(t, scan, t.size(), {}, m);
  });
  pass([](std::string_view t, Matches& m) { kTokens.find(guard::Detector::token, t, m); });
  pass(find_bearers);
  pass(find_assignments);
  pass(find_passwords);
  return changed;
}

}  // namespace

bool may_hold_credential(std::string_view text) noexcept {
  if (text.size() < kShortestCredential) return false;
  if (text.size() < kBlock) {
    std::array<char, kBlock> padded;
    padded.fill('a');  // no rare byte
    std::memcpy(padded.data(), text.data(), text.size());
    const Bytes only = load(padded.data());
    return suspicious_block(text, only, shifted(only), 0);
  }
  const Bytes first = load(text.data());
  if (suspicious_block(text, first, shifted(first), 0)) return true;
  const std::size_t last = text.size() - kBlock;
  for (std::size_t at = kBlock; at < last; at += kBlock)
    if (suspicious_block(text, load(text.data() + at), load(text.data() + at - 1), at)) return true;
  return last > 0 && suspicious_block(text, load(text.data() + last), load(text.data() + last - 1), last);
}

std::string_view scrub(std::string_view text, std::string& scratch) {
  if (!may_hold_credential(text)) return text;
  if (text.find('%') != npos) {
    std::string plain = route::percent_decoded(text);
    if (plain.size() != text.size() && take_out(plain)) {
      scratch = storable_text(trim(plain));  // escapes may stand for any byte
      return scratch;
    }
  }
  std::string out(text);
  if (!take_out(out)) return text;
  scratch = trim(out);
  return scratch;
}

}  // namespace gw::telemetry

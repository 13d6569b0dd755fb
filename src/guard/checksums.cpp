#include "guard/checksums.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "guard/detectors.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

std::size_t digits_end(std::string_view text, std::size_t i) {
  while (i < text.size() && is_digit(text[i])) ++i;
  return i;
}

int leading(std::string_view digits, std::size_t n) {
  int v = 0;
  for (const char c : digits.substr(0, n)) v = v * 10 + (c - '0');
  return v;
}

/// Whether cards are issued with these first digits and this length.
bool is_issued(std::string_view d) {
  const std::size_t n = d.size();
  if (n < 13 || n > 19) return false;
  const int four = leading(d, 4), three = four / 10, two = four / 100;
  switch (d[0]) {
    case '2':
      return (n == 16 && four >= 2221 && four <= 2720) || (n >= 16 && four >= 2200 && four <= 2204);
    case '3':
      if (two == 34 || two == 37) return n == 15;
      if (four >= 3528 && four <= 3589) return n >= 16;
      return n >= 14 && ((three >= 300 && three <= 305) || two == 36 || two == 38 || two == 39);
    case '4':
      return n == 13 || n == 16 || n == 19;
    case '5':
      if (two >= 51 && two <= 55) return n == 16;
      return two == 50 || (two >= 56 && two <= 58);
    case '6':
      return n >= 16 || two == 63 || two == 67;
    default:
      return false;
  }
}

bool is_card(std::string_view digits) {
  if (!is_issued(digits)) return false;
  constexpr int kDoubled[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
  int sum = 0;
  std::size_t i = digits.size();
  for (; i >= 2; i -= 2) sum += (digits[i - 1] - '0') + kDoubled[digits[i - 2] - '0'];
  if (i == 1) sum += digits[0] - '0';
  return sum % 10 == 0;
}

/// Groups of digits behind a first one of four; the last may have `least` to `most`. Their first tells which it is.
struct Groups {
  std::size_t middle, middles;
  std::size_t least, most;
};
constexpr Groups kGroupings[] = {{4, 2, 1, 7}, {6, 1, 4, 5}};

/// A number's digits without what parts them.
struct Digits {
  char bytes[24];  // the most a grouping has is 19
  std::size_t size = 0;

  void append(std::string_view s) {
    if (s.size() == 4) {
      std::memcpy(bytes + size, s.data(), 4);
      size += 4;
    } else {
      for (const char c : s) bytes[size++] = c;
    }
  }
  std::string_view text() const { return {bytes, size}; }
};

/// The end of the groups from `i` on, a blank or a hyphen between them, or npos.
std::size_t grouped_end(std::string_view text, std::size_t i, Digits& digits) {
  constexpr std::size_t kFirst = 4;
  std::size_t at = i + kFirst;
  const char separator = at < text.size() ? text[at] : '\0';
  if (separator != ' ' && separator != '-') return npos;
  const std::size_t second = digits_end(text, at + 1) - (at + 1);
  const auto* const g = std::find_if(std::begin(kGroupings), std::end(kGroupings),
                                     [second](const Groups& known) { return known.middle == second; });
  if (g == std::end(kGroupings)) return npos;
  digits.append(text.substr(i, kFirst));
  const auto take = [&](std::size_t least, std::size_t most) {
    if (at >= text.size() || text[at] != separator) return false;
    const std::size_t end = digits_end(text, at + 1);
    const std::size_t n = end - (at + 1);
    if (n < least || n > most) return false;
    digits.append(text.substr(at + 1, n));
    at = end;
    return true;
  };
  for (std::size_t k = 0; k < g->middles; ++k)
    if (!take(g->middle, g->middle)) return npos;
  return take(g->least, g->most) ? at : npos;
}

std::size_t card_end(std::string_view text, std::size_t i, std::size_t run) {
  if (text[i] < '2' || text[i] > '6') return npos;  // no issuer's
  if (run - i >= 13) return boundary_at(text, run) && is_card(text.substr(i, run - i)) ? run : npos;
  if (run - i != 4) return npos;
  Digits digits;
  const std::size_t end = grouped_end(text, i, digits);
  return end != npos && boundary_at(text, end) && is_card(digits.text()) ? end : npos;
}

/// Countries and the length of their IBANs.
constexpr std::string_view kIbanLengths =
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18"
    "GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30NL18NO15"
    "PK24PL28PS29PT25QA29RO24RS22SA24SC31SD18SE24SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20";

constexpr std::size_t kLetters = 26;
constexpr std::array<std::uint8_t, kLetters * kLetters> kIbanLengthByCountry = [] {
  std::array<std::uint8_t, kLetters * kLetters> t{};
  for (std::size_t i = 0; i < kIbanLengths.size(); i += 4)
    t[static_cast<std::size_t>(kIbanLengths[i] - 'A') * kLetters +
      static_cast<std::size_t>(kIbanLengths[i + 1] - 'A')] =
        static_cast<std::uint8_t>((kIbanLengths[i + 2] - '0') * 10 + (kIbanLengths[i + 3] - '0'));
  return t;
}();

/// 0: none. `country` is two capitals.
std::size_t iban_length(std::string_view country) {
  return kIbanLengthByCountry[static_cast<std::size_t>(country[0] - 'A') * kLetters +
                              static_cast<std::size_t>(country[1] - 'A')];
}

/// The end of an IBAN whose country stands at `i`.
std::size_t iban_end(std::string_view text, std::size_t i) {
  const std::size_t length = iban_length(text.substr(i, 2));
  if (length == 0) return npos;
  const bool grouped = i + 4 < text.size() && text[i + 4] == ' ';
  std::size_t at = i;
  for (std::size_t n = 0; n < length; ++n, ++at) {
    if (grouped && n > 0 && n % 4 == 0 && at < text.size() && text[at] == ' ') ++at;
    if (at >= text.size() || !is_in(text[at], kUppers | kDigits)) return npos;
  }
  return boundary_at(text, at) && passes_mod97(text.substr(i, at - i)) ? at : npos;
}

/// Four numbers below 256 with dots between them.
struct Ipv4 {
  std::size_t end = npos;  ///< npos: there are none
  std::uint32_t address = 0;

  bool names_nobody() const { return address == 0 || address >> 24 == 127 || address == ~std::uint32_t{0}; }
};

Ipv4 ipv4_at(std::string_view text, std::size_t i) {
  Ipv4 found;
  const char* p = text.data() + i;
  const char* const end = text.data() + text.size();
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (p == end || *p != '.') return {};
      ++p;
    }
    if (p == end || !is_digit(*p)) return {};
    auto number = static_cast<std::uint32_t>(*p++ - '0');
    if (p != end && is_digit(*p)) {
      if (number == 0) return {};
      number = number * 10 + static_cast<std::uint32_t>(*p++ - '0');
      if (p != end && is_digit(*p)) number = number * 10 + static_cast<std::uint32_t>(*p++ - '0');
    }
    if (number > 255 || (p != end && is_digit(*p))) return {};
    found.address = found.address << 8 | number;
  }
  found.end = static_cast<std::size_t>(p - text.data());
  return found;
}

constexpr bool is_hex(char c) { return is_in(c, kDigits | kHexLetters); }

/// All of `s` is an IPv6 address, and not so short that it could as well be two names with `::` between them.
bool is_ipv6(std::string_view s) {
  std::size_t groups = 0;
  bool gap = false, digit = false;
  std::size_t i = 0, first = npos;
  if (s.starts_with("::")) {
    gap = true;
    i = 2;
  }
  while (i < s.size()) {
    if (const std::size_t dot = s.find('.', i); dot != npos && s.find(':', i) == npos) {
      if (ipv4_at(s, i).end != s.size()) return false;
      groups += 2;
      digit = true;
      i = s.size();
      break;
    }
    std::size_t end = i;
    for (; end < s.size() && is_hex(s[end]); ++end) digit |= is_digit(s[end]);
    if (end == i || end - i > 4) return false;
    if (first == npos) first = end - i;
    ++groups;
    i = end;
    if (i == s.size()) break;
    if (s[i] != ':') return false;
    if (s.substr(i).starts_with("::")) {
      if (std::exchange(gap, true)) return false;
      i += 2;
    } else {
      ++i;
      if (i == s.size()) return false;
    }
  }
  if (gap ? groups > 7 : groups != 8) return false;
  return digit && (groups >= 3 || (groups == 2 && first >= 3 && first != npos));
}

}  // namespace

bool passes_luhn(std::string_view s) {
  int sum = 0;
  std::size_t n = 0;
  for (std::size_t i = s.size(); i-- > 0;) {
    if (!is_digit(s[i])) continue;
    const int d = s[i] - '0';
    sum += n++ % 2 == 0 ? d : d < 5 ? 2 * d : 2 * d - 9;
  }
  return n >= 2 && sum % 10 == 0;
}

bool passes_mod97(std::string_view s) {
  constexpr std::size_t kMoved = 4;  // country and check digits count behind the others
  char moved[kMoved];
  std::size_t n = 0;
  constexpr std::uint64_t kOften = 1'000'000'000'000'000;  // divided only when two more digits might not fit
  std::uint64_t rest = 0;
  const auto add = [&rest](char c) {
    if (rest >= kOften) rest %= 97;
    rest = is_digit(c) ? rest * 10 + static_cast<unsigned>(c - '0')
                       : rest * 100 + static_cast<unsigned>((c & ~32) - 'A') + 10;
  };
  for (const char c : s) {
    if (c == ' ') continue;
    if (!is_alnum(c)) return false;
    if (n < kMoved)
      moved[n] = c;
    else
      add(c);
    ++n;
  }
  if (n <= kMoved) return false;
  for (const char c : moved) add(c);
  return rest % 97 == 1;
}

void find_cards(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) {
  std::size_t i = scan.at;
  for (const std::size_t to = std::min(stop, text.size()); i < to;) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    const std::size_t run = digits_end(text, i);
    const std::size_t n = run - i;
    const std::size_t end = (n == 4 || n >= 13) && boundary_at(text, i) ? card_end(text, i, run) : npos;
    if (end != npos) out.emplace_back(i, end, Kind::payment_card);
    i = end != npos ? end : run;
  }
  scan.at = i;
}

void find_ibans(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) {
  std::size_t i = std::max<std::size_t>(scan.at, 2);  // of the check digits
  for (const std::size_t to = std::min(stop, text.size()); i < to;) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    const bool starts =
        is_upper(text[i - 1]) && is_upper(text[i - 2]) && i >= scan.floor + 2 && (i == 2 || !is_word(text[i - 3]));
    const std::size_t end = starts ? iban_end(text, i - 2) : npos;
    if (end != npos) {
      out.emplace_back(i - 2, end, Kind::iban);
      scan.floor = i = end;
    } else {
      i = digits_end(text, i);
    }
  }
  scan.at = i;
}

void find_ips(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) {
  constexpr std::size_t kLongest = 45;
  const std::size_t to = std::min(stop, text.size());
  const auto is_mark = [](Block v) { return (Block)(v == byte_of('.')) | (Block)(v == byte_of(':')); };
  each_hit(text, scan.at, to, is_mark, [&](std::size_t i) {
    std::size_t begin = i, end = npos;
    if (text[i] == '.') {
      while (begin > scan.floor && i - begin < 3 && is_digit(text[begin - 1])) --begin;
      if (begin == i) return i + 1;
      if (begin > 0 && (is_in(text[begin - 1], kWordBytes | kDot) || text[begin - 1] == ':')) return i + 1;
      const Ipv4 found = ipv4_at(text, begin);
      end = found.end;
      if (end == npos || (end < text.size() && is_word(text[end])) ||
          (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1])) || found.names_nobody())
        return i + 1;
    } else if (i >= scan.known) {
      const bool goes_on = i + 1 < text.size() && is_in(text[i + 1], kDigits | kHexLetters | kDot | kOfWords);
      if (!goes_on && (i == scan.floor || !is_hex(text[i - 1]))) return i + 1;  // a colon by itself
      while (begin > scan.floor && i - begin < 5 && is_hex(text[begin - 1])) --begin;
      std::size_t last = i;
      while (last < text.size() && last - begin < kLongest + 1 &&
             (is_hex(text[last]) || text[last] == ':' || text[last] == '.'))
        ++last;
      while (last > i + 1 && (text[last - 1] == '.' || (text[last - 1] == ':' && text[last - 2] != ':'))) --last;
      const bool alone = (begin == 0 || !is_word(text[begin - 1])) && (last == text.size() || !is_word(text[last]));
      if (alone && is_ipv6(text.substr(begin, last - begin))) end = last;
      scan.known = end == npos ? last : end;  // no other colon of this run starts one
    }
    if (end == npos) return i + 1;
    out.emplace_back(begin, end, Kind::ip_address);
    return scan.floor = end;
  });
  scan.at = to;
}

}  // namespace gw::guard

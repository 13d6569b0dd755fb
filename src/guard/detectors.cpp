#include "guard/detectors.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/strings.h"
#include "guard/checksums.h"
#include "guard/credentials.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

/// Where the local part of the address begins whose `@` stands at `at`, not before `floor`; or npos.
std::size_t email_begin(std::string_view text, std::size_t at, std::size_t floor) {
  constexpr unsigned kLocal = kWordBytes | kDot | kPercent | kPlus | kHyphen;
  std::size_t begin = at;
  for (std::size_t step = 1; step != 0; begin -= step) {
    while (begin > floor && is_in(text[begin - 1], kLocal)) --begin;
    step = folded_letter_before(text, begin);
    if (begin < floor + step) break;
  }
  while (begin < at && !boundary_at(text, begin)) ++begin;
  return begin < at ? begin : npos;
}

/// The two bytes before the underscore at `i` may end one of the prefixes below: cheap, and dismisses nearly all.
bool underscore_prefix_may_end(std::string_view text, std::size_t i) {
  if (i < 2) return false;
  const char a = to_lower(text[i - 2]), b = to_lower(text[i - 1]);
  switch (a) {
    case 's':
    case 'p':
    case 'r':
      return b == 'k';
    case 'a':
      return b == 't';
    case 'h':
      return b == 'p' || b == 'o' || b == 'u' || b == 's' || b == 'r';
    case 'x':
      return b == 'b' || b == 'a' || b == 'p' || b == 'r' || b == 's';
    default:
      return false;
  }
}

/// Where `sk_`, `xoxb_` and their like start that end in the underscore at `i`, or npos.
std::size_t underscore_prefix(std::string_view text, std::size_t i) {
  static constexpr std::string_view kPrefixes[] = {"sk",  "pk",  "rk",   "pat",  "ghp",  "gho",  "ghu",
                                                   "ghs", "ghr", "xoxb", "xoxa", "xoxp", "xoxr", "xoxs"};
  if (!underscore_prefix_may_end(text, i)) return npos;
  for (const std::string_view prefix : kPrefixes)
    if (i >= prefix.size() && iequals(text.substr(i - prefix.size(), prefix.size()), prefix) &&
        boundary_at(text, i - prefix.size()))
      return i - prefix.size();
  // The Kelvin sign folds to k and the long s to s; whoever writes those hides nothing that works.
  return npos;
}

/// The end of the longest run of two letters or more from `i` on that has a boundary behind it, or npos.
std::size_t top_level_end(std::string_view text, std::size_t i) {
  std::size_t end = end_of_run(text, i, kUppers | kLowers);
  if (folded_letter_at(text, end) == 0) return end - i >= 2 && boundary_at(text, end) ? end : npos;
  end = npos;
  for (std::size_t letters = 0;;) {
    const bool plain = i < text.size() && is_letter(text[i]);
    if (!plain && letters >= 2 && boundary_at(text, i)) end = i;
    const std::size_t step = plain ? 1 : folded_letter_at(text, i);
    if (step == 0) return end;
    if (step > 1 && letters + 1 >= 2 && boundary_at(text, i + step)) end = i + step;
    i += step;
    ++letters;
  }
}

/// End of the address whose `@` stands at `at`, or npos: the last dot of its domain with two letters and a boundary
/// behind it.
std::size_t email_end(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  for (std::size_t step = 1; step != 0; end += step) {
    end = end_of_run(text, end, kAlnums | kDot | kHyphen);
    step = folded_letter_at(text, end);
  }
  for (std::size_t dot = end; dot-- > at + 2;)
    if (text[dot] == '.')
      if (const std::size_t letters_end = top_level_end(text, dot + 1); letters_end != npos) return letters_end;
  return npos;
}

/// End of the run of token characters from `i` on, with the two that case folding lets in.
std::size_t token_run_end(std::string_view text, std::size_t i) {
  for (std::size_t step = 1; step != 0; i += step) {
    i = end_of_run(text, i, kWordBytes | kHyphen);
    step = folded_letter_at(text, i);
  }
  return i;
}

constexpr bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// There are as many characters as each part of a token has at least.
bool is_token_part(std::string_view run) {
  constexpr int kLeast = 8;
  int n = 0;
  for (std::size_t i = 0; i < run.size() && n < kLeast; ++i) n += continues_character(run[i]) ? 0 : 1;
  return n == kLeast;
}

/// The token whose prefix ends in the underscore before `first`: its end, or npos.
std::size_t underscore_token_end(std::string_view text, std::size_t first) {
  std::size_t end = token_run_end(text, first);
  while (end > first && !boundary_at(text, end)) {
    --end;
    while (continues_character(text[end])) --end;
  }
  return is_token_part(text.substr(first, end - first)) ? end : npos;
}

/// The JWT that starts at `begin`, with `eyj`: its end, or npos.
std::size_t jwt_end(std::string_view text, std::size_t begin) {
  constexpr int kParts = 3;
  std::size_t i = begin + 3;
  for (int part = 0; part < kParts; ++part) {
    if (part > 0) {
      if (i >= text.size() || text[i] != '.') return npos;
      ++i;
    }
    const std::size_t from = i;
    i = token_run_end(text, i);
    if (!is_token_part(text.substr(from, i - from))) return npos;
  }
  return i;
}

std::size_t digit_run_end(std::string_view text, std::size_t from) {
  while (from < text.size() && is_digit(text[from])) ++from;
  return from;
}
std::size_t next_digit_run(std::string_view text, std::size_t from, std::size_t stop) {
  while (from < stop && !is_digit(text[from])) ++from;
  return from;
}

constexpr bool is_separator(char c) { return is_in(c, kWhite | kDot | kHyphen); }

/// Area, exchange and number of the contract's grammar from `i` on: its end, or npos. Every part that may be there is
/// taken when it is: digits can stand nowhere else.
std::size_t local_number_end(std::string_view text, std::size_t i) {
  constexpr std::size_t kDigitsOfAll = 10;
  if (i + kDigitsOfAll > text.size()) return npos;
  const char* p = text.data() + i;  // a byte behind each part is there, as there are ten digits
  const char* const end = text.data() + text.size();
  if (*p == '(') ++p;
  if (!is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2])) return npos;
  p += 3;
  if (*p == ')') ++p;
  if (is_separator(*p)) ++p;
  if (end - p < 7 || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2])) return npos;
  p += 3;
  if (is_separator(*p)) ++p;
  if (end - p < 4 || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) || !is_digit(p[3])) return npos;
  i = static_cast<std::size_t>(p + 4 - text.data());
  return boundary_at(text, i) ? i : npos;
}

/// Whether the contract's grammar can begin with the run of digits [i, run), all of it: area, exchange and number, as
/// many of them as stand without a separator, perhaps behind the country's `1`.
bool may_be_phone(std::string_view text, std::size_t i, std::size_t run) {
  constexpr unsigned kLengths = 1U << 3 | 1U << 6 | 1U << 10;
  const std::size_t n = run - i;
  if (n > 11 || ((kLengths | (text[i] == '1' ? kLengths << 1 | 1U << 1 : 0U)) >> n & 1) == 0) return false;
  if (n != 1) return true;
  if (run == text.size()) return false;
  const std::size_t area = run + (is_separator(text[run]) ? 1 : 0);
  const std::size_t digits = area + (area < text.size() && text[area] == '(' ? 1 : 0);
  return digits + 2 < text.size() && is_digit(text[digits]) && is_digit(text[digits + 1]) && is_digit(text[digits + 2]);
}

/// The phone number of the contract's grammar that starts at `i`, where a boundary is.
std::size_t phone_end(std::string_view text, std::size_t i) {
  std::size_t at = i;
  if (text[at] == '+') ++at;
  if (at < text.size() && text[at] == '1') {
    ++at;
    if (at < text.size() && is_separator(text[at])) ++at;
    if (const std::size_t end = local_number_end(text, at); end != npos) return end;
  }
  return text[i] == '+' ? npos : local_number_end(text, i);
}

/// `+`, a country code and eight to fifteen digits in all, in groups with a separator, brackets or both between them.
/// `plus` is where the sign stands. The end, or npos.
std::size_t international_end(std::string_view text, std::size_t plus) {
  constexpr std::size_t kFewest = 8, kMost = 15;
  if (plus > 0 && is_word(text[plus - 1])) return npos;
  std::size_t i = plus + 1, end = npos, digits = 0;
  if (i >= text.size() || text[i] < '1' || text[i] > '9') return npos;
  for (;;) {
    const std::size_t run = digit_run_end(text, i);
    digits += run - i;
    if (digits > kMost) break;
    if (digits >= kFewest && boundary_at(text, run)) end = run;
    i = run;
    if (i < text.size() && text[i] == ')') ++i;
    if (i < text.size() && is_separator(text[i])) ++i;
    if (i < text.size() && text[i] == '(') ++i;
    if (i == run || i >= text.size() || !is_digit(text[i])) break;
  }
  return end;
}

bool all_digits(std::string_view s) { return digit_run_end(s, 0) == s.size(); }

/// Was given to somebody, by the ranges that are never used.
bool is_issued_ssn(std::string_view s) {
  const std::string_view area = s.substr(0, 3);
  return area != "000" && area != "666" && area[0] != '9' && s.substr(4, 2) != "00" && s.substr(7) != "0000";
}

/// Which of 64 bytes are of a kind, a bit each.
struct Kinds {
  std::uint64_t digits = 0;
  std::uint64_t marks = 0;   ///< `-` and `.`
  std::uint64_t others = 0;  ///< `@`, `_`, `I`, `J` and `j`: one of all these is in everything that the detectors know
};
constexpr std::size_t kKindsWidth = 64;

Kinds kinds_of(std::string_view bytes) {
  Kinds k;
  for (std::size_t at = 0; at < bytes.size(); at += kBlockSize) {
    const std::size_t left = bytes.size() - at;
    const Block v = left >= kBlockSize ? load_block(bytes.data() + at) : load_part(bytes.data() + at, left);
    const auto bits = [at](auto hit) { return std::uint64_t{bits_of((Block)hit)} << at; };
    k.digits |= bits((v - byte_of('0')) <= byte_of('9' - '0'));
    k.marks |= bits((Block)(v == byte_of('-')) | (Block)(v == byte_of('.')));
    k.others |= bits((Block)(v == byte_of('@')) | (Block)(v == byte_of('_')) | (Block)(v == byte_of('I')) |
                     (Block)((v | byte_of(' ')) == byte_of('j')));
  }
  return k;
}

/// Digit groups that could be one number, as they come by.
class DigitClusters {
 public:
  DigitClusters(std::string_view text, const DetectorOptions& options)
      : text_(text), international_(options.phone_international) {}

  /// The run of digits [i, end).
  void run(std::size_t i, std::size_t end, unsigned& out) {
    constexpr std::size_t kWidestGap = 3;  // `) (` of foreign numbers
    const std::size_t n = end - i;
    const char before = i > 0 ? text_[i - 1] : '\0';
    if (i - last_end_ > kWidestGap) {
      lengths_ = 0;
      since_plus_ = false;
    }
    last_end_ = end;
    lengths_ = lengths_ << 8 | static_cast<std::uint8_t>(std::min<std::size_t>(n, 255));
    if (n >= 4) long_run(n, out);
    if (card_ends(n)) out |= bit_of(Detector::card);
    if (international_) international_run(n, before == '+', out);
    if (before == '-') {
      if (n == 4 && i >= 7 && text_[i - 4] == '-') out |= bit_of(Detector::ssn);
    } else if (before == '.') {
      if (n <= 3 && i >= 4 && is_digit(text_[i - 2])) out |= bit_of(Detector::ip);
    } else if (is_upper(before) && i >= 2 && is_upper(text_[i - 2])) {
      out |= bit_of(Detector::iban);
    }
  }

 private:
  std::size_t length_before() const { return lengths_ >> 8 & 0xFF; }

  /// The contract's grammar ends in ten digits, perhaps behind a `1`: in groups of 3, 3 and 4, glued or not.
  void long_run(std::size_t n, unsigned& out) const {
    const std::size_t last = length_before();
    if (n == 10 || n == 11 || (n == 4 && (last == 3 || last == 6 || last == 7)) || (n == 7 && (last == 3 || last == 4)))
      out |= bit_of(Detector::phone);
  }

  /// As groups of a card's number do, or all of one.
  bool card_ends(std::size_t n) const {
    constexpr std::uint32_t kFours = 0x040404, kFourSix = 0x0406;
    return n >= 13 || lengths_ >> 8 == kFours || (lengths_ >> 8 & 0xFFFF) == kFourSix;
  }

  void international_run(std::size_t n, bool is_signed, unsigned& out) {
    near_ = is_signed || !since_plus_ ? n : near_ + n;
    since_plus_ |= is_signed;
    if (since_plus_ && near_ >= 8) out |= bit_of(Detector::phone);
  }

  std::string_view text_;
  const bool international_;
  std::size_t last_end_ = npos / 2;  // far from everything
  std::uint32_t lengths_ = 0;        // of the cluster's last runs, a byte each, the last one lowest
  std::size_t near_ = 0;             // digits of the cluster, where it
  bool since_plus_ = false;          // has a sign
};

/// Looks for what the detectors `wanted` could begin or end with.
class CandidateScan {
 public:
  CandidateScan(std::string_view text, const DetectorOptions& options, unsigned wanted)
      : text_(text), clusters_(text, options), wanted_(wanted) {}

  unsigned run(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end && (wanted_ & ~out_) != 0; i += kKindsWidth) {
      const std::string_view here = text_.substr(i, std::min(kKindsWidth, end - i));
      const Kinds k = kinds_of(here);
      if (k.digits != 0) digits(i, here.size(), k.digits);
      // Behind a digit no prefix of a credential ends in a mark, but `ya29.`, and a private key's first line begins.
      const std::uint64_t marks = k.marks & (~(k.digits << 1) | k.marks >> 1 | std::uint64_t{1} << 63);
      for (std::uint64_t left = marks | k.others; left != 0; left &= left - 1) {
        const auto at = static_cast<unsigned>(std::countr_zero(left));
        if (here[at] == '@')
          out_ |= bit_of(Detector::email);
        else
          mark(i + at);
      }
    }
    return out_;
  }

 private:
  /// The runs of digits among the `size` bytes at `i`.
  void digits(std::size_t i, std::size_t size, std::uint64_t left) {
    if (seen_ > i) left &= seen_ - i < kKindsWidth ? ~std::uint64_t{0} << (seen_ - i) : 0;
    while (left != 0) {
      const auto first = static_cast<unsigned>(std::countr_zero(left));
      const std::size_t length = static_cast<unsigned>(std::countr_one(left >> first));
      const std::size_t end = first + length < size ? i + first + length : digit_run_end(text_, i + first + length);
      clusters_.run(i + first, end, out_);
      if (text_[end - 1] == '9' && end < text_.size() && text_[end] == '.') mark(end);
      if (first + length >= size) {
        seen_ = end;
        return;
      }
      left &= ~std::uint64_t{0} << (first + length);
    }
  }

  /// Any but an `@`.
  void mark(std::size_t i) {
    const char c = text_[i];
    if ((c | 32) == 'j') {
      if (i >= 2 && (text_[i - 1] | 32) == 'y' && (text_[i - 2] | 32) == 'e') out_ |= bit_of(Detector::token);
    } else {
      const unsigned left = wanted_ & ~out_;
      if ((left & bit_of(Detector::credential)) != 0 && credential_may_start(text_, i))
        out_ |= bit_of(Detector::credential);
      if (c == '_' && (left & bit_of(Detector::token)) != 0 && underscore_prefix(text_, i) != npos)
        out_ |= bit_of(Detector::token);
    }
  }

  std::string_view text_;
  DigitClusters clusters_;
  const unsigned wanted_;
  unsigned out_ = 0;
  std::size_t seen_ = 0;  // digits before it
};

}  // namespace

Detectors::Detectors(const DetectorOptions& options) : options_(options), patterns_(options.patterns) {
  const auto set = [this](Detector d, bool on) { on_ |= on ? bit_of(d) : 0; };
  const DetectorOptions& o = options_;
  set(Detector::credential, o.token_like && (o.provider_keys || o.private_keys));
  set(Detector::token, o.token_like && (o.provider_keys || o.jwt));
  set(Detector::email, o.email);
  set(Detector::phone, o.phone);
  set(Detector::ssn, o.ssn);
  set(Detector::card, o.payment_card);
  set(Detector::iban, o.iban);
  set(Detector::ip, o.ip_address);
  set(Detector::pattern, !patterns_.empty());
}

unsigned Detectors::candidates(std::string_view text, std::size_t from, std::size_t to, unsigned wanted) const {
  wanted &= on_;
  unsigned out = 0;
  // Patterns are asked about a text once.
  const bool whole = from == 0 && to >= text.size();
  if ((wanted & bit_of(Detector::pattern)) != 0 && (!whole || patterns_.matches(text)))
    out |= bit_of(Detector::pattern);
  if (text.size() < kShortest) return out;
  // A number that begins before `to` is seen to its end, and one before `from` again.
#ifdef GW_PLANT_BUG
  constexpr std::size_t kReach = 0;
#else
  constexpr std::size_t kReach = 64;
#endif
  const std::size_t begin = from > kReach ? from - kReach : 0;
  const std::size_t end = to < text.size() && text.size() - to > kReach ? to + kReach : text.size();
  const unsigned of_bytes = wanted & ~bit_of(Detector::pattern);
  if (of_bytes == 0) return out;
  out |= CandidateScan(text, options_, of_bytes).run(begin, end);
  if ((of_bytes & bit_of(Detector::ip)) != 0) {
    const std::size_t colon = text.substr(0, end).find(':', begin);
    if (colon != npos && text.find(':', colon + 1) != npos) out |= bit_of(Detector::ip);
  }
  return out & wanted;
}

bool Detectors::find(Detector detector, std::string_view text, Scan& scan, std::size_t stop,
                     std::vector<Match>& out) const {
  stop = std::min(stop, text.size());
  if ((on_ & bit_of(detector)) == 0 || scan.at >= text.size()) return true;
  switch (detector) {
    case Detector::credential:
      find_credentials(text, scan, stop, {.keys = options_.provider_keys, .private_keys = options_.private_keys}, out);
      break;
    case Detector::pattern:
      scan.at = patterns_.find(text, scan.at, stop, out);
      break;
    case Detector::card:
      find_cards(text, scan, stop, out);
      break;
    case Detector::iban:
      find_ibans(text, scan, stop, out);
      break;
    case Detector::email:
      find_emails(text, scan, stop, out);
      break;
    case Detector::phone:
      find_phones(text, scan, stop, out);
      break;
    case Detector::ssn:
      find_ssns(text, scan, stop, out);
      break;
    case Detector::token:
      find_tokens(text, scan, stop, out);
      break;
    case Detector::ip:
      find_ips(text, scan, stop, out);
      break;
  }
  return scan.at >= text.size();
}

void Detectors::find(Detector detector, std::string_view text, std::vector<Match>& out) const {
  Scan scan;
  find(detector, text, scan, text.size(), out);
}

void Detectors::find_emails(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  std::size_t floor = scan.floor;
  each_hit(
      text, scan.at, stop, [](Block v) { return (Block)(v == byte_of('@')); },
      [&](std::size_t at) {
        if (at < floor) return floor;
        const std::size_t start = email_begin(text, at, floor);
        const std::size_t end = start == npos ? npos : email_end(text, at);
        floor = end == npos ? at + 1 : end;
        if (end != npos) out.emplace_back(start, end, Kind::email);
        return floor;
      });
  scan.floor = floor;
  scan.at = std::max(stop, floor);
}

void Detectors::find_phones(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  std::size_t i = next_digit_run(text, scan.at, stop);
  while (i < stop) {
    std::size_t end = npos;
    std::size_t start = i;
    const std::size_t run = digit_run_end(text, i);
    const bool is_signed = options_.phone_international && i > scan.floor && text[i - 1] == '+';
    if (!is_signed && !may_be_phone(text, i, run)) {
      i = next_digit_run(text, run, stop);
      continue;
    }
    if (is_signed) {
      start = i - 1;
      end = international_end(text, start);
    }
    // A sign or a bracket takes part only right behind a word character: there alone a boundary stands before it.
    if (end == npos && i > scan.floor && (text[i - 1] == '(' || text[i - 1] == '+') && boundary_at(text, i - 1)) {
      start = i - 1;
      end = phone_end(text, start);
    }
    if (end == npos && boundary_at(text, i)) {
      start = i;
      end = phone_end(text, start);
    }
    if (end != npos && !options_.phone_bare_digits && all_digits(text.substr(start, end - start))) end = npos;
    if (end == npos) {
      i = run;
    } else {
      out.push_back({start, end, Kind::phone});
      scan.floor = i = end;
    }
    i = next_digit_run(text, i, stop);
  }
  scan.at = i;
}

void Detectors::find_ssns(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  constexpr std::size_t kLength = 11, kFirst = 3;  // ddd-dd-dddd
  each_hit(
      text, scan.at, stop, [](Block v) { return (Block)(v == byte_of('-')); },
      [&](std::size_t dash) {
        const std::size_t i = dash - kFirst, end = i + kLength;
        if (dash < scan.floor + kFirst || end > text.size()) return dash + 1;
        const char* const p = text.data() + i;
        if (p[6] != '-' || !is_digit(p[0]) || !is_digit(p[1]) || !is_digit(p[2]) || !is_digit(p[4]) ||
            !is_digit(p[5]) || !is_digit(p[7]) || !is_digit(p[8]) || !is_digit(p[9]) || !is_digit(p[10]))
          return dash + 1;
        if (!boundary_at(text, i) || !boundary_at(text, end)) return dash + 1;
        if (options_.ssn_ranges && !is_issued_ssn(text.substr(i, kLength))) return dash + 1;
        out.emplace_back(i, end, Kind::ssn);
        return scan.floor = end;
      });
  scan.at = std::max(stop, scan.floor);
}

void Detectors::find_tokens(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  const auto is_start = [](Block v) {
    return (Block)(v == byte_of('_')) | (Block)((v | byte_of(' ')) == byte_of('j'));
  };
  each_hit(text, scan.at, stop, is_start, [&](std::size_t i) {
    std::size_t& no_jwt_before = scan.known;
    std::size_t begin = npos;
    std::size_t end = npos;
    if (text[i] == '_') {
      begin = options_.provider_keys ? underscore_prefix(text, i) : npos;
      if (begin != npos && begin >= scan.floor) end = underscore_token_end(text, i + 1);
    } else if (options_.jwt && i >= scan.floor + 2 && i >= no_jwt_before && (text[i - 1] | 32) == 'y' &&
               (text[i - 2] | 32) == 'e') {
      begin = i - 2;
      end = jwt_end(text, begin);
      // Starting later in the same run of characters cannot help: it only makes the first part shorter.
      if (end == npos) no_jwt_before = token_run_end(text, i);
    }
    if (end == npos) return i + 1;
    out.emplace_back(begin, end, Kind::token_like);
    return scan.floor = end;
  });
  scan.at = std::max(stop, scan.floor);
}

}  // namespace gw::guard

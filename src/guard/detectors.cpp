#include "guard/detectors.h"

#include <re2/re2.h>

#include "base/strings.h"
#include "guard/checksums.h"
#include "guard/credentials.h"
#include "guard/text_class.h"
#include "guard/trigger_scan.h"

namespace gw::guard {
namespace {

constexpr auto npos = std::string_view::npos;

std::unique_ptr<re2::RE2> compile(const char* pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  return std::make_unique<re2::RE2>(pattern, options);
}

/// End of the match of `re` that starts exactly at `begin`, or npos. Boundaries look at the text around.
std::size_t match_end(const re2::RE2& re, std::string_view text, std::size_t begin, std::size_t limit) {
  re2::StringPiece hit;
  const std::size_t end = limit < text.size() - begin ? begin + limit : text.size();
  if (!re.Match(re2::StringPiece(text.data(), text.size()), begin, end, re2::RE2::ANCHOR_START, &hit, 1)) return npos;
  return begin + hit.size();
}

/// Bytes of the character before `i` when it may stand in the local part of an address, else 0. Case folding lets the
/// long s (U+017F) and the Kelvin sign (U+212A) in.
std::size_t local_char_before(std::string_view text, std::size_t i) {
  const char c = text[i - 1];
  if (is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-') return 1;
  if (i >= 2 && text.substr(i - 2, 2) == "\xC5\xBF") return 2;
  if (i >= 3 && text.substr(i - 3, 3) == "\xE2\x84\xAA") return 3;
  return 0;
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

/// The two letters outside ASCII that folding lets in stand at `i`.
bool is_folded_letter(std::string_view text, std::size_t i) {
  return text.substr(i, 2) == "\xC5\xBF" || text.substr(i, 3) == "\xE2\x84\xAA";
}

/// End of the address whose `@` stands at `at`, or npos: the last dot of its domain with two letters and a boundary
/// behind it.
std::size_t email_end(const re2::RE2& tail, std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (is_alnum(text[end]) || text[end] == '.' || text[end] == '-')) ++end;
  if (is_folded_letter(text, end)) return match_end(tail, text, at, npos);
  for (std::size_t dot = end; dot-- > at + 2;) {
    if (text[dot] != '.') continue;
    std::size_t letters = dot + 1;
    while (letters < end && is_letter(text[letters])) ++letters;
    if (letters - (dot + 1) >= 2 && boundary_at(text, letters)) return letters;
  }
  return npos;
}

/// End of the run of token characters from `i` on, with the two that case folding lets in.
std::size_t jwt_run_end(std::string_view text, std::size_t i) {
  while (i < text.size()) {
    if (is_word(text[i]) || text[i] == '-') {
      ++i;
    } else if (text.substr(i, 2) == "\xC5\xBF") {
      i += 2;
    } else if (text.substr(i, 3) == "\xE2\x84\xAA") {
      i += 3;
    } else {
      break;
    }
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

constexpr bool is_separator(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == '.' || c == '-';
}

/// Area, exchange and number of the contract's grammar from `i` on: its end, or npos. Every part that may be there is
/// taken when it is: digits can stand nowhere else.
std::size_t local_number_end(std::string_view text, std::size_t i) {
  const auto digits = [&](int n) {
    for (; n > 0; --n, ++i)
      if (i >= text.size() || !is_digit(text[i])) return false;
    return true;
  };
  const auto skip = [&](bool there) { i += there ? 1 : 0; };
  skip(i < text.size() && text[i] == '(');
  if (!digits(3)) return npos;
  skip(i < text.size() && text[i] == ')');
  skip(i < text.size() && is_separator(text[i]));
  if (!digits(3)) return npos;
  skip(i < text.size() && is_separator(text[i]));
  if (!digits(4)) return npos;
  return boundary_at(text, i) ? i : npos;
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

/// Digit groups that could be one number, as they come by.
class DigitClusters {
 public:
  DigitClusters(std::string_view text, const DetectorOptions& options) : text_(text), options_(options) {}

  /// The run of digits at `i`; returns its end.
  std::size_t run(std::size_t i, unsigned& out) {
    const std::size_t end = digit_run_end(text_, i);
    const std::size_t n = end - i;
    constexpr std::size_t kWidestGap = 3;  // `) (` of foreign numbers
    near_ = i - last_end_ <= kWidestGap && last_end_ > 0 ? near_ + n : n;
    last_end_ = end;
    const bool signed_before = options_.phone_international && i > 0 && text_[i - 1] == '+';
    if (signed_before) since_plus_ = true;
    if (near_ == n) since_plus_ = signed_before;
    if (near_ >= 10 || (since_plus_ && near_ >= 8)) out |= bit_of(Detector::phone);
    if (near_ >= 13) out |= bit_of(Detector::card);
    if (n == 4 && i >= 7 && text_[i - 1] == '-' && text_[i - 4] == '-') out |= bit_of(Detector::ssn);
    if (i >= 2 && is_upper(text_[i - 1]) && is_upper(text_[i - 2])) out |= bit_of(Detector::iban);
    if (n <= 3 && i >= 4 && text_[i - 1] == '.' && is_digit(text_[i - 2])) out |= bit_of(Detector::ip);
    return end;
  }

 private:
  std::string_view text_;
  const DetectorOptions& options_;
  std::size_t near_ = 0, last_end_ = 0;
  bool since_plus_ = false;
};

}  // namespace

Detectors::Detectors(const DetectorOptions& options)
    : options_(options),
      patterns_(options.patterns),
      email_tail_(compile(R"((?i)@[A-Z0-9.\-]+\.[A-Z]{2,}\b)")),
      underscore_token_(compile(R"((?i)\b(?:sk|pk|rk|xox[baprs]|gh[pousr]|pat)_[A-Z0-9_\-]{8,}\b)")),
      jwt_(compile(R"((?i)eyj[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,})")) {
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

Detectors::~Detectors() = default;

unsigned Detectors::candidates(std::string_view text, std::size_t from, std::size_t to) const {
  constexpr std::size_t kShortest = 6;  // a@b.cd
  unsigned out = 0;
  // Patterns are asked about a text once.
  const bool whole = from == 0 && to >= text.size();
  if ((on_ & bit_of(Detector::pattern)) != 0 && (!whole || patterns_.matches(text))) out |= bit_of(Detector::pattern);
  if (text.size() < kShortest) return out & on_;
  // A number that begins before `to` is seen to its end, and one before `from` again.
#ifdef GW_PLANT_BUG
  constexpr std::size_t kReach = 0;
#else
  constexpr std::size_t kReach = 64;
#endif
  const std::size_t begin = from > kReach ? from - kReach : 0;
  const std::size_t end = to < text.size() && text.size() - to > kReach ? to + kReach : text.size();
  DigitClusters clusters(text, options_);
  each_trigger(text, begin, end, [&](std::size_t i) {
    const char c = text[i];
    if (is_digit(c)) return clusters.run(i, out);
    switch (c) {
      case '@':
        out |= bit_of(Detector::email);
        break;
      case '-':
      case '.':
      case '_':
      case 'I':
        if (credential_may_start(text, i)) out |= bit_of(Detector::credential);
        if (c == '_' && underscore_prefix(text, i) != npos) out |= bit_of(Detector::token);
        break;
      case 'j':
      case 'J':
        if (i >= 2 && (text[i - 1] | 32) == 'y' && (text[i - 2] | 32) == 'e') out |= bit_of(Detector::token);
        break;
      default:
        break;
    }
    return (out & on_) == on_ ? text.size() : i + 1;  // nothing is left to be announced
  });
  if ((on_ & bit_of(Detector::ip)) != 0) {
    const std::size_t colon = text.substr(0, end).find(':', begin);
    if (colon != npos && text.find(':', colon + 1) != npos) out |= bit_of(Detector::ip);
  }
  return out & on_;
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
  const std::string_view seen = text.substr(0, stop);
  for (std::size_t at = seen.find('@', scan.at); at != npos; at = seen.find('@', at + 1)) {
    if (at < scan.floor) continue;
    std::size_t start = npos;
    for (std::size_t i = at; i > scan.floor;) {
      const std::size_t step = local_char_before(text, i);
      if (step == 0 || i - step < scan.floor) break;
      i -= step;
      if (boundary_at(text, i)) start = i;
    }
    const std::size_t end = start == npos ? npos : email_end(*email_tail_, text, at);
    scan.floor = end == npos ? at + 1 : end;
    if (end != npos) out.push_back({start, end, Kind::email});
  }
  scan.at = std::max(stop, scan.floor);
}

void Detectors::find_phones(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  std::size_t i = next_digit_run(text, scan.at, stop);
  while (i < stop) {
    std::size_t end = npos;
    std::size_t start = i;
    if (options_.phone_international && i > scan.floor && text[i - 1] == '+') {
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
      i = digit_run_end(text, i);
    } else {
      out.push_back({start, end, Kind::phone});
      scan.floor = i = end;
    }
    i = next_digit_run(text, i, stop);
  }
  scan.at = i;
}

void Detectors::find_ssns(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  constexpr std::size_t kLength = 11;  // ddd-dd-dddd
  std::size_t i = next_digit_run(text, scan.at, stop);
  while (i < stop) {
    std::size_t end = digit_run_end(text, i);
    const std::string_view shape = text.substr(i, kLength);
    const auto digits = [&](std::size_t at, std::size_t n) {
      return digit_run_end(shape.substr(0, at + n), at) == at + n;
    };
    if (end - i == 3 && boundary_at(text, i) && shape.size() == kLength && shape[3] == '-' && digits(4, 2) &&
        shape[6] == '-' && digits(7, 4) && boundary_at(text, i + kLength) &&
        (!options_.ssn_ranges || is_issued_ssn(shape))) {
      end = i + kLength;
      out.push_back({i, end, Kind::ssn});
    }
    i = next_digit_run(text, end, stop);
  }
  scan.at = i;
}

std::size_t Detectors::underscore_token_end(std::string_view text, std::size_t begin, std::size_t underscore) const {
  constexpr std::size_t kLeast = 8;
  const std::size_t first = underscore + 1;
  std::size_t end = first;
  while (end < text.size() && (is_word(text[end]) || text[end] == '-')) ++end;
  if (is_folded_letter(text, end)) return match_end(*underscore_token_, text, begin, npos);
  while (end > first && text[end - 1] == '-') --end;  // it ends in front of a boundary
  return end - first >= kLeast ? end : npos;
}

std::size_t Detectors::jwt_end(std::string_view text, std::size_t begin) const {
  constexpr std::size_t kLeast = 8, kParts = 3;
  std::size_t i = begin + 3;
  for (std::size_t part = 0; part < kParts; ++part) {
    if (part > 0) {
      if (i >= text.size() || text[i] != '.') return npos;
      ++i;
    }
    const std::size_t from = i;
    while (i < text.size() && (is_word(text[i]) || text[i] == '-')) ++i;
    if (is_folded_letter(text, i)) return match_end(*jwt_, text, begin, npos);
    if (i - from < kLeast) return npos;
  }
  return i;
}

void Detectors::find_tokens(std::string_view text, Scan& scan, std::size_t stop, std::vector<Match>& out) const {
  std::size_t& no_jwt_before = scan.known;
  TriggerScan<3> triggers(text.substr(0, stop), "_jJ", scan.at);
  std::size_t i = scan.at;
  while ((i = triggers.next(i)) != npos) {
    const char c = text[i];
    std::size_t begin = npos;
    std::size_t end = npos;
    if (c == '_') {
      begin = options_.provider_keys ? underscore_prefix(text, i) : npos;
      if (begin != npos && begin >= scan.floor) end = underscore_token_end(text, begin, i);
    } else if (options_.jwt && i >= scan.floor + 2 && i >= no_jwt_before && (text[i - 1] | 32) == 'y' &&
               (text[i - 2] | 32) == 'e') {
      begin = i - 2;
      end = jwt_end(text, begin);
      // Starting later in the same run of characters cannot help: it only makes the first part shorter.
      if (end == npos) no_jwt_before = jwt_run_end(text, i);
    }
    if (end == npos) {
      ++i;
    } else {
      out.push_back({begin, end, Kind::token_like});
      scan.floor = i = end;
    }
  }
  scan.at = std::max(stop, scan.floor);
}

}  // namespace gw::guard

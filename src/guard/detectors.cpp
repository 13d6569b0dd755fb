#include "guard/detectors.h"

#include <re2/re2.h>

#include "base/strings.h"
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

/// Where `sk_`, `xoxb_` and their like start that end in the underscore at `i`, or npos.
std::size_t underscore_prefix(std::string_view text, std::size_t i) {
  static constexpr std::string_view kPrefixes[] = {"sk",  "pk",  "rk",   "pat",  "ghp",  "gho",  "ghu",
                                                   "ghs", "ghr", "xoxb", "xoxa", "xoxp", "xoxr", "xoxs"};
  for (const std::string_view prefix : kPrefixes)
    if (i >= prefix.size() && iequals(text.substr(i - prefix.size(), prefix.size()), prefix) &&
        boundary_at(text, i - prefix.size()))
      return i - prefix.size();
  // The Kelvin sign folds to k and the long s to s; whoever writes those hides nothing that works.
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

constexpr std::size_t kPhoneMax = 20;  // "+1 (415) 555-1212" and its longest variants

/// At least ten of the next bytes are digits: what every phone number has.
bool enough_digits(std::string_view text, std::size_t i) {
  int digits = 0;
  const std::size_t end = std::min(text.size(), i + kPhoneMax);
  for (; i < end; ++i) digits += is_digit(text[i]);
  return digits >= 10;
}

std::size_t next_digit_run(std::string_view text, std::size_t from) {
  while (from < text.size() && !is_digit(text[from])) ++from;
  return from;
}

std::size_t digit_run_end(std::string_view text, std::size_t from) {
  while (from < text.size() && is_digit(text[from])) ++from;
  return from;
}

void find_ssns(std::string_view text, std::vector<Match>& out) {
  constexpr std::size_t kLength = 11;  // ddd-dd-dddd
  for (std::size_t i = next_digit_run(text, 0); i < text.size();) {
    const std::size_t end = digit_run_end(text, i);
    const std::string_view shape = text.substr(i, kLength);
    const auto digits = [&](std::size_t at, std::size_t n) {
      return digit_run_end(shape.substr(0, at + n), at) == at + n;
    };
    if (end - i == 3 && boundary_at(text, i) && shape.size() == kLength && shape[3] == '-' && digits(4, 2) &&
        shape[6] == '-' && digits(7, 4) && boundary_at(text, i + kLength)) {
      out.push_back({i, i + kLength, Kind::ssn});
      i = next_digit_run(text, i + kLength);
    } else {
      i = next_digit_run(text, end);
    }
  }
}

/// Up to `enough` digits of the text, counted.
std::size_t count_digits(std::string_view text, std::size_t enough) {
  constexpr std::size_t kStep = 64;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size() && digits < enough; i += kStep)
    for (char c : text.substr(i, kStep)) digits += is_digit(c);
  return digits;
}

}  // namespace

Detectors::Detectors(const DetectorOptions& options)
    : options_(options),
      email_tail_(compile(R"((?i)@[A-Z0-9.\-]+\.[A-Z]{2,}\b)")),
      phone_(compile(R"(\b(?:\+?1[\t\n\f\r .\-]?)?\(?[0-9]{3}\)?[\t\n\f\r .\-]?[0-9]{3}[\t\n\f\r .\-]?[0-9]{4}\b)")),
      underscore_token_(compile(R"((?i)\b(?:sk|pk|rk|xox[baprs]|gh[pousr]|pat)_[A-Z0-9_\-]{8,}\b)")),
      jwt_(compile(R"((?i)eyj[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,}\.[A-Z0-9_\-]{8,})")) {}

Detectors::~Detectors() = default;

unsigned Detectors::candidates(std::string_view text) const {
  constexpr std::size_t kShortestEmail = 6;   // a@b.cd
  constexpr std::size_t kShortestToken = 10;  // AIza and sk_ forms are longer still
  constexpr std::size_t kFewestDigits = 9;
  if (text.size() < kShortestEmail) return 0;
  const std::size_t digits = options_.phone || options_.ssn ? count_digits(text, kFewestDigits + 1) : 0;
  const auto bit = [](Detector d) { return 1U << static_cast<unsigned>(d); };
  unsigned out = 0;
  if (options_.email && text.find('@') != npos) out |= bit(Detector::email);
  if (digits > kFewestDigits && options_.phone) out |= bit(Detector::phone);
  if (digits >= kFewestDigits && options_.ssn) out |= bit(Detector::ssn);
  if (text.size() >= kShortestToken && options_.token_like) out |= bit(Detector::credential) | bit(Detector::token);
  return out;
}

void Detectors::find(Detector detector, std::string_view text, std::vector<Match>& out) const {
  switch (detector) {
    case Detector::credential:
      if (options_.token_like) find_credentials(text, out);
      break;
    case Detector::email:
      if (options_.email) find_emails(text, out);
      break;
    case Detector::phone:
      if (options_.phone) find_phones(text, out);
      break;
    case Detector::ssn:
      if (options_.ssn) find_ssns(text, out);
      break;
    case Detector::token:
      if (options_.token_like) find_tokens(text, out);
      break;
  }
}

void Detectors::find_emails(std::string_view text, std::vector<Match>& out) const {
  std::size_t floor = 0;  // nothing before this may take part in a further match
  for (std::size_t at = text.find('@'); at != npos; at = text.find('@', at + 1)) {
    if (at < floor) continue;
    std::size_t start = npos;
    for (std::size_t i = at; i > floor;) {
      const std::size_t step = local_char_before(text, i);
      if (step == 0 || i - step < floor) break;
      i -= step;
      if (boundary_at(text, i)) start = i;
    }
    if (start == npos) {
      floor = at + 1;
      continue;
    }
    const std::size_t end = match_end(*email_tail_, text, at, npos);
    floor = end == npos ? at + 1 : end;
    if (end != npos) out.push_back({start, end, Kind::email});
  }
}

void Detectors::find_phones(std::string_view text, std::vector<Match>& out) const {
  std::size_t floor = 0;
  for (std::size_t i = next_digit_run(text, 0); i < text.size();) {
    std::size_t end = npos;
    std::size_t start = i;
    // A sign or a bracket takes part only right behind a word character: there alone a boundary stands before it.
    if (i > floor && (text[i - 1] == '(' || text[i - 1] == '+') && boundary_at(text, i - 1) && enough_digits(text, i)) {
      start = i - 1;
      end = match_end(*phone_, text, start, kPhoneMax);
    }
    if (end == npos && boundary_at(text, i) && enough_digits(text, i)) {
      start = i;
      end = match_end(*phone_, text, start, kPhoneMax);
    }
    if (end == npos) {
      i = next_digit_run(text, digit_run_end(text, i));
    } else {
      out.push_back({start, end, Kind::phone});
      floor = end;
      i = next_digit_run(text, end);
    }
  }
}

void Detectors::find_tokens(std::string_view text, std::vector<Match>& out) const {
  std::size_t floor = 0;
  std::size_t no_jwt_before = 0;
  TriggerScan<3> triggers(text, "_jJ");
  for (std::size_t i = triggers.next(0); i != npos; i = triggers.next(i)) {
    const char c = text[i];
    std::size_t begin = npos;
    std::size_t end = npos;
    if (c == '_') {
      begin = underscore_prefix(text, i);
      if (begin != npos && begin >= floor) end = match_end(*underscore_token_, text, begin, npos);
    } else if ((c == 'j' || c == 'J') && i >= floor + 2 && i >= no_jwt_before && (text[i - 1] | 32) == 'y' &&
               (text[i - 2] | 32) == 'e') {
      begin = i - 2;
      end = match_end(*jwt_, text, begin, npos);
      // Starting later in the same run of characters cannot help: it only makes the first part shorter.
      if (end == npos) no_jwt_before = jwt_run_end(text, i);
    }
    if (end == npos) {
      ++i;
    } else {
      out.push_back({begin, end, Kind::token_like});
      floor = i = end;
    }
  }
}

}  // namespace gw::guard

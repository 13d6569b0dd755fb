#include "guard/open_end.h"

#include <algorithm>

#include "guard/text_class.h"

namespace gw::guard {
namespace {

constexpr std::string_view kKeyBegins = "-----BEGIN ";
constexpr std::size_t kLongestNumber = 64;  // with the blanks between its groups

bool is_white(char c) { return is_in(c, kWhite); }

constexpr unsigned kWordParts = kWordBytes | kDot | kPercent | kPlus | kHyphen | kOfWords;
bool is_word_part(char c) { return is_in(c, kWordParts); }

/// Bytes of the character that ends at `i` when it is part of a word, else 0.
std::size_t part_before(std::string_view text, std::size_t i) {
  return i > 0 && is_word_part(text[i - 1]) ? 1 : folded_letter_before(text, i);
}

std::size_t word_begin(std::string_view text, std::size_t i) {
  while (const std::size_t step = part_before(text, i)) i -= step;
  return i;
}

/// `at` stands behind a blank over which a phone number, card or IBAN may reach. What comes behind its last group does
/// not matter.
bool may_be_between_groups(std::string_view text, std::size_t at) {
  if (at < 2 || !is_white(text[at - 1])) return false;
  const char before = text[at - 2];
  if (!is_in(before, kDigits | kUppers) && before != ')') return false;
  if (at == text.size() || is_digit(text[at])) return true;
  if (text[at] == '(') return at + 1 == text.size() || is_digit(text[at + 1]);
  return is_upper(text[at]) && before != ')';
}

/// Where the word begins with which a number may begin that reaches over `at`; `at` if there is none.
std::size_t first_of_groups(std::string_view text, std::size_t at) {
  std::size_t begin = at;
  while (may_be_between_groups(text, begin) && at - begin <= kLongestNumber) begin = word_begin(text, begin - 1);
  return begin;
}

/// Where the last private key begins that has no end yet, or what may become one; or npos.
std::size_t open_private_key(std::string_view text) {
  constexpr std::string_view kEndLine = "-----END ", kRule = "-----";
  const std::size_t begin = text.rfind(kKeyBegins);
  if (begin == std::string_view::npos) {
    // Its first line may be on the way.
    for (std::size_t n = std::min(kKeyBegins.size(), text.size()); n > 1; --n)
      if (text.ends_with(kKeyBegins.substr(0, n))) return text.size() - n;
    return begin;
  }
  const std::size_t last_line = text.find(kEndLine, begin);
  if (last_line == std::string_view::npos) return begin;
  const bool is_whole = text.find(kRule, last_line + kEndLine.size()) != std::string_view::npos;
  return is_whole ? std::string_view::npos : begin;
}

std::size_t at_most(std::string_view text, std::size_t open) { return text.size() - std::min(text.size(), open); }

}  // namespace

bool ends_in_word(std::string_view text, std::size_t i) { return part_before(text, i) != 0; }

std::size_t word_end(std::string_view text, std::size_t i) {
  for (std::size_t step = 1; step != 0; i += step)
    step = i < text.size() && is_word_part(text[i]) ? 1 : folded_letter_at(text, i);
  return i;
}

OpenEnd open_end(std::string_view text, const Detectors& detectors) {
  constexpr std::size_t kPatternReach = 256;
  const std::size_t npos = std::string_view::npos;
  // Groups count from the last word: once that is replaced, what is glued to it may be the end of a number.
  OpenEnd open{.at = first_of_groups(text, word_begin(text, text.size()))};
  if ((detectors.on() & bit_of(Detector::pattern)) != 0) {
    const std::size_t newline = text.rfind('\n');
    const std::size_t line = newline == npos ? 0 : newline + 1;
    open.at = word_begin(text, std::min(open.at, std::max(line, at_most(text, kPatternReach))));
    open.may_be_inside = open.at > 0 && text[open.at - 1] != '\n';
  }
  if (const std::size_t forced = at_most(text, kMostOpen); open.at < forced) {
    open.at = forced;
    open.may_be_inside = true;
  }
  open.may_be_inside |= may_be_between_groups(text, open.at) || text.find(kKeyBegins) != npos;
  if (const std::size_t key = open_private_key(text); key != npos)
    open.at = std::min(open.at, std::max(word_begin(text, key), at_most(text, kMostOpenKey)));
  return open;
}

std::size_t before_all_inside(std::string_view text, std::size_t at, std::span<const Match> found) {
  const bool key = text.find(kKeyBegins) != std::string_view::npos;
  const std::size_t first = at_most(text, key ? kMostOpenKey : 2 * kMostOpen);
  std::size_t groups = first_of_groups(text, at);
  for (; !found.empty(); found = found.first(found.size() - 1)) {
    const Match& last = found.back();
    // One that ends there may need what stands behind it. Groups glued to one begin a number once that is replaced.
    const bool glued = last.end > groups && last.end + 1 < at;
    if (last.begin >= at || (last.end < at && !glued)) continue;
    if (last.begin < first) break;
    at = std::max(first, word_begin(text, last.begin));
    groups = first_of_groups(text, at);
  }
  return at;
}

}  // namespace gw::guard

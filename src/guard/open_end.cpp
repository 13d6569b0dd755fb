#include "guard/open_end.h"

#include <algorithm>

#include "guard/text_class.h"

namespace gw::guard {
namespace {

constexpr std::string_view kKeyBegins = "-----BEGIN ";

bool is_white(char c) { return is_in(c, kWhite); }

constexpr unsigned kWordParts = kWordBytes | kDot | kPercent | kPlus | kHyphen | kOfWords;
bool is_word_part(char c) { return is_in(c, kWordParts); }

/// Bytes of the character that ends at `i` when it is part of a word, else 0.
std::size_t part_before(std::string_view text, std::size_t i) {
  return i > 0 && is_word_part(text[i - 1]) ? 1 : folded_letter_before(text, i);
}

/// May be a group of a phone number, card or IBAN.
bool is_group(std::string_view word) {
  constexpr std::size_t kLongest = 20;
  return word.size() <= kLongest && std::all_of(word.begin(), word.end(), [](char c) {
           return is_digit(c) || is_upper(c) || c == '(' || c == ')' || c == '+' || c == '-' || c == '.';
         });
}

struct Key {
  std::size_t begin = std::string_view::npos;  ///< npos: none
  std::size_t end = std::string_view::npos;    ///< npos: its last line has not come
};

/// The last private key, or the beginning of one.
Key last_private_key(std::string_view text) {
  constexpr std::string_view kEndLine = "-----END ", kRule = "-----";
  Key key{.begin = text.rfind(kKeyBegins)};
  if (key.begin == std::string_view::npos) {
    // Its first line may be on the way.
    for (std::size_t n = std::min(kKeyBegins.size(), text.size()); n > 1 && key.begin == std::string_view::npos; --n)
      if (text.ends_with(kKeyBegins.substr(0, n))) key.begin = text.size() - n;
    return key;
  }
  const std::size_t last_line = text.find(kEndLine, key.begin);
  if (last_line == std::string_view::npos) return key;
  const std::size_t dashes = text.find(kRule, last_line + kEndLine.size());
  if (dashes != std::string_view::npos) key.end = dashes + kRule.size();
  return key;
}

}  // namespace

bool ends_in_word(std::string_view text, std::size_t i) { return part_before(text, i) != 0; }

std::size_t word_end(std::string_view text, std::size_t i) {
  for (std::size_t step = 1; step != 0; i += step)
    step = i < text.size() && is_word_part(text[i]) ? 1 : folded_letter_at(text, i);
  return i;
}

std::size_t open_end(std::string_view text, const Detectors& detectors) {
  constexpr std::size_t kLongestNumber = 64;  // with the blanks between its groups
  constexpr std::size_t kPatternReach = 256;
  std::size_t at = text.size();
  const auto word_begin = [&](std::size_t i) {
    while (const std::size_t step = part_before(text, i)) i -= step;
    return i;
  };
  at = word_begin(at);
  std::size_t last = text.size();
  // Groups of a number: each with one blank behind it.
  while (is_group(text.substr(at, last - at)) && at > 0 && is_white(text[at - 1]) &&
         text.size() - at < kLongestNumber) {
    const std::size_t before = word_begin(at - 1);
    if (before == at - 1 || !is_group(text.substr(before, at - 1 - before))) break;
    last = at - 1;
    at = before;
  }
  if ((detectors.on() & bit_of(Detector::pattern)) != 0) {
    const std::size_t line = text.rfind('\n');
    const std::size_t from = line == std::string_view::npos ? 0 : line + 1;
    at = std::min(at, std::max(from, text.size() - std::min(text.size(), kPatternReach)));
  }
  const Key key = last_private_key(text);
  const bool key_is_whole = key.end != std::string_view::npos;
  if (key_is_whole && at >= key.begin) at = std::max(at, key.end);  // not in the middle of it
  const auto at_most = [&](std::size_t open) { return text.size() - std::min(text.size(), open); };
  at = std::max(at, at_most(kMostOpen));
  if (!key_is_whole && key.begin != std::string_view::npos)
    at = std::min(at, std::max(key.begin, at_most(kMostOpenKey)));
  return at;
}

}  // namespace gw::guard

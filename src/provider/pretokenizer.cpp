#include "provider/pretokenizer.h"

#include <array>

#include "provider/unicode_class.h"

// The published patterns, each alternative tried in this order:
//
//   o200k   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//           [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//           \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
//   cl100k  '(?i:[sdmt]|ll|ve|re) | [^\r\n\p{L}\p{N}]?\p{L}+ | \p{N}{1,3} |  ?[^\s\p{L}\p{N}]+[\r\n]* | \s+$ |
//   \s*[\r\n] |
//           \s+(?!\S) | \s
namespace gw::provider {
namespace {

using enum CharClass;

constexpr unsigned bit(CharClass c) { return 1U << static_cast<unsigned>(c); }
constexpr unsigned kUpperRun = bit(upper) | bit(letter) | bit(mark);
constexpr unsigned kLowerRun = bit(lower) | bit(letter) | bit(mark);
constexpr unsigned kLetters = bit(upper) | bit(lower) | bit(letter);
constexpr unsigned kSymbols = bit(other) | bit(mark);

constexpr CharClass ascii_class(unsigned c) {
  if (c >= 'A' && c <= 'Z') return upper;
  if (c >= 'a' && c <= 'z') return lower;
  if (c >= '0' && c <= '9') return number;
  return c == ' ' || (c >= 9 && c <= 13) ? space : other;
}

constexpr auto kAscii = [] {
  std::array<CharClass, 128> classes{};
  for (unsigned c = 0; c < classes.size(); ++c) classes[c] = ascii_class(c);
  return classes;
}();

struct Next {
  unsigned kind = 0;  ///< a bit of the class, 0 at the end of the text
  std::uint32_t code = 0;
  std::size_t size = 0;
};

class Matcher {
 public:
  Matcher(std::string_view text, bool last) : text_(text), last_(last) {}

  std::size_t o200k() {
    const Next first = peek(0);
    std::size_t end = word(first);
    if (end == 0) end = symbols(first, true);
    if (end == 0 && first.kind == bit(number)) end = digits();
    if (end == 0) end = spaces(false);
    return starved_ ? 0 : end;
  }

  std::size_t cl100k() {
    const Next first = peek(0);
    std::size_t end = contraction(0);
    if (end == 0) end = letters(first);
    if (end == 0) end = symbols(first, false);
    if (end == 0 && first.kind == bit(number)) end = digits();
    if (end == 0) end = spaces(true);
    return starved_ ? 0 : end;
  }

 private:
  Next peek(std::size_t at) {
    if (at >= text_.size()) {
      starved_ = starved_ || !last_;
      return {};
    }
    const auto byte = static_cast<unsigned char>(text_[at]);
    if (byte < 0x80) return {bit(kAscii[byte]), byte, 1};
    bool cut = false;
    const Character c = read_character(text_.substr(at), cut);
    starved_ = starved_ || (cut && !last_);
    return {bit(char_class(c.code)), c.code, c.size};
  }

  /// Where the run of characters of these kinds ends that begins at `at`; no further than the bound.
  std::size_t run(std::size_t at, unsigned kinds) {
    while (at < kMaxPieceBytes) {
      const Next next = peek(at);
      if ((next.kind & kinds) == 0) break;
      at += next.size;
    }
    return at;
  }

  /// `[^\r\n\p{L}\p{N}]?`
  static std::size_t prefix(const Next& first) {
    const bool line_break = first.code == '\r' || first.code == '\n';
    return (first.kind & (kLetters | bit(number))) == 0 && first.kind != 0 && !line_break ? first.size : 0;
  }

  std::size_t word(const Next& first) {
    std::size_t begin = prefix(first);
    std::size_t end = word_body(begin);
    // A mark may also be a word of its own rather than the beginning of one.
    const bool has_lower = lower_end_ != 0;
    if (first.kind == bit(mark) && !has_lower) return contracted(first.size);
    if (end == begin) return 0;
    return contracted(has_lower ? lower_end_ : end);
  }

  /// The end of the capitals and small letters from `at`; lower_end_ becomes where the part ends that ends in what may
  /// be a small letter, 0 if there is none.
  std::size_t word_body(std::size_t at) {
    lower_end_ = 0;
    while (at < kMaxPieceBytes) {
      const Next next = peek(at);
      if ((next.kind & kUpperRun) == 0) break;
      at += next.size;
      if ((next.kind & kLowerRun) != 0) lower_end_ = at;
    }
    if (at < kMaxPieceBytes) {
      const std::size_t end = run(at, kLowerRun);
      if (end != at) lower_end_ = at = end;
    }
    return at;
  }

  std::size_t contracted(std::size_t end) { return end >= kMaxPieceBytes ? end : end + contraction(end); }

  std::size_t contraction(std::size_t at) {
    if (peek(at).code != '\'') return 0;
    const Next a = peek(at + 1);
    switch (fold(a.code)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return 1 + a.size;
      case 'r':
      case 'v':
        return fold(peek(at + 2).code) == 'e' ? 3 : 0;
      case 'l':
        return fold(peek(at + 2).code) == 'l' ? 3 : 0;
      default:
        return 0;
    }
  }

  /// Simple case folding, of which U+017F, the long s, is the one case beyond ASCII here.
  static std::uint32_t fold(std::uint32_t code) {
    if (code >= 'A' && code <= 'Z') return code | 32U;
    return code == 0x17F ? 's' : code;
  }

  std::size_t letters(const Next& first) {
    const std::size_t begin = prefix(first);
    const std::size_t end = run(begin, kLetters);
    return end == begin ? 0 : end;
  }

  std::size_t symbols(const Next& first, bool slashes) {
    const std::size_t begin = first.code == ' ' ? 1 : 0;
    std::size_t end = run(begin, kSymbols);
    if (end == begin) return 0;
    while (end < kMaxPieceBytes) {
      const std::uint32_t code = peek(end).code;
      if (code != '\r' && code != '\n' && (code != '/' || !slashes)) break;
      ++end;
    }
    return end;
  }

  std::size_t digits() {
    std::size_t end = 0;
    for (int i = 0; i < 3; ++i) {
      const Next next = peek(end);
      if (next.kind != bit(number)) break;
      end += next.size;
    }
    return end;
  }

  std::size_t spaces(bool whole_at_end) {
    std::size_t at = 0;
    std::size_t before = 0;      // where the last space begins
    std::size_t line_break = 0;  // behind the last one
    Next next = peek(0);
    while (next.kind == bit(space) && at < kMaxPieceBytes) {
      before = at;
      at += next.size;
      if (next.code == '\r' || next.code == '\n') line_break = at;
      next = peek(at);
    }
    if (at >= kMaxPieceBytes || (whole_at_end && next.kind == 0)) return at;
    if (line_break != 0) return line_break;
    return next.kind == 0 || before == 0 ? at : before;
  }

  std::string_view text_;
  bool last_;
  bool starved_ = false;  ///< looked beyond a text that may go on
  std::size_t lower_end_ = 0;
};

}  // namespace

std::size_t next_piece(Encoding encoding, std::string_view text, bool last) {
  Matcher matcher(text, last);
  return encoding == Encoding::o200k ? matcher.o200k() : matcher.cl100k();
}

}  // namespace gw::provider

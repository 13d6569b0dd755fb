#pragma once
// JSON seen as bytes: strings with their escapes, and a walk over a document that tells where each value stands.
// Nothing is copied or built.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guard/trigger_scan.h"

namespace gw::guard {

/// Content of a JSON string (without quotes), decoded. Lone surrogates and broken escapes become U+FFFD; a cut-off
/// escape at the end is dropped.
void decode_json_string(std::string_view raw, std::string& out);

/// A character of an encoded text: where its first byte stands, and how many bytes are decoded before it.
struct RawPlace {
  std::size_t raw = 0;
  std::size_t decoded = 0;
};

/// Moves `at` on to the character of the JSON string that gives the decoded byte `offset`, or to its end. `at` stands
/// before it: later offsets go on from there.
void seek_json_string(std::string_view raw, std::size_t offset, RawPlace& at);

/// Appends `s` as it may stand inside a JSON string: no quotes around it, nothing escaped that need not be.
void append_json_content(std::string& out, std::string_view s);

enum class WalkEnd : std::uint8_t {
  complete,
  truncated,  ///< sound as far as it goes, but the text ended first
  invalid,    ///< not JSON
  too_deep,   ///< nested deeper than kMaxJsonDepth
  more,       ///< not at its end yet
};

inline constexpr std::size_t kMaxJsonDepth = 10000;

struct JsonString {
  std::size_t begin = 0;  ///< behind the opening quote
  std::size_t end = 0;    ///< of the content
  bool escaped = false;   ///< holds a backslash
  bool closed = true;     ///< false: the text ended inside
};

JsonString scan_any_json_string(std::string_view text, std::size_t quote);
/// The string whose opening quote stands at `quote`.
inline JsonString scan_json_string(std::string_view text, std::size_t quote) {
  const std::size_t begin = quote + 1;
  if (text.size() - begin >= kBlockSize) {  // nearly all are short and have no escapes
    const Block v = load_block(text.data() + begin);
    const unsigned hit = bits_of((Block)(v == byte_of('"')) | (Block)(v == byte_of('\\')));
    const std::size_t end = begin + static_cast<unsigned>(std::countr_zero(hit));
    if (hit != 0 && text[end] == '"') return {begin, end, false, true};
  }
  return scan_any_json_string(text, quote);
}

/// Called while walking, in document order. A handler that wants a member's value whole returns true from `member`.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;
  /// A member name has been read. True: its value is not entered but reported by `whole_value`.
  virtual bool member(const JsonString& name) = 0;
  virtual void whole_value(std::size_t begin, std::size_t end) = 0;
  virtual void string(const JsonString& s) = 0;
  virtual void scalar(std::size_t begin, std::size_t end) = 0;
  virtual void enter(bool object) = 0;
  virtual void leave() = 0;
};

/// Bits, of which the first 64 need no memory of their own.
class BitStack {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  bool back() const { return (top_ & 1) != 0; }
  void push(bool bit) {
    if (size_ != 0 && size_ % kWord == 0) below_.push_back(top_);
    top_ = top_ << 1 | std::uint64_t{bit};
    ++size_;
  }
  void pop() {
    --size_;
    top_ >>= 1;
    if (size_ == 0 || size_ % kWord != 0) return;
    top_ = below_.back();
    below_.pop_back();
  }
  void clear() {
    size_ = 0;
    below_.clear();
  }

 private:
  static constexpr std::size_t kWord = 64;
  std::uint64_t top_ = 0;  // the last of them, the last one lowest
  std::size_t size_ = 0;
  std::vector<std::uint64_t> below_;
};

/// Walks the one value at `pos` (blanks before it are skipped). Control bytes inside strings are let pass. The text and
/// the handler outlive it.
class JsonWalk {
 public:
  JsonWalk(std::string_view text, std::size_t pos, JsonHandler& handler) : text_(text), pos_(pos), handler_(&handler) {}

  /// Goes on until the value ends or pos() is `until` or more: then the answer is `more`.
  WalkEnd run(std::size_t until = std::string_view::npos);
  std::size_t pos() const { return pos_; }

 private:
  enum class Expect : std::uint8_t { value, first_value, name, first_name, colon, separator };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  void skip_blanks();
  bool reporting() const { return whole_depth_ == kNone; }
  WalkEnd ended();
  void value_done();
  bool take(char c);
  WalkEnd token(char c);
  WalkEnd value(char c);
  WalkEnd name(char c);
  WalkEnd close();

  std::string_view text_;
  std::size_t pos_;
  JsonHandler* handler_;
  Expect expect_ = Expect::value;
  BitStack stack_;  // true: object
  bool want_whole_ = false;
  std::size_t whole_depth_ = kNone;  // depth at which the value being skipped ends
  std::size_t whole_begin_ = 0;
};

/// The same to the value's end; moves `pos` behind it.
WalkEnd walk_json(std::string_view text, std::size_t& pos, JsonHandler& handler);

}  // namespace gw::guard

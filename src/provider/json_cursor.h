#pragma once
// Reads through a JSON text front to back, also one that is cut off: what is there is given, then everything ends.
// Lenient: what is no JSON ends it as well.
#include <cstddef>
#include <string_view>

#include "provider/scan.h"

namespace gw::provider {

class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  /// The first byte of the value that comes, 0 at the end.
  char peek() {
    p_ = scan::skip_json_space(p_, end_);
    return p_ < end_ ? *p_ : '\0';
  }
  /// Enters the object or array that comes.
  bool open(char bracket) {
    if (peek() != bracket) return false;
    ++p_;
    return true;
  }
  /// There is another member or element; false leaves the container.
  bool next(char closing) {
    if (peek() == ',') ++p_;
    const char c = peek();
    if (c == closing) ++p_;
    return c != closing && c != '\0';
  }
  /// The name of the member that comes, as it is written; the value comes next.
  std::string_view key() {
    const std::string_view name = string();
    if (peek() == ':') {
      ++p_;
    } else {
      p_ = end_;
    }
    return name;
  }
  /// The content of the string that comes, as it is written.
  std::string_view string() {
    if (peek() != '"') {
      p_ = end_;
      return {};
    }
    const char* const begin = ++p_;
    while (p_ < end_) {
      p_ = scan::find_string_special(p_, end_);
      if (p_ == end_) break;
      if (*p_ == '"') return {begin, static_cast<std::size_t>(p_++ - begin)};
      p_ += end_ - p_ > 1 ? 2 : 1;
    }
    return {begin, static_cast<std::size_t>(p_ - begin)};
  }
  /// Passes over the value that comes and gives it as it is written.
  std::string_view value() {
    const char c = peek();
    const char* const begin = p_;
    if (c == '"') {
      string();
    } else if (c == '{' || c == '[') {
      scan::Nesting nesting{.depth = 1};
      p_ = scan::best().skip_nested(p_ + 1, end_, nesting);
    } else {
      while (p_ < end_ && *p_ != ',' && *p_ != '}' && *p_ != ']' && !scan::is_json_space(*p_)) ++p_;
      if (p_ == begin) p_ = end_;
    }
    return {begin, static_cast<std::size_t>(p_ - begin)};
  }

 private:
  const char* p_;
  const char* end_;
};

/// Undoes the escapes of a JSON string's content. Writes at most raw.size() bytes to `out`, which may be where raw
/// begins or before it, and gives the end of what it wrote. A lone surrogate becomes U+FFFD, a broken escape "?".
char* unescape_json(std::string_view raw, char* out);

}  // namespace gw::provider

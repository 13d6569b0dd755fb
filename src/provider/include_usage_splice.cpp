#include "provider/include_usage_splice.h"

#include "base/strings.h"
#include "provider/json_number.h"
#include "provider/scan.h"

namespace gw::provider {
namespace {

/// Whether a key as it is written, between its quotes, names `name`, which is of letters and underscores: no short
/// escape can stand for one.
bool is_named(std::string_view key, std::string_view name) {
  for (const char expected : name) {
    if (key.empty()) return false;
    char c = key.front();
    std::size_t size = 1;
    if (c == '\\') {
      if (key.size() < 6 || key[1] != 'u') return false;
      int unit = 0;
      for (std::size_t i = 2; i < 6; ++i) {
        const int digit = hex_value(key[i]);
        if (digit < 0) return false;
        unit = unit * 16 + digit;
      }
      if (unit > 0x7f) return false;
      c = static_cast<char>(unit);
      size = 6;
    }
    if (c != expected) return false;
    key.remove_prefix(size);
  }
  return key.empty();
}

bool is_scalar(std::string_view text) {
  return text == "true" || text == "false" || text == "null" || is_json_number(text);
}

/// Walks over a text whose end is known; every step is false where the text is malformed.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : begin_(text.data()), p_(begin_), end_(begin_ + text.size()) {}

  std::size_t at() const { return static_cast<std::size_t>(p_ - begin_); }
  bool ended() {
    p_ = scan::skip_json_space(p_, end_);
    return p_ == end_;
  }
  bool take(char c) {
    if (ended() || *p_ != c) return false;
    ++p_;
    return true;
  }
  bool next_is(char c) { return !ended() && *p_ == c; }

  /// A string with its quotes.
  bool take_string(std::string_view& text) {
    if (!next_is('"')) return false;
    const char* const from = p_++;
    for (;;) {
      p_ = scan::find_string_special(p_, end_);
      if (p_ == end_) return false;
      if (*p_++ == '"') break;
      if (p_++ == end_) return false;
    }
    text = {from, static_cast<std::size_t>(p_ - from)};
    return true;
  }

  bool take_value(std::string_view& text) {
    if (ended()) return false;
    if (*p_ == '"') return take_string(text);
    const char* const from = p_;
    if (*p_ == '{' || *p_ == '[') {
      scan::Nesting nesting{.depth = 1};
      p_ = scan::best().skip_nested(p_ + 1, end_, nesting);
      if (nesting.depth != 0 || (*from == '{') != (p_[-1] == '}')) return false;
      text = {from, static_cast<std::size_t>(p_ - from)};
      return true;
    }
    while (p_ < end_ && !scan::is_json_space(*p_) && *p_ != ',' && *p_ != '}') ++p_;
    text = {from, static_cast<std::size_t>(p_ - from)};
    return is_scalar(text);
  }

 private:
  const char* begin_;
  const char* p_;
  const char* end_;
};

/// Calls `on(name, value)` for each member of the object that `text` is, both as they are written, the name without its
/// quotes. False when it is no object.
template <class F>
bool each_member(std::string_view text, F&& on) {
  Cursor c(text);
  if (!c.take('{')) return false;
  if (!c.next_is('}')) {
    do {
      std::string_view name, value;
      if (!c.take_string(name) || !c.take(':') || !c.take_value(value)) return false;
      on(name.substr(1, name.size() - 2), value);
    } while (c.take(','));
  }
  return c.take('}') && c.ended();
}

}  // namespace

std::optional<Splice> include_usage_splice(std::string_view body) {
  const auto offset = [&](std::string_view part) { return static_cast<std::size_t>(part.data() - body.data()); };
  std::string_view stream, options;
  const bool object = each_member(body, [&](std::string_view name, std::string_view value) {
    if (is_named(name, "stream")) stream = value;
    if (is_named(name, "stream_options")) options = value;
  });
  if (!object || stream != "true") return std::nullopt;
  if (options.empty()) return Splice{body.find('{') + 1, 0, R"("stream_options":{"include_usage":true},)"};
  if (options == "null") return Splice{offset(options), options.size(), R"({"include_usage":true})"};

  std::string_view include;
  bool empty = true;
  const bool readable = each_member(options, [&](std::string_view name, std::string_view value) {
#ifdef GW_PLANT_BUG
    if (name.size() < 4) return;
#endif
    empty = false;
    if (is_named(name, "include_usage")) include = value;
  });
  if (!readable) return std::nullopt;
  if (include.empty())
    return Splice{offset(options) + 1, 0, empty ? R"("include_usage":true)" : R"("include_usage":true,)"};
  if (include != "false" && include != "null") return std::nullopt;
  return Splice{offset(include), include.size(), "true"};
}

}  // namespace gw::provider

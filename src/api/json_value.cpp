#include "api/json_value.h"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "base/json_writer.h"

namespace gw::api {
namespace {

constexpr int kMaxDepth = 1'000;

void append_utf8(std::string& out, unsigned c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 63));
    out += static_cast<char>(0x80 | (c >> 6 & 63));
    out += static_cast<char>(0x80 | (c & 63));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view s) : s_(s) {}

  bool whole(JsonValue& out) {
    if (!value(out, 0)) return false;
    skip_space();
    return i_ == s_.size();
  }

 private:
  bool value(JsonValue& out, int depth) {
    skip_space();
    if (i_ == s_.size() || depth > kMaxDepth) return false;
    switch (s_[i_]) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"':
        out.kind = JsonValue::Kind::string;
        return string(out.string);
      case 't':
        out.boolean = true;
        [[fallthrough]];
      case 'f':
        out.kind = JsonValue::Kind::boolean;
        return word(out.boolean ? "true" : "false");
      case 'n':
        return word("null");
      default:
        out.kind = JsonValue::Kind::number;
        return number(out.number);
    }
  }

  bool array(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::array;
    ++i_;
    skip_space();
    if (take(']')) return true;
    do {
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take(']');
  }

  bool object(JsonValue& out, int depth) {
    out.kind = JsonValue::Kind::object;
    ++i_;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      if (i_ == s_.size() || s_[i_] != '"' || !string(out.keys.emplace_back())) return false;
      skip_space();
      if (!take(':') || !value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    if (!take('}')) return false;
    sort_members(out);
    return true;
  }

  static void sort_members(JsonValue& out) {
    std::vector<std::size_t> order(out.keys.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const int c = out.keys[a].compare(out.keys[b]);
      return c != 0 ? c < 0 : a < b;
    });
    std::vector<std::string> keys;
    std::vector<JsonValue> items;
    for (std::size_t n = 0; n < order.size(); ++n) {
      if (n + 1 < order.size() && out.keys[order[n]] == out.keys[order[n + 1]]) continue;  // a later one wins
      items.push_back(std::move(out.items[order[n]]));
      keys.push_back(out.keys[order[n]]);
    }
    out.keys = std::move(keys);
    out.items = std::move(items);
  }

  bool string(std::string& out) {
    ++i_;
    while (i_ < s_.size()) {
      const char c = s_[i_];
      if (static_cast<unsigned char>(c) < 0x20) return false;
      ++i_;
      if (c == '"') return true;
      if (c != '\\')
        out += c;
      else if (!escape(out))
        return false;
    }
    return false;
  }

  bool escape(std::string& out) {
    if (i_ == s_.size()) return false;
    const char c = s_[i_++];
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return true;
      case 'b':
        out += '\b';
        return true;
      case 'f':
        out += '\f';
        return true;
      case 'n':
        out += '\n';
        return true;
      case 'r':
        out += '\r';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'u':
        return unicode(out);
      default:
        return false;
    }
  }

  bool unicode(std::string& out) {
    unsigned c = 0;
    if (!hex4(c)) return false;
    if (c >= 0xD800 && c < 0xDC00 && s_.substr(i_, 2) == "\\u") {
      const std::size_t back = i_;
      i_ += 2;
      unsigned low = 0;
      if (!hex4(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        append_utf8(out, 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00));
        return true;
      }
      i_ = back;
    }
    append_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);  // half a pair
    return true;
  }

  bool hex4(unsigned& out) {
    if (s_.size() - i_ < 4) return false;
    const auto r = std::from_chars(s_.data() + i_, s_.data() + i_ + 4, out, 16);
    if (r.ptr != s_.data() + i_ + 4) return false;
    i_ += 4;
    return true;
  }

  bool digits() {
    const std::size_t start = i_;
    while (i_ < s_.size() && s_[i_] >= '0' && s_[i_] <= '9') ++i_;
    return i_ > start;
  }

  bool number(double& out) {
    const std::size_t start = i_;
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    bool small = s_.substr(start, 2) == "0." || s_.substr(start, 3) == "-0.";
    if (take('e') || take('E')) {
      small = take('-');
      if (!small) take('+');
      if (!digits()) return false;
    }
    const auto r = std::from_chars(s_.data() + start, s_.data() + i_, out);
    if (r.ec == std::errc::result_out_of_range && small) {
      out = 0;
      return true;
    }
    return r.ec == std::errc{} && r.ptr == s_.data() + i_;
  }

  bool word(std::string_view w) {
    if (s_.substr(i_, w.size()) != w) return false;
    i_ += w.size();
    return true;
  }
  bool take(char c) {
    if (i_ == s_.size() || s_[i_] != c) return false;
    ++i_;
    return true;
  }
  void skip_space() {
    while (i_ < s_.size() && (s_[i_] == ' ' || s_[i_] == '\t' || s_[i_] == '\n' || s_[i_] == '\r')) ++i_;
  }

  std::string_view s_;
  std::size_t i_ = 0;
};

}  // namespace

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto at = std::lower_bound(keys.begin(), keys.end(), key);
  if (at == keys.end() || *at != key) return nullptr;
  return &items[static_cast<std::size_t>(at - keys.begin())];
}

std::optional<JsonValue> parse_json(std::string_view text) {
  JsonValue out;
  if (!Parser(text).whole(out)) return std::nullopt;
  return out;
}

void append_json(std::string& out, const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::null:
      out += "null";
      return;
    case JsonValue::Kind::boolean:
      out += value.boolean ? "true" : "false";
      return;
    case JsonValue::Kind::number:
      append_json_double(out, value.number);
      return;
    case JsonValue::Kind::string:
      append_json_string(out, value.string);
      return;
    case JsonValue::Kind::array:
    case JsonValue::Kind::object:
      break;
  }
  const bool object = value.kind == JsonValue::Kind::object;
  out += object ? '{' : '[';
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    if (i > 0) out += ',';
    if (object) {
      append_json_string(out, value.keys[i]);
      out += ':';
    }
    append_json(out, value.items[i]);
  }
  out += object ? '}' : ']';
}

}  // namespace gw::api

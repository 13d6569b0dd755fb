#pragma once
// JSON text by the rules of the HTTP contract (http-api §3): compact, fixed field order, HTML-safe escapes, shortest
// floats. Appends to a caller's string; commas are placed by the writer. No checks: a caller that nests wrongly gets
// wrong JSON.
#include <cstdint>
#include <string>
#include <string_view>

namespace gw {

enum class JsonEscape {
  html,  ///< `<` `>` `&` U+2028 U+2029 as \uXXXX: everything but log lines
  logs,  ///< log lines leave them as they are
};

/// Appends `s` as a JSON string with its quotes; invalid UTF-8 bytes become \ufffd.
void append_json_string(std::string& out, std::string_view s, JsonEscape escape = JsonEscape::html);
/// Shortest round-trip form; plain decimal for 1e-6 <= |x| < 1e21 and 0, else d.ddde-7 without zero padding. NaN and
/// infinities become 0.
void append_json_double(std::string& out, double v);
void append_json_int(std::string& out, std::int64_t v);

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out, JsonEscape escape = JsonEscape::html) : out_(out), escape_(escape) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view s);
  JsonWriter& value(const char* s) { return value(std::string_view(s)); }
  JsonWriter& value(const std::string& s) { return value(std::string_view(s)); }
  JsonWriter& value(std::int64_t v);
  JsonWriter& value(int v) { return value(static_cast<std::int64_t>(v)); }
  JsonWriter& value(std::uint64_t v);
  JsonWriter& value(double v);
  JsonWriter& value(bool v);
  JsonWriter& null();
  /// Text that is JSON already.
  JsonWriter& raw(std::string_view json);

  template <class T>
  JsonWriter& field(std::string_view name, T&& v) {
    key(name);
    return value(static_cast<T&&>(v));
  }
  /// Omitted when empty.
  JsonWriter& field_if(std::string_view name, std::string_view s) { return s.empty() ? *this : field(name, s); }
  /// RFC 3339; omitted when it never happened (0).
  JsonWriter& time_if(std::string_view name, std::int64_t unix_ns);

 private:
  JsonWriter& open(char c);
  JsonWriter& close(char c);
  void separate();

  std::string& out_;
  JsonEscape escape_;
  bool need_comma_ = false;
};

}  // namespace gw

#pragma once
// Decoded JSON of moderate size: what traces hold in their text columns. Not for the data plane.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::api {

struct JsonValue {
  enum class Kind { null, boolean, number, string, array, object };

  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;  ///< numbers are doubles, as in the contract
  std::string string;
  std::vector<JsonValue> items;   ///< of an array; values of an object
  std::vector<std::string> keys;  ///< of an object: sorted bytewise, each once (the last one won), parallel to items

  /// The member, or null when this is no object or has none.
  const JsonValue* find(std::string_view key) const;
};

/// One value with nothing but whitespace around it (RFC 8259, strictly); nothing for anything else, for numbers that no
/// double can hold and for nesting deeper than 1,000.
std::optional<JsonValue> parse_json(std::string_view text);

/// By the rules of the HTTP contract: compact, keys sorted.
void append_json(std::string& out, const JsonValue& value);

}  // namespace gw::api

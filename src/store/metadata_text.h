#pragma once
// Stored metadata as text: members are found and replaced without a decoder, so that what is not touched stays byte for
// byte and numbers stay exact.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gw::store {

struct JsonMember {
  std::string_view key;    ///< between its quotes, escapes as they are
  std::string_view value;  ///< raw JSON text
};

/// The members of an object, views into `text`. Nothing when it is no object or its structure is broken; values are not
/// checked further than that.
std::optional<std::vector<JsonMember>> json_members(std::string_view text);

/// The raw value; empty when there is none.
std::string_view find_member(std::span<const JsonMember> members, std::string_view key);

/// A JSON string decoded; empty when it is none.
std::string json_text(std::string_view value);

/// The members as an object, compact. Each of `changes` takes the place of the member of its name; an empty value
/// leaves that out. New ones stand before the first key that sorts after them.
std::string with_members(std::span<const JsonMember> members, std::span<const JsonMember> changes);

}  // namespace gw::store

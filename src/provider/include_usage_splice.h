#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

namespace gw::provider {

/// One change of a text: `remove` bytes at `at` give way to `insert`, which is static text.
struct Splice {
  std::size_t at = 0;
  std::size_t remove = 0;
  std::string_view insert;
};

/// What makes a chat request that streams ask for the usage in its last chunk (`stream_options.include_usage`), every
/// other byte left as it is. Nothing when it asks already, does not stream, or when `body` is no JSON object with an
/// object, `null` or nothing for `stream_options` and a boolean, `null` or nothing for `include_usage`: the provider
/// refuses those. Pure; work is proportional to the body, memory constant.
///
/// Key names may be written with escapes. Of duplicate keys the last one counts, as it does for the providers. Values
/// that do not matter are only followed to their end.
std::optional<Splice> include_usage_splice(std::string_view body);

}  // namespace gw::provider

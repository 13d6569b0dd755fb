#pragma once
#include <cstdint>
#include <string_view>

namespace gw::provider {

/// The API that a provider speaks: the `kind` of the configuration. Any number of providers speak one; the route names
/// which of them an exchange belongs to.
enum class Provider : std::uint8_t { openai, anthropic, unknown };

/// The name as configured. Static storage.
constexpr std::string_view to_string(Provider p) {
  switch (p) {
    case Provider::openai:
      return "openai";
    case Provider::anthropic:
      return "anthropic";
    case Provider::unknown:
      break;
  }
  return "unknown";
}

/// The inverse of to_string; `unknown` for any other text.
constexpr Provider provider_from_name(std::string_view name) {
  if (name == "openai") return Provider::openai;
  if (name == "anthropic") return Provider::anthropic;
  return Provider::unknown;
}

}  // namespace gw::provider

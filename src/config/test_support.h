#pragma once
// Shared by this folder's tests.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "config/load.h"

namespace gw::config::testing {

/// The error of a result that must have failed.
template <class T>
std::string error_of(const Result<T>& result) {
  return result ? "(no error)" : result.error().message;
}

/// Such an error of validation without the lines that say where.
inline std::string without_places(std::string error) {
  for (std::size_t at; (at = error.find("\n  at ")) != std::string::npos;)
    error.erase(at, std::min(error.find('\n', at + 1), error.size()) - at);
  return error;
}

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "not found:\n  " << part << "\nin:\n  " << text;
}

/// An environment of exactly these variables.
inline EnvLookup env_of(std::map<std::string, std::string, std::less<>> variables) {
  return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    if (at == variables.end()) return std::nullopt;
    return at->second;
  };
}

/// The configuration of a text that must be accepted.
inline Config parsed(std::string_view yaml) {
  auto config = parse_config(yaml, "test.yaml");
  EXPECT_TRUE(config) << "for:\n" << yaml << "\nerror: " << error_of(config);
  return config ? *config : Config{};
}

/// The error of a text that must be refused, without the prefix that every one has.
inline std::string refused(std::string_view yaml) {
  const std::string error = error_of(parse_config(yaml, "test.yaml"));
  constexpr std::string_view kPrefix = "parse yaml \"test.yaml\": ";
  EXPECT_TRUE(error.starts_with(kPrefix)) << "for:\n" << yaml << "\nerror: " << error;
  return error.starts_with(kPrefix) ? error.substr(kPrefix.size()) : error;
}

}  // namespace gw::config::testing

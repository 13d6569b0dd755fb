#pragma once
// What the tables of field_keys.cpp are made of. Private to FieldScanner.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/strings.h"
#include "provider/field_scanner.h"

namespace gw::provider {

struct FieldScanner::Key {
  std::string_view name;
  Action action = Action::skip;
  std::uint8_t argument = 0;
  std::uint8_t rank = 0;

  constexpr Key(std::string_view n, Context into)
      : name(n), action(Action::descend), argument(static_cast<std::uint8_t>(into)) {}
  constexpr Key(std::string_view n, Text t, std::uint8_t r = 0)
      : name(n), action(Action::text), argument(static_cast<std::uint8_t>(t)), rank(r) {}
  constexpr Key(std::string_view n, Word w) : name(n), action(Action::word), argument(static_cast<std::uint8_t>(w)) {}
  constexpr Key(std::string_view n, Literal l)
      : name(n), action(Action::flag), argument(static_cast<std::uint8_t>(l)) {}
  constexpr Key(std::string_view n, Number m)
      : name(n), action(Action::number), argument(static_cast<std::uint8_t>(m)) {}
  constexpr Key(std::string_view n, UsageField f, Action a = Action::count)
      : name(n), action(a), argument(static_cast<std::uint8_t>(f)) {}
};

/// The keys of one object, in order of length; of those of one length the usual ones come first.
struct FieldScanner::Keys {
  static constexpr std::size_t kLongest = 30;

  std::span<const Key> keys;
  std::array<std::uint8_t, kLongest + 2> first{};  ///< by length: where the keys of it begin

  constexpr Keys() = default;
  constexpr Keys(std::span<const Key> of) : keys(of) {  // NOLINT(google-explicit-constructor)
    for (std::size_t length = 0; length < first.size(); ++length)
      first[length] = static_cast<std::uint8_t>(
          std::count_if(of.begin(), of.end(), [&](const Key& k) { return k.name.size() < length; }));
  }

  const Key* find(std::string_view name) const {
    if (name.size() > kLongest) return nullptr;
    const std::size_t behind = first[name.size() + 1];
    for (std::size_t at = first[name.size()]; at < behind; ++at)
      if (same_bytes(keys[at].name.data(), name.data(), name.size())) return &keys[at];
    return nullptr;
  }
};

}  // namespace gw::provider

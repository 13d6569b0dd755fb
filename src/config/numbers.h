#pragma once
// Numbers and truth values as text, by the contract's grammars. Locale-independent; no surrounding space is accepted
// anywhere.
#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>

namespace gw::config {

enum class NumberError { syntax, range };

template <class T>
using Parsed = tl::expected<T, NumberError>;

/// Environment grammar: optional sign and decimal digits.
Parsed<std::int64_t> parse_decimal_int(std::string_view s);
/// Environment grammar: decimal with exponent, hex with binary exponent (0x1p-2), inf, infinity, nan in any case.
Parsed<double> parse_float(std::string_view s);
/// Environment grammar: exactly 1 t T TRUE true True, 0 f F FALSE false False.
std::optional<bool> parse_bool(std::string_view s);

/// YAML integer: decimal, 0x, 0o, 0b, or octal by a leading zero, with sign; underscores between digits are ignored.
Parsed<std::int64_t> parse_yaml_int(std::string_view s);
/// YAML float: decimal with a point or an exponent, .inf, .nan in their usual casings.
Parsed<double> parse_yaml_float(std::string_view s);
/// True and false in three casings, and with `loose` also yes/no/on/off/y/n.
std::optional<bool> parse_yaml_bool(std::string_view s, bool loose);

}  // namespace gw::config

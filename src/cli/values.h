#pragma once
// Values of flags. An empty message means success.
#include <cstdint>
#include <string_view>

namespace gw::cli {

/// Decimal, 0x hex, 0o or 0 octal, 0b binary, with an optional sign. "parse error" or "value out of range".
std::string_view parse_int(std::string_view s, std::int64_t& out);
/// 1 t T TRUE true True, 0 f F FALSE false False.
std::string_view parse_bool(std::string_view s, bool& out);
/// Decimal numbers, each with a unit of ns us µs ms s m h, optionally signed; or 0. Nanoseconds.
std::string_view parse_duration(std::string_view s, std::int64_t& out);

}  // namespace gw::cli

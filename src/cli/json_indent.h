#pragma once
#include <string>
#include <string_view>

namespace gw::cli {

/// Compact JSON with line ends and two blanks per level, and a line end behind it; empty objects and arrays stay {} and
/// []. The JSON must be valid.
std::string indented_json(std::string_view compact);

}  // namespace gw::cli

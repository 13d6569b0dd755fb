#pragma once
#include <array>
#include <string>
#include <string_view>

namespace gw {

using Sha256 = std::array<unsigned char, 32>;
Sha256 sha256(std::string_view data);
std::string sha256_hex(std::string_view data);

}  // namespace gw

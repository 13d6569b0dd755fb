#pragma once
// Blobs of blocks and pages end with a checksum of four bytes: databases hold what they are given for years, and a
// flipped bit must not become a wrong bill. Pure functions.
#include <optional>
#include <string>
#include <string_view>

namespace gw::store {

/// The blob with its checksum behind it.
std::string sealed(std::string blob);
/// What was sealed; nothing when a byte differs.
std::optional<std::string_view> unsealed(std::string_view blob);

}  // namespace gw::store

#pragma once
// Randomness for secrets.
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gw {

/// At most 256 bytes, from the kernel.
Result<std::string> secret_bytes(std::size_t n);
/// URL-safe base64 without padding.
std::string base64url(std::string_view bytes);

}  // namespace gw

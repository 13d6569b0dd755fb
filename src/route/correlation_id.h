#pragma once
#include <array>
#include <string>
#include <string_view>

namespace gw::route {

/// Request headers that may carry the id, in order of preference; only the first value of each counts.
inline constexpr std::array<std::string_view, 3> kCorrelationHeaders = {"X-OngoingAI-Correlation-ID", "X-Request-ID",
                                                                        "X-Correlation-ID"};
inline constexpr std::size_t kMaxCorrelationIdBytes = 128;

/// The header's value without surrounding blanks, or empty when it cannot serve: blank, longer than 128 bytes, or with
/// a byte outside `a-z A-Z 0-9 - _ . :`. Never allocates.
std::string_view usable_correlation_id(std::string_view header_value);

/// Appends `corr-` and 32 lowercase hex digits.
void append_generated_correlation_id(std::string& out);

}  // namespace gw::route

#pragma once
// Values of application/x-www-form-urlencoded bodies.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::guard {

/// Percent escapes and `+` decoded; a broken escape stands for itself. With `origin` each appended byte's position in
/// `raw` is appended too.
void decode_form_value(std::string_view raw, std::string& out, std::vector<std::uint32_t>* origin = nullptr);

/// Appends `s` as a value, escaped where it must be.
void append_form_value(std::string& out, std::string_view s);

}  // namespace gw::guard

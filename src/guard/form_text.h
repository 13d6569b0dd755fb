#pragma once
// Values of application/x-www-form-urlencoded bodies.
#include <cstddef>
#include <string>
#include <string_view>

#include "guard/json_text.h"

namespace gw::guard {

/// Percent escapes and `+` decoded; a broken escape stands for itself.
void decode_form_value(std::string_view raw, std::string& out);

/// The same as seek_json_string() for such a value.
void seek_form_value(std::string_view raw, std::size_t offset, RawPlace& at);

/// Appends `s` as a value, escaped where it must be.
void append_form_value(std::string& out, std::string_view s);

}  // namespace gw::guard

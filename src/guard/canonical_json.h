#pragma once
#include <string>
#include <string_view>

namespace gw::guard {

/// What the hash of a replaced JSON value is taken of: a string's decoded content, nothing for null, otherwise compact
/// JSON with sorted keys and numbers as doubles, so that equal values hash alike however they were written. A value
/// that is cut off or nested deeper than 64 counts as its bytes. A part of `value`, or in `scratch`.
std::string_view canonical_value(std::string_view value, std::string& scratch);

}  // namespace gw::guard

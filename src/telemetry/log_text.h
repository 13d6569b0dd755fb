#pragma once
// Log lines for people on a terminal. Pure.
#include <string>
#include <string_view>

namespace gw::telemetry {

/// Appends `lines`, JSON lines of this folder's making, in the form
///   2026-02-12 03:00:01.123  INFO   request complete          method=POST path=/x status=200
/// A line stays one line. What a terminal would act on is escaped, as in JSON.
void append_text_lines(std::string& out, std::string_view lines);

}  // namespace gw::telemetry

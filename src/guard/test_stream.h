#pragma once
// For tests of answers that are streams of chat completions.
#include <string>
#include <string_view>

#include "guard/json_text.h"

namespace gw::guard {

/// What the deltas of a stream say together.
inline std::string said(std::string_view stream) {
  std::string out;
  for (std::size_t at = stream.find("\"content\":\""); at != std::string::npos;
       at = stream.find("\"content\":\"", at + 1)) {
    const JsonString s = scan_json_string(stream, at + 10);
    decode_json_string(stream.substr(s.begin, s.end - s.begin), out);
  }
  return out;
}

}  // namespace gw::guard

#pragma once
#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/strings.h"

namespace gw::http {

/// A Host field, or what stands there in a URL, in its parts. Clients write what they like: nothing is checked.
struct Authority {
  std::string_view host;       ///< of an IPv6 address without brackets
  std::string_view port_text;  ///< empty when there is none that could be one
  std::uint16_t port = 0;      ///< 0: none
};

/// Several colons without brackets are an IPv6 address without a port.
inline Authority split_authority(std::string_view text) {
  Authority out{.host = text, .port_text = {}, .port = 0};
  const std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  if (colon != npos && (bracket == npos ? text.find(':') == colon : colon > bracket)) {
    out.host = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const auto r = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (r.ec == std::errc() && r.ptr == port.data() + port.size() && out.port > 0)
      out.port_text = port;
    else
      out.port = 0;
  }
  if (out.host.size() >= 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  return out;
}

}  // namespace gw::http

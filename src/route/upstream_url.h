#pragma once
// An upstream base URL from the configuration, taken apart once at start.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gw::route {

struct UpstreamUrl {
  bool tls = false;
  std::string host;  ///< lowercase name or address to resolve; IPv6 without brackets, with its zone if one was given
  std::uint16_t port = 0;   ///< 80 or 443 when the URL names none
  std::string host_header;  ///< host[:port] as written: what the upstream gets as Host
  std::string path;         ///< raw, percent-escapes intact; empty or starting with '/'
  std::string query;        ///< raw, without '?'

  friend bool operator==(const UpstreamUrl&, const UpstreamUrl&) = default;
};

/// Userinfo and fragment are dropped. Errors carry the configuration contract's texts under the name `setting`; a
/// password in the URL is not repeated in them.
Result<UpstreamUrl> parse_upstream_url(std::string_view url, std::string_view setting = "upstream");

/// Of a URL, sound or not, for people to see: user, password and query may be keys and are `***`; the fragment is left
/// out.
std::string shown_url(std::string_view url);

/// "host:port" with brackets where an IPv6 address needs them: names a connection pool, and the target of a CONNECT.
std::string authority_of(std::string_view host, std::uint16_t port);

}  // namespace gw::route

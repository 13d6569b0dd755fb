#include "route/proxy_settings.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

#include "base/strings.h"
#include "route/percent.h"

namespace gw::route {
namespace {

std::string base64(std::string_view in) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < in.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k) v = v << 8 | (i + k < in.size() ? static_cast<unsigned char>(in[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += i + k <= in.size() ? kAlphabet[v >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = to_upper(c);
  return out;
}

struct Setting {
  std::string name;  // the spelling that was found
  std::string value;
};

Setting find(const ProxySettings::Lookup& lookup, const char* lower_name) {
  if (std::string v = lookup(lower_name); !v.empty()) return {lower_name, std::move(v)};
  const std::string name = upper(lower_name);
  return {name, lookup(name.c_str())};
}

Result<std::optional<ProxyUrl>> parse_proxy(const Setting& setting) {
  std::string_view text = trim(setting.value);
  if (text.empty()) return std::optional<ProxyUrl>();
  // host:port alone means an HTTP proxy, as everywhere.
  std::string url(text);
  if (text.find("://") == npos) url = "http://" + url;
  auto parsed = parse_upstream_url(url, setting.name);
  if (!parsed) return tl::make_unexpected(parsed.error());
  ProxyUrl out{parsed->tls, std::move(parsed->host), parsed->port, {}};

  const std::size_t start = url.find("://") + 3;
  const std::string_view authority = std::string_view(url).substr(start, url.find_first_of("/?#", start) - start);
  if (const std::size_t at = authority.rfind('@'); at != npos) {
    auto authorization = basic_authorization(authority.substr(0, at));
    if (!authorization) return fail(setting.name + " has an invalid percent-escape in its user or password");
    out.authorization = *std::move(authorization);
  }
  return std::optional<ProxyUrl>(std::move(out));
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

/// "host:port" or "[v6]:port" into its parts; false when there is no port (several colons without brackets are an IPv6
/// address).
bool split_host_port(std::string_view entry, std::string_view& host, std::string_view& port) {
  const std::size_t colon = entry.rfind(':');
  if (colon == npos) return false;
  host = entry.substr(0, colon);
  port = entry.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    return true;
  }
  return host.find(':') == npos;
}

}  // namespace

std::optional<std::string> basic_authorization(std::string_view userinfo) {
  const std::size_t colon = userinfo.find(':');
  std::string credentials;
  bool sound = percent_decode(userinfo.substr(0, colon), credentials);
  credentials += ':';
  if (colon != npos) sound = percent_decode(userinfo.substr(colon + 1), credentials) && sound;
  if (!sound) return std::nullopt;
  return "Basic " + base64(credentials);
}

std::optional<ProxySettings::Address> ProxySettings::parse_address(std::string_view text) {
  const std::string s(text.substr(0, text.find('%')));  // a zone does not take part in comparisons
  Address out{};
  in_addr v4{};
  if (::inet_pton(AF_INET, s.c_str(), &v4) == 1) {
    out[10] = out[11] = 0xff;
    std::memcpy(out.data() + 12, &v4, 4);
    return out;
  }
  if (::inet_pton(AF_INET6, s.c_str(), out.data()) == 1) return out;
  return std::nullopt;
}

std::optional<ProxySettings::Network> ProxySettings::parse_network(std::string_view entry) {
  Network out;
  if (const std::size_t slash = entry.find('/'); slash != npos) {
    const auto address = parse_address(entry.substr(0, slash));
    const auto bits = parse_port(entry.substr(slash + 1));
    if (!address || !bits) return std::nullopt;
    const bool v4 = entry.substr(0, slash).find(':') == npos;
    if (*bits > (v4 ? 32 : 128)) return std::nullopt;
    out.address = *address;
    out.bits = *bits + (v4 ? 96U : 0U);
    return out;
  }
  std::string_view host;
  std::string_view port;
  if (split_host_port(entry, host, port)) {
    const auto number = parse_port(port);
    if (!number) return std::nullopt;
    out.port = *number;
  } else {
    host = entry;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  }
  const auto address = parse_address(host);
  if (!address) return std::nullopt;
  out.address = *address;
  return out;
}

void ProxySettings::add_exception(std::string_view raw) {
  const std::string entry = lowercase(trim(raw));
  if (entry.empty()) return;
  if (entry == "*") {
    none_ = true;
    return;
  }
  if (const auto network = parse_network(entry)) {
    networks_.push_back(*network);
    return;
  }
  std::string_view host;
  std::string_view port;
  Domain domain;
  if (split_host_port(entry, host, port)) {
    const auto number = parse_port(port);
    if (!number) return;  // malformed entries are ignored, as Go and curl do
    domain.port = *number;
  } else {
    host = entry;
  }
  if (host.starts_with("*.")) host.remove_prefix(1);
  if (host.empty() || host == ".") return;
  domain.itself = host[0] != '.';
  if (domain.itself) domain.suffix += '.';
  domain.suffix += host;
  domains_.push_back(std::move(domain));
}

Result<ProxySettings> ProxySettings::from_environment(const Lookup& lookup) {
  ProxySettings out;
  auto http = parse_proxy(find(lookup, "http_proxy"));
  if (!http) return tl::make_unexpected(http.error());
  auto https = parse_proxy(find(lookup, "https_proxy"));
  if (!https) return tl::make_unexpected(https.error());
  out.http_ = std::move(*http);
  out.https_ = std::move(*https);
  const std::string exceptions = find(lookup, "no_proxy").value;
  std::string_view rest = exceptions;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    out.add_exception(rest.substr(0, comma));
    rest.remove_prefix(comma == npos ? rest.size() : comma + 1);
  }
  return out;
}

bool ProxySettings::is_exception(std::string_view host, const std::optional<Address>& address,
                                 std::uint16_t port) const {
  if (none_) return true;
  const auto port_matches = [port](std::uint16_t wanted) { return wanted == 0 || wanted == port; };
  if (address) {
    for (const Network& n : networks_) {
      const unsigned whole = n.bits / 8;
      const unsigned left = n.bits % 8;
      if (std::memcmp(n.address.data(), address->data(), whole) != 0) continue;
      if (left != 0 && ((n.address[whole] ^ (*address)[whole]) >> (8 - left)) != 0) continue;
      if (port_matches(n.port)) return true;
    }
  }
  for (const Domain& d : domains_) {
    const bool hit = host.ends_with(d.suffix) || (d.itself && host == std::string_view(d.suffix).substr(1));
    if (hit && port_matches(d.port)) return true;
  }
  return false;
}

const ProxyUrl* ProxySettings::proxy_for(const UpstreamUrl& upstream) const {
  const auto& proxy = upstream.tls ? https_ : http_;
  if (!proxy) return nullptr;
  std::string_view host = upstream.host;
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host == "localhost" || host.ends_with(".localhost")) return nullptr;
  const auto address = parse_address(host);
  if (address) {
    Address v6_loopback{};
    v6_loopback[15] = 1;
    Address v4_prefix{};
    v4_prefix[10] = v4_prefix[11] = 0xff;
    v4_prefix[12] = 127;
    if (*address == v6_loopback || std::memcmp(address->data(), v4_prefix.data(), 13) == 0) return nullptr;
  }
  return is_exception(host, address, upstream.port) ? nullptr : &*proxy;
}

}  // namespace gw::route

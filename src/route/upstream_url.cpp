#include "route/upstream_url.h"

#include <arpa/inet.h>

#include <charconv>

#include "base/strings.h"
#include "route/percent.h"

namespace gw::route {
namespace {

bool is_alpha(char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

/// The URL for messages: userinfo, which may hold a password, replaced.
std::string shown(std::string_view url) {
  const std::size_t slashes = url.find("//");
  if (slashes == npos) return in_quotes(url);
  const std::size_t start = slashes + 2;
  const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == npos || at < start) return in_quotes(url);
  return in_quotes(std::string(url.substr(0, start)) + "***" + std::string(url.substr(at)));
}

struct Parser {
  std::string_view url;
  std::string_view setting;

  tl::unexpected<Error> cannot_parse(std::string_view reason) const {
    return fail("parse " + std::string(setting) + ": parse " + shown(url) + ": " + std::string(reason));
  }
  tl::unexpected<Error> must(std::string_view what) const {
    return fail(std::string(setting) + " must " + std::string(what) + " (got " + shown(url) + ")");
  }

  Result<std::uint16_t> port(std::string_view text, bool tls) const {  // text: "" or ":digits"
    if (text.empty() || text == ":") return tls ? 443 : 80;
    unsigned value = 0;
    const auto [end, ec] = std::from_chars(text.data() + 1, text.data() + text.size(), value);
    if (text[0] != ':' || ec != std::errc() || end != text.data() + text.size())
      return cannot_parse("invalid port " + in_quotes(text) + " after host");
    if (value == 0 || value > 65535) return must("name a port between 1 and 65535");
    return static_cast<std::uint16_t>(value);
  }

  Result<UpstreamUrl> ipv6(std::string_view authority, bool tls) const {
    const std::size_t close = authority.find(']');
    if (close == npos) return cannot_parse("missing ']' in host");
    UpstreamUrl out;
    std::string_view address = authority.substr(1, close - 1);
    const std::string_view port_text = authority.substr(close + 1);
    std::string zone;
    if (const std::size_t z = address.find("%25"); z != npos) {
      if (!percent_decode(address.substr(z + 3), zone) || zone.empty()) return cannot_parse("invalid host");
      address = address.substr(0, z);
    }
    in6_addr bytes{};
    out.host = lowercase(address);
    if (::inet_pton(AF_INET6, out.host.c_str(), &bytes) != 1) return cannot_parse("invalid host");
    const auto number = port(port_text, tls);
    if (!number) return tl::make_unexpected(number.error());
    out.port = *number;
    // A zone is only meaningful on this machine; it never goes to the upstream.
    out.host_header = "[" + out.host + "]" + std::string(port_text.size() > 1 ? port_text : std::string_view());
    if (!zone.empty()) out.host += "%" + zone;
    return out;
  }

  Result<UpstreamUrl> host(std::string_view authority, bool tls) const {
    if (authority.starts_with('[')) return ipv6(authority, tls);
    const std::size_t colon = authority.find(':');
    const std::string_view name = authority.substr(0, colon);
    const std::string_view port_text = colon == npos ? std::string_view() : authority.substr(colon);
    if (name.empty()) return must("include scheme and host");
    for (char c : name) {
      if (static_cast<unsigned char>(c) >= 0x80) return must("name its host in ASCII (xn--…)");
      if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_')
        return cannot_parse("invalid character " + in_quotes({&c, 1}) + " in host name");
    }
    const auto number = port(port_text, tls);
    if (!number) return tl::make_unexpected(number.error());
    UpstreamUrl out;
    out.host = lowercase(name);
    out.port = *number;
    out.host_header = std::string(port_text.size() > 1 ? authority : name);
    return out;
  }

  Result<UpstreamUrl> parse() const;
};

/// Length of a syntactically valid scheme before the first ':', 0 when there is none.
std::size_t scheme_length(std::string_view url) {
  for (std::size_t i = 0; i < url.size(); ++i) {
    const char c = url[i];
    if (c == ':') return i;
    if (is_alpha(c) || (i > 0 && (is_digit(c) || c == '+' || c == '-' || c == '.'))) continue;
    return 0;
  }
  return 0;
}

Result<UpstreamUrl> Parser::parse() const {
  for (char c : url)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return cannot_parse("invalid control character in URL");
  if (url.find(' ') != npos) return must("not contain spaces");
  if (url.starts_with(':')) return cannot_parse("missing protocol scheme");
  const std::size_t scheme_end = scheme_length(url);
  if (scheme_end == 0) {
    if (url.substr(0, url.find('/')).find(':') != npos)
      return cannot_parse("first path segment in URL cannot contain colon");
    return must("include scheme and host");
  }
  std::string_view rest = url.substr(scheme_end + 1);
  if (!rest.starts_with("//")) return must("include scheme and host");
  rest.remove_prefix(2);
  const std::string_view scheme = url.substr(0, scheme_end);
  const bool tls = iequals(scheme, "https");

  rest = rest.substr(0, rest.find('#'));
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  if (const std::size_t at = authority.rfind('@'); at != npos) authority.remove_prefix(at + 1);
  if (authority.empty()) return must("include scheme and host");
  if (!tls && !iequals(scheme, "http")) return must("use the scheme http or https");

  auto out = host(authority, tls);
  if (!out) return out;
  out->tls = tls;
  const std::size_t question = rest.find('?');
  out->path = rest.substr(0, question);
  if (question != npos) out->query = rest.substr(question + 1);
  for (std::size_t i = 0; i < out->path.size(); ++i) {
    const std::string_view at = std::string_view(out->path).substr(i);
    if (at[0] == '%' && escaped_byte(at) < 0) return cannot_parse("invalid URL escape " + in_quotes(at.substr(0, 3)));
  }
  return out;
}

}  // namespace

Result<UpstreamUrl> parse_upstream_url(std::string_view url, std::string_view setting) {
  return Parser{url, setting}.parse();
}

std::string shown_url(std::string_view text) {
  const std::string_view url = trim(text);
  const std::string_view bare = url.substr(0, url.find_first_of("?#"));
  const std::size_t slashes = bare.find("//");
  const std::size_t start = slashes == npos ? 0 : slashes + 2;
  const std::size_t at = bare.substr(0, bare.find('/', start)).rfind('@');
  std::string out(bare.substr(0, start));
  out += at == npos || at < start ? std::string(bare.substr(start)) : "***" + std::string(bare.substr(at));
  return out + (bare.size() < url.size() && url[bare.size()] == '?' ? "?***" : "");
}

std::string authority_of(std::string_view host, std::uint16_t port) {
  const bool bare_v6 = host.find(':') != npos;
  std::string out;
  if (bare_v6) out += '[';
  out += host;
  if (bare_v6) out += ']';
  out += ':';
  out += std::to_string(port);
  return out;
}

}  // namespace gw::route

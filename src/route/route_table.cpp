#include "route/route_table.h"

#include "base/strings.h"

namespace gw::route {
namespace {

/// What of `raw` stands behind the first `decoded_length` decoded bytes. Escapes in `raw` are known to be sound.
std::string_view skip_decoded(std::string_view raw, std::size_t decoded_length) {
  while (decoded_length-- > 0 && !raw.empty()) raw.remove_prefix(raw[0] == '%' ? 3 : 1);
  return raw;
}

/// Without its leading slash, which may have been sent as %2F: the joining slash is ours.
std::string_view without_leading_slash(std::string_view raw) {
  if (raw.starts_with('/')) return raw.substr(1);
  if (raw.size() >= 3 && raw[0] == '%' && raw[1] == '2' && to_lower(raw[2]) == 'f') return raw.substr(3);
  return raw;
}

}  // namespace

std::string normalise_prefix(std::string_view prefix) {
  prefix = trim(prefix);
  while (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string out;
  if (!prefix.starts_with('/')) out += '/';
  out += prefix;
  return out;
}

bool under_prefix(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

Result<RouteTable> RouteTable::build(const std::vector<ProviderOptions>& providers) {
  RouteTable table;
  for (const ProviderOptions& p : providers) {
    auto upstream = parse_upstream_url(p.upstream, "providers." + p.name + ".upstream");
    if (!upstream) return tl::make_unexpected(upstream.error());
    Route route{p.name, normalise_prefix(p.prefix), std::move(*upstream),
                static_cast<std::uint8_t>(table.routes_.size())};
    for (Route& earlier : table.routes_)
      if (earlier.prefix == route.prefix) earlier.upstream = route.upstream;
    table.routes_.push_back(std::move(route));
  }
  return table;
}

Match RouteTable::match(const Target& target) const {
  const std::string_view path = target.path();
  for (const Route& route : routes_)
    if (under_prefix(path, route.prefix))
      return {target.has_dot_segment ? MatchKind::refused : MatchKind::provider, &route};
  return {under_prefix(path, "/api") ? MatchKind::api : MatchKind::other, nullptr};
}

void append_upstream_target(std::string& out, const Route& route, const Target& target) {
  const std::size_t prefix = route.prefix == "/" ? 0 : route.prefix.size();
  const std::string_view rest = without_leading_slash(skip_decoded(target.raw_path, prefix));
  out += route.upstream.path;
  if (!route.upstream.path.ends_with('/')) out += '/';
  out += rest;
  const std::string& fixed = route.upstream.query;
  if (fixed.empty() && !target.has_query) return;
  out += '?';
  out += fixed;
  if (!fixed.empty() && !target.raw_query.empty()) out += '&';
  out += target.raw_query;
}

void append_absolute_target(std::string& out, const Route& route, const Target& target) {
  out += route.upstream.tls ? "https://" : "http://";
  out += route.upstream.host_header;
  append_upstream_target(out, route, target);
}

}  // namespace gw::route

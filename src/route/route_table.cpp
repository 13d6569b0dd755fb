#include "route/route_table.h"

#include <algorithm>

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

/// Byte order of both with a '/' behind them: a prefix then comes directly before what lies below it.
bool before(std::string_view a, std::string_view b) {
  const std::size_t n = std::min(a.size(), b.size());
  std::size_t at = 0;
  while (at < n && a[at] == b[at]) ++at;  // most differ in their second byte: a call would cost more
  const auto next = [at](std::string_view s) { return at < s.size() ? static_cast<unsigned char>(s[at]) : '/'; };
  return next(a) != next(b) ? next(a) < next(b) : a.size() < b.size();
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
    if (table.routes_.size() == kMaxRoutes) return fail("more than " + std::to_string(kMaxRoutes) + " providers");
    Route route{p.name, normalise_prefix(p.prefix), normalise_prefix(p.prefix) + "/*", std::move(*upstream),
                static_cast<std::uint8_t>(table.routes_.size())};
    if (route.prefix == "/") return fail("providers." + p.name + ".prefix must not be root ('/')");
    table.by_prefix_.push_back(route.index);
    table.routes_.push_back(std::move(route));
  }
  const auto& routes = table.routes_;
  std::sort(table.by_prefix_.begin(), table.by_prefix_.end(),
            [&](std::uint8_t a, std::uint8_t b) { return before(routes[a].prefix, routes[b].prefix); });
  for (std::size_t i = 1; i < table.by_prefix_.size(); ++i) {  // what overlaps stands side by side
    const Route& upper = routes[table.by_prefix_[i - 1]];
    const Route& lower = routes[table.by_prefix_[i]];
    if (under_prefix(lower.prefix, upper.prefix))
      return fail("providers." + upper.name + ".prefix and providers." + lower.name + ".prefix must not overlap (got " +
                  in_quotes(upper.prefix) + " and " + in_quotes(lower.prefix) + ")");
  }
  return table;
}

const Route* RouteTable::find(std::string_view path) const {
  const auto after =
      std::upper_bound(by_prefix_.begin(), by_prefix_.end(), path,
                       [this](std::string_view p, std::uint8_t i) { return before(p, routes_[i].prefix); });
  if (after == by_prefix_.begin()) return nullptr;
  const Route& candidate = routes_[*(after - 1)];
  return under_prefix(path, candidate.prefix) ? &candidate : nullptr;
}

Match RouteTable::match(const Target& target) const {
  const std::string_view path = target.path();
  if (const Route* route = find(path))
    return {target.has_dot_segment ? MatchKind::refused : MatchKind::provider, route};
  return {under_prefix(path, "/api") ? MatchKind::api : MatchKind::other, nullptr};
}

void append_upstream_target(std::string& out, const Route& route, const Target& target) {
  const std::string_view rest = without_leading_slash(skip_decoded(target.raw_path, route.prefix.size()));
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

#include "config/redis_url.h"

#include <charconv>

#include "base/strings.h"
#include "route/percent.h"

namespace gw::config {
namespace {

bool take_number(std::string_view text, int most, int& out) {
  const auto r = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && r.ec == std::errc() && r.ptr == text.data() + text.size() && out >= 0 && out <= most;
}

bool take_credentials(std::string_view& rest, RedisUrl& out) {
  const std::size_t at = rest.rfind('@');
  if (at == std::string_view::npos) return true;
  const std::string_view all = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = all.find(':');
  if (colon == std::string_view::npos) return false;
  return route::percent_decode(all.substr(0, colon), out.user) &&
         route::percent_decode(all.substr(colon + 1), out.password) && !out.password.empty();
}

bool take_host(std::string_view rest, RedisUrl& out) {
  constexpr int kMostDatabases = 65'535;
  const std::size_t slash = rest.find('/');
  const std::string_view place = rest.substr(0, slash);
  const std::string_view database = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (!database.empty() && !take_number(database, kMostDatabases, out.database)) return false;
  std::size_t colon = place.rfind(':');
  if (place.starts_with('[')) {  // an IPv6 literal
    const std::size_t close = place.find(']');
    if (close == std::string_view::npos) return false;
    out.host = place.substr(1, close - 1);
    colon = close + 1 < place.size() ? close + 1 : std::string_view::npos;
    if (colon != std::string_view::npos && place[colon] != ':') return false;
  } else {
    out.host = place.substr(0, colon);
  }
  if (colon != std::string_view::npos && (!take_number(place.substr(colon + 1), 65'535, out.port) || out.port == 0))
    return false;
  return !out.host.empty() && out.host.find_first_of(" \t\r\n?#") == std::string::npos;
}

bool take_path(std::string_view rest, RedisUrl& out) {
  const std::size_t query = rest.find('?');
  if (query != std::string_view::npos) {
    const std::string_view text = rest.substr(query + 1);
    if (!text.starts_with("db=") || !take_number(text.substr(3), 65'535, out.database)) return false;
    rest = rest.substr(0, query);
  }
  out.path = rest;
  return rest.size() > 1 && rest.size() < 100 && rest.front() == '/';
}

}  // namespace

std::string RedisUrl::shown() const {
  const std::string end = database == 0 ? "" : std::to_string(database);
  if (host.empty()) return "unix://" + path + (end.empty() ? "" : "?db=" + end);
  const bool literal = host.find(':') != std::string::npos;
  return std::string(tls ? "rediss://" : "redis://") + (literal ? "[" + host + "]" : host) + ":" +
         std::to_string(port) + (end.empty() ? "" : "/" + end);
}

Result<RedisUrl> parse_redis_url(std::string_view text) {
  text = trim(text);
  RedisUrl out;
  const std::size_t scheme = text.find("://");
  std::string_view rest = scheme == std::string_view::npos ? std::string_view() : text.substr(scheme + 3);
  const bool unix_socket = text.starts_with("unix://");
  out.tls = text.starts_with("rediss://");
  const bool good = (unix_socket || out.tls || text.starts_with("redis://")) && take_credentials(rest, out) &&
                    (unix_socket ? take_path(rest, out) : take_host(rest, out));
  if (!good)
    return fail(
        "must be redis[s]://host[:port][/database] or unix:///path/of/socket[?db=database], with user:password@ or "
        ":password@ behind the :// where it takes one");
  return out;
}

}  // namespace gw::config

#include "api/route_table.h"

#include "api/export.h"
#include "api/handlers.h"
#include "api/responses.h"

namespace gw::api {
namespace {

constexpr std::string_view kId = "{id}";

constexpr Route kRoutes[] = {
    {.method = "", .path = "/", .handler = root, .needs_store = false},
    {.method = "GET", .path = "/api/health", .handler = health, .needs_store = false},
    {.method = "GET", .path = "/api/ready", .handler = ready, .needs_store = false},
    {.method = "GET", .path = "/api/openapi.json", .handler = openapi, .needs_store = false},
    {.method = "GET", .path = "/api/diagnostics/trace-pipeline", .handler = pipeline_diagnostics, .needs_store = false},
    {.method = "GET", .path = "/api/traces", .handler = list_traces},
    {.method = "GET", .path = kStreamPath, .handler = [](const Call& c) { return stream_traces(c.deps, c.request); }},
    {.method = "GET", .path = kExportPath, .handler = [](const Call& c) { return export_traces(c.deps, c.request); }},
    {.method = "GET", .path = "/api/traces/{id}", .handler = trace_detail, .slash_at_end_too = true},
    {.method = "GET", .path = "/api/traces/{id}/replay", .handler = replay_trace, .slash_at_end_too = true},
    {.method = "POST", .path = "/api/traces/{id}/fork", .handler = fork_trace, .slash_at_end_too = true},
    {.method = "GET", .path = "/api/analytics/usage", .handler = analytics_usage},
    {.method = "GET", .path = "/api/analytics/cost", .handler = analytics_cost},
    {.method = "GET", .path = "/api/analytics/models", .handler = analytics_models},
    {.method = "GET", .path = "/api/analytics/keys", .handler = analytics_keys},
    {.method = "GET", .path = "/api/analytics/latency", .handler = analytics_latency},
    {.method = "GET", .path = "/api/analytics/errors", .handler = analytics_errors},
    {.method = "GET", .path = "/api/analytics/summary", .handler = analytics_summary},
    {.method = "GET", .path = "/api/gateway-keys", .handler = list_keys, .needs_store = false, .keys = true},
    {.method = "POST", .path = "/api/gateway-keys", .handler = create_key, .needs_store = false, .keys = true},
    {.method = "DELETE",
     .path = "/api/gateway-keys/{id}",
     .handler = revoke_key,
     .needs_store = false,
     .slash_at_end_too = true,
     .keys = true},
    {.method = "POST",
     .path = "/api/gateway-keys/{id}/rotate",
     .handler = rotate_key,
     .needs_store = false,
     .slash_at_end_too = true,
     .keys = true},
    {.method = "PUT",
     .path = "/api/gateway-keys/{id}/limits",
     .handler = limit_key,
     .needs_store = false,
     .slash_at_end_too = true,
     .keys = true},
};

bool fits(const Route& route, std::string_view path, std::string_view& id) {
  if (route.slash_at_end_too && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t at = route.path.find(kId);
  if (at == std::string_view::npos) return path == route.path;
  const std::string_view before = route.path.substr(0, at);
  const std::string_view behind = route.path.substr(at + kId.size());
  if (path.size() <= before.size() + behind.size() || !path.starts_with(before) || !path.ends_with(behind))
    return false;
  id = path.substr(before.size(), path.size() - before.size() - behind.size());
  return id.find('/') == std::string_view::npos;
}

bool serves(const Route& route, std::string_view method) {
  return route.method.empty() || route.method == method || (route.method == "GET" && method == "HEAD");
}

}  // namespace

void Call::report(std::string_view operation, const Error& error) const {
  if (deps.on_error) deps.on_error(operation, error.message);
}

ApiResponse Call::store_failed(std::string_view operation, const Error& error, std::string_view message) const {
  report(operation, error);
  return failed_read(traces(), message);
}

std::span<const Route> routes() { return kRoutes; }

RouteMatch find_route(std::string_view method, std::string_view path) {
  RouteMatch match;
  std::string_view pattern;
  for (const Route& route : kRoutes) {
    std::string_view id;
    if (pattern.empty() ? !fits(route, path, id) : route.path != pattern) continue;
    if (pattern.empty()) match.id = id;
    pattern = route.path;
    match.allow.append(route.method).append(", ");
    if (match.route == nullptr && serves(route, method)) match.route = &route;
  }
  if (!pattern.empty()) match.allow += "OPTIONS";
  return match;
}

}  // namespace gw::api

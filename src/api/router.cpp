#include "api/router.h"

#include "api/export.h"
#include "api/paths.h"
#include "api/query_params.h"
#include "api/responses.h"
#include "base/json_writer.h"
#include "base/strings.h"

namespace gw::api {
namespace {

constexpr std::string_view kTraces = "/api/traces";

bool is_get(const ApiRequest& r) { return r.method == "GET" || r.method == "HEAD"; }

ApiResponse method_not_allowed(const char* allow) {
  ApiResponse r = error_response(405, "method not allowed");
  r.headers.emplace_back("Allow", allow);
  return r;
}

ApiResponse not_found() { return error_response(404, "404 page not found"); }

std::string html_escaped(std::string_view s) {
  std::string out;
  for (const char c : s) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// Control bytes never reach a header line.
std::string location_of(const std::string& clean, std::string_view query) {
  std::string out = escape_path(clean);
  if (query.empty()) return out;
  out += '?';
  for (const char c : query) {
    const auto u = static_cast<unsigned char>(c);
    if (u > 0x20 && u < 0x7F)
      out += c;
    else
      out += escape_path({&c, 1});
  }
  return out;
}

ApiResponse moved(const std::string& clean, const ApiRequest& request) {
  const std::string location = location_of(clean, request.query);
  ApiResponse r{301, {{"Location", location}}, {}};
  if (is_get(request)) {
    r.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
    r.body = "<a href=\"" + html_escaped(location) + "\">Moved Permanently</a>.\n\n";
  }
  return r;
}

store::TenantScope scope_of(const ApiRequest& r) { return r.scope ? *r.scope : store::TenantScope::all(); }

}  // namespace

void append_cors_headers(Headers& headers, std::string_view auth_header) {
  constexpr std::string_view kNames[] = {"Content-Type", "Authorization", "X-API-Key", "X-OngoingAI-Gateway-Key"};
  std::string allowed;
  const std::string_view extra = trim(auth_header);
  bool known = extra.empty();
  for (const std::string_view name : kNames) {
    allowed.append(allowed.empty() ? "" : ", ").append(name);
    known = known || iequals(name, extra);
  }
  if (!known) allowed.append(", ").append(extra);
  headers.emplace_back("Access-Control-Allow-Origin", "*");
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  headers.emplace_back("Access-Control-Allow-Headers", std::move(allowed));
}

std::string error_body(std::string_view message) {
  std::string out;
  JsonWriter(out).begin_object().field("error", message).end_object();
  return out += '\n';
}

Router::Router(ApiDeps deps) : deps_(std::move(deps)) {}

ApiResponse Router::handle(const ApiRequest& request) {
  ApiResponse response = request.method == "OPTIONS" ? ApiResponse{204, {}, {}} : route(request);
  append_cors_headers(response.headers, deps_.auth_header);
  return response;
}

Chunk Router::next(ChunkSource& source) {
  Chunk chunk = source.next(*deps_.traces);
  if (chunk.then == Chunk::Then::failed) report("export traces", Error{chunk.error});
  return chunk;
}

ApiResponse Router::route(const ApiRequest& request) {
  const std::string& path = request.path;
  if (request.method != "CONNECT") {
    if (const std::string clean = clean_path(path); clean != path) return moved(clean, request);
  }
  if (path == "/") return root();
  if (path == kExportPath || path == kStreamPath) {
    if (!is_get(request)) return method_not_allowed("GET, OPTIONS");
    return path == kExportPath ? export_traces(deps_, request) : stream_traces(deps_, request);
  }
  if (path.starts_with(kTraces) && path.size() > kTraces.size() && path[kTraces.size()] == '/')
    return route_trace(request);

  const bool known =
      path == "/api/health" || path == "/api/ready" || path == "/api/diagnostics/trace-pipeline" || path == kTraces;
  if (!known) return not_found();
  if (!is_get(request)) return method_not_allowed("GET, OPTIONS");
  if (path == "/api/health") return health();
  if (path == "/api/ready") return ready();
  if (path == kTraces) return list_traces(request);
  return diagnostics(request);
}

ApiResponse Router::route_trace(const ApiRequest& request) {
  std::string_view rest = std::string_view(request.path).substr(kTraces.size());
  while (rest.starts_with('/')) rest.remove_prefix(1);
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.empty() || rest.find('/') != std::string_view::npos) return not_found();
  if (!is_get(request)) return method_not_allowed("GET, OPTIONS");
  return trace_detail(request, rest);
}

ApiResponse Router::root() const {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("name", "ongoingai gateway")
      .field("status", "ok")
      .field("version", deps_.version)
      .end_object();
  return json_response(200, out += '\n');
}

ApiResponse Router::health() {
  std::int64_t count = 0;
  std::int64_t size = 0;
  if (deps_.traces != nullptr) {
    const auto rows = deps_.traces->count();
    if (rows)
      count = *rows;
    else
      report("count traces", rows.error());
    if (deps_.storage_driver == "sqlite") size = deps_.traces->size_bytes();
  }
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("status", "ok")
      .field("version", deps_.version)
      .field("uptime_sec", (deps_.clock.mono_ns() - deps_.started_mono_ns) / 1'000'000'000)
      .field("storage_driver", deps_.storage_driver)
      .field("trace_count", count);
  if (size > 0) w.field("db_size_bytes", size);
  w.end_object();
  return json_response(200, out += '\n');
}

ApiResponse Router::ready() {
  std::string reason = deps_.not_ready_reason ? deps_.not_ready_reason() : std::string();
  if (reason.empty() && deps_.traces == nullptr) reason = "trace store is not configured";
  if (reason.empty()) {
    if (const auto answer = deps_.traces->ping(); !answer) {
      report("ping trace store", answer.error());
      reason = "trace store does not answer";  // the detail names paths: it is for the log
    }
  }
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("status", reason.empty() ? "ready" : "not_ready").field_if("reason", reason).end_object();
  return json_response(reason.empty() ? 200 : 503, out += '\n');
}

ApiResponse Router::diagnostics(const ApiRequest& request) {
  auto figures = deps_.diagnostics ? deps_.diagnostics() : std::nullopt;
  if (!figures) return error_response(503, "trace pipeline diagnostics unavailable");
  // The names are those that clients of all tenants chose.
  if (request.scope && !request.scope->everything) figures->unpriced_models.clear();
  return json_response(200, diagnostics_body(*figures, deps_.clock.wall_ns()));
}

ApiResponse Router::list_traces(const ApiRequest& request) {
  if (deps_.traces == nullptr) return error_response(503, "trace store is not configured");
  const auto query = parse_trace_query(QueryParams(request.query));
  if (!query) return error_response(400, query.error().message);
  const auto page = deps_.traces->list(scope_of(request), query->filter, query->after, query->limit);
  if (!page) {
    report("query traces", page.error());
    return error_response(500, "failed to query traces");
  }
  return json_response(200, trace_page_body(*page));
}

ApiResponse Router::trace_detail(const ApiRequest& request, std::string_view id) {
  if (deps_.traces == nullptr) return error_response(503, "trace store is not configured");
  const auto trace = deps_.traces->find(scope_of(request), id);
  if (!trace) {
    report("read trace", trace.error());
    return error_response(500, "failed to read trace");
  }
  if (!*trace) return error_response(404, "trace not found");
  return json_response(200, trace_detail_body(**trace));
}

void Router::report(std::string_view operation, const Error& error) const {
  if (deps_.on_error) deps_.on_error(operation, error.message);
}

}  // namespace gw::api

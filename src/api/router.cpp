#include "api/router.h"

#include "api/paths.h"
#include "api/responses.h"
#include "api/route_table.h"
#include "base/json_writer.h"
#include "base/strings.h"

namespace gw::api {
namespace {

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
  if (request.method == "GET" || request.method == "HEAD") {
    r.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
    r.body = "<a href=\"" + html_escaped(location) + "\">Moved Permanently</a>.\n\n";
  }
  return r;
}

}  // namespace

void append_cors_headers(Headers& headers, std::string_view auth_header) {
  constexpr std::string_view kAllowed[] = {"Content-Type", "Authorization", "X-API-Key", "X-OngoingAI-Gateway-Key"};
  std::string allowed;
  const std::string_view extra = trim(auth_header);
  bool known = extra.empty();
  for (const std::string_view name : kAllowed) {
    allowed.append(allowed.empty() ? "" : ", ").append(name);
    known = known || iequals(name, extra);
  }
  if (!known) allowed.append(", ").append(extra);
  headers.emplace_back("Access-Control-Allow-Origin", "*");
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
  headers.emplace_back("Access-Control-Allow-Headers", std::move(allowed));
}

std::string error_body(std::string_view message) {
  std::string out;
  JsonWriter(out).begin_object().field("error", message).end_object();
  return out += '\n';
}

bool reads_traces(const ApiRequest& request) {
  const RouteMatch match = find_route(request.method, request.path);
  return match.route != nullptr && match.route->needs_store;
}

bool handles_keys(const ApiRequest& request) {
  const RouteMatch match = find_route(request.method, request.path);
  return match.route != nullptr && match.route->keys;
}

std::size_t max_body(const ApiRequest& request) { return handles_keys(request) ? kMaxKeyBody : kMaxRequestBody; }

Router::Router(ApiDeps deps) : deps_(std::move(deps)) {}

ApiResponse Router::handle(const ApiRequest& request) const {
  ApiResponse response = request.method == "OPTIONS" ? ApiResponse{204, {}, {}} : route(request);
  append_cors_headers(response.headers, deps_.auth_header);
  return response;
}

Chunk Router::next(ChunkSource& source) {
  Chunk chunk = source.next(*deps_.traces);
  if (chunk.then == Chunk::Then::failed && deps_.on_error) deps_.on_error("export traces", chunk.error);
  return chunk;
}

ApiResponse Router::route(const ApiRequest& request) const {
  if (request.method != "CONNECT") {
    if (const std::string clean = clean_path(request.path); clean != request.path) return moved(clean, request);
  }
  const RouteMatch match = find_route(request.method, request.path);
  if (match.route != nullptr) {
    if (match.route->needs_store && deps_.traces == nullptr)
      return error_response(503, "trace store is not configured");
    return match.route->handler(
        {.deps = deps_, .request = request, .id = match.id, .params = QueryParams(request.query)});
  }
  if (match.allow.empty()) return error_response(404, "404 page not found");
  ApiResponse wrong = error_response(405, "method not allowed");
  wrong.headers.emplace_back("Allow", match.allow);
  return wrong;
}

}  // namespace gw::api

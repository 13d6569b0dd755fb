#pragma once
// The routes of the API as data: which path and method goes to which handler. 404, 405 and Allow follow from it. A new
// route is a row here, a declaration in handlers.h, a row in the policy table (auth/policy.cpp) and a path in
// openapi.json; tests compare them.
#include <span>
#include <string>
#include <string_view>

#include "api/query_params.h"
#include "api/router.h"

namespace gw::api {

/// One request on its way to its handler. Lives for that call.
struct Call {
  const ApiDeps& deps;
  const ApiRequest& request;
  std::string_view id;  ///< what stands for `{id}` in the path
  QueryParams params;

  store::TenantScope scope() const { return request.scope ? *request.scope : store::TenantScope::all(); }
  store::TraceReader& traces() const { return *deps.traces; }
  /// The error's own text names paths: it goes to the log.
  void report(std::string_view operation, const Error& error) const;
  /// Reports, and answers 500 with `message`; 503 when the store gave the question up for the time it takes.
  ApiResponse store_failed(std::string_view operation, const Error& error, std::string_view message) const;
};

using Handler = ApiResponse (*)(const Call&);

struct Route {
  std::string_view method;  ///< GET stands for HEAD too; empty: any
  std::string_view path;    ///< `{id}` stands for one segment
  Handler handler;
  bool needs_store = true;        ///< answered 503 without one
  bool slash_at_end_too = false;  ///< `path/` is the same
  bool keys = false;              ///< about gateway keys: waits for the store's other writers perhaps
};

/// Rows of one path stand together; the first path that fits decides, so fixed segments stand before `{id}`.
std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;
  std::string_view id;  ///< a view into the path
  std::string allow;    ///< of a path that is there, whatever the method
};
/// `path` is decoded and clean.
RouteMatch find_route(std::string_view method, std::string_view path);

}  // namespace gw::api

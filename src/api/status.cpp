// What the gateway says about itself.
#include "api/embedded_openapi.h"
#include "api/handlers.h"
#include "api/responses.h"
#include "base/json_writer.h"

namespace gw::api {

ApiResponse root(const Call& call) {
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("name", "ongoingai gateway")
      .field("status", "ok")
      .field("version", call.deps.version)
      .end_object();
  return json_response(200, out += '\n');
}

ApiResponse health(const Call& call) {
  const ApiDeps& deps = call.deps;
  std::int64_t count = 0;
  std::int64_t size = 0;
  if (deps.traces != nullptr) {
    const auto rows = deps.traces->count();
    if (rows)
      count = *rows;
    else
      call.report("count traces", rows.error());
    if (deps.storage_driver == "sqlite") size = deps.traces->size_bytes();
  }
  std::string out;
  JsonWriter w(out);
  w.begin_object()
      .field("status", "ok")
      .field("version", deps.version)
      .field("uptime_sec", (deps.clock.mono_ns() - deps.started_mono_ns) / 1'000'000'000)
      .field("storage_driver", deps.storage_driver)
      .field("trace_count", count);
  if (size > 0) w.field("db_size_bytes", size);
  w.end_object();
  return json_response(200, out += '\n');
}

ApiResponse ready(const Call& call) {
  const ApiDeps& deps = call.deps;
  std::string reason = deps.not_ready_reason ? deps.not_ready_reason() : std::string();
  if (reason.empty() && deps.traces == nullptr) reason = "trace store is not configured";
  if (reason.empty()) {
    if (const auto answer = deps.traces->ping(); !answer) {
      call.report("ping trace store", answer.error());
      reason = "trace store does not answer";  // the detail names paths: it is for the log
    }
  }
  std::string out;
  JsonWriter w(out);
  w.begin_object().field("status", reason.empty() ? "ready" : "not_ready").field_if("reason", reason).end_object();
  return json_response(reason.empty() ? 200 : 503, out += '\n');
}

ApiResponse openapi(const Call&) {
  ApiResponse answer = json_response(200, std::string(embedded::openapi()));
  // It changes with the binary only; who updates that does not wait long.
  answer.headers.emplace_back("Cache-Control", "public, max-age=300");
  return answer;
}

ApiResponse pipeline_diagnostics(const Call& call) {
  auto figures = call.deps.diagnostics ? call.deps.diagnostics() : std::nullopt;
  if (!figures) return error_response(503, "trace pipeline diagnostics unavailable");
  // The names are those that clients of all tenants chose.
  if (!call.scope().everything) figures->unpriced_models.clear();
  return json_response(200, diagnostics_body(*figures, call.deps.clock.wall_ns()));
}

}  // namespace gw::api

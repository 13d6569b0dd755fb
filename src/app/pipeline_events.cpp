#include "app/pipeline_events.h"

#include <string>
#include <vector>

namespace gw::app {

trace::PipelineEvents log_events(telemetry::LogWriter& log, const std::string& store_driver) {
  trace::PipelineEvents e;
  e.write_failed = [&log, store_driver](const trace::WriteFailure& f) {
    auto line = f.will_retry ? log.warn("trace persistence failed; traces are kept and tried again")
                             : log.error("trace persistence failed; dropped trace records");
    line.field("operation", f.operation)
        .field("batch_size", static_cast<std::uint64_t>(f.batch_size))
        .field("failed_count", static_cast<std::uint64_t>(f.failed_count))
        .field("error_class", f.error_class)
        .field("error_kind", store_driver);
  };
  e.dropped = [&log](std::string_view reason, std::int64_t count) {
    log.warn("traces dropped").field("reason", reason).field("count", count);
  };
  e.adopted = [&log](const trace::AdoptedFile& f) {
    log.info("adopted traces of an earlier process")
        .field("path", f.path)
        .field("records", f.records)
        .field("corrupt", f.corrupt)
        .field("left_alone", f.left_alone)
        .field("reason", f.reason);
  };
  e.quarantined = [&log](std::string_view id, const char* error_class, bool written) {
    log.error("trace record quarantined")
        .field("trace_id", id)
        .field("error_class", error_class)
        .field("written", written);
  };
  e.store_recovered = [&log](std::int64_t outage_ns) {
    log.info("trace store recovered").field("outage_ms", outage_ns / 1'000'000);
  };
  e.problem = [&log](std::string_view what) { log.warn("trace pipeline problem").field("problem", what); };
  return e;
}

void log_retention(telemetry::LogWriter& log, const store::RetentionReport& r) {
  std::vector<std::string> reasons;
  if (r.by_age) reasons.emplace_back("retention_days");
  if (r.by_size) reasons.emplace_back("max_bytes");
  if (r.bodies > 0) reasons.emplace_back("bodies_retention_days");
  log.info("storage retention")
      .field("reasons", reasons)
      .field("traces", r.traces)
      .field("bodies", r.bodies)
      .field("bytes", r.bytes)
      .field("duration_ms", r.took_ns / 1'000'000);
}

void log_crossing(telemetry::LogWriter& log, const limits::Crossing& crossing, const Tenant& tenant,
                  std::string_view key) {
  const limits::CrossingText text = limits::text_of(crossing);
  log.warn("usage limit threshold reached")
      .field("percent", crossing.percent)
      .field("limit", text.limit)
      .field("spent", text.spent)
      .field("threshold", text.threshold)
      .field("org_id", tenant.org)
      .field("workspace_id", tenant.workspace)
      .field("key_id", key);
}

void log_key_audit(telemetry::LogWriter& log, const api::KeyAudit& a) {
  log.info("audit gateway key lifecycle")
      .field("correlation_id", a.correlation_id)
      .field("audit_action", a.action)
      .field("audit_outcome", a.reason.empty() ? "success" : "error")
      .field("audit_reason", a.reason)
      .field("status_code", a.status)
      .field("actor_key_id", a.actor)
      .field("org_id", a.org_id)
      .field("workspace_id", a.workspace_id)
      .field("target_key_id", a.target)
      .field("path", a.path);
}

}  // namespace gw::app

#include "app/otel_export.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "app/wiring.h"
#include "base/clock.h"
#include "config/effective.h"
#include "route/percent.h"
#include "route/route_table.h"
#include "telemetry/scrub.h"

namespace gw::app {
namespace {

namespace otlp = telemetry::otlp;
using otlp::Signal;

/// Escapes in a path or a query hide nothing.
std::string_view scrub_encoded(std::string_view text, std::string& scratch) {
  if (text.find('%') != std::string_view::npos) {
    const std::string plain = route::percent_decoded(text);
    const std::string_view clean = telemetry::scrub(plain, scratch);
    if (clean.data() != plain.data()) return clean;
  }
  return telemetry::scrub(text, scratch);
}

otlp::SettingsInput input_of(const config::OtelConfig& c, const std::string& version) {
  return {.endpoint = c.endpoint,
          .insecure = c.insecure,
          .keep_endpoint_path = c.endpoint_from_environment,
          .service_name = c.service_name,
          .service_version = version,
          .traces = c.traces_enabled,
          .metrics = c.metrics_enabled,
          .logs = c.logs_enabled,
          .sampling_ratio = c.sampling_ratio,
          .timeout_ms = c.export_timeout_ms,
          .metric_interval_ms = c.metric_export_interval_ms};
}

std::vector<std::string> prefixes_of(const config::Config& c) {
  std::vector<std::string> out;
  for (const config::ProviderConfig* p : config::all_providers(c)) out.push_back(route::normalise_prefix(p->prefix));
  return out;
}

otlp::ExporterHooks hooks_of(otlp::HttpSender& sender, std::function<metrics::Snapshot()> snapshot,
                             telemetry::LogWriter& log) {
  otlp::ExporterHooks hooks;
  hooks.post = [&sender](const otlp::Destination& to, const otlp::Body& body, std::int64_t timeout_ms) {
    return sender.post(to, body, timeout_ms);
  };
  hooks.abort_at = [&sender](std::int64_t at_ns) { sender.abort_at(at_ns); };
  hooks.snapshot = std::move(snapshot);
  hooks.failing = [&log](Signal signal, const std::string& error, std::uint64_t dropped) {
    log.warn("opentelemetry export fails")
        .field("signal", name_of(signal))
        .field("error", error)
        .field("dropped", dropped);
  };
  hooks.works_again = [&log](Signal signal, std::uint64_t dropped) {
    log.info("opentelemetry export works again").field("signal", name_of(signal)).field("dropped", dropped);
  };
  hooks.overflowed = [&log](Signal signal, std::uint64_t records) {
    if (signal == Signal::logs)
      log.warn("opentelemetry log records dropped; the queue is full").field("records", records);
    else
      log.warn("opentelemetry spans dropped; the queue is full").field("exchanges", records);
  };
  return hooks;
}

/// Through the proxy that the environment names for it, with the authorities that it names.
Result<void> complete(otlp::Destination& d, const route::ProxySettings& proxies) {
  if (auto ok = otlp::check_files(d); !ok) return ok;
  const char* authorities = std::getenv("SSL_CERT_FILE");
  if (d.ca_file.empty() && authorities != nullptr && ::access(authorities, R_OK) == 0) d.ca_file = authorities;
  const auto url = route::parse_upstream_url(d.url, "the URL for OTLP");
  if (!url) return tl::make_unexpected(url.error());
  const route::ProxyUrl* proxy = proxies.proxy_for(*url);
  if (proxy == nullptr) return {};
  d.proxy = (proxy->tls ? "https://" : "http://") + route::authority_of(proxy->host, proxy->port);
  d.proxy_authorization = proxy->authorization;
  return {};
}

void say_enabled(telemetry::LogWriter& log, const config::OtelConfig& otel, const std::string& endpoint) {
  auto line = log.info("opentelemetry enabled");
  line.field("otel_endpoint", endpoint)
      .field("otel_traces_enabled", otel.traces_enabled)
      .field("otel_metrics_enabled", otel.metrics_enabled)
      .field("otel_prometheus_enabled", otel.prometheus_enabled)
      .field("otel_sampling_ratio", otel.sampling_ratio);
  if (otel.logs_enabled) line.field("otel_logs_enabled", true);
}

}  // namespace

Result<std::unique_ptr<OtelExport>> OtelExport::create(const config::Config& c, const std::string& version,
                                                       std::function<metrics::Snapshot()> snapshot,
                                                       telemetry::LogWriter& log) {
  const config::OtelConfig& otel = c.observability.otel;
  if (!otel.enabled) return nullptr;
  auto settings = otlp::make_settings(input_of(otel, version), [](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v != nullptr ? v : "");
  });
  if (!settings) return tl::make_unexpected(settings.error());
  const auto proxies = proxies_from_environment();
  if (!proxies) return tl::make_unexpected(proxies.error());
  for (otlp::Destination& d : settings->destinations)
    if (d.enabled)
      if (auto ok = complete(d, *proxies); !ok) return tl::make_unexpected(ok.error());
  say_enabled(log, otel, settings->shown_endpoint);
  if (!otel.traces_enabled && !otel.metrics_enabled && !otel.logs_enabled) return nullptr;

  std::unique_ptr<OtelExport> out(new OtelExport(log));
  out->traces_ = otel.traces_enabled;
  out->prefixes_ = std::make_shared<telemetry::RoutePrefixes>(prefixes_of(c));
  out->logs_ = otel.logs_enabled;
  out->genai_ = config::wants_genai(otel);
  out->sender_ = std::make_unique<otlp::HttpSender>("ongoingai-gateway");
  otlp::SpanOptions spans{.resource = settings->resource,
                          .prefixes = out->prefixes_,
                          .scrub = scrub_encoded,
                          .most_value_bytes = settings->most_value_bytes};
  const auto producers = static_cast<std::size_t>(worker_count(c));
  out->exporter_ = std::make_unique<otlp::Exporter>(std::move(*settings), std::move(spans), producers,
                                                    hooks_of(*out->sender_, std::move(snapshot), log));
  out->storage_lane_ = out->add_lane();
  if (telemetry::LogQueue* queue = out->exporter_->log_queue(); queue != nullptr)
    log.set_tap([queue](std::string_view lines) { queue->take(lines); });
  return out;
}

void OtelExport::follow(const config::Config& config) { prefixes_->replace(prefixes_of(config)); }

OtelExport::~OtelExport() { log_.set_tap({}); }

bool OtelExport::stop(std::int64_t deadline_ns) {
  constexpr std::int64_t kMostMs = 500;
  // What was said until here reaches the exporter when the log's thread has taken it.
  if (exporter_->log_queue() != nullptr)
    log_.flush(std::chrono::milliseconds(std::clamp<std::int64_t>((deadline_ns - mono_now_ns()) / kMs, 0, kMostMs)));
  const bool taken = exporter_->stop(deadline_ns);
  log_.set_tap({});
  return taken;
}

telemetry::SpanLane* OtelExport::add_lane() { return traces_ ? &exporter_->add_lane() : nullptr; }

telemetry::GenAiLanes OtelExport::add_genai_lanes() {
  telemetry::GenAiLanes out;
  if (genai_ && traces_) out.spans = &exporter_->add_genai_lane(Signal::traces);
  if (genai_ && logs_) out.events = &exporter_->add_genai_lane(Signal::logs);
  return out;
}

void OtelExport::batch_written(const trace::WrittenBatch& b) {
  write_span(static_cast<std::uint32_t>(b.rows), b.duration_ns, {});
}

void OtelExport::batch_failed(const trace::WriteFailure& f) {
  write_span(static_cast<std::uint32_t>(f.batch_size), 0, f.error_class);
}

void OtelExport::write_span(std::uint32_t rows, std::int64_t took_ns, std::string_view error_class) {
  if (storage_lane_ == nullptr) return;
  const http::TraceParent own = storage_lane_->begin({});
  if (!own.sampled) return;
  telemetry::SpanHead head;
  head.kind = telemetry::RecordKind::write;
  head.trace_id = own.trace_id;
  head.base_id = own.span_id;
  head.started_ns = wall_now_ns() - took_ns;
  head.end_ns = took_ns;
  head.batch_size = rows;
  telemetry::SpanTexts texts;
  texts.set(telemetry::SpanText::error, error_class);
  storage_lane_->push(head, texts);
}

}  // namespace gw::app

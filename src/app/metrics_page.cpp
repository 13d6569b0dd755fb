#include "app/metrics_page.h"

#include <map>

#include "api/content_coding.h"
#include "app/process_metrics.h"
#include "base/clock.h"

namespace gw::app {

using metrics::Family;
using metrics::Kind;
using metrics::Label;
using metrics::Snapshot;

namespace {

Family& add(Snapshot& to, std::string_view name, Kind kind, std::string_view help, std::string_view unit = {}) {
  to.families.push_back({.name = name, .kind = kind, .unit = unit, .help = help});
  return to.families.back();
}

void sample(Family& family, std::vector<Label> labels, std::int64_t value) {
  family.samples.push_back({.labels = std::move(labels), .value = static_cast<double>(value)});
}

void counter(Snapshot& to, std::string_view name, std::string_view help, std::int64_t value) {
  if (value > 0) sample(add(to, name, Kind::counter, help), {}, value);  // the contract shows what was counted
}

void gauge(Snapshot& to, std::string_view name, std::string_view help, std::int64_t value, std::string_view unit = {}) {
  sample(add(to, name, Kind::gauge, help, unit), {}, value);
}

/// `name`: the key of the map as a label.
void by_name(Snapshot& to, std::string_view metric, std::string_view help, std::string_view name,
             const std::map<std::string, std::int64_t>& counts) {
  Family& family = add(to, metric, Kind::counter, help);
  for (const auto& [key, n] : counts)
    if (n > 0) sample(family, {{name, key}}, n);
}

constexpr std::string_view kSuffix = "_total";
std::string without_total(std::string name) {
  if (name.ends_with(kSuffix)) name.resize(name.size() - kSuffix.size());
  return name;
}

}  // namespace

void BatchMetrics::written(const trace::WrittenBatch& batch) {
  duration_seconds_.observe(static_cast<double>(batch.duration_ns) / 1e9);
  rows_.observe(static_cast<double>(batch.rows));
}

void BatchMetrics::append_to(Snapshot& to) const {
  Family& duration = add(to, "ongoingai.trace.flush_duration_seconds", Kind::histogram,
                         "Time that writing a batch of traces took.", "s");
  duration.bounds = kSeconds;
  duration.integer = false;
  metrics::HistogramValue seconds;
  duration_seconds_.add_to(seconds);
  if (seconds.count() > 0) duration.samples.push_back({.labels = {}, .histogram = std::move(seconds)});
  Family& size = add(to, "ongoingai.trace.flush_batch_size", Kind::histogram, "Traces in a written batch.");
  size.bounds = pipeline::kDefaultBounds;
  metrics::HistogramValue rows;
  rows_.add_to(rows);
  if (rows.count() > 0) size.samples.push_back({.labels = {}, .histogram = std::move(rows)});
}

MetricsPage::MetricsPage(Sources sources) : sources_(std::move(sources)), started_at_ns_(wall_now_ns()) {}

Snapshot MetricsPage::snapshot() const {
  Snapshot to{.started_at_ns = started_at_ns_, .at_ns = wall_now_ns()};
  if (sources_.services.metrics) sources_.services.metrics->append_to(to);
  if (sources_.services.genai_metrics) sources_.services.genai_metrics->append_to(to);
  sources_.batches.append_to(to);
  append_traces(to);
  append_decisions(to);
  append_workers(to);
  append_log(to);
  append_exporter(to);
  append_process_metrics(to);
  return to;
}

void MetricsPage::append_traces(Snapshot& to) const {
  const PipelineDiagnostics d = sources_.diagnostics();
  counter(to, "ongoingai.trace.enqueued_total", "Traces that were accepted for storage.", d.enqueue_accepted_total);
  counter(to, "ongoingai.trace.written_total", "Traces that the store has.", d.stored_total);
  Family& failed =
      add(to, "ongoingai.trace.write_failed_total", Kind::counter, "Failed writes of traces, by class of error.");
  for (const auto& [error, n] : d.write_failures_by_class)
    if (n > 0) sample(failed, {{"operation", "write_batch"}, {"error_class", error}, {"store", d.store_driver}}, n);
  by_name(to, "ongoingai.trace.dropped_total", "Traces that were dropped, by reason.", "reason", d.dropped_by_reason);
  gauge(to, "ongoingai.trace.queue_depth", "Traces that wait to be stored.", d.queue_depth);
  gauge(to, "ongoingai.trace.queue_capacity", "Traces that can wait, by their mean size.", d.queue_capacity);
  gauge(to, "ongoingai.trace.in_flight", "Admitted exchanges that have not ended.", d.in_flight);
  gauge(to, "ongoingai.trace.ring_size", "Room of the trace rings.", d.ring_bytes, "By");
  gauge(to, "ongoingai.trace.ring_used", "Part of the trace rings that waits to be stored.", d.ring_used_bytes, "By");
  gauge(to, "ongoingai.trace.spill_size", "Overflow files of the trace rings.", d.spill_bytes, "By");
  gauge(to, "ongoingai.trace.spilled", "Traces in overflow files.", d.spilled);
  counter(to, "ongoingai.trace.replayed_total", "Traces adopted from an earlier process.", d.replayed_total);
  counter(to, "ongoingai.trace.quarantined_total", "Traces that the store calls invalid.", d.quarantined_total);
  counter(to, "ongoingai.trace.bodies_dropped_total", "Traces that lost their bodies for their size.",
          d.bodies_dropped_total);
  gauge(to, "ongoingai.trace.store_available", "1 while the store takes writes.", d.store_available ? 1 : 0);
  counter(to, "ongoingai.accounting.unpriced_total", "Exchanges with usage and no price.",
          static_cast<std::int64_t>(sources_.services.unpriced.total()));
}

void MetricsPage::append_decisions(Snapshot& to) const {
  const pipeline::Services& s = sources_.services;
  for (const auto& [name, n] : pipeline::auth_figures(s)) {
    if (name == "refused_total")
      counter(to, "ongoingai.auth.refused_total", "Requests refused for a missing or bad gateway key.", n);
    if (name == "delayed_total") counter(to, "ongoingai.auth.delayed_total", "Refusals that were held back.", n);
  }
  if (s.keys.enabled())
    gauge(to, "ongoingai.auth.key_age", "Time since the gateway keys were confirmed.",
          s.keys.age_ns(mono_now_ns()) / 1'000'000'000, "s");
  append_limits(to);
  Family& judged = add(to, "ongoingai.guard.requests_total", Kind::counter,
                       "Requests that the privacy guard judged, by mode and what came of it.");
  pipeline::each_judged(s, [&](std::string_view mode, std::string_view verdict, std::int64_t n) {
    sample(judged, {{"mode", std::string(mode)}, {"verdict", std::string(verdict)}}, n);
  });
  std::map<std::string, std::int64_t> accounting;
  for (const auto& [name, n] : pipeline::accounting_figures(s)) accounting.emplace(without_total(name), n);
  by_name(to, "ongoingai.accounting.events_total", "What asking for usage and reading on did.", "event", accounting);
}

void MetricsPage::append_limits(Snapshot& to) const {
  std::map<std::string, std::int64_t> refused, events;
  for (const auto& [name, n] : pipeline::limit_figures(sources_.services)) {
    if (name == "refused_total") continue;  // the sum of the codes
    if (name == "shared_reachable") {
      gauge(to, "ongoingai.limits.shared_reachable", "1 while Redis, where limits are shared, answers.", n);
    } else if (name == "store_reachable") {
      gauge(to, "ongoingai.limits.store_reachable", "1 while the database that gateways count by answers.", n);
    } else if (name == "shared_instances") {
      gauge(to, "ongoingai.limits.shared_instances", "Gateways that count together in Redis.", n);
    } else if (name.ends_with(kSuffix)) {
      events.emplace(without_total(name), n);
    } else {
      refused.emplace(name, n);
    }
  }
  by_name(to, "ongoingai.limits.refused_total", "Requests refused by a limit, by its code.", "code", refused);
  by_name(to, "ongoingai.limits.events_total", "What counting for limits met.", "event", events);
}

void MetricsPage::append_workers(Snapshot& to) const {
  const pipeline::Services& s = sources_.services;
  gauge(to, "ongoingai.server.connections", "Open client connections.", s.connections.load());
  counter(to, "ongoingai.server.refused_connections_total", "Connections refused because there were too many.",
          s.refused_connections.load());
  Family lag{.name = "ongoingai.worker.loop_lag_seconds",
             .kind = Kind::histogram,
             .unit = "s",
             .help = "Time until a worker turned to something new, looked at twice a second.",
             .bounds = pipeline::WorkerFigures::kBounds,
             .integer = false};
  std::map<std::string, net::PoolFigures::Sum> pools;  // by provider
  for (std::size_t i = 0; i < sources_.workers.size(); ++i) {
    const pipeline::WorkerFigures& figures = sources_.workers[i]->figures();
    metrics::HistogramValue seconds;
    figures.lag_seconds.add_to(seconds);
    if (seconds.count() > 0)
      lag.samples.push_back({.labels = {{"worker", std::to_string(i)}}, .histogram = std::move(seconds)});
    for (const auto& [provider, sum] : figures.pools()) pools[provider].add(sum);
  }
  Family connect{.name = "ongoingai.upstream.connect_duration_seconds",
                 .kind = Kind::histogram,
                 .unit = "s",
                 .help = "Time to a usable connection to a provider: name, TCP, proxy and TLS.",
                 .bounds = net::PoolFigures::kBounds,
                 .integer = false};
  Family idle{
      .name = "ongoingai.upstream.idle_connections", .kind = Kind::gauge, .help = "Kept connections to a provider."};
  Family failures{.name = "ongoingai.upstream.connect_failed_total",
                  .help = "Connections to a provider that did not come about."};
  for (auto& [name, pool] : pools) {
    if (pool.connect_seconds.count() > 0)
      connect.samples.push_back({.labels = {{"provider", name}}, .histogram = std::move(pool.connect_seconds)});
    sample(idle, {{"provider", name}}, pool.idle);
    for (std::size_t f = 1; f < net::kConnectFailures; ++f)
      if (pool.failed[f] > 0)
        sample(failures, {{"provider", name}, {"reason", net::to_string(static_cast<net::ConnectFailure>(f))}},
               pool.failed[f]);
  }
  for (Family* f : {&lag, &connect, &idle, &failures}) to.families.push_back(std::move(*f));
}

void MetricsPage::append_log(Snapshot& to) const {
  const telemetry::LogStats log = sources_.log.stats();
  counter(to, "ongoingai.log.lines_total", "Log lines that were written.", static_cast<std::int64_t>(log.written));
  counter(to, "ongoingai.log.dropped_total", "Log lines that were lost because nobody took them.",
          static_cast<std::int64_t>(log.dropped));
}

void MetricsPage::append_exporter(Snapshot& to) const {
  if (!sources_.exporter) return;
  const telemetry::otlp::ExporterStats stats = sources_.exporter();
  Family taken{.name = "ongoingai.otlp.requests_total", .help = "Exports that the receiver took."};
  Family failed{.name = "ongoingai.otlp.failures_total", .help = "Attempts to export that were in vain."};
  Family dropped{.name = "ongoingai.otlp.dropped_total",
                 .help = "Spans, log records, or exports of metrics, that were given up."};
  Family age{.name = "ongoingai.otlp.last_export_age",
             .kind = Kind::gauge,
             .unit = "s",
             .help = "Time since the receiver took an export."};
  for (std::size_t i = 0; i < stats.signals.size(); ++i) {
    const telemetry::otlp::SignalStats& s = stats.signals[i];
    const std::string signal(name_of(static_cast<telemetry::otlp::Signal>(i)));
    const auto count = [&](Family& family, std::uint64_t n) {
      if (n > 0) sample(family, {{"signal", signal}}, static_cast<std::int64_t>(n));
    };
    count(taken, s.requests);
    count(failed, s.failures);
    count(dropped, s.dropped);
    if (s.last_taken_ns > 0) sample(age, {{"signal", signal}}, (to.at_ns - s.last_taken_ns) / 1'000'000'000);
  }
  for (Family* f : {&taken, &failed, &dropped, &age}) to.families.push_back(std::move(*f));
  counter(to, "ongoingai.otlp.queue_dropped_total", "Exchanges whose spans found no room in the queue.",
          static_cast<std::int64_t>(stats.queue_dropped));
  counter(to, "ongoingai.otlp.log_queue_dropped_total", "Log records that found no room in the queue.",
          static_cast<std::int64_t>(stats.log_queue_dropped));
  gauge(to, "ongoingai.otlp.queue_used", "Part of the queue of spans that waits.",
        static_cast<std::int64_t>(stats.queue_bytes), "By");
  gauge(to, "ongoingai.otlp.queue_size", "Room of the queue of spans.", static_cast<std::int64_t>(stats.queue_capacity),
        "By");
}

api::ApiResponse MetricsPage::answer(const api::ApiRequest& request) const {
  const telemetry::Exposition wanted = telemetry::choose_exposition(request.accept);
  api::ApiResponse response;
  response.headers.emplace_back("Content-Type", wanted.content_type);
  response.headers.emplace_back("Vary", "Accept, Accept-Encoding");
  const std::string text = telemetry::write_exposition(snapshot(), wanted.format, sources_.target);
  const api::ContentCoding coding = api::choose_coding(request.accept_encoding);
  api::ContentEncoder encoder(coding);
  if (encoder.idle() || !encoder.append(response.body, text, true)) {
    response.body = text;
    return response;
  }
  response.headers.emplace_back("Content-Encoding", api::to_string(coding));
  return response;
}

}  // namespace gw::app

#include "app/wiring.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/clock.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "config/credential.h"
#include "config/effective.h"
#include "config/guard_options.h"
#include "config/price_file.h"
#include "store/postgres/pg_connection.h"
#include "telemetry/scrub.h"

namespace gw::app {
namespace {

Result<route::RouteTable> make_routes(const config::Config& c) {
  std::vector<route::ProviderOptions> providers;
  for (const config::ProviderConfig* p : config::all_providers(c))
    providers.push_back({p->name, p->prefix, p->upstream});
  return route::RouteTable::build(providers);
}

Result<pipeline::ProviderLink> make_link(const route::Route& route, const config::ProviderConfig& options,
                                         const route::ProxySettings& proxies) {
  pipeline::ProviderLink link;
  for (const config::HeaderConfig& h : options.headers) {
    link.added.add(h.name, h.value);
    link.adds_credential = link.adds_credential || auth::is_key_header(h.name);
  }
  link.holds_credential = config::holds_credential(options);
  link.idle_timeout_ns = options.idle_timeout_ms * kMs;
  net::UpstreamTarget& t = link.target;
  t.host = route.upstream.host;
  t.port = route.upstream.port;
  t.tls = route.upstream.tls;
  t.connect_timeout_ns = options.connect_timeout_ms * kMs;
  t.pool_idle_timeout_ns = options.pool_idle_timeout_ms * kMs;
  t.max_idle = static_cast<std::size_t>(options.max_idle_connections);
  if (const route::ProxyUrl* proxy = proxies.proxy_for(route.upstream)) {
    if (proxy->tls && t.tls)
      return fail("HTTPS_PROXY: an https:// proxy cannot carry https upstreams; use an http:// proxy");
    t.proxy_host = proxy->host;
    t.proxy_port = proxy->port;
    t.proxy_tls = proxy->tls;
    if (t.tls) {
      t.proxy_authorization = proxy->authorization;
    } else {
      link.absolute_form = true;
      link.proxy_authorization = proxy->authorization;
    }
  }
  return link;
}

std::string cors_headers(const config::Config& c) {
  std::string out = "Content-Type, Authorization, X-API-Key, X-OngoingAI-Gateway-Key";
  const std::string_view own = trim(c.auth.header);
  for (std::string_view known : {"Content-Type", "Authorization", "X-API-Key", "X-OngoingAI-Gateway-Key"})
    if (iequals(own, known)) return out;
  return out.append(", ").append(own);
}

void make_body_redactors(const config::Config& c, pipeline::Snapshot& s) {
  const guard::BodyOptions o = config::body_options(c);
  if (c.pii.stages.request_body) s.request_body_redactor = std::make_unique<guard::BodyRedactor>(o);
  if (c.pii.stages.response_body) s.response_body_redactor = std::make_unique<guard::BodyRedactor>(o);
}

void make_guards(const config::Config& c, pipeline::Snapshot& s) {
  const auto answers = guard::parse_answer_mode(lowercase(trim(c.pii.response))).value_or(guard::AnswerMode::off);
  const auto max_body = static_cast<std::size_t>(config::effective_body_max_size(c));
  if (answers != guard::AnswerMode::off)
    s.answers = std::make_unique<pipeline::AnswerPolicy>(config::body_options(c), answers, max_body);
  if (!c.pii.stages.request_body) return;
  for (const guard::Mode mode : {guard::Mode::redact_upstream, guard::Mode::block, guard::Mode::observe})
    if (s.policies.may_be(mode) && !s.request_guard)
      s.request_guard = std::make_unique<guard::RequestGuard>(config::body_options(c), max_body);
}

/// People put addresses, and some their keys, where ids of sessions, threads and runs are read. Digits are left alone:
/// most ids have many.
std::unique_ptr<guard::BodyRedactor> make_id_redactor(const config::Config& c) {
  guard::BodyOptions o = config::body_options(c);
  o.detectors.phone = o.detectors.ssn = o.detectors.payment_card = o.detectors.ip_address = false;
  o.key_denylist.clear();
  return std::make_unique<guard::BodyRedactor>(o);
}

std::int64_t nano_usd(double usd) {
  if (!(usd > 0)) return 0;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::llround(usd * 1e9)));
}

limits::Thresholds make_thresholds(const config::UsageLimitConfig& l) {
  using limits::Measure;
  limits::Thresholds out;
  out.of(Measure::requests) = l.requests_per_minute;
  out.of(Measure::day_tokens) = l.max_tokens_per_day;
  out.of(Measure::day_cost) = nano_usd(l.max_cost_usd_per_day);
  out.of(Measure::minute_tokens) = l.tokens_per_minute;
  out.of(Measure::month_cost) = nano_usd(l.max_cost_usd_per_month);
  out.of(Measure::concurrent) = l.concurrent_requests;
  return out;
}

}  // namespace

limits::Options limit_options(const config::Config& c) {
  using limits::Subject;
  limits::Options o;
  o.of(Subject::key) = make_thresholds(c.limits.per_key);
  o.of(Subject::workspace) = make_thresholds(c.limits.per_workspace);
  o.of(Subject::org) = make_thresholds(c.limits.per_org);
  for (const config::GatewayKeyConfig& k : c.auth.keys) o.keys_without_id = o.keys_without_id || trim(k.id).empty();
  for (const config::ModelLimitConfig& m : c.limits.per_model.list)
    o.models.push_back({.pattern = m.model, .thresholds = make_thresholds(m.limits)});
  o.shared = !trim(c.limits.redis_url).empty();
  return o;
}

namespace {

std::string shown_label(std::string_view value) {
  std::string scratch;
  return std::string(telemetry::scrub(trim(value), scratch));
}

}  // namespace

std::unique_ptr<pipeline::RequestMetrics> make_metrics(const config::Config& c) {
  const config::OtelConfig& otel = c.observability.otel;
  if (!otel.enabled || !(otel.prometheus_enabled || otel.metrics_enabled)) return nullptr;
  return std::make_unique<pipeline::RequestMetrics>(
      pipeline::RequestMetrics::Options{.workers = static_cast<std::size_t>(worker_count(c)),
                                        .scheme = c.server.tls.cert.empty() ? "http" : "https",
                                        .shown = shown_label});
}

std::unique_ptr<pipeline::GenAiMetrics> make_genai_metrics(const config::Config& c) {
  const config::OtelConfig& otel = c.observability.otel;
  if (!otel.enabled || !(otel.prometheus_enabled || otel.metrics_enabled) || !config::wants_genai(otel)) return nullptr;
  return std::make_unique<pipeline::GenAiMetrics>(
      pipeline::GenAiMetrics::Options{.workers = static_cast<std::size_t>(worker_count(c)), .shown = shown_label});
}

Result<route::ProxySettings> proxies_from_environment() {
  return route::ProxySettings::from_environment([](const char* name) {
    const char* v = std::getenv(name);
    return std::string(v != nullptr ? v : "");
  });
}

Result<void> check_dsns(const config::Config& c) {
  if (trim(c.storage.driver) != "postgres") return {};
  if (auto ok = store::postgres::check_dsn(c.storage.dsn, "storage.dsn"); !ok) return ok;
  if (trim(c.storage.listen_dsn).empty()) return {};
  return store::postgres::check_dsn(c.storage.listen_dsn, "storage.listen_dsn");
}

Result<void> check_servable(const config::Config& c) {
  if (auto proxies = proxies_from_environment(); !proxies) return tl::make_unexpected(proxies.error());
  return check_dsns(c);
}

Result<auth::Authorizer> make_authorizer(const config::Config& c) {
  auth::Options o;
  o.enabled = c.auth.enabled;
  for (const auto& k : c.auth.keys)
    o.keys.push_back({k.id, k.token, k.org_id, k.workspace_id, k.team, k.role, k.permissions});
  auto made = auth::Authorizer::build(o);
  if (!made) return fail("failed to initialize auth config: " + made.error().message);
  return made;
}

Result<std::shared_ptr<pipeline::Snapshot>> make_snapshot(const config::Config& c) {
  auto routes = make_routes(c);
  if (!routes) return fail("failed to configure proxy routes: " + routes.error().message);
  const auto proxies = proxies_from_environment();
  if (!proxies) return fail("failed to configure proxy routes: " + proxies.error().message);
  auto prices = config::load_prices(c.pricing);
  if (!prices) return tl::make_unexpected(prices.error());

  const auto configured = config::all_providers(c);
  std::vector<pipeline::PricedRoute> priced;
  priced.reserve(configured.size());
  for (const config::ProviderConfig* p : configured) priced.push_back({p->name, p->kind, p->upstream});

  const std::string header(trim(c.auth.header));
  auto s = std::make_shared<pipeline::Snapshot>(
      pipeline::Stages{.routes = std::move(*routes),
                       .credentials = auth::CredentialHeaders(c.auth.enabled, header),
                       .request_header_redactor =
                           guard::HeaderRedactor(c.pii.headers.denylist, c.pii.stages.request_headers, header),
                       .response_header_redactor =
                           guard::HeaderRedactor(c.pii.headers.denylist, c.pii.stages.response_headers, header),
                       .policies = guard::Policy(config::policy_options(c))},
      std::move(*prices), std::move(priced));
  s->cors_allow_headers = cors_headers(c);
  for (const route::Route& r : s->routes.routes()) {
    auto link = make_link(r, *configured[r.index], *proxies);
    if (!link) return fail("failed to configure proxy routes: " + link.error().message);
    s->providers.push_back(std::move(*link));
  }
  s->limits = {.max_header_bytes = static_cast<std::size_t>(c.server.max_header_bytes),
               .header_timeout_ns = c.server.header_timeout_ms * kMs,
               .idle_timeout_ns = c.server.idle_timeout_ms * kMs,
               .max_connections = c.server.max_connections};
  s->capture = {.bodies = c.tracing.capture_bodies,
                .body_max_size = static_cast<std::size_t>(config::effective_body_max_size(c))};
  s->accounting = {.inject_include_usage = trim(c.accounting.include_usage) == "inject",
                   .inject_max_bytes = static_cast<std::size_t>(c.accounting.inject_max_bytes),
                   .drain_ns = c.accounting.drain_ms * kMs};
  s->limit_options = {.default_output_reserve = c.limits.default_output_reserve,
                      .hold_max_bytes = static_cast<std::size_t>(c.limits.hold_max_bytes)};
  s->auth_failure_delay_ns = c.auth.failure_delay_ms * kMs;
  s->kind_names = guard::KindNames(config::pattern_names(c));
  if (c.tracing.capture_bodies) make_body_redactors(c, *s);
  make_guards(c, *s);
  if (lowercase(trim(c.pii.mode)) != "off") s->id_redactor = make_id_redactor(c);
  if (!c.server.tls.cert.empty()) {
    auto tls = net::TlsServerContext::create(c.server.tls.cert, c.server.tls.key);
    if (!tls) return tl::make_unexpected(tls.error());
    s->tls = std::make_unique<net::TlsServerContext>(std::move(*tls));
  }
  return s;
}

std::string stored_id(const config::Config& c, const std::string& id, const std::string& workspace) {
  std::string out = id, scratch;
  if (lowercase(trim(c.pii.mode)) != "off" && !make_id_redactor(c)->redact(id, workspace, out).changed) out = id;
  return std::string(telemetry::scrub(out, scratch));
}

std::vector<store::GatewayKey> configured_keys(const config::Config& c) {
  std::vector<store::GatewayKey> out;
  for (const config::GatewayKeyConfig& k : c.auth.keys) {
    store::GatewayKey& key = out.emplace_back();
    const std::string token(trim(k.token)), workspace(trim(k.workspace_id)), team(trim(k.team));
    key.id = trim(k.id);
    if (!token.empty()) key.token_hash = sha256_hex(token);
    key.workspace_id = workspace.empty() ? team : workspace;
    key.team = team.empty() ? workspace : team;
    if (key.workspace_id.empty()) key.workspace_id = "default";
    key.org_id = trim(k.org_id);
    if (key.org_id.empty()) key.org_id = "default";
    key.name = trim(k.name);
    key.description = trim(k.description);
    key.created_by = trim(k.created_by);
    key.role = lowercase(trim(k.role));
    for (const std::string& p : k.permissions)
      if (std::string name = lowercase(trim(p)); !name.empty()) key.permissions.push_back(std::move(name));
  }
  return out;
}

telemetry::LogSettings log_settings(const config::Config& c) {
  using telemetry::LogLevel;
  telemetry::LogSettings s;
  const std::string level = lowercase(trim(c.log.level));
  for (const auto& [name, value] : {std::pair{"debug", LogLevel::debug}, std::pair{"info", LogLevel::info},
                                    std::pair{"warn", LogLevel::warn}, std::pair{"error", LogLevel::error}})
    if (level == name) s.level = value;
  if (lowercase(trim(c.log.format)) == "text") s.format = telemetry::LogFormat::text;
  s.access_sample_ratio = c.log.access_sample_ratio;
  return s;
}

int worker_count(const config::Config& c) {
  if (c.server.workers > 0) return static_cast<int>(c.server.workers);
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int n = CPU_COUNT(&set);
  return n < 1 ? 1 : n;
}

}  // namespace gw::app

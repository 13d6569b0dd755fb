#include "app/server.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "api/router.h"
#include "app/in_force.h"
#include "app/key_keeper.h"
#include "app/limit_setup.h"
#include "app/live_retention.h"
#include "app/metrics_page.h"
#include "app/otel_export.h"
#include "app/pipeline_events.h"
#include "app/reloader.h"
#include "app/stores.h"
#include "app/swappable_key_store.h"
#include "app/wiring.h"
#include "base/clock.h"
#include "base/strings.h"
#include "config/credential.h"
#include "config/effective.h"
#include "config/without_effect.h"
#include "pipeline/worker.h"
#include "route/upstream_url.h"
#include "store/postgres/key_watcher.h"
#include "store/postgres/postgres_key_store.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"
#include "telemetry/log.h"
#include "trace/trace_pipeline.h"

namespace gw::app {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kTraceDrainNs = 5'000 * kMs;
constexpr std::int64_t kTelemetryFlushNs = 5'000 * kMs;
constexpr int kQueryThreads = 2;  // one slow search does not keep others waiting
// Whoever looks for changed keys looks again in a moment; a change of a key is worth waiting for.
constexpr int kBusyOfWatchMs = 250, kBusyOfApiMs = 5'000;
/// An exchange offers its trace in the moment it ends; this is what a thread that was held up may take for that.
constexpr std::int64_t kOfferedNs = 1'000 * kMs;

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace

sigset_t shutdown_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

struct Server::Impl {
  explicit Impl(ServerOptions o) : options(std::move(o)) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  /// A start that failed may have begun to store traces, of which the services are told.
  ~Impl() {
    if (traces) traces->drain_and_stop(0);
  }

  ServerOptions options;
  std::unique_ptr<telemetry::LogWriter> log;
  std::optional<store::FolderLock> folder_lock;
  std::unique_ptr<OtelExport> otel;  ///< null: nothing is exported
  std::unique_ptr<store::TraceWriter> writer;
  std::vector<std::unique_ptr<store::TraceReader>> readers;
  std::unique_ptr<trace::TracePipeline> traces;
  std::unique_ptr<pipeline::Services> services;
  std::optional<LimitSetup> limit_setup;
  std::optional<Reloader> reloader;
  LiveRetention retention;
  std::optional<KeyKeeper> key_keeper;
  std::optional<SwappableKeyStore> keys_of_watch, keys_of_api;
  std::int64_t keys_failed_ns = 0;  ///< when it was last said; 0: they do not fail
  std::optional<store::PgKeyListener> key_listener;
  bool keys_unheard = false;  ///< and that was said
  /// Not main: a reload may wait for longer than keys are trusted without a look. Nothing when auth is off.
  std::optional<store::KeyWatcher> key_watcher;
  std::unique_ptr<net::Resolver> resolver;
  std::vector<std::unique_ptr<api::Router>> routers;
  std::unique_ptr<pipeline::QueryPool> queries;
  std::vector<std::unique_ptr<pipeline::Worker>> workers;
  BatchMetrics batch_metrics;
  std::unique_ptr<MetricsPage> metrics;  ///< null: nobody asks for metrics
  std::vector<std::thread> threads;
  std::atomic<int> running{0};
  int port = 0;
  bool down = false;
  bool traces_started = false;
  const std::int64_t started_mono_ns = mono_now_ns();

  Result<void> open_store();
  Result<void> open_sqlite();
  Result<void> open_postgres();
  const config::Config& config() const { return reloader->config(); }
  Result<std::unique_ptr<store::KeyStore>> open_key_store(const config::Config& config, int busy_ms);
  Result<void> open_keys();
  void open_telemetry();
  Result<void> open_traces();
  Result<void> open_limits();
  ReloadParts reload_parts();
  Result<std::function<void()>> prepare_keys(const config::Config& next);
  void look_at_keys();
  void say_what_is_heard();
  void log_unreadable_limits();
  void log_loaded_keys();
  void log_unwritten_uses(const Error& error);
  api::ApiDeps api_deps(store::TraceReader* reader);
  Result<void> open_api();
  Result<void> open_workers();
  std::function<api::ApiResponse(const api::ApiRequest&)> with_metrics(
      std::function<api::ApiResponse(const api::ApiRequest&)> others);
  void warn_of_settings(const config::Config& config);
  void banner();
  void run_threads();
  bool wait_for_workers(std::int64_t deadline_ns);
  bool shutdown();
};

Result<void> Server::Impl::open_store() {
  const config::Config& c = options.config;
  if (c.storage.driver == "postgres") return open_postgres();
  if (c.storage.driver == "sqlite") return open_sqlite();
  return fail("unsupported storage.driver " + gw::in_quotes(c.storage.driver));
}

Result<void> Server::Impl::open_postgres() {
  const config::Config& c = options.config;
  // The database is for any number of gateways, the rings of one are not.
  auto lock = store::lock_data_folder(
      config::effective_lock_path(c),
      {.what = "the place of the trace ring", .instead = "set trace.ring_path to a folder of this gateway's own"});
  if (!lock) return fail("failed to initialize trace ring: " + lock.error().message);
  folder_lock.emplace(std::move(*lock));
  const std::string prefix = "failed to initialize postgres storage: ";
  if (auto ok = check_dsns(c); !ok) return fail(prefix + ok.error().message);
  store::PgOptions o = postgres_options(c);
  o.retention = retention.get();
  o.retention_now = [this] { return retention.get(); };
  o.on_retention = [this](const store::RetentionReport& r) { log_retention(*log, r); };
  o.progress = [this](std::string_view what) { log->info("database maintenance").field("progress", what); };
  auto w = store::open_postgres_writer(o);
  if (!w) return fail(prefix + w.error().message);
  writer = std::move(*w);
  for (int i = 0; i < kQueryThreads + 1; ++i) {  // the last one is for health and readiness
    auto r = store::open_postgres_reader(o);
    if (!r) return fail(prefix + r.error().message);
    readers.push_back(std::move(*r));
  }
  return {};
}

Result<void> Server::Impl::open_sqlite() {
  const config::Config& c = options.config;
  const std::string prefix = "failed to initialize sqlite storage: ";
  std::error_code ignored;
  const auto parent = std::filesystem::path(c.storage.path).parent_path();
  if (!parent.empty()) {
    std::filesystem::create_directories(parent, ignored);
    if (ignored)
      return fail(prefix + "create sqlite directory " + gw::in_quotes(parent.string()) + ": " + ignored.message());
  }
  auto lock = store::lock_data_folder(c.storage.path);
  if (!lock) return fail(prefix + lock.error().message);
  folder_lock.emplace(std::move(*lock));
  store::SqliteOptions o;
  o.path = c.storage.path;
  o.retention = retention.get();
  o.retention_now = [this] { return retention.get(); };
  o.progress = [this](std::string_view what) { log->info("database maintenance").field("progress", what); };
  o.on_retention = [this](const store::RetentionReport& r) { log_retention(*log, r); };
  auto w = store::open_sqlite_writer(o);
  if (!w) return fail(prefix + w.error().message);
  writer = std::move(*w);
  for (int i = 0; i < kQueryThreads + 1; ++i) {  // the last one is for health and readiness
    auto r = store::open_sqlite_reader(o);
    if (!r) return fail(prefix + r.error().message);
    readers.push_back(std::move(*r));
  }
  return {};
}

Result<std::unique_ptr<store::KeyStore>> Server::Impl::open_key_store(const config::Config& c, int busy_ms) {
  std::vector<store::GatewayKey> configured = configured_keys(c);
  if (is_postgres(c)) {
    constexpr int kLeastMs = 2'000;  // a server elsewhere may be slow without being away
    store::PgOptions o = postgres_options(c);
    o.connect_timeout_ms = o.write_deadline_ms = std::max(busy_ms, kLeastMs);
    return store::open_postgres_key_store(o, std::move(configured), true);
  }
  store::SqliteOptions o;
  o.path = c.storage.path;
  o.busy_timeout_ms = busy_ms;
  return store::open_sqlite_key_store(o, std::move(configured));
}

Result<void> Server::Impl::open_keys() {
  for (const auto& [store, busy_ms] :
       {std::pair{&keys_of_watch, kBusyOfWatchMs}, std::pair{&keys_of_api, kBusyOfApiMs}}) {
    auto opened = open_key_store(config(), busy_ms);
    if (!opened) return fail("failed to initialize gateway key store: " + opened.error().message);
    store->emplace(std::move(*opened));
  }
  key_keeper.emplace(services->keys);
  if (auto ok = key_keeper->refresh(*keys_of_watch); !ok)
    return fail("failed to initialize gateway key store: " + ok.error().message);
  log_loaded_keys();
  return {};
}

/// The keys of the configuration count where none is stored.
Result<std::function<void()>> Server::Impl::prepare_keys(const config::Config& next) {
  struct Opened {
    std::unique_ptr<store::KeyStore> of_watch, of_api, of_reload;
  };
  const auto opened = std::make_shared<Opened>();
  for (const auto& [store, busy_ms] :
       {std::pair{&opened->of_watch, kBusyOfWatchMs}, std::pair{&opened->of_api, kBusyOfApiMs},
        std::pair{&opened->of_reload, kBusyOfWatchMs}}) {
    auto made = open_key_store(next, busy_ms);
    if (!made) return fail("failed to initialize gateway key store: " + made.error().message);
    *store = std::move(*made);
  }
  return [this, opened] {
    keys_of_watch->exchange(std::move(opened->of_watch));
    keys_of_api->exchange(std::move(opened->of_api));
    // With one of its own: others may be in the middle of a call.
    if (auto ok = key_keeper->refresh(*opened->of_reload); !ok)
      log->error("failed to refresh gateway key cache").field("error", ok.error().message);
  };
}

void Server::Impl::log_unreadable_limits() {
  const auto view = services->keys.view();
  for (const auth::Identity& i : view->authorizer().identities())
    if (i.limits.unreadable)
      log->error("limits of a gateway key cannot be read: its requests are refused (ongoingai keys limit)")
          .field("key_id", i.key_id)
          .field("org_id", i.org_id)
          .field("workspace_id", i.workspace_id);
}

void Server::Impl::log_loaded_keys() {
  log_unreadable_limits();
  const auto view = services->keys.view();
  if (view->stored())
    log->info("loaded gateway keys from " + options.config.storage.driver + " config store")
        .field("key_count", static_cast<int>(view->authorizer().key_count()));
  else if (services->keys.enabled() && is_postgres(options.config))
    log->info("postgres config store has no active gateway keys; using yaml auth.keys fallback")
        .field("fallback_key_count", static_cast<int>(view->authorizer().key_count()));
}

/// The uses of all keys are written at once: there is no one request or key to name.
void Server::Impl::log_unwritten_uses(const Error& error) {
  log->warn("failed to update gateway key last_used_at")
      .field("correlation_id", "")
      .field("key_id", "")
      .field("org_id", "")
      .field("workspace_id", "")
      .field("error", error.message);
}

void Server::Impl::look_at_keys() {
  constexpr std::int64_t kSayAgainNs = 30'000 * kMs;
  const auto polled = key_keeper->poll(*keys_of_watch);
  if (!polled) {
    if (keys_failed_ns == 0 || mono_now_ns() - keys_failed_ns > kSayAgainNs) {
      keys_failed_ns = mono_now_ns();
      log->error("failed to refresh gateway key cache").field("error", polled.error().message);
    }
    return;
  }
  keys_failed_ns = 0;
  if (*polled == KeyKeeper::Outcome::replaced) log_loaded_keys();
  if (auto written = key_keeper->write_uses(*keys_of_watch); !written) log_unwritten_uses(written.error());
}

void Server::Impl::say_what_is_heard() {
  const bool unheard = !key_listener->problem().empty();
  if (unheard && !keys_unheard)
    log->warn("changes of gateway keys are not heard of; they are looked for twice a second")
        .field("error", key_listener->problem());
  keys_unheard = unheard;
}

Result<void> Server::Impl::open_traces() {
  const config::Config& c = options.config;
  trace::PipelineOptions o;
  o.ring_dir = config::effective_ring_folder(c);
  o.workers = worker_count(c);
  o.ring_bytes = static_cast<std::size_t>(c.trace.ring_bytes);
  o.spill_bytes = static_cast<std::size_t>(c.trace.spill_bytes);
  o.sync_interval_ms = static_cast<int>(c.trace.sync_interval_ms);
  o.store_driver = c.storage.driver;
  trace::PipelineEvents events = log_events(*log, options.config.storage.driver);
  events.written = [this](const trace::WrittenBatch& batch) {
    services->commits.notify();
    batch_metrics.written(batch);
    if (otel) otel->batch_written(batch);
  };
  if (otel)
    events.write_failed = [this, log_it = std::move(events.write_failed)](const trace::WriteFailure& f) {
      log_it(f);
      otel->batch_failed(f);
    };
  auto p = trace::TracePipeline::open(std::move(o), *writer, std::move(events));
  if (!p) return fail("failed to initialize trace ring: " + p.error().message);
  traces = std::move(*p);
  return {};
}

/// Telemetry that cannot be set up keeps no gateway from starting.
void Server::Impl::open_telemetry() {
  // Asked for only when the exporter was started, which comes after the page.
  const auto snapshot = [this] { return metrics ? metrics->snapshot() : metrics::Snapshot(); };
  auto made = OtelExport::create(options.config, options.version, snapshot, *log);
  if (made) {
    otel = std::move(*made);
    services->metrics = make_metrics(options.config);
    services->genai_metrics = make_genai_metrics(options.config);
    if (services->metrics && options.config.observability.otel.prometheus_enabled)
      services->metrics_path = trim(options.config.observability.otel.prometheus_path);
    return;
  }
  log->error("failed to initialize opentelemetry; continuing with instrumentation disabled")
      .field("error", made.error().message);
}

/// What was spent before counts, also what still lies in rings and overflow files: it is stored first.
Result<void> Server::Impl::open_limits() {
  limit_setup.emplace(options.config, *log, *services, *traces);
  const auto& limiting = reloader->snapshot()->limiting;
  if (limiting == nullptr) return {};
  if (anything_limited(limiting->limiter, services->keys.view()->authorizer())) {
    traces->start();
    traces_started = true;
    limit_setup->recover(limiting->limiter, *readers.front());
  }
  return limit_setup->begin(*limiting);
}

api::ApiDeps Server::Impl::api_deps(store::TraceReader* reader) {
  api::ApiDeps d;
  d.traces = reader;
  d.diagnostics = [this] {
    PipelineDiagnostics now = traces->diagnostics();
    now.unpriced_total = static_cast<std::int64_t>(services->unpriced.total());
    now.unpriced_models = services->unpriced.list();
    now.accounting = pipeline::accounting_figures(*services);
    now.limits = pipeline::limit_figures(*services);
    now.auth = pipeline::auth_figures(*services);
    now.guard = pipeline::guard_figures(*services);
    return std::optional<PipelineDiagnostics>(std::move(now));
  };
  d.not_ready_reason = [this]() -> std::string {
    if (services->draining.load()) return "draining";
    const PipelineDiagnostics now = traces->diagnostics();
    return now.store_available ? "" : "trace store takes no writes: " + now.store_error;
  };
  d.complete_until_ns = [this] {
    const std::int64_t offered = traces->complete_until_ns();
    return offered > kOfferedNs ? offered - kOfferedNs : 0;
  };
  d.on_error = [this](std::string_view operation, std::string_view error) {
    log->error("trace store query failed").field("operation", operation).field("error", error);
  };
  d.version = options.version;
  d.started_mono_ns = started_mono_ns;
  d.storage_driver = options.config.storage.driver;
  d.auth_header = options.config.auth.header;
  return d;
}

Result<void> Server::Impl::open_api() {
  std::vector<pipeline::QueryPool::Handler> handlers;
  for (auto& reader : readers) {
    routers.push_back(std::make_unique<api::Router>(api_deps(reader.get())));
    api::Router* router = routers.back().get();
    handlers.push_back({.answer = [router](const api::ApiRequest& r) { return router->handle(r); },
                        .next = [router](api::ChunkSource& source) { return router->next(source); }});
  }
  api::ApiDeps with_keys = api_deps(nullptr);
  with_keys.keys = {.store = &*keys_of_api,
                    .changed =
                        [this] {
                          auto done = key_keeper->refresh(*keys_of_api);
                          log_unreadable_limits();
                          return done;
                        },
                    .audit = [this](const api::KeyAudit& a) { log_key_audit(*log, a); }};
  with_keys.on_error = [this](std::string_view operation, std::string_view error) {
    log->error("gateway key store failed").field("operation", operation).field("error", error);
  };
  routers.push_back(std::make_unique<api::Router>(std::move(with_keys)));
  pipeline::QueryPool::Handler keys{
      .answer = [router = routers.back().get()](const api::ApiRequest& r) { return router->handle(r); }, .next = {}};
  api::ApiDeps without_store = api_deps(nullptr);
  without_store.not_ready_reason = [reason = without_store.not_ready_reason] {
    const std::string known = reason();
    return known.empty() ? "trace store does not answer" : known;
  };
  routers.push_back(std::make_unique<api::Router>(std::move(without_store)));
  // On the worker's own thread, which must not stand still while a page is written.
  services->status_without_store = [this, router = routers.back().get()](const api::ApiRequest& r) {
    if (services->metrics_path.empty() || r.path != services->metrics_path) return router->handle(r);
    return api::ApiResponse{.status = 503,
                            .headers = {{"Content-Type", "application/json"}, {"Retry-After", "1"}},
                            .body = api::error_body("too many scrapes wait; try again")};
  };
  pipeline::QueryPool::Handler status = std::move(handlers.back());
  status.answer = with_metrics(std::move(status.answer));
  handlers.pop_back();
  queries = std::make_unique<pipeline::QueryPool>(std::move(handlers), std::move(status), std::move(keys));
  services->queries = queries.get();
  return {};
}

Result<void> Server::Impl::open_workers() {
  const config::Config& c = options.config;
  const int count = worker_count(c);
  port = static_cast<int>(c.server.port);
  for (int i = 0; i < count; ++i) {
    auto fd = net::listen_on(config::listen_host(c), port, i > 0);
    if (!fd) return tl::make_unexpected(fd.error());
    if (port == 0) port = net::bound_port(fd->get());  // the others share it
    auto loop = net::Loop::create();
    if (!loop) return tl::make_unexpected(loop.error());
    workers.push_back(std::make_unique<pipeline::Worker>(
        *services, std::move(*loop), std::move(*fd), traces->ring(i), log->add_lane(), static_cast<std::size_t>(i),
        otel ? otel->add_lane() : nullptr, otel ? otel->add_genai_lanes() : telemetry::GenAiLanes()));
  }
  if (services->metrics)
    metrics = std::make_unique<MetricsPage>(MetricsPage::Sources{
        .services = *services,
        .workers = workers,
        .batches = batch_metrics,
        .log = *log,
        .diagnostics = [this] { return traces->diagnostics(); },
        .target = {.service_name = c.observability.otel.service_name, .service_version = options.version},
        .exporter = otel ? std::function([this] { return otel->stats(); }) : nullptr});
  return {};
}

/// Scrapes need no store.
std::function<api::ApiResponse(const api::ApiRequest&)> Server::Impl::with_metrics(
    std::function<api::ApiResponse(const api::ApiRequest&)> others) {
  if (services->metrics_path.empty()) return others;
  return [this, others = std::move(others)](const api::ApiRequest& r) {
    return r.path == services->metrics_path ? metrics->answer(r) : others(r);
  };
}

void Server::Impl::warn_of_settings(const config::Config& c) {
  for (const config::ProviderConfig* p : config::all_providers(c))
    if (const std::string warning = config::credential_warning(*p); !warning.empty()) log->warn(warning);
  for (const std::string& warning : config::settings_without_effect(c)) log->warn(warning);
}

void Server::Impl::banner() {
  const config::Config& c = options.config;
  if (const std::string warning = auth::startup_warning(services->keys.view()->authorizer(), c.server.host);
      !warning.empty())
    log->warn(warning);
  warn_of_settings(c);
  if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != 0 && ::access(file, R_OK) != 0)
    log->warn("SSL_CERT_FILE cannot be read; certificates of providers are checked without it")
        .field("path", file)
        .field("error", std::strerror(errno));
  std::vector<std::string> providers;
  const auto configured = config::all_providers(c);
  for (const route::Route& r : reloader->snapshot()->routes.routes()) {
    const config::ProviderConfig& p = *configured[r.index];
    providers.push_back(r.name + ":" + p.prefix + "->" + route::shown_url(p.upstream));
  }
  log->info("startup banner")
      .field("version", options.version)
      .field("addr", c.server.host + ":" + std::to_string(port))
      .field("port", port)
      .field("storage_driver", c.storage.driver)
      .field("providers", std::span<const std::string>(providers))
      .field("config_path", options.config_path)
      .field("auth_enabled", c.auth.enabled)
      .field("prometheus_enabled", !services->metrics_path.empty())
      .field("prometheus_path", c.observability.otel.prometheus_path);
}

void Server::Impl::run_threads() {
  if (otel) otel->start();
  if (!traces_started) traces->start();
  if (is_postgres(options.config)) {
    key_listener.emplace(listen_options(options.config));
    key_watcher.emplace([this](int ms, int wake_fd) { key_listener->wait(ms, wake_fd); },
                        [this] {
                          say_what_is_heard();
                          look_at_keys();
                        });
  } else if (services->keys.enabled()) {
    key_watcher.emplace(store::KeyWatcher::let_pass, [this] { look_at_keys(); });
  }
  running = static_cast<int>(workers.size());
  for (std::size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([this, i] {
      workers[i]->run();
      running.fetch_sub(1);
      running.notify_all();
    });
    ::pthread_setname_np(threads.back().native_handle(), ("worker-" + std::to_string(i)).c_str());
  }
}

bool Server::Impl::wait_for_workers(std::int64_t deadline_ns) {
  while (running.load() > 0) {
    if (mono_now_ns() >= deadline_ns) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

bool Server::Impl::shutdown() {
  if (down) return true;
  down = true;
  const config::ServerConfig& c = config().server;
  services->draining = true;  // readiness fails from here on
  if (c.drain_delay_ms > 0) std::this_thread::sleep_for(milliseconds(c.drain_delay_ms));
  for (auto& w : workers) w->drain();
  const bool in_time = wait_for_workers(mono_now_ns() + c.drain_timeout_ms * kMs);
  if (!in_time) {
    log->error("failed to shutdown").field("error", "context deadline exceeded");
    for (auto& w : workers) w->stop();
    wait_for_workers(mono_now_ns() + 10'000 * kMs);
  }
  queries->stop();
  resolver->stop();
  if (running.load() > 0) {  // a worker that hangs would be destroyed under its own feet
    log->error("gateway failed").field("error", "a worker did not stop; its traces are kept for the next start");
    log->stop(milliseconds(500));
    ::_exit(1);
  }
  for (std::thread& t : threads) t.join();
  if (key_watcher) key_watcher->stop();
  reloader->stop_sharing();
  if (auto written = key_keeper->write_uses(*keys_of_watch, true); !written) log_unwritten_uses(written.error());
  const trace::DrainReport report = traces->drain_and_stop(mono_now_ns() + kTraceDrainNs);
  const PipelineDiagnostics d = traces->diagnostics();
  if (report.complete) {
    log->info("flushed pending traces before shutdown")
        .field("duration_ms", report.duration_ns / kMs)
        .field("stored_total", d.stored_total)
        .field("dropped_total", d.enqueue_dropped_total + d.write_dropped_total);
  } else {
    log->error("failed to flush pending traces before shutdown")
        .field("error", "the store did not take them in time; they are kept for the next start")
        .field("timeout", "5s")
        .field("stored_total", d.stored_total)
        .field("left", report.left)
        .field("dropped_total", d.enqueue_dropped_total + d.write_dropped_total);
  }
  if (otel && !otel->stop(mono_now_ns() + kTelemetryFlushNs))
    log->error("failed to shutdown opentelemetry providers")
        .field("error", "the receiver did not take everything in time")
        .field("timeout", "5s");
  if (in_time) log->info("gateway stopped");
  log->stop(milliseconds(2000));
  return in_time;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  if (impl_) impl_->shutdown();
}

ReloadParts Server::Impl::reload_parts() {
  std::error_code ignored;
  return {.log = *log,
          .services = *services,
          .workers = workers,
          .config_path = options.config_path,
          .file_needed = std::filesystem::exists(options.config_path, ignored),
          .prepare_keys = [this](const config::Config& next) { return prepare_keys(next); },
          .make_limiting = [this](const config::Config& next) { return limit_setup->anew(next); },
          .taken =
              [this](const config::Config& c) {
                log->set(log_settings(c));
                retention.set(c.storage);
                if (otel) otel->follow(c);
                warn_of_settings(c);
              }};
}

Result<cli::ReloadReport> Server::reload() { return impl_->reloader->reload(); }
int Server::port() const { return impl_->port; }
bool Server::shutdown() { return impl_->shutdown(); }
telemetry::LogWriter& Server::log() { return *impl_->log; }

void Server::look_around() {
  impl_->reloader->look_around();
  if (impl_->metrics)
    for (auto& w : impl_->workers) w->look();
}

Result<std::unique_ptr<Server>> Server::start(ServerOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = shutdown_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  raise_descriptor_limit();

  auto impl = std::make_unique<Impl>(std::move(options));
  impl->log = std::make_unique<telemetry::LogWriter>(
      telemetry::LogOptions{.fd = impl->options.log_fd, .settings = log_settings(impl->options.config)});
  auto in_force = InForce::make(impl->options.config);
  if (!in_force) return tl::make_unexpected(in_force.error());
  auto authorizer = make_authorizer(impl->options.config);
  if (!authorizer) return tl::make_unexpected(authorizer.error());
  if (impl->options.config.auth.enabled)
    (*in_force)->snapshot()->limiting = std::make_shared<pipeline::Limiting>(
        limit_options(impl->options.config), std::make_shared<limits::Ledger>(), mono_now_ns());
  impl->retention.set(impl->options.config.storage);
  impl->services = std::make_unique<pipeline::Services>(std::move(*authorizer), (*in_force)->snapshot());
  impl->services->keys.trust_for(impl->options.config.auth.stale_keys_ms * kMs);
  impl->reloader.emplace(impl->reload_parts(), std::move(*in_force));
  impl->resolver = std::make_unique<net::Resolver>();
  impl->services->resolver = impl->resolver.get();
  impl->open_telemetry();
  for (auto step : {&Impl::open_store, &Impl::open_keys, &Impl::open_traces, &Impl::open_limits, &Impl::open_api}) {
    if (auto ok = (impl.get()->*step)(); !ok) return tl::make_unexpected(ok.error());
  }
  if (auto ok = impl->open_workers(); !ok) {
    impl->log->error("gateway failed").field("error", ok.error().message);
    impl->log->stop(milliseconds(500));
    return fail("");  // said in the log already
  }
  impl->banner();
  // A worker that needs one must not stand still while it is unpacked.
  for (const auto encoding : {provider::Encoding::o200k, provider::Encoding::cl100k})
    impl->services->tokenizers.get(encoding);
  impl->run_threads();
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

}  // namespace gw::app

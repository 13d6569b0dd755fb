#include "config/reload_plan.h"

#include <gtest/gtest.h>

#include "config/schema.h"
#include "config/test_support.h"

namespace gw::config {
namespace {

using testing::parsed;
using Keys = std::vector<std::string>;

TEST(ReloadPlan, OfTheSameConfigurationHasNothingToDo) {
  const Config c = parsed(
      "server: {port: 1}\nauth: {keys: [{id: a, token: t}]}\nproviders: {openai: {headers: {X-A: b}}}\n"
      "pricing: {overrides: [{provider: p, model: m, input: 1}]}\nlimits: {per_model: {gpt-*: {requests_per_minute: "
      "1}}}");
  const ReloadPlan plan = plan_reload(c, c);
  EXPECT_EQ(plan.applied, Keys{});
  EXPECT_EQ(plan.needs_restart, Keys{});
}

TEST(ReloadPlan, AppliesWhatCanBeAndLeavesTheRestAsItWas) {
  const ReloadPlan plan = plan_reload(
      parsed("server: {port: 1, host: a, idle_timeout_ms: 1}\nproviders: {openai: {upstream: http://a}}"),
      parsed("server: {port: 2, host: b, idle_timeout_ms: 2, workers: 3}\nproviders: {openai: {upstream: http://b}}\n"
             "storage: {path: elsewhere}\ntrace: {ring_bytes: 1}"));
  EXPECT_EQ(plan.applied, (Keys{"server.idle_timeout_ms", "providers.openai.upstream"}));
  EXPECT_EQ(plan.needs_restart,
            (Keys{"server.host", "server.port", "server.workers", "storage.path", "trace.ring_bytes"}));
  EXPECT_EQ(plan.config.server.idle_timeout_ms, 2);
  EXPECT_EQ(plan.config.providers.openai.upstream, "http://b");
  EXPECT_EQ(plan.config.server.port, 1);
  EXPECT_EQ(plan.config.server.host, "a");
  EXPECT_EQ(plan.config.server.workers, ServerConfig{}.workers);
  EXPECT_EQ(plan.config.storage.path, StorageConfig{}.path);
  EXPECT_EQ(plan.config.trace.ring_bytes, TraceConfig{}.ring_bytes);
}

TEST(ReloadPlan, SaysAgainWhatNeedsARestartUntilThereWasOne) {
  const Config next = parsed("server: {port: 2}");
  const ReloadPlan first = plan_reload(parsed("server: {port: 1}"), next);
  EXPECT_EQ(plan_reload(first.config, next).needs_restart, (Keys{"server.port"}));
}

TEST(ReloadPlan, TakesAListForOneKey) {
  const Config before = parsed("auth: {keys: [{id: a, token: t}]}\npii: {headers: {denylist: [x]}}");
  EXPECT_EQ(
      plan_reload(before, parsed("auth: {keys: [{id: a, token: u}]}\npii: {headers: {denylist: [x, y]}}")).applied,
      (Keys{"pii.headers.denylist", "auth.keys"}));
  EXPECT_EQ(plan_reload(before,
                        parsed("auth: {keys: [{id: a, token: t, permissions: [p]}]}\npii: {headers: {denylist: [x]}}"))
                .applied,
            (Keys{"auth.keys"}));
  EXPECT_EQ(plan_reload(before, parsed("auth: {keys: []}\npii: {headers: {denylist: [x]}}")).applied,
            (Keys{"auth.keys"}));
}

TEST(ReloadPlan, NamesProvidersThatComeAndGo) {
  const Config before =
      parsed("providers:\n  a: {kind: openai, upstream: http://a}\n  b: {kind: openai, upstream: http://b}");
  const Config after = parsed(
      "providers:\n  b: {kind: openai, upstream: http://b, headers: {X: y}}\n  c: {kind: openai, upstream: http://c}");
  const ReloadPlan plan = plan_reload(before, after);
  EXPECT_EQ(plan.applied, (Keys{"providers.a", "providers.b.headers", "providers.c"}));
  EXPECT_EQ(plan.config.providers.named.size(), 2U);
}

TEST(ReloadPlan, SeesThatTheOrderOfModelLimitsMatters) {
  const Config before =
      parsed("limits: {per_model: {gpt-4*: {requests_per_minute: 1}, gpt-*: {requests_per_minute: 2}}}");
  const Config after =
      parsed("limits: {per_model: {gpt-*: {requests_per_minute: 2}, gpt-4*: {requests_per_minute: 1}}}");
  EXPECT_EQ(plan_reload(before, after).applied, (Keys{"limits.per_model"}));
}

TEST(ReloadPlan, RenewsCertificatesButTurnsTlsNeitherOnNorOff) {
  const Config off = parsed("");
  const Config a = parsed("server: {tls: {cert: a.pem, key: a.key}}");
  const Config b = parsed("server: {tls: {cert: b.pem, key: b.key}}");
  EXPECT_EQ(plan_reload(a, b).applied, (Keys{"server.tls.cert", "server.tls.key"}));
  EXPECT_EQ(plan_reload(off, a).needs_restart, (Keys{"server.tls"}));
  EXPECT_EQ(plan_reload(off, a).config.server.tls.cert, "");
  EXPECT_EQ(plan_reload(a, off).needs_restart, (Keys{"server.tls"}));
  EXPECT_EQ(plan_reload(a, off).config.server.tls.cert, "a.pem");
}

TEST(ReloadPlan, TellsNoValues) {
  const ReloadPlan plan =
      plan_reload(parsed("storage: {dsn: postgres://u:old@h/d}"),
                  parsed("storage: {dsn: postgres://u:new@h/d}\nauth: {keys: [{id: a, token: hunter2}]}"));
  EXPECT_EQ(plan.applied, (Keys{"auth.keys"}));
  EXPECT_EQ(plan.needs_restart, (Keys{"storage.dsn"}));
}

// Whoever adds a key decides which it is: one that is not listed needs a restart.
TEST(ReloadPlan, KnowsOfEveryKeyWhetherItCanBeApplied) {
  Keys fixed;
  for (const KeyPath& key : all_keys())
    if (key.type != KeyType::section && !is_reloadable(key.path)) fixed.push_back(key.path);
  const Keys expected{"server.host",
                      "server.port",
                      "server.workers",
                      "storage.driver",
                      "storage.path",
                      "storage.dsn",
                      "storage.listen_dsn",
                      "trace.ring_path",
                      "trace.ring_bytes",
                      "trace.spill_bytes",
                      "trace.sync_interval_ms",
                      "observability.otel.enabled",
                      "observability.otel.endpoint",
                      "observability.otel.insecure",
                      "observability.otel.service_name",
                      "observability.otel.traces_enabled",
                      "observability.otel.metrics_enabled",
                      "observability.otel.logs_enabled",
                      "observability.otel.semconv",
                      "observability.otel.prometheus_enabled",
                      "observability.otel.prometheus_path",
                      "observability.otel.sampling_ratio",
                      "observability.otel.export_timeout_ms",
                      "observability.otel.metric_export_interval_ms",
                      "auth.enabled",
                      "auth.header",
                      "auth.stale_keys_ms",
                      "limits.redis_url"};
  EXPECT_EQ(fixed, expected);
}

}  // namespace
}  // namespace gw::config

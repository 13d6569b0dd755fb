#include "config/without_effect.h"

#include <gtest/gtest.h>

namespace gw::config {
namespace {

using Sentences = std::vector<std::string>;

TEST(SettingsWithoutEffect, NoneInTheDefaults) { EXPECT_EQ(settings_without_effect(Config{}), Sentences{}); }

TEST(SettingsWithoutEffect, AScopeForAProviderThatIsNotThere) {
  Config c;
  c.pii.scopes.resize(2);
  c.pii.scopes[0].match.provider = "openai";
  c.pii.scopes[1].match.provider = " opanai ";
  EXPECT_EQ(settings_without_effect(c), Sentences{"pii.scopes[1] is never used: no provider is named \"opanai\""});
}

TEST(SettingsWithoutEffect, ScopesOfKeysAndTenantsThatNoRequestHas) {
  Config c;
  c.pii.scopes.resize(4);
  c.pii.scopes[0].match.key_id = "k1";
  c.pii.scopes[1].match.org_id = "acme";
  c.pii.scopes[2].match.workspace_id = "default";
  c.pii.scopes[3].match.workspace_id = "search";
  const Sentences all = settings_without_effect(c);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0],
            "pii.scopes[0] is never used: auth.enabled is false, and without keys all requests are of default/default");
  EXPECT_TRUE(all[1].starts_with("pii.scopes[1] ")) << all[1];
  EXPECT_TRUE(all[2].starts_with("pii.scopes[3] ")) << all[2];
  c.auth.enabled = true;
  EXPECT_EQ(settings_without_effect(c), Sentences{});
}

TEST(SettingsWithoutEffect, ModesOfRequestsWhoseBodiesAreNotLookedAt) {
  Config c;
  c.auth.enabled = true;
  c.pii.mode = "block";
  c.pii.scopes.resize(2);
  c.pii.scopes[0].match.org_id = "acme";
  c.pii.scopes[0].mode = "Redact_Upstream";
  c.pii.scopes[1].match.org_id = "other";
  c.pii.scopes[1].mode = "redact_storage";
  EXPECT_EQ(settings_without_effect(c), Sentences{});
  c.pii.stages.request_body = false;
  EXPECT_EQ(
      settings_without_effect(c),
      (Sentences{
          "pii.mode block lets every request pass as it is: pii.stages.request_body is false",
          "pii.scopes[0].mode redact_upstream lets every request pass as it is: pii.stages.request_body is false"}));
}

TEST(SettingsWithoutEffect, LimitsOfAGatewayThatAsksNobodyForAKey) {
  Config c;
  c.limits.per_key.requests_per_minute = 1;
  c.limits.per_workspace.max_cost_usd_per_month = 0.5;
  c.limits.per_org.concurrent_requests = 1;
  c.limits.per_model.list.resize(1);
  EXPECT_EQ(settings_without_effect(c), (Sentences{"limits.per_key limits nobody: auth.enabled is false",
                                                   "limits.per_workspace limits nobody: auth.enabled is false",
                                                   "limits.per_org limits nobody: auth.enabled is false",
                                                   "limits.per_model limits nobody: auth.enabled is false"}));
  c.auth.enabled = true;
  EXPECT_EQ(settings_without_effect(c), Sentences{});
}

TEST(SettingsWithoutEffect, LimitsOfModelsThatAnEntryBeforeThemHas) {
  Config c;
  c.auth.enabled = true;
  for (const char* name : {"gpt-4o", "gpt-*", "gpt-4*", "*-mini", "claude-*", "*", "o*", "gpt-5"})
    c.limits.per_model.list.emplace_back().model = name;
  EXPECT_EQ(settings_without_effect(c),
            (Sentences{"limits.per_model.gpt-4* is never used: \"gpt-*\" before it has all of its names",
                       "limits.per_model.o* is never used: \"*\" before it has all of its names"}));
}

TEST(SettingsWithoutEffect, PartsOfDetectorsThatAreOff) {
  Config c;
  c.pii.detectors.phone_international = c.pii.detectors.ssn_ranges = true;
  EXPECT_EQ(settings_without_effect(c), Sentences{});
  c.pii.detectors.phone = c.pii.detectors.ssn = false;
  EXPECT_EQ(
      settings_without_effect(c),
      (Sentences{"pii.detectors.phone_international finds nothing: it is a part of pii.detectors.phone, which is false",
                 "pii.detectors.ssn_ranges finds nothing: it is a part of pii.detectors.ssn, which is false"}));
}

TEST(SettingsWithoutEffect, MetricsAndLogRecordsOfATelemetryThatIsOff) {
  Config c;
  c.observability.otel.prometheus_enabled = c.observability.otel.logs_enabled = true;
  EXPECT_EQ(settings_without_effect(c),
            (Sentences{"observability.otel.prometheus_enabled shows nothing: observability.otel.enabled is false",
                       "observability.otel.logs_enabled shows nothing: observability.otel.enabled is false"}));
  c.observability.otel.enabled = true;
  EXPECT_EQ(settings_without_effect(c), Sentences{});
}

}  // namespace
}  // namespace gw::config

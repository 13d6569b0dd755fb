#include "auth/policy.h"

#include <gtest/gtest.h>

namespace gw::auth {
namespace {

/// The provider whose route a path of these tests lies under.
std::string_view provider_of(std::string_view path) {
  for (const std::string_view name : {"openai", "anthropic", "groq"}) {
    const std::string prefix = "/" + std::string(name);
    if (path == prefix || path.starts_with(prefix + "/")) return name;
  }
  return {};
}

/// "open", "preflight openai", "refused", or "permission resource/action/scope [provider]".
std::string describe(std::string_view method, std::string_view path) {
  const Requirement r = requirement_of(method, path, provider_of(path));
  const std::string provider = r.provider.empty() ? "" : " " + std::string(r.provider);
  switch (r.access) {
    case Access::open:
      return "open";
    case Access::preflight:
      return "preflight" + provider;
    case Access::refused:
      return "refused";
    case Access::protected_:
      break;
  }
  std::string out(to_string(r.permission));
  for (const auto part : {r.resource, r.action, r.scope}) out += " " + std::string(part);
  return out + provider;
}

TEST(Policy, CoversEveryRowOfTheTable) {
  const std::string read_traces = "analytics:read traces read workspace";
  const std::string read_analytics = "analytics:read analytics read workspace";
  const std::string manage = "keys:manage gateway_keys manage workspace";
  struct Case {
    const char* method;
    const char* path;
    std::string want;
  };
  const Case cases[] = {
      {"OPTIONS", "/api/traces", "open"},
      {"OPTIONS", "/api/nonsense", "open"},
      {"OPTIONS", "/openai/v1", "preflight openai"},
      {"options", "/anthropic", "preflight anthropic"},
      {"POST", "/openai/v1/chat", "proxy:write proxy forward workspace openai"},
      {"GET", "/anthropic", "proxy:write proxy forward workspace anthropic"},
      {"BREW", "/openai", "proxy:write proxy forward workspace openai"},
      {"POST", "/groq/v1/chat", "proxy:write proxy forward workspace groq"},
      {"GET", "/openaiish", "open"},
      {"GET", "/api/health", "open"},
      {"HEAD", "/api/health", "open"},
      {"POST", "/api/health", "refused"},
      {"GET", "/api/health/", "refused"},
      {"GET", "/api/ready", "open"},
      {"GET", "/api/openapi.json", "open"},
      {"GET", "/api/traces", read_traces},
      {"head", "/api/traces", read_traces},
      {"GET", "/api/traces/", "refused"},
      {"GET", "/api/traces/stream", read_traces},
      {"GET", "/api/traces/abc", read_traces},
      {"GET", "/api/traces//abc//", read_traces},
      {"GET", "/api/traces/abc/replay", read_traces},
      {"GET", "/api/traces/abc/replay/", read_traces},
      {"GET", "/api/traces/abc/fork", "refused"},
      {"GET", "/api/traces/abc//replay", "refused"},
      {"GET", "/api/traces/ /replay", "refused"},
      {"GET", "/api/traces/abc/replay/x", "refused"},
      {"GET", "/api/tracesx", "refused"},
      {"POST", "/api/traces/abc/fork", read_traces},
      {"POST", "/api/traces/abc/replay", "refused"},
      {"DELETE", "/api/traces/abc", "refused"},
      {"GET", "/api/analytics/usage", read_analytics},
      {"GET", "/api/analytics/cost", read_analytics},
      {"GET", "/api/analytics/models", read_analytics},
      {"GET", "/api/analytics/keys", read_analytics},
      {"HEAD", "/api/analytics/summary", read_analytics},
      {"GET", "/api/analytics", "refused"},
      {"GET", "/api/analytics/other", "refused"},
      {"GET", "/api/analytics/usage/", "refused"},
      {"GET", "/api/export/traces", "analytics:read export read workspace"},
      {"GET", "/api/export/a/b", "analytics:read export read workspace"},
      {"GET", "/api/export", "refused"},
      {"GET", "/api/diagnostics/trace-pipeline", "analytics:read diagnostics read workspace"},
      {"GET", "/api/gateway-keys", manage},
      {"POST", "/api/gateway-keys", manage},
      {"HEAD", "/api/gateway-keys", manage},
      {"DELETE", "/api/gateway-keys", "refused"},
      {"DELETE", "/api/gateway-keys/k1", manage},
      {"POST", "/api/gateway-keys/k1/rotate", manage},
      {"GET", "/api/gateway-keys/k1", "refused"},
      {"GET", "/api", "refused"},
      {"GET", "/api/", "refused"},
      {"GET", "/api/../x", "refused"},
      {"GET", "/apiary", "open"},
      {"GET", "/", "open"},
      {"GET", "/metrics", "open"},
      {"GET", "", "open"},
  };
  for (const Case& c : cases) EXPECT_EQ(describe(c.method, c.path), c.want) << c.method << " " << c.path;
}

TEST(Policy, LimitsOfAKeyArePut) {
  EXPECT_EQ(describe("PUT", "/api/gateway-keys/k1/limits"), "keys:manage gateway_keys manage workspace");
  EXPECT_EQ(describe("POST", "/api/gateway-keys/k1/limits"), "refused");
  EXPECT_EQ(describe("PUT", "/api/gateway-keys/k1/rotate"), "refused");
}

TEST(Policy, HealthReadinessAndTheApisDescriptionArePublicAlsoToHead) {
  for (const char* path : {"/api/health", "/api/ready", "/api/openapi.json"})
    for (const char* method : {"GET", "HEAD"}) EXPECT_EQ(describe(method, path), "open") << method << " " << path;
}

TEST(Policy, LatencyAndErrorAnalyticsAreReadable) {
  for (const char* path : {"/api/analytics/latency", "/api/analytics/errors"})
    EXPECT_EQ(describe("GET", path), "analytics:read analytics read workspace") << path;
}

TEST(Policy, TheProvidersRouteDecidesBeforeTheTable) {
  const Requirement r = requirement_of("GET", "/api/health", "openai");
  EXPECT_EQ(r.access, Access::protected_);
  EXPECT_EQ(r.permission, Permission::proxy_write);
  EXPECT_EQ(r.provider, "openai");
}

TEST(Policy, RolesGrantWhatTheContractSays) {
  const auto bits = [](std::string_view role) { return static_cast<int>(role_permissions(role)); };
  EXPECT_EQ(bits("owner"), 7);
  EXPECT_EQ(bits("admin"), 7);
  EXPECT_EQ(bits("developer"), 3);
  EXPECT_EQ(bits("member"), 3);
  EXPECT_EQ(bits(""), 3);
  EXPECT_EQ(bits("viewer"), 2);
  EXPECT_EQ(bits("root"), 0);
}

}  // namespace
}  // namespace gw::auth

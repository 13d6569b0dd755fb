#include "config/faults.h"

#include "config/test_support.h"
#include "config/validate.h"

namespace gw::config {
namespace {

using testing::env_of;
using testing::error_of;
using testing::parsed;

TEST(Faults, AllAreFoundInOneGoEachWithItsPlace) {
  const Config config = parsed(R"(server:
  port: 0
  host: "a b"
  idle_timeout_ms: 0
storage:
  driver: oracle
providers:
  openai:
    upstream: "://x"
    prefix: openai
  mine:
    kind: gemini
    upstream: http://h
    prefix: /mine
    headers:
      Host: x
      "b d": y
pii:
  mode: loud
  scopes:
    - match: {}
    - match: {provider: openai}
      mode: quiet
auth:
  enabled: true
  keys:
    - {id: a, token: ""}
    - {id: b, token: "t"}
    - {id: c, token: "t"}
)");
  EXPECT_EQ(error_of(validate(config)),
            R"(server.port must be between 1 and 65535 (got 0)
  at test.yaml:2
storage.driver must be one of sqlite, postgres (got "oracle")
  at test.yaml:6
providers.openai.prefix must start with '/' (got "openai")
  at test.yaml:10
parse providers.openai.upstream: parse "://x": missing protocol scheme
  at test.yaml:9
providers.mine.kind must be openai or anthropic (got "gemini")
  at test.yaml:12
pii.mode must be one of off, redact_storage, redact_upstream, block, observe (got "loud")
  at test.yaml:19
pii.scopes[0].match must set at least one selector: org_id, workspace_id, key_id, provider, or route_prefix
  at test.yaml:21
pii.scopes[1].mode must be one of off, redact_storage, redact_upstream, block, observe (got "quiet")
  at test.yaml:23
server.host must be an address or a host name (got "a b")
  at test.yaml:3
providers.mine.headers.Host must not be set: the gateway writes this header itself
  at test.yaml:16
providers.mine.headers must have header names of at most 256 characters as keys (got "b d")
  at test.yaml:15
auth.keys[0].token: gateway key token cannot be empty
  at test.yaml:27
auth.keys[2].token: duplicate gateway key token in auth config (same as auth.keys[1])
  at test.yaml:29
server.idle_timeout_ms must be between 1 and 86400000 (got 0)
  at test.yaml:4)");
}

TEST(Faults, OfOneKeyTheFirstIsTold) {
  Config config;
  config.providers.openai.prefix = "";
  EXPECT_EQ(error_of(validate(config)), "providers.openai.prefix is required");
}

TEST(Faults, OverlapsAreToldForEachProviderThatIsInTheWay) {
  const Config config = parsed(
      "providers:\n  a: {kind: openai, upstream: http://h, prefix: /openai/a}\n"
      "  b: {kind: openai, upstream: http://h, prefix: /openai/b}\n");
  const std::string error = error_of(validate(config));
  EXPECT_TRUE(testing::contains(error, "providers.openai.prefix and providers.a.prefix must not overlap")) << error;
  EXPECT_TRUE(testing::contains(error, "providers.openai.prefix and providers.b.prefix must not overlap")) << error;
}

TEST(Faults, AreBoundedAndTheRestIsCounted) {
  Config config;
  config.pii.scopes.resize(Faults::kMost + 7);
  const std::string error = error_of(validate(config));
  EXPECT_TRUE(error.ends_with("\nand 7 more")) << error;
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), static_cast<std::ptrdiff_t>(Faults::kMost));
}

TEST(Faults, AVariableThatSetTheKeyIsItsPlace) {
  const auto config = load({.path = "", .env = env_of({{"ONGOINGAI_PORT", "0"}, {"ONGOINGAI_PII_MODE", "loud"}})});
  ASSERT_TRUE(config) << error_of(config);
  EXPECT_EQ(error_of(validate(*config)),
            "server.port must be between 1 and 65535 (got 0)\n  at ONGOINGAI_PORT\n"
            "pii.mode must be one of off, redact_storage, redact_upstream, block, observe (got \"loud\")\n  at "
            "ONGOINGAI_PII_MODE");
}

TEST(Faults, AMissingKeyIsSaidToBeMissingInItsSection) {
  EXPECT_EQ(error_of(validate(parsed("storage:\n  driver: postgres\n"))),
            "storage.dsn is required when storage.driver=postgres\n  at test.yaml:1");
}

TEST(Faults, WhatElseIsCheckedIsAddedOnce) {
  Config config;
  config.server.port = 0;
  const auto more = [](const Config&) -> Result<void> { return fail("limits are not available"); };
  EXPECT_EQ(error_of(validate(config, more)),
            "server.port must be between 1 and 65535 (got 0)\nlimits are not available");
  EXPECT_EQ(error_of(validate(Config{}, more)), "limits are not available");
}

}  // namespace
}  // namespace gw::config

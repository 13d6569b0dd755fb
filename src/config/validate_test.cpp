#include "config/validate.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "config/test_support.h"

namespace gw::config {
namespace {

using testing::error_of;

struct Case {
  std::function<void(Config&)> change;
  std::string message;
};

std::string value_verdict(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  return error_of(validate_values(config));
}

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(value_verdict(c.change), c.message);
}

const std::string kValid = "(no error)";

TEST(ValidConfiguration, IsTheDefaultOne) {
  EXPECT_EQ(value_verdict([](Config&) {}), kValid);
  EXPECT_EQ(error_of(validate(Config{})), kValid);
}

TEST(Port, MustBeATcpPort) {
  for (std::int64_t port :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{65'536}, std::numeric_limits<std::int64_t>::max()})
    EXPECT_EQ(value_verdict([&](Config& c) { c.server.port = port; }),
              "server.port must be between 1 and 65535 (got " + std::to_string(port) + ")");
  for (std::int64_t port : {1, 65'535}) EXPECT_EQ(value_verdict([&](Config& c) { c.server.port = port; }), kValid);
}

TEST(Storage, NeedsWhatItsDriverNeeds) {
  expect_all({
      {[](Config& c) { c.storage.path = " "; }, "storage.path is required when storage.driver=sqlite"},
      {[](Config& c) {
         c.storage.driver = " sqlite ";
         c.storage.path = "";
       },
       "storage.path is required when storage.driver=sqlite"},
      {[](Config& c) { c.storage.driver = "postgres"; }, "storage.dsn is required when storage.driver=postgres"},
      {[](Config& c) {
         c.storage.driver = "postgres";
         c.storage.dsn = "host=h";
       },
       kValid},
      {[](Config& c) {
         c.storage.driver = " postgres";
         c.storage.dsn = "host=h";
       },
       kValid},
      {[](Config& c) { c.storage.driver = "SQLite\t"; },
       "storage.driver must be one of sqlite, postgres (got \"SQLite\\t\")"},
      {[](Config& c) { c.storage.driver = ""; }, "storage.driver must be one of sqlite, postgres (got \"\")"},
  });
}

TEST(IncludeUsage, KnowsTwoWaysWithIncludeUsage) {
  const std::string message = "accounting.include_usage must be one of off, inject (got ";
  expect_all({
      {[](Config& c) { c.accounting.include_usage = "inject"; }, kValid},
      {[](Config& c) { c.accounting.include_usage = " off "; }, kValid},
      {[](Config& c) { c.accounting.include_usage = "on"; }, message + "\"on\")"},
      {[](Config& c) { c.accounting.include_usage = ""; }, message + "\"\")"},
  });
}

TEST(Log, HasKnownLevelsAndFormatsAndARatio) {
  expect_all({
      {[](Config& c) { c.log.level = " WARN "; }, kValid},
      {[](Config& c) { c.log.level = "trace"; }, "log.level must be one of debug, info, warn, error (got \"trace\")"},
      {[](Config& c) { c.log.format = "Text"; }, kValid},
      {[](Config& c) { c.log.format = "xml"; }, "log.format must be one of json, text (got \"xml\")"},
      {[](Config& c) { c.log.access_sample_ratio = 0; }, kValid},
      {[](Config& c) { c.log.access_sample_ratio = 1.5; },
       "log.access_sample_ratio must be between 0 and 1 (got 1.500000)"},
      {[](Config& c) { c.log.access_sample_ratio = std::nan(""); },
       "log.access_sample_ratio must be between 0 and 1 (got nan)"},
  });
}

TEST(Providers, NeedPrefixAndUpstream) {
  for (const std::string name : {"openai", "anthropic"}) {
    const auto with = [&](const std::function<void(ProviderConfig&)>& change) {
      return value_verdict([&](Config& c) { change(name == "openai" ? c.providers.openai : c.providers.anthropic); });
    };
    const auto upstream = [&](const std::string& url) { return with([&](ProviderConfig& p) { p.upstream = url; }); };
    const std::string key = "providers." + name;
    EXPECT_EQ(with([](ProviderConfig& p) { p.prefix = " "; }), key + ".prefix is required");
    EXPECT_EQ(with([](ProviderConfig& p) { p.prefix = "ai"; }), key + ".prefix must start with '/' (got \"ai\")");
    EXPECT_EQ(with([](ProviderConfig& p) { p.prefix = " /ai/ "; }), kValid);
    EXPECT_EQ(upstream(" "), key + ".upstream is required");
    EXPECT_EQ(upstream("://x"), "parse " + key + ".upstream: parse \"://x\": missing protocol scheme");
    EXPECT_EQ(upstream("http://[::1"), "parse " + key + ".upstream: parse \"http://[::1\": missing ']' in host");
    EXPECT_EQ(upstream("api.openai.com"), key + ".upstream must include scheme and host (got \"api.openai.com\")");
    EXPECT_EQ(upstream("localhost:8080"), key + ".upstream must include scheme and host (got \"localhost:8080\")");
    EXPECT_EQ(upstream("https://"), key + ".upstream must include scheme and host (got \"https://\")");
    EXPECT_NE(upstream("ftp://files"), kValid);
    EXPECT_NE(upstream("http://h:70000"), kValid);
    EXPECT_EQ(upstream("http://127.0.0.1:9/base?x=1"), kValid);
    EXPECT_EQ(upstream("//user:secret@host").find("secret"), std::string::npos);
  }
}

TEST(AuthHeader, MustNotBeBlank) {
  EXPECT_EQ(value_verdict([](Config& c) { c.auth.header = " \t"; }), "auth.header must not be empty");
}

TEST(PiiMode, IsOneOfFour) {
  for (const char* mode : {"off", "redact_storage", "redact_upstream", "block", " BLOCK "})
    EXPECT_EQ(value_verdict([&](Config& c) { c.pii.mode = mode; }), kValid) << mode;
  EXPECT_EQ(value_verdict([](Config& c) { c.pii.mode = " Mask"; }),
            "pii.mode must be one of off, redact_storage, redact_upstream, block, observe (got \" Mask\")");
}

TEST(PiiReplacement, CannotBePartOfOrdinaryText) {
  for (const char* format : {"<{type}>", "[REDACTED]", "[{type}:{hash}]", "", "****"})
    EXPECT_EQ(value_verdict([&](Config& c) { c.pii.replacement.format = format; }), kValid) << format;
  for (const char* format : {"x", ".", "-", "sk-", "{hash}", "{type}", "a{hash}", "-{type}"})
    EXPECT_EQ(
        value_verdict([&](Config& c) { c.pii.replacement.format = format; }),
        "pii.replacement.format must have at least 4 characters of its own beside {type} and {hash}, or two signs "
        "around them (got \"" +
            std::string(format) + "\")");
}

TEST(PiiScopes, NeedASelectorAndKnownValues) {
  const auto scope = [](const std::function<void(PiiScopeConfig&)>& change) {
    return value_verdict([&](Config& c) {
      c.pii.scopes.resize(2);
      c.pii.scopes[0].match.org_id = "fine";
      change(c.pii.scopes[1]);
    });
  };
  EXPECT_EQ(
      scope([](PiiScopeConfig& s) { s.match.key_id = " "; }),
      "pii.scopes[1].match must set at least one selector: org_id, workspace_id, key_id, provider, or route_prefix");
  for (auto member : {&PiiScopeMatchConfig::org_id, &PiiScopeMatchConfig::workspace_id, &PiiScopeMatchConfig::key_id,
                      &PiiScopeMatchConfig::provider, &PiiScopeMatchConfig::route_prefix})
    EXPECT_EQ(scope([&](PiiScopeConfig& s) { s.match.*member = "/x"; }), kValid);
  EXPECT_EQ(scope([](PiiScopeConfig& s) { s.match.provider = " OpenAI"; }),
            "pii.scopes[1].match.provider must be lowercase when set (got \" OpenAI\")");
  EXPECT_EQ(scope([](PiiScopeConfig& s) { s.match.route_prefix = "openai"; }),
            "pii.scopes[1].match.route_prefix must start with '/' (got \"openai\")");
  EXPECT_EQ(scope([](PiiScopeConfig& s) {
              s.match.org_id = "o";
              s.mode = "mask";
            }),
            "pii.scopes[1].mode must be one of off, redact_storage, redact_upstream, block, observe (got \"mask\")");
  EXPECT_EQ(scope([](PiiScopeConfig& s) {
              s.match.org_id = "o";
              s.mode = " Block ";
            }),
            kValid);
}

std::string otel(const std::function<void(OtelConfig&)>& change) {
  return value_verdict([&](Config& c) {
    c.observability.otel.enabled = true;
    change(c.observability.otel);
  });
}

TEST(Validate, PatternsNeedANameARegexAndAKnownValidator) {
  const auto pattern = [](std::string name, std::string regex, std::string validator = "") {
    return value_verdict([&](Config& c) {
      c.pii.patterns = {{.name = "other", .regex = "x", .validator = ""},
                        {.name = std::move(name), .regex = std::move(regex), .validator = std::move(validator)}};
    });
  };
  EXPECT_EQ(pattern("employee_id", R"(\bE-\d+\b)", "luhn"), kValid);
  for (const char* name : {"", "a b", "a-b", "\xC3\xA9"})
    EXPECT_EQ(pattern(name, "x"), "pii.patterns[1].name must be 1 to 32 letters, digits or underscores") << name;
  for (const char* name : {"other", "OTHER", "email", "Email", "ssn", "card", "header"})
    EXPECT_TRUE(pattern(name, "x").starts_with("pii.patterns[1].name is taken")) << name;
  EXPECT_EQ(pattern("p", ""), "pii.patterns[1].regex must have 1 to 2000 characters");
  EXPECT_EQ(pattern("p", "a*"), "pii.patterns[1].regex must not match the empty text");
  EXPECT_TRUE(pattern("p", "(").starts_with("pii.patterns[1].regex is not a regular expression of RE2: "));
  EXPECT_EQ(pattern("p", "x", "crc"), "pii.patterns[1].validator must be one of luhn, iban, none (got \"crc\")");
  EXPECT_EQ(value_verdict([](Config& c) {
              for (int i = 0; i < 17; ++i)
                c.pii.patterns.push_back({.name = "p" + std::to_string(i), .regex = "x", .validator = ""});
            }),
            "pii.patterns must hold at most 16 (got 17)");
}

TEST(Telemetry, IsCheckedOnlyWhenOn) {
  const auto spoil = [](OtelConfig& o) {
    o.endpoint = o.service_name = o.prometheus_path = "";
    o.sampling_ratio = 7;
    o.export_timeout_ms = -1;
  };
  EXPECT_EQ(value_verdict([&](Config& c) { spoil(c.observability.otel); }), kValid);
  EXPECT_NE(otel(spoil), kValid);
}

TEST(Telemetry, NeedsWhatTheContractSays) {
  EXPECT_EQ(otel([](OtelConfig&) {}), kValid);
  EXPECT_EQ(otel([](OtelConfig& o) { o.endpoint = " "; }),
            "observability.otel.endpoint is required when observability.otel.enabled=true");
  EXPECT_EQ(otel([](OtelConfig& o) {
              o.endpoint = "";
              o.prometheus_enabled = true;
            }),
            kValid);
  EXPECT_EQ(otel([](OtelConfig& o) { o.service_name = " "; }),
            "observability.otel.service_name is required when observability.otel.enabled=true");
  EXPECT_EQ(otel([](OtelConfig& o) { o.traces_enabled = o.metrics_enabled = false; }),
            "observability.otel requires traces_enabled, metrics_enabled, and/or prometheus_enabled when enabled");
  EXPECT_EQ(otel([](OtelConfig& o) { o.sampling_ratio = 1.5; }),
            "observability.otel.sampling_ratio must be between 0 and 1 (got 1.500000)");
  EXPECT_EQ(otel([](OtelConfig& o) { o.sampling_ratio = -0.1; }),
            "observability.otel.sampling_ratio must be between 0 and 1 (got -0.100000)");
  EXPECT_EQ(otel([](OtelConfig& o) { o.sampling_ratio = std::nan(""); }),
            "observability.otel.sampling_ratio must be between 0 and 1 (got nan)");
  EXPECT_EQ(otel([](OtelConfig& o) { o.traces_enabled = o.metrics_enabled = !(o.logs_enabled = true); }), kValid);
  EXPECT_EQ(otel([](OtelConfig& o) { o.semconv = {"ongoingai", " genai "}; }), kValid);
  EXPECT_EQ(otel([](OtelConfig& o) { o.semconv = {"ongoingai", "gen_ai"}; }),
            "observability.otel.semconv must be a list of ongoingai, genai (got \"gen_ai\")");
  for (const std::vector<std::string>& without : {std::vector<std::string>{}, {"genai"}})
    EXPECT_EQ(otel([&](OtelConfig& o) { o.semconv = without; }),
              "observability.otel.semconv must hold ongoingai, beside which genai is sent");
  EXPECT_EQ(otel([](OtelConfig& o) { o.export_timeout_ms = 0; }),
            "observability.otel.export_timeout_ms must be > 0 (got 0)");
  EXPECT_EQ(otel([](OtelConfig& o) { o.metric_export_interval_ms = -3; }),
            "observability.otel.metric_export_interval_ms must be > 0 (got -3)");
}

TEST(PrometheusPath, StaysClearOfTheGatewaysRoutes) {
  const auto path = [](const std::string& p, bool on = true) {
    return otel([&](OtelConfig& o) {
      o.prometheus_enabled = on;
      o.prometheus_path = p;
    });
  };
  EXPECT_EQ(path("metrics"), "observability.otel.prometheus_path must start with '/' (got \"metrics\")");
  EXPECT_EQ(path("metrics", false), kValid);
  EXPECT_EQ(path(" /metrics"), kValid);
  EXPECT_EQ(path("/apiary"), "observability.otel.prometheus_path must not overlap with /api (got \"/apiary\")");
  EXPECT_EQ(path("/openai/m"), "observability.otel.prometheus_path must not overlap with /openai (got \"/openai/m\")");
  EXPECT_EQ(path("/anthropic"),
            "observability.otel.prometheus_path must not overlap with /anthropic (got \"/anthropic\")");
}

TEST(FirstFault, WinsInTheOrderOfTheContract) {
  // Each step mends the fault that was reported; the next one of the contract's table must come up.
  Config c;
  c.server.port = 0;
  c.storage.driver = "x";
  for (ProviderConfig* p : {&c.providers.openai, &c.providers.anthropic}) p->prefix = p->upstream = "";
  c.auth.header = "";
  c.pii.mode = "x";
  c.pii.scopes.resize(1);
  OtelConfig& o = c.observability.otel;
  o = {.enabled = true,
       .endpoint = "",
       .service_name = "",
       .traces_enabled = false,
       .metrics_enabled = false,
       .prometheus_path = "x",
       .sampling_ratio = 2,
       .export_timeout_ms = 0,
       .metric_export_interval_ms = 0};
  PiiScopeConfig& s = c.pii.scopes[0];
  const std::pair<std::string, std::function<void()>> steps[] = {
      {"server.port", [&] { c.server.port = 1; }},
      {"storage.driver", [&] { c.storage.driver = "sqlite"; }},
      {"providers.openai.prefix is", [&] { c.providers.openai.prefix = "o"; }},
      {"providers.openai.prefix must", [&] { c.providers.openai.prefix = "/o"; }},
      {"providers.openai.upstream is", [&] { c.providers.openai.upstream = "://x"; }},
      {"parse providers.openai.upstream", [&] { c.providers.openai.upstream = "x"; }},
      {"providers.openai.upstream must", [&] { c.providers.openai.upstream = "http://x"; }},
      {"providers.anthropic.prefix is", [&] { c.providers.anthropic.prefix = "/a"; }},
      {"providers.anthropic.upstream is", [&] { c.providers.anthropic.upstream = "http://x"; }},
      {"auth.header", [&] { c.auth.header = "H"; }},
      {"pii.mode", [&] { c.pii.mode = ""; }},
      {"pii.scopes[0].match must set",
       [&] {
         s.match.provider = "X";
         s.match.route_prefix = "x";
         s.mode = "x";
       }},
      {"pii.scopes[0].match.provider", [&] { s.match.provider = "x"; }},
      {"pii.scopes[0].match.route_prefix", [&] { s.match.route_prefix = "/x"; }},
      {"pii.scopes[0].mode", [&] { s.mode = "off"; }},
      {"observability.otel.endpoint", [&] { o.endpoint = "h:1"; }},
      {"observability.otel.service_name", [&] { o.service_name = "s"; }},
      {"observability.otel requires", [&] { o.prometheus_enabled = true; }},
      {"observability.otel.sampling_ratio", [&] { o.sampling_ratio = 1; }},
      {"observability.otel.export_timeout_ms", [&] { o.export_timeout_ms = 1; }},
      {"observability.otel.metric_export_interval_ms", [&] { o.metric_export_interval_ms = 1; }},
      {"observability.otel.prometheus_path must start", [&] { o.prometheus_path = "/api"; }},
      {"observability.otel.prometheus_path must not overlap", [&] { o.prometheus_path = "/m"; }},
  };
  for (const auto& [expected, mend] : steps) {
    EXPECT_TRUE(testing::contains(error_of(validate_values(c)), expected));
    mend();
  }
  EXPECT_EQ(error_of(validate_values(c)), kValid);
}

}  // namespace
}  // namespace gw::config

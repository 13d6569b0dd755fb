// Providers under keys of the user's choice: names, defaults, kinds, headers, and prefixes that exclude each other.
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/effective.h"
#include "config/schema.h"
#include "config/test_support.h"
#include "config/validate.h"

namespace gw::config {
namespace {

using testing::contains;
using testing::error_of;
using testing::parsed;
using testing::refused;

constexpr const char* kNoError = "(no error)";

/// The verdict on the body of `providers:` in flow style, from the file to the last check.
std::string provider_verdict(const std::string& providers) {
  return testing::without_places(error_of(validate(parsed("{providers: {" + providers + "}}"))));
}

TEST(NamedProvider, HasTheDefaultsOfABuiltInOneAndItsNameAsPrefix) {
  const Config c = parsed(
      "providers:\n"
      "  groq: {kind: openai, upstream: https://api.groq.test/openai}\n"
      "  openai: {upstream: https://o.test}\n"
      "  claude-eu: {prefix: /eu/claude, kind: anthropic, connect_timeout_ms: 7, headers: {X-A: 1}}\n");
  ASSERT_EQ(c.providers.named.size(), 2U);
  const ProviderConfig& groq = c.providers.named[0];
  EXPECT_EQ(groq.name, "groq");
  EXPECT_EQ(groq.line, 2);
  EXPECT_EQ(groq.kind, "openai");
  EXPECT_EQ(groq.upstream, "https://api.groq.test/openai");
  EXPECT_EQ(groq.prefix, "/groq");
  EXPECT_EQ(groq.connect_timeout_ms, c.providers.openai.connect_timeout_ms);
  EXPECT_EQ(groq.idle_timeout_ms, c.providers.openai.idle_timeout_ms);
  EXPECT_EQ(groq.pool_idle_timeout_ms, c.providers.openai.pool_idle_timeout_ms);
  EXPECT_EQ(groq.max_idle_connections, c.providers.openai.max_idle_connections);
  EXPECT_TRUE(groq.headers.empty());
  const ProviderConfig& claude = c.providers.named[1];
  EXPECT_EQ(claude.name, "claude-eu");
  EXPECT_EQ(claude.prefix, "/eu/claude");
  EXPECT_EQ(claude.connect_timeout_ms, 7);
  ASSERT_EQ(claude.headers.size(), 1U);
  EXPECT_EQ(claude.headers[0].name + "=" + claude.headers[0].value, "X-A=1");

  std::string names;
  for (const ProviderConfig* p : all_providers(c)) names += p->name + " ";
  EXPECT_EQ(names, "openai anthropic groq claude-eu ");
}

TEST(NamedProvider, HasTheKeysOfABuiltInOne) {
  std::set<std::string> named;
  std::set<std::string> built_in;
  for (const KeyPath& key : all_keys()) {
    for (const auto& [prefix, keys] : {std::pair{"providers.<name>.", &named}, {"providers.openai.", &built_in}})
      if (key.path.starts_with(prefix)) keys->insert(key.path.substr(std::string_view(prefix).size()));
  }
  EXPECT_EQ(named, built_in);
  EXPECT_FALSE(named.empty());
}

TEST(NamedProvider, NeedsAPlainNameThatIsNothingElseInYaml) {
  for (const std::string& name :
       std::vector<std::string>{"groq", "0x-ai", "01ai", "a_b-c", "x", "302-ai", std::string(64, 'n')})
    EXPECT_EQ(parsed("{providers: {" + name + ": {kind: openai}}}").providers.named.at(0).name, name);
  for (const std::string& name :
       std::vector<std::string>{"12", "1e3", "0x1f", "1_000", "true", "yes", "off", "null", "Groq", "-x", "_x", "a.b",
                                "a/b", "\"\"", "\"a b\"", "api", "other", "unknown", std::string(65, 'n')}) {
    const std::string error = refused("providers:\n  " + name + ": {kind: openai}\n");
    EXPECT_TRUE(contains(error, "\n  line 2: name ")) << name;
    EXPECT_TRUE(
        contains(error, "(providers." + (name[0] == '"' ? name.substr(1, name.size() - 2) : name.substr(0, 64))))
        << name;
    EXPECT_TRUE(contains(error, ": expected a name of 1 to 64 characters a-z, 0-9, '-' and '_'")) << name;
  }
}

TEST(NamedProvider, WithoutAKindIsTakenForAMistypedKey) {
  for (const char* value : {"{upstream: https://o.test}", "", "1", "[kind]"})
    EXPECT_EQ(
        refused("providers:\n  opnai: " + std::string(value) + "\n"),
        "yaml: unmarshal errors:\n  line 2: field opnai not found in type config.ProvidersConfig (providers.opnai is "
        "not a known key; did you mean providers.openai?; a provider of your own needs kind: openai or anthropic)");
}

TEST(NamedProvider, RefusesUnknownKeysAndWrongTypesUnderItsPath) {
  EXPECT_TRUE(
      contains(refused("{providers: {groq: {kind: openai, upsteam: x}}}"),
               "field upsteam not found in type config.ProviderConfig (providers.groq.upsteam is not a known key; "
               "did you mean providers.groq.upstream?)"));
  EXPECT_TRUE(contains(refused("{providers: {groq: {kind: openai, idle_timeout_ms: '5'}}}"),
                       "(providers.groq.idle_timeout_ms: expected an integer, without quotes)"));
  EXPECT_TRUE(contains(refused("{providers: {groq: {kind: openai}, groq: {kind: openai}}}"),
                       "mapping key \"groq\" already defined at line 1"));
}

TEST(NamedProvider, NeedsAnUpstreamAndAKnownKind) {
  const auto groq = [](const std::string& keys) { return provider_verdict("groq: {" + keys + "}"); };
  EXPECT_EQ(groq("kind: openai, upstream: 'http://g'"), kNoError);
  EXPECT_EQ(groq("kind: anthropic, upstream: 'http://g'"), kNoError);
  EXPECT_EQ(groq("kind: openai"), "providers.groq.upstream is required");
  EXPECT_EQ(groq("kind: openai, upstream: g"), "providers.groq.upstream must include scheme and host (got \"g\")");
  EXPECT_EQ(groq("kind: openai, upstream: 'http://g', prefix: ''"), "providers.groq.prefix is required");
  EXPECT_EQ(groq("kind: openai, upstream: 'http://g', prefix: g"),
            "providers.groq.prefix must start with '/' (got \"g\")");
  EXPECT_EQ(groq("kind: gemini, upstream: 'http://g'"),
            "providers.groq.kind must be openai or anthropic (got \"gemini\")");
  EXPECT_EQ(groq("kind: , upstream: 'http://g'"), "providers.groq.kind must be openai or anthropic (got \"\")");
  EXPECT_EQ(groq("kind: openai, upstream: 'http://g', idle_timeout_ms: 0"),
            "providers.groq.idle_timeout_ms must be between 1 and 86400000 (got 0)");
}

TEST(BuiltInProviders, KeepTheirKind) {
  EXPECT_EQ(provider_verdict("openai: {kind: openai}, anthropic: {kind: anthropic}"), kNoError);
  EXPECT_EQ(provider_verdict("openai: {kind: anthropic}"),
            "providers.openai.kind must be openai, as for every built-in provider (got \"anthropic\")");
}

TEST(Providers, AreAtMost256) {
  std::string providers;
  for (int i = 0; i < 254; ++i) providers += "p" + std::to_string(i) + ": {kind: openai, upstream: 'http://h'}, ";
  EXPECT_EQ(provider_verdict(providers), kNoError);
  EXPECT_EQ(provider_verdict(providers + "last: {kind: openai, upstream: 'http://h'}"),
            "providers must hold at most 256 (got 257)");
}

TEST(Prefixes, ThatOverlapNameBothProvidersAndTheirLines) {
  const auto error = [](const std::string& text) { return testing::without_places(error_of(validate(parsed(text)))); };
  EXPECT_EQ(error("providers:\n"
                  "  a: {kind: openai, upstream: http://h, prefix: /llm}\n"
                  "  b: {kind: openai, upstream: http://h, prefix: /llm/b/}\n"),
            "providers.a.prefix and providers.b.prefix must not overlap (got \"/llm\" of the provider on line 2 and "
            "\"/llm/b/\" of the provider on line 3)");
  EXPECT_EQ(error("providers:\n  a: {kind: openai, upstream: http://h, prefix: /openai/a}\n"),
            "providers.openai.prefix and providers.a.prefix must not overlap (got \"/openai\" and \"/openai/a\" of the "
            "provider on line 2)");
  EXPECT_EQ(
      provider_verdict("a: {kind: openai, upstream: 'http://h', prefix: /x/a}, b: {kind: openai, upstream: 'http://h', "
                       "prefix: /x/ab}"),
      kNoError);
  EXPECT_TRUE(contains(provider_verdict("a: {kind: openai, upstream: 'http://h', prefix: /api/a}"),
                       "providers.a.prefix must not overlap with /api"));
  EXPECT_TRUE(contains(provider_verdict("a: {kind: openai, upstream: 'http://h', prefix: /}"),
                       "providers.a.prefix must not be root"));
}

TEST(Prefixes, DoNotHideTheScrapedPath) {
  Config c = parsed("{providers: {metrics: {kind: openai, upstream: 'http://h'}}}");
  EXPECT_EQ(error_of(validate(c)), kNoError);
  c.observability.otel.enabled = true;
  EXPECT_EQ(error_of(validate(c)), kNoError) << "nothing is scraped";
  c.observability.otel.prometheus_enabled = true;
  EXPECT_EQ(testing::without_places(error_of(validate(c))),
            "providers.metrics.prefix must not hold observability.otel.prometheus_path (got \"/metrics\")");
}

TEST(ProviderHeaders, MustBeOnesThatMayBeAdded) {
  const auto headers = [](const std::string& entries) {
    return provider_verdict("openai: {headers: {" + entries + "}}");
  };
  EXPECT_EQ(error_of(validate(parsed("{server: {host: 127.0.0.1}, providers: {openai: {headers: {Authorization: Bearer "
                                     "s, api-key: s, X-Forwarded-Proto: https}}}}"))),
            kNoError);
  for (const char* name : {"host", "Content-Length", "transfer-encoding", "Connection", "Proxy-Connection",
                           "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "te", "Trailer", "Upgrade",
                           "Expect", "X-Forwarded-For", "X-OngoingAI-Correlation-ID", "x-ongoingai-anything"})
    EXPECT_EQ(headers(std::string(name) + ": secret"), "providers.openai.headers." + std::string(name) +
                                                           " must not be set: the gateway writes this header itself");
  for (const char* name : {"'a b'", "'a:b'", "\"a\\r\\nb\"", "''", "\xC3\xBC"})
    EXPECT_TRUE(contains(headers(std::string(name) + ": secret"),
                         "providers.openai.headers must have header names of at most 256 characters as keys (got "))
        << name;
  EXPECT_EQ(headers("X-A: 1, x-a: 2"),
            "providers.openai.headers.x-a is the same header as providers.openai.headers.X-A");
  EXPECT_EQ(headers("X-A: ' '"), "providers.openai.headers.X-A must not be blank");
  for (const char* bad : {"\"s\\r\\nX: y\"", "\"s\\ty\"", "\"s\\x7f\""})
    EXPECT_EQ(headers(std::string("X-A: ") + bad), "providers.openai.headers.X-A must not hold control characters");
  EXPECT_EQ(headers("X-A: " + std::string(8192, 's')), kNoError);
  EXPECT_EQ(headers("X-A: " + std::string(8193, 's')),
            "providers.openai.headers.X-A must have at most 8192 bytes (got 8193)");
  std::string many;
  for (int i = 0; i < 32; ++i) many += "X-" + std::to_string(i) + ": v, ";
  EXPECT_EQ(headers(many), kNoError);
  EXPECT_EQ(headers(many + "X-32: v"), "providers.openai.headers must hold at most 32 (got 33)");
}

TEST(ProviderHeaders, OfAWrongShapeAreRefusedWithoutTheirValues) {
  const std::string error = refused("{providers: {openai: {headers: {X-A: [secret], X-B: , X-C: {secret: 1}}}}}");
  for (const char* name : {"X-A", "X-B", "X-C"})
    EXPECT_TRUE(contains(error, "(providers.openai.headers." + std::string(name) + ": expected a text)"));
  EXPECT_EQ(error.find("secret"), std::string::npos) << error;
  const std::string list = refused("{providers: {openai: {headers: [secret]}}}");
  EXPECT_TRUE(contains(list, "into map[string]string (providers.openai.headers: expected a mapping of header names"));
  EXPECT_EQ(list.find("secret"), std::string::npos) << list;
}

}  // namespace
}  // namespace gw::config

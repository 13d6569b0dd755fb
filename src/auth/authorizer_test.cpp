#include "auth/authorizer.h"

#include <gtest/gtest.h>

#include "auth/credential_headers.h"

namespace gw::auth {
namespace {

constexpr std::string_view kToken = "tok-0123456789abcdef";

KeyOptions key(std::string id, std::string token, std::string role = "") {
  KeyOptions k;
  k.id = std::move(id);
  k.token = std::move(token);
  k.role = std::move(role);
  return k;
}

Authorizer authorizer(std::vector<KeyOptions> keys, bool enabled = true) {
  auto a = Authorizer::build({enabled, std::move(keys)});
  EXPECT_TRUE(a) << a.error().message;
  return std::move(*a);
}

AuthRequest proxied(std::string_view gateway_key, bool credential = true) {
  return {.method = "POST",
          .path = "/openai/v1/chat",
          .provider = "openai",
          .gateway_key = gateway_key,
          .has_provider_credential = credential};
}

TEST(Authorizer, AllowsAKnownKeyAndSaysWhoItIs) {
  KeyOptions k = key(" k1 ", " " + std::string(kToken) + " ", " Admin ");
  k.org_id = "acme";
  k.workspace_id = "ws";
  k.team = "blue";
  const Authorizer a = authorizer({key("k0", "other-token"), k});
  const Decision d = a.authorize(proxied("  tok-0123456789abcdef\t"));
  ASSERT_EQ(d.verdict, Verdict::allow);
  ASSERT_NE(d.identity, nullptr);
  const IdentityView v = d.identity->view();
  EXPECT_EQ(v.key_id, "k1");
  EXPECT_EQ(v.org_id, "acme");
  EXPECT_EQ(v.workspace_id, "ws");
  EXPECT_EQ(v.team, "blue");
  EXPECT_EQ(v.role, "admin");
  EXPECT_EQ(d.requirement.provider, "openai");
  EXPECT_FALSE(d.api);
}

TEST(Authorizer, WorkspaceAndTeamStandInForEachOther) {
  struct Case {
    const char *workspace, *team, *want_workspace, *want_team;
  };
  for (const Case& c : {Case{"", "", "default", ""},
                        {"w", "", "w", "w"},
                        {"", "t", "t", "t"},
                        {"w", "t", "w", "t"},
                        {" ", " t ", "t", "t"}}) {
    KeyOptions k = key("k", "token");
    k.workspace_id = c.workspace;
    k.team = c.team;
    const Authorizer a = authorizer({k});
    const Decision d = a.authorize(proxied("token"));
    ASSERT_NE(d.identity, nullptr);
    EXPECT_EQ(d.identity->workspace_id, c.want_workspace);
    EXPECT_EQ(d.identity->team, c.want_team);
    EXPECT_EQ(d.identity->org_id, "default");
  }
}

void expect_refusal(const Decision& d, int status, std::string_view body, std::string_view reason, bool identified) {
  EXPECT_EQ(d.verdict, Verdict::deny);
  EXPECT_EQ(d.status, status);
  EXPECT_EQ(d.body, std::string(body) + "\n");
  EXPECT_EQ(d.reason, reason);
  EXPECT_EQ(d.identity != nullptr, identified);
}

TEST(Authorizer, RefusesInTheOrderOfTheContract) {
  const Authorizer a = authorizer({key("k1", std::string(kToken)), key("v", "viewer-token", "viewer")});
  expect_refusal(a.authorize({.method = "GET", .path = "/api/nonsense", .gateway_key = kToken}), 403,
                 R"({"error":"request is not authorized by gateway policy"})", "action_unmapped", false);
  expect_refusal(a.authorize(proxied(" ", false)), 401, R"({"error":"missing or invalid gateway key"})",
                 "missing_gateway_key", false);
  expect_refusal(a.authorize(proxied("wrong", false)), 401, R"({"error":"missing or invalid gateway key"})",
                 "invalid_gateway_key", false);
  expect_refusal(a.authorize(proxied("viewer-token", false)), 403,
                 R"({"error":"gateway key does not have required permission"})", "permission_denied", true);
  expect_refusal(
      a.authorize(proxied(kToken, false)), 403,
      "{\"error\":\"missing provider API key \u2014 pass your provider key via Authorization or X-API-Key header\"}",
      "missing_provider_credential", true);
  EXPECT_EQ(a.authorize(proxied(kToken)).verdict, Verdict::allow);
}

TEST(Authorizer, AnyProvidersRouteIsProtected) {
  const Authorizer a = authorizer({key("k1", std::string(kToken)), key("v", "viewer-token", "viewer")});
  AuthRequest r{.method = "POST", .path = "/groq/v1/chat", .provider = "groq", .has_provider_credential = true};
  EXPECT_EQ(a.authorize(r).reason, "missing_gateway_key");
  r.gateway_key = "viewer-token";
  EXPECT_EQ(a.authorize(r).reason, "permission_denied");
  EXPECT_EQ(a.authorize(r).requirement.provider, "groq");
  r.gateway_key = kToken;
  EXPECT_EQ(a.authorize(r).verdict, Verdict::allow);
}

TEST(Authorizer, NamesWhatWasAskedForInRefusals) {
  const Authorizer a = authorizer({key("v", "viewer-token", "viewer")});
  const Decision d = a.authorize({.method = "POST", .path = "/api/gateway-keys", .gateway_key = "viewer-token"});
  EXPECT_EQ(d.requirement.resource, "gateway_keys");
  EXPECT_EQ(d.requirement.action, "manage");
  EXPECT_EQ(d.requirement.scope, "workspace");
  EXPECT_EQ(to_string(d.requirement.permission), "keys:manage");
  EXPECT_TRUE(d.api);
  EXPECT_EQ(d.identity->key_id, "v");
}

TEST(Authorizer, ReadingNeedsNoProviderCredential) {
  const Authorizer a = authorizer({key("v", "viewer-token", "viewer")});
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/traces", .gateway_key = "viewer-token"}).verdict,
            Verdict::allow);
}

TEST(Authorizer, ExplicitPermissionsOnlyAdd) {
  KeyOptions k = key("k", "token", "viewer");
  k.permissions = {" Proxy:Write ", "", "unknown:thing"};
  const Authorizer a = authorizer({k});
  EXPECT_EQ(a.authorize(proxied("token")).verdict, Verdict::allow);
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/traces", .gateway_key = "token"}).verdict, Verdict::allow);
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/gateway-keys", .gateway_key = "token"}).verdict, Verdict::deny);
}

TEST(Authorizer, OptionsOnAProviderPrefixIsAnsweredHereOnlyWhileAuthIsOn) {
  AuthRequest request{.method = "OPTIONS", .path = "/groq/v1", .provider = "groq"};
  EXPECT_EQ(authorizer({}).authorize(request).verdict, Verdict::preflight);
  EXPECT_EQ(authorizer({}, false).authorize(request).verdict, Verdict::bypass);
  request.path = "/api/traces";
  request.provider = {};
  EXPECT_EQ(authorizer({}).authorize(request).verdict, Verdict::bypass);
}

TEST(Authorizer, PublicRoutesNeedNoKey) {
  const Authorizer a = authorizer({key("k", "token")});
  for (const char* path : {"/api/health", "/api/ready", "/api/openapi.json", "/", "/metrics", "/favicon.ico"}) {
    const Decision d = a.authorize({.method = "GET", .path = path});
    EXPECT_EQ(d.verdict, Verdict::bypass) << path;
    EXPECT_EQ(d.identity, nullptr) << path;
  }
}

TEST(Authorizer, WithoutKeysItStartsAndDeniesEverythingProtected) {
  const Authorizer a = authorizer({});
  EXPECT_EQ(a.authorize(proxied("anything")).reason, "invalid_gateway_key");
  EXPECT_EQ(a.authorize(proxied("")).reason, "missing_gateway_key");
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/traces", .gateway_key = "x"}).verdict, Verdict::deny);
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/health"}).verdict, Verdict::bypass);
  EXPECT_EQ(startup_warning(a, "127.0.0.1"),
            "auth is enabled but no gateway keys are configured: every protected request is denied (make one with "
            "ongoingai keys create, or set auth.keys)");
}

TEST(Authorizer, TokensMustBeGivenAndDiffer) {
  const auto blank = Authorizer::build({true, {key("a", "token"), key("b", " ")}});
  ASSERT_FALSE(blank);
  EXPECT_EQ(blank.error().message, "gateway key token cannot be empty (auth.keys[1].token)");
  const auto twice = Authorizer::build({true, {key("a", "secret-token"), key("b", "x"), key("c", " secret-token")}});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message, "duplicate gateway key token in auth config (auth.keys[2].token)");
  EXPECT_TRUE(Authorizer::build({false, {key("a", "")}})) << "keys do not matter while auth is off";
  EXPECT_TRUE(Authorizer::build({true, {key("same", "x"), key("same", "y")}})) << "ids may repeat";
}

TEST(Authorizer, FindsEachOfManyKeysAndNoOther) {
  std::vector<KeyOptions> keys;
  keys.reserve(500);
  for (int i = 0; i < 500; ++i) keys.push_back(key("k" + std::to_string(i), "token-" + std::to_string(i)));
  const Authorizer a = authorizer(keys);
  for (int i = 0; i < 500; ++i) {
    const Decision d = a.authorize(proxied("token-" + std::to_string(i)));
    ASSERT_NE(d.identity, nullptr) << i;
    EXPECT_EQ(d.identity->key_id, "k" + std::to_string(i));
    EXPECT_EQ(a.authorize(proxied("token-" + std::to_string(i + 500))).identity, nullptr) << i;
  }
}

TEST(Authorizer, RemembersTheTokenOfAConnectionAndNoOther) {
  const Authorizer a = authorizer({key("k0", "other-token"), key("k1", std::string(kToken))});
  TokenMemo memo;
  for (int round = 0; round < 3; ++round) {
    const Decision d = a.authorize(proxied(kToken), &memo);
    ASSERT_NE(d.identity, nullptr);
    EXPECT_EQ(d.identity->key_id, "k1");
    EXPECT_TRUE(memo.knows(a.serial(), kToken));
    for (std::size_t i = 0; i < kToken.size(); ++i) {
      std::string near(kToken);
      near[i] = static_cast<char>(near[i] ^ 1);
      EXPECT_EQ(a.authorize(proxied(near), &memo).reason, "invalid_gateway_key") << near;
      EXPECT_EQ(a.authorize(proxied(kToken.substr(0, i)), &memo).identity, nullptr) << i;
    }
    EXPECT_EQ(a.authorize(proxied(std::string(kToken) + "x"), &memo).identity, nullptr);
    EXPECT_EQ(a.authorize(proxied("other-token"), &memo).identity->key_id, "k0");
  }
}

TEST(Authorizer, ARememberedTokenIsNotLetInByKeysThatReplacedItsOwn) {
  const Authorizer before = authorizer({key("k1", std::string(kToken))});
  TokenMemo memo;
  ASSERT_EQ(before.authorize(proxied(kToken), &memo).verdict, Verdict::allow);
  EXPECT_EQ(authorizer({}).authorize(proxied(kToken), &memo).reason, "invalid_gateway_key");
  const Authorizer after = authorizer({key("new", "new-token"), key("moved", std::string(kToken), "viewer")});
  EXPECT_EQ(after.authorize(proxied(kToken), &memo).reason, "permission_denied");
  EXPECT_EQ(after.authorize(proxied(kToken), &memo).identity->key_id, "moved");
}

TEST(Authorizer, ARememberedTokenExpires) {
  store::GatewayKey stored;
  stored.id = "k1";
  stored.token_hash = sha256_hex(kToken);
  stored.role = "developer";
  stored.expires_at_ns = 1'000;
  const Authorizer a = Authorizer::of(std::span(&stored, 1));
  TokenMemo memo;
  AuthRequest request = proxied(kToken);
  request.now_ns = 999;
  ASSERT_EQ(a.authorize(request, &memo).verdict, Verdict::allow);
  ASSERT_TRUE(memo.knows(a.serial(), kToken));
  request.now_ns = 1'000;
  EXPECT_EQ(a.authorize(request, &memo).reason, "expired_gateway_key");
}

TEST(Authorizer, TokensTooLongToRememberAreLookedUp) {
  const std::string longest(TokenMemo::kMostBytes, 'a'), longer = longest + "a";
  const Authorizer a = authorizer({key("k0", longest), key("k1", longer)});
  TokenMemo memo;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(a.authorize(proxied(longest), &memo).identity->key_id, "k0");
    EXPECT_TRUE(memo.knows(a.serial(), longest));
    EXPECT_EQ(a.authorize(proxied(longer), &memo).identity->key_id, "k1");
    EXPECT_FALSE(memo.knows(a.serial(), longer));
  }
}

TEST(Authorizer, IdentitiesStayWhereTheyAreWhenTheAuthorizerMoves) {
  auto built = Authorizer::build({true, {key("k1", "token")}});
  ASSERT_TRUE(built);
  const Identity* before = built->authorize(proxied("token")).identity;
  const Authorizer moved = std::move(*built);
  EXPECT_EQ(moved.authorize(proxied("token")).identity, before);
}

TEST(Authorizer, WithAuthOffEverythingIsOpenExceptChangingKeysFromElsewhere) {
  const Authorizer a = authorizer({key("k", "token")}, false);
  EXPECT_EQ(a.authorize(proxied("", false)).verdict, Verdict::bypass);
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/traces"}).verdict, Verdict::bypass);
  EXPECT_EQ(a.authorize({.method = "GET", .path = "/api/nonsense"}).verdict, Verdict::bypass);
  for (const char* method : {"GET", "HEAD"})
    EXPECT_EQ(a.authorize({.method = method, .path = "/api/gateway-keys"}).verdict, Verdict::bypass);
  for (const auto& [method, path] : {std::pair{"POST", "/api/gateway-keys"},
                                     {"DELETE", "/api/gateway-keys/k"},
                                     {"POST", "/api/gateway-keys/k/rotate"}}) {
    AuthRequest r{.method = method, .path = path};
    EXPECT_EQ(a.authorize(r).reason, "key_change_not_local") << method << path;
    r.from_loopback = true;
    EXPECT_EQ(a.authorize(r).verdict, Verdict::bypass) << method << path;
    r.has_origin = true;
    EXPECT_EQ(a.authorize(r).status, 403) << method << path;
  }
}

TEST(Authorizer, WarnsOfAnOpenGatewayOnAllAddresses) {
  const Authorizer off = authorizer({}, false);
  for (const char* host : {"", "0.0.0.0", "::", "[::]"}) EXPECT_NE(startup_warning(off, host), "") << host;
  for (const char* host : {"127.0.0.1", "localhost", "10.0.0.1"}) EXPECT_EQ(startup_warning(off, host), "") << host;
  EXPECT_EQ(startup_warning(authorizer({key("k", "token")}), "0.0.0.0"), "");
}

TEST(NamesLoopback, IsTrueOfThisMachinesNamesOnly) {
  for (const char* host : {"localhost", "LocalHost:8080", "127.0.0.1", "127.8.8.8:1", "[::1]", "[::1]:8080"})
    EXPECT_TRUE(names_loopback(host)) << host;
  for (const char* host : {"", "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "127.evil.example:80",
                           "localhost.evil.example", "localhost:80.evil.example", "[::1", "[::2]", "[::1]x", "::1",
                           "10.0.0.1", "localhost:80:80"})
    EXPECT_FALSE(names_loopback(host)) << host;
}

TEST(CredentialHeaders, TheGatewayKeyNeverGoesUpstreamWhateverTheAuthSetting) {
  for (const bool enabled : {false, true}) {
    const CredentialHeaders h(enabled, " X-OngoingAI-Gateway-Key ");
    EXPECT_EQ(h.use_of("x-ongoingai-gateway-KEY"), HeaderUse::gateway_key);
    EXPECT_EQ(h.use_of("authorization"), HeaderUse::provider_credential);
    EXPECT_EQ(h.use_of("x-api-key"), HeaderUse::provider_credential);
    EXPECT_EQ(h.use_of("X-OngoingAI-Thread-ID"), HeaderUse::ordinary);
    EXPECT_EQ(h.use_of(""), HeaderUse::ordinary);
  }
}

TEST(CredentialHeaders, AuthorizationAsGatewayHeaderIsNoProviderCredentialWhileAuthIsOn) {
  const CredentialHeaders on(true, "authorization");
  EXPECT_EQ(on.use_of("Authorization"), HeaderUse::gateway_key);
  EXPECT_EQ(on.use_of("X-API-Key"), HeaderUse::provider_credential);
  const CredentialHeaders off(false, "authorization");
  EXPECT_EQ(off.use_of("Authorization"), HeaderUse::provider_credential);
}

bool brings_key(http::Fields fields, std::string_view gateway_header = "X-Gateway") {
  return CredentialHeaders(true, gateway_header).brings_provider_key(fields);
}

TEST(CredentialHeaders, AClientBringsAKeyInAnyHeaderThatProvidersReadOneFrom) {
  for (const char* name : {"authorization", "X-API-Key", "api-key", "X-Goog-Api-Key"}) {
    EXPECT_TRUE(brings_key({{name, "sk-own"}})) << name;
    EXPECT_TRUE(brings_key({{"X-Gateway", "k"}, {name, "Bearer sk-own"}})) << name;
    EXPECT_TRUE(brings_key({{name, ""}, {name, "sk-own"}})) << name;
  }
  for (const char* value : {"Basic dTpw", "Bearerish", "Bearer2 x"})
    EXPECT_TRUE(brings_key({{"Authorization", value}}));
  for (const char* name : {"X-Team", "Cookie", "Proxy-Authorization"})
    EXPECT_FALSE(brings_key({{name, "sk-own"}})) << name;
  EXPECT_FALSE(brings_key({}));
}

TEST(CredentialHeaders, ABlankKeyAndTheGatewayKeyAreNoKeyOfTheClients) {
  for (const char* value : {"", "Bearer", "bearer ", "Bearer \t", "ogk-1", "Bearer ogk-1", "BEARER  ogk-1"}) {
    EXPECT_FALSE(brings_key({{"X-Gateway", "ogk-1"}, {"Authorization", value}})) << value;
    EXPECT_FALSE(brings_key({{"Authorization", value}, {"x-gateway", "ogk-1"}})) << value;
  }
  EXPECT_TRUE(brings_key({{"X-Gateway", "ogk-1"}, {"Authorization", "Bearer ogk-12"}}));
  EXPECT_TRUE(brings_key({{"X-Gateway", "ogk-1"}, {"Authorization", "Bearer ogk-1"}, {"x-api-key", "sk-own"}}));
  EXPECT_FALSE(brings_key({{"Authorization", "Bearer ogk-1"}}, "Authorization")) << "it does not go upstream";
}

TEST(CredentialHeaders, ABrowserBringsItsKeyAmongTheProtocolsOfAWebSocket) {
  const auto protocols = [](std::string_view value) { return brings_key({{"Sec-WebSocket-Protocol", value}}); };
  EXPECT_TRUE(protocols("openai-insecure-api-key.sk-own"));
  EXPECT_TRUE(protocols("realtime , OpenAI-Insecure-API-Key.sk-own,openai-beta.realtime-v1"));
  for (const char* value : {"", "realtime", "realtime, openai-insecure-api-key.", "x-openai-insecure-api-key.sk", ","})
    EXPECT_FALSE(protocols(value)) << value;
}

}  // namespace
}  // namespace gw::auth

#include "route/route_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace gw::route {
namespace {

RouteTable table(std::string openai_prefix = "/openai", std::string openai_upstream = "https://o.test",
                 std::string anthropic_prefix = "/anthropic", std::string anthropic_upstream = "https://a.test") {
  auto t = RouteTable::build({{"openai", std::move(openai_prefix), std::move(openai_upstream)},
                              {"anthropic", std::move(anthropic_prefix), std::move(anthropic_upstream)}});
  EXPECT_TRUE(t) << t.error().message;
  return t ? *t : RouteTable();
}

std::string describe(const RouteTable& t, std::string_view raw) {
  Target target;
  if (const auto fault = target.parse(raw); fault != TargetFault::none) return message(fault);
  const Match m = t.match(target);
  switch (m.kind) {
    case MatchKind::provider:
      return m.route->name;
    case MatchKind::refused:
      return "refused";
    case MatchKind::api:
      return "api";
    case MatchKind::other:
      return "other";
  }
  return "?";
}

std::string upstream_target(const RouteTable& t, std::string_view raw) {
  Target target;
  if (const auto fault = target.parse(raw); fault != TargetFault::none) return message(fault);
  const Match m = t.match(target);
  if (m.kind != MatchKind::provider) return "no provider route";
  std::string out;
  append_upstream_target(out, *m.route, target);
  return out;
}

TEST(RouteTable, NormalisesPrefixes) {
  EXPECT_EQ(normalise_prefix(" openai/ "), "/openai");
  EXPECT_EQ(normalise_prefix("/a/b//"), "/a/b");
  EXPECT_EQ(normalise_prefix("/"), "/");
  EXPECT_EQ(normalise_prefix("//"), "/");
  EXPECT_EQ(normalise_prefix(""), "/");
}

TEST(RouteTable, MatchesAPrefixOnSegmentBoundaries) {
  const RouteTable t = table();
  EXPECT_EQ(describe(t, "/openai"), "openai");
  EXPECT_EQ(describe(t, "/openai/"), "openai");
  EXPECT_EQ(describe(t, "/openai/v1/chat/completions?x"), "openai");
  EXPECT_EQ(describe(t, "/anthropic/v1/messages"), "anthropic");
  EXPECT_EQ(describe(t, "/openaiish"), "other");
  EXPECT_EQ(describe(t, "/OpenAI/v1"), "other");
  EXPECT_EQ(describe(t, "//openai/v1"), "other");
  EXPECT_EQ(describe(t, "/api"), "api");
  EXPECT_EQ(describe(t, "/api/traces"), "api");
  EXPECT_EQ(describe(t, "/apiary"), "other");
  EXPECT_EQ(describe(t, "/"), "other");
  EXPECT_EQ(describe(t, "*"), "other");
  EXPECT_EQ(describe(t, "http://whatever/openai/v1"), "openai");
}

TEST(RouteTable, MatchesTheDecodedPath) {
  const RouteTable t = table();
  EXPECT_EQ(describe(t, "/%6Fpenai/v1"), "openai");
  EXPECT_EQ(describe(t, "/openai%2Fv1"), "openai");
  EXPECT_EQ(describe(t, "/%61pi/traces"), "api");
}

std::string build_error(const std::vector<ProviderOptions>& providers) {
  const auto t = RouteTable::build(providers);
  return t ? "(no error)" : t.error().message;
}

TEST(RouteTable, RefusesPrefixesThatOverlapBySegments) {
  const auto error = [](std::string a, std::string b) {
    return build_error({{"x", "/other", "http://x"}, {"a", std::move(a), "http://a"}, {"b", std::move(b), "http://b"}});
  };
  EXPECT_EQ(error("/llm/", "llm"),
            "providers.a.prefix and providers.b.prefix must not overlap (got \"/llm\" and \"/llm\")");
  EXPECT_EQ(error("/llm/b", "/llm"),
            "providers.b.prefix and providers.a.prefix must not overlap (got \"/llm\" and \"/llm/b\")");
  EXPECT_NE(error("/other/x", "/b"), "(no error)");
  EXPECT_EQ(error("/b", "/"), "providers.b.prefix must not be root ('/')");
  for (const auto& [a, b] : {std::pair{"/a", "/ab"}, {"/a", "/a-b"}, {"/t/a", "/t/b"}, {"/t/a", "/t-a"}})
    EXPECT_EQ(error(a, b), "(no error)") << a << " " << b;
}

TEST(RouteTable, HoldsNoMoreRoutesThanAnIndexCanName) {
  std::vector<ProviderOptions> providers;
  for (std::size_t i = 0; i < kMaxRoutes; ++i)
    providers.push_back({"p" + std::to_string(i), "/p" + std::to_string(i), "http://h"});
  EXPECT_EQ(build_error(providers), "(no error)");
  providers.push_back({"last", "/last", "http://h"});
  EXPECT_EQ(build_error(providers), "more than 256 providers");
}

// Prefixes whose segments begin alike, with characters on both sides of '/' in byte order, against a plain loop.
TEST(RouteTable, FindsAmongManyWhatALoopFinds) {
  std::mt19937 random(11);
  const std::string_view alphabet[] = {"a", "b", "-", ".", "0", "\xC3", "/", "/"};
  const auto path = [&](unsigned most) {
    std::string out = "/a";
    for (unsigned n = random() % most; n > 0; --n) out += alphabet[random() % std::size(alphabet)];
    return out;
  };
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<ProviderOptions> providers;
    for (int i = 0; i < 12; ++i) {
      const std::string prefix = normalise_prefix(path(6));
      const bool overlaps = std::any_of(providers.begin(), providers.end(), [&](const ProviderOptions& p) {
        return under_prefix(p.prefix, prefix) || under_prefix(prefix, p.prefix);
      });
      if (!overlaps) providers.push_back({"p" + std::to_string(i), prefix, "http://h"});
    }
    const auto t = RouteTable::build(providers);
    ASSERT_TRUE(t) << t.error().message;
    for (int i = 0; i < 20; ++i) {
      const std::string wanted = path(9);
      Target target;
      if (target.parse(wanted) != TargetFault::none) continue;
      std::string expected = "none";
      for (const ProviderOptions& p : providers)
        if (under_prefix(wanted, p.prefix)) expected = p.name;
      const Match m = t->match(target);
      EXPECT_EQ(m.route != nullptr ? m.route->name : "none", expected) << wanted;
      found += expected != "none";
    }
  }
  EXPECT_GT(found, 1000);
}

TEST(RouteTable, RefusesDotSegmentsOnProviderRoutesOnly) {
  const RouteTable t = table();
  for (const char* raw :
       {"/openai/../api/gateway-keys", "/openai/%2e%2e/x", "/openai/..%2fx", "/openai%2f..", "/openai/v1/./x"})
    EXPECT_EQ(describe(t, raw), "refused") << raw;
  EXPECT_EQ(describe(t, "/api/../openai"), "api");
  EXPECT_EQ(describe(t, "/x/../openai/v1"), "other");
}

TEST(RouteTable, NamesTheProviderWhoseUpstreamIsUnusable) {
  const auto t = RouteTable::build({{"openai", "/openai", "nonsense"}});
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().message, "providers.openai.upstream must include scheme and host (got \"nonsense\")");
}

TEST(UpstreamTarget, JoinsPathsWithExactlyOneSlash) {
  EXPECT_EQ(upstream_target(table(), "/openai"), "/");
  EXPECT_EQ(upstream_target(table(), "/openai/"), "/");
  EXPECT_EQ(upstream_target(table(), "/openai/v1/chat"), "/v1/chat");
  for (const char* upstream : {"https://h/base", "https://h/base/"}) {
    const RouteTable t = table("/openai", upstream);
    EXPECT_EQ(upstream_target(t, "/openai"), "/base/") << upstream;
    EXPECT_EQ(upstream_target(t, "/openai/v1"), "/base/v1") << upstream;
    EXPECT_EQ(upstream_target(t, "/openai//v1/"), "/base//v1/") << upstream;
  }
}

TEST(UpstreamTarget, TakesThePrefixOffHoweverItIsEscaped) {
  const RouteTable t = table("/a/open", "https://h/b%2Fc");
  EXPECT_EQ(upstream_target(t, "/a/open/v1"), "/b%2Fc/v1");
  EXPECT_EQ(upstream_target(t, "/%61/%6Fpen/v1"), "/b%2Fc/v1");
  EXPECT_EQ(upstream_target(t, "/a%2Fopen%2Fv1"), "/b%2Fc/v1");
  EXPECT_EQ(upstream_target(t, "%2Fa/open"), "malformed request target");
}

TEST(UpstreamTarget, KeepsEscapesOfTheRest) {
  const RouteTable t = table();
  EXPECT_EQ(upstream_target(t, "/openai/files/a%2Fb%20c%c3%bc;p=1"), "/files/a%2Fb%20c%c3%bc;p=1");
  EXPECT_EQ(upstream_target(t, "/openai/models/gemini:generate"), "/models/gemini:generate");
  EXPECT_EQ(upstream_target(t, "/openai//x//y"), "//x//y");
}

TEST(UpstreamTarget, JoinsQueries) {
  EXPECT_EQ(upstream_target(table(), "/openai/x?a=1;b&c=%zz"), "/x?a=1;b&c=%zz");
  EXPECT_EQ(upstream_target(table(), "/openai/x?"), "/x?");
  const RouteTable t = table("/openai", "https://h/p?api-version=2");
  EXPECT_EQ(upstream_target(t, "/openai/x"), "/p/x?api-version=2");
  EXPECT_EQ(upstream_target(t, "/openai/x?"), "/p/x?api-version=2");
  EXPECT_EQ(upstream_target(t, "/openai/x?a"), "/p/x?api-version=2&a");
}

TEST(UpstreamTarget, HasAnAbsoluteFormForForwardProxies) {
  const RouteTable t = table("/openai", "http://h:81/p");
  Target target;
  ASSERT_EQ(target.parse("/openai/x?a"), TargetFault::none);
  std::string out = "GET ";
  append_absolute_target(out, *t.match(target).route, target);
  EXPECT_EQ(out, "GET http://h:81/p/x?a");
}

// Whatever the client escapes, the upstream decodes the path that was decided on, and what stands behind the prefix
// keeps its bytes.
TEST(UpstreamTarget, DecodesToThePathThatWasMatched) {
  const RouteTable t = table("/op/en", "https://h");
  std::mt19937 random(7);
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (int round = 0; round < 20000; ++round) {
    const std::string_view alphabet = "abc/%?;:~\xC3\xBC ";
    std::string decoded = "/op/en/";
    const auto length = random() % 12;
    for (unsigned i = 0; i < length; ++i) decoded += alphabet[random() % alphabet.size()];
    std::string raw;
    for (std::size_t i = 0; i < decoded.size(); ++i) {
      const auto c = static_cast<unsigned char>(decoded[i]);
      const bool must = c == '%' || c == '?' || c == ' ' || c == '#';
      if (i > 0 && (must || random() % 3 == 0)) {
        raw += {'%', kHex[c >> 4], kHex[c & 15]};
      } else {
        raw += static_cast<char>(c);
      }
    }
    const std::string sent = upstream_target(t, raw);
    Target back;
    ASSERT_EQ(back.parse(sent), TargetFault::none) << raw;
    ASSERT_EQ(back.path(), decoded.substr(6)) << raw;
  }
}

}  // namespace
}  // namespace gw::route

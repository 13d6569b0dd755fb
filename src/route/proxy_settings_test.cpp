#include "route/proxy_settings.h"

#include <gtest/gtest.h>

#include <map>

namespace gw::route {
namespace {

using Environment = std::map<std::string, std::string>;

Result<ProxySettings> settings(const Environment& env) {
  return ProxySettings::from_environment([&env](const char* name) {
    const auto it = env.find(name);
    return it == env.end() ? std::string() : it->second;
  });
}

/// "direct" or host:port of the proxy used for `url`.
std::string via(const Environment& env, std::string_view url) {
  const auto s = settings(env);
  if (!s) return s.error().message;
  const auto upstream = parse_upstream_url(url);
  if (!upstream) return upstream.error().message;
  const ProxyUrl* proxy = s->proxy_for(*upstream);
  return proxy == nullptr ? "direct" : authority_of(proxy->host, proxy->port);
}

TEST(ProxySettings, NothingSetMeansDirect) { EXPECT_EQ(via({}, "https://api.openai.com"), "direct"); }

TEST(ProxySettings, EachSchemeHasItsVariable) {
  const Environment env = {{"HTTP_PROXY", "http://p1:3128"}, {"HTTPS_PROXY", "p2"}};
  EXPECT_EQ(via(env, "http://x.test"), "p1:3128");
  EXPECT_EQ(via(env, "https://x.test"), "p2:80");
  EXPECT_EQ(via({{"HTTP_PROXY", "p1:3128"}}, "https://x.test"), "direct");
}

TEST(ProxySettings, LowercaseWins) {
  EXPECT_EQ(via({{"HTTPS_PROXY", "upper:1"}, {"https_proxy", "lower:1"}}, "https://x.test"), "lower:1");
  EXPECT_EQ(via({{"https_proxy", "p:1"}, {"NO_PROXY", "y.test"}, {"no_proxy", "x.test"}}, "https://x.test"), "direct");
  EXPECT_EQ(via({{"https_proxy", "p:1"}, {"NO_PROXY", "y.test"}, {"no_proxy", "x.test"}}, "https://y.test"), "p:1");
}

TEST(ProxySettings, UserinfoBecomesBasicCredentials) {
  const auto s = settings({{"https_proxy", "https://us%3Aer:p%40ss@proxy.test"}});
  ASSERT_TRUE(s);
  const ProxyUrl* p = s->proxy_for(*parse_upstream_url("https://x.test"));
  ASSERT_NE(p, nullptr);
  EXPECT_TRUE(p->tls);
  EXPECT_EQ(p->host, "proxy.test");
  EXPECT_EQ(p->port, 443);
  EXPECT_EQ(p->authorization, "Basic dXM6ZXI6cEBzcw==");
  const auto bare = settings({{"https_proxy", "user@proxy.test:1"}});
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->proxy_for(*parse_upstream_url("https://x.test"))->authorization, "Basic dXNlcjo=");
}

TEST(ProxySettings, UnusableProxiesAreErrorsThatKeepTheSecret) {
  for (const char* url :
       {"socks5://user:hunter2@h:1", "http://user:hunter2@", "http://user:hunter2@h:x", "http://u:hunter2%zz@h"}) {
    const auto s = settings({{"HTTPS_PROXY", url}});
    ASSERT_FALSE(s) << url;
    EXPECT_NE(s.error().message.find("HTTPS_PROXY"), std::string::npos) << s.error().message;
    EXPECT_EQ(s.error().message.find("hunter2"), std::string::npos) << s.error().message;
  }
}

TEST(ProxySettings, LoopbackIsAlwaysDirect) {
  const Environment env = {{"http_proxy", "p:1"}, {"https_proxy", "p:1"}};
  for (const char* url : {"http://localhost:1", "https://LOCALHOST", "http://localhost.", "http://a.localhost",
                          "http://127.0.0.1", "http://127.9.8.7:1", "http://[::1]", "http://[::ffff:127.0.0.1]:8"})
    EXPECT_EQ(via(env, url), "direct") << url;
  for (const char* url : {"http://128.0.0.1", "http://localhost.test", "http://[::2]", "http://notlocalhost"})
    EXPECT_EQ(via(env, url), "p:1") << url;
}

TEST(ProxySettings, NoProxyFollowsTheUsualGrammar) {
  struct Case {
    const char* no_proxy;
    const char* url;
    bool direct;
  };
  const Case cases[] = {
      {"*", "http://x.test", true},
      {" x.test , y.test ", "http://y.test", true},
      {"x.test", "http://x.test", true},
      {"X.Test", "http://x.tesT", true},
      {"x.test", "http://a.x.test", true},
      {"x.test", "http://ax.test", false},
      {".x.test", "http://a.x.test", true},
      {".x.test", "http://x.test", false},
      {"*.x.test", "http://a.x.test", true},
      {"*.x.test", "http://x.test", false},
      {"x.test:8080", "http://x.test:8080", true},
      {"x.test:8080", "http://x.test", false},
      {"x.test:80", "http://x.test", true},
      {"10.1.2.3", "http://10.1.2.3:5", true},
      {"10.1.2.3", "http://10.1.2.4", false},
      {"10.1.2.3:5", "http://10.1.2.3:5", true},
      {"10.1.2.3:5", "http://10.1.2.3:6", false},
      {"10.0.0.0/8", "http://10.255.1.1", true},
      {"10.0.0.0/8", "http://11.0.0.1", false},
      {"172.16.0.0/12", "http://172.31.255.255", true},
      {"172.16.0.0/12", "http://172.32.0.0", false},
      {"0.0.0.0/0", "http://8.8.8.8", true},
      {"0.0.0.0/0", "http://[2001:db8::1]", false},
      {"2001:db8::/33", "http://[2001:db8:7fff::1]", true},
      {"2001:db8::/33", "http://[2001:db8:8000::1]", false},
      {"2001:db8::1", "http://[2001:db8::1]:9", true},
      {"[2001:db8::1]:9", "http://[2001:db8::1]:9", true},
      {"[2001:db8::1]:9", "http://[2001:db8::1]:8", false},
      {"10.0.0.0/33,,.,:80", "http://10.0.0.1", false},
      {"10.0.0.0/8", "http://ten.test", false},
  };
  for (const Case& c : cases)
    EXPECT_EQ(via({{"http_proxy", "p:1"}, {"no_proxy", c.no_proxy}}, c.url), c.direct ? "direct" : "p:1")
        << c.no_proxy << " and " << c.url;
}

}  // namespace
}  // namespace gw::route

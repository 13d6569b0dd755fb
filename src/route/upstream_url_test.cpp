#include "route/upstream_url.h"

#include <gtest/gtest.h>

namespace gw::route {
namespace {

struct Case {
  const char* url;
  UpstreamUrl want;
};

TEST(UpstreamUrl, TakesUrlsApart) {
  const Case cases[] = {
      {"https://api.openai.com", {true, "api.openai.com", 443, "api.openai.com", "", ""}},
      {"http://Host.Example/", {false, "host.example", 80, "Host.Example", "/", ""}},
      {"https://h:8443/v1/base?api-version=1&x=%20", {true, "h", 8443, "h:8443", "/v1/base", "api-version=1&x=%20"}},
      {"HTTPS://h:443", {true, "h", 443, "h:443", "", ""}},
      {"http://h:", {false, "h", 80, "h", "", ""}},
      {"http://h?q", {false, "h", 80, "h", "", "q"}},
      {"http://user:p%40ss@h/a%2Fb#frag?no", {false, "h", 80, "h", "/a%2Fb", ""}},
      {"http://[::1]:9000/x", {false, "::1", 9000, "[::1]:9000", "/x", ""}},
      {"http://[2001:DB8::1]", {false, "2001:db8::1", 80, "[2001:db8::1]", "", ""}},
      {"http://[fe80::1%25eth0]:1", {false, "fe80::1%eth0", 1, "[fe80::1]:1", "", ""}},
      {"http://127.0.0.1:11434", {false, "127.0.0.1", 11434, "127.0.0.1:11434", "", ""}},
      {"http://my_service.local", {false, "my_service.local", 80, "my_service.local", "", ""}},
  };
  for (const Case& c : cases) {
    const auto got = parse_upstream_url(c.url);
    ASSERT_TRUE(got) << c.url << ": " << got.error().message;
    EXPECT_EQ(got->tls, c.want.tls) << c.url;
    EXPECT_EQ(got->host, c.want.host) << c.url;
    EXPECT_EQ(got->port, c.want.port) << c.url;
    EXPECT_EQ(got->host_header, c.want.host_header) << c.url;
    EXPECT_EQ(got->path, c.want.path) << c.url;
    EXPECT_EQ(got->query, c.want.query) << c.url;
  }
}

TEST(UpstreamUrl, ShowsNeitherUserNorPasswordNorQuery) {
  for (const auto& [url, shown] : std::initializer_list<std::pair<const char*, const char*>>{
           {" https://h.test:8443/v1 ", "https://h.test:8443/v1"},
           {"http://me:pa@ss@h/a@b?key=x#y", "http://***@h/a@b?***"},
           {"me:pass@h", "***@h"},
           {"http://h#frag?x", "http://h"},
           {"", ""}})
    EXPECT_EQ(shown_url(url), shown) << url;
}

TEST(UpstreamUrl, SaysWhatIsWrongNamingTheSetting) {
  const std::pair<const char*, const char*> cases[] = {
      {"://x", "parse providers.openai.upstream: parse \"://x\": missing protocol scheme"},
      {"http://[::1", "parse providers.openai.upstream: parse \"http://[::1\": missing ']' in host"},
      {"http://[::x]", "parse providers.openai.upstream: parse \"http://[::x]\": invalid host"},
      {"http://h:abc", "parse providers.openai.upstream: parse \"http://h:abc\": invalid port \":abc\" after host"},
      {"http://[::1]x", "parse providers.openai.upstream: parse \"http://[::1]x\": invalid port \"x\" after host"},
      {"http://h:70000", "providers.openai.upstream must name a port between 1 and 65535 (got \"http://h:70000\")"},
      {"http://h/%zz", "parse providers.openai.upstream: parse \"http://h/%zz\": invalid URL escape \"%zz\""},
      {"127.0.0.1:80",
       "parse providers.openai.upstream: parse \"127.0.0.1:80\": first path segment in URL cannot contain colon"},
      {"http://a\nb", "parse providers.openai.upstream: parse \"http://a\\nb\": invalid control character in URL"},
      {"http://a|b", "parse providers.openai.upstream: parse \"http://a|b\": invalid character \"|\" in host name"},
      {"api.openai.com", "providers.openai.upstream must include scheme and host (got \"api.openai.com\")"},
      {"api.openai.com:443", "providers.openai.upstream must include scheme and host (got \"api.openai.com:443\")"},
      {"https://", "providers.openai.upstream must include scheme and host (got \"https://\")"},
      {"https:///v1", "providers.openai.upstream must include scheme and host (got \"https:///v1\")"},
      {"", "providers.openai.upstream must include scheme and host (got \"\")"},
      {"ftp://h", "providers.openai.upstream must use the scheme http or https (got \"ftp://h\")"},
      {" http://h", "providers.openai.upstream must not contain spaces (got \" http://h\")"},
  };
  for (const auto& [url, message] : cases) {
    const auto got = parse_upstream_url(url, "providers.openai.upstream");
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().message, message);
  }
}

TEST(UpstreamUrl, NeverRepeatsAPassword) {
  for (const char* url :
       {"http://user:hunter2@h:abc", "ftp://user:hunter2@h", "http://user:hunter2@", "http://user:hunter2@h/%zz"}) {
    const auto got = parse_upstream_url(url);
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().message.find("hunter2"), std::string::npos) << got.error().message;
  }
}

TEST(UpstreamUrl, WritesAuthoritiesWithBracketsForIpv6) {
  EXPECT_EQ(authority_of("h", 80), "h:80");
  EXPECT_EQ(authority_of("::1", 443), "[::1]:443");
}

}  // namespace
}  // namespace gw::route

#include "http/authority.h"

#include <gtest/gtest.h>

#include <string>

namespace gw::http {
namespace {

std::string parts(std::string_view text) {
  const Authority a = split_authority(text);
  EXPECT_EQ(a.port_text, a.port == 0 ? "" : std::to_string(a.port));
  return std::string(a.host) + " " + std::to_string(a.port);
}

TEST(Authority, IsAHostAndMaybeAPort) {
  EXPECT_EQ(parts("gateway.test"), "gateway.test 0");
  EXPECT_EQ(parts("gateway.test:8080"), "gateway.test 8080");
  EXPECT_EQ(parts("127.0.0.1:65535"), "127.0.0.1 65535");
  EXPECT_EQ(parts(""), " 0");
  EXPECT_EQ(parts(":80"), " 80");
}

TEST(Authority, OfAnIPv6AddressHasNoBrackets) {
  EXPECT_EQ(parts("[::1]"), "::1 0");
  EXPECT_EQ(parts("[::1]:80"), "::1 80");
  EXPECT_EQ(parts("::1"), "::1 0") << "its colons begin no port";
  EXPECT_EQ(parts("[::1"), "[::1 0");
  EXPECT_EQ(parts("]:80"), "] 80");
}

TEST(Authority, WithSomethingElseInThePortsPlaceHasNone) {
  for (const std::string text : {"h:", "h:0", "h:65536", "h:80x", "h:-1", "h:+1", "h: 80"})
    EXPECT_EQ(parts(text), "h 0") << text;
}

}  // namespace
}  // namespace gw::http

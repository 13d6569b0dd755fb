#include "guard/header_redactor.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace gw::guard {
namespace {

TEST(HeaderRedactor, CredentialHeadersAreAlwaysDenied) {
  const HeaderRedactor r({}, false, "");
  for (const char* name :
       {"authorization", "Authorization", "COOKIE", "Set-Cookie", "x-api-key", "X-OngoingAI-Gateway-Key",
        "Proxy-Authorization", "api-key", "x-goog-api-key", "Sec-WebSocket-Protocol"})
    EXPECT_TRUE(r.is_denied(name)) << name;
  for (const char* name : {"", "host", "accept", "content-type", "author", "authorizatio_", "x-api-keys", "x-api-ke",
                           "cookies", "set-cookie2", "api_key"})
    EXPECT_FALSE(r.is_denied(name)) << name;
}

TEST(HeaderRedactor, TheConfiguredAuthHeaderIsDeniedWithoutBeingListed) {
  const HeaderRedactor r({}, false, " X-Team-Key ");
  EXPECT_TRUE(r.is_denied("x-team-key"));
  EXPECT_TRUE(r.is_denied("authorization"));
}

TEST(HeaderRedactor, TheDenylistCountsOnlyWhileItsStageIsOn) {
  const std::vector<std::string> denylist = {" X-Secret ", "", "cookie"};
  EXPECT_TRUE(HeaderRedactor(denylist, true, "").is_denied("x-secret"));
  EXPECT_FALSE(HeaderRedactor(denylist, false, "").is_denied("x-secret"));
  EXPECT_TRUE(HeaderRedactor(denylist, false, "").is_denied("cookie"));
}

TEST(HeaderRedactor, NamesOfAnyLengthAndAlphabetWork) {
  const std::string longest(200, 'z');
  const HeaderRedactor r({longest, "1st", "$x", "~"}, true, "");
  EXPECT_TRUE(r.is_denied(longest));
  EXPECT_FALSE(r.is_denied(std::string(200 - 64, 'z')));
  EXPECT_TRUE(r.is_denied("1ST"));
  EXPECT_TRUE(r.is_denied("$X"));
  EXPECT_TRUE(r.is_denied("~"));
  EXPECT_FALSE(r.is_denied("^"));
}

TEST(HeaderRedactor, AgreesWithAPlainComparison) {
  const std::vector<std::string> denylist = {"x-a", "x-b", "y", "authorization"};
  const std::string_view all[] = {
      "x-a",           "x-b",       "y",       "authorization",           "cookie",
      "set-cookie",    "x-api-key", "api-key", "x-ongoingai-gateway-key", "proxy-authorization",
      "x-goog-api-key"};
  const HeaderRedactor r(denylist, true, "");
  for (const std::string_view denied : all) {
    for (std::size_t i = 0; i < denied.size(); ++i) {
      std::string changed(denied);
      changed[i] = to_upper(changed[i]);
      EXPECT_TRUE(r.is_denied(changed)) << changed;
      changed[i] = changed[i] == '!' ? '?' : '!';
      EXPECT_FALSE(r.is_denied(changed)) << changed;
    }
  }
}

}  // namespace
}  // namespace gw::guard

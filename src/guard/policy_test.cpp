#include "guard/policy.h"

#include <gtest/gtest.h>

namespace gw::guard {
namespace {

ScopeOptions scope(std::string policy_id, std::string mode = "") {
  ScopeOptions s;
  s.policy_id = std::move(policy_id);
  s.mode = std::move(mode);
  return s;
}

std::string describe(const Resolved& r) { return std::string(to_string(r.mode)) + " " + std::string(r.policy_id); }

TEST(PrivacyMode, FollowsBodyCaptureWhenNotSet) {
  EXPECT_EQ(effective_mode("", true), Mode::redact_storage);
  EXPECT_EQ(effective_mode("  ", false), Mode::off);
  EXPECT_EQ(effective_mode("off", true), Mode::off);
  EXPECT_EQ(effective_mode(" Redact_Upstream ", false), Mode::redact_upstream);
  EXPECT_EQ(effective_mode("BLOCK", false), Mode::block);
  EXPECT_EQ(effective_mode("redact", false), std::nullopt);
}

TEST(PrivacyPolicy, WithoutScopesTheBaseHolds) {
  EXPECT_EQ(describe(Policy({Mode::redact_storage, " ", {}}).resolve({})), "redact_storage default/v1");
  EXPECT_EQ(describe(Policy({Mode::off, " mine ", {}}).resolve({.org_id = "o"})), "off mine");
}

TEST(PrivacyPolicy, EachSelectorMatchesByItsOwnRule) {
  PolicyOptions options{Mode::off, "base", {}};
  const auto matches = [&](const ScopeOptions& s, const PolicyInput& input) {
    PolicyOptions o = options;
    o.scopes = {s};
    return Policy(o).resolve(input).policy_id == "hit";
  };
  ScopeOptions s = scope("hit");
  s.org_id = " acme ";
  EXPECT_TRUE(matches(s, {.org_id = "acme"}));
  EXPECT_FALSE(matches(s, {.org_id = "Acme"}));
  s = scope("hit");
  s.workspace_id = "w";
  EXPECT_TRUE(matches(s, {.workspace_id = " w "}));
  EXPECT_FALSE(matches(s, {.workspace_id = "w2"}));
  s = scope("hit");
  s.key_id = "k";
  EXPECT_TRUE(matches(s, {.key_id = "k"}));
  EXPECT_FALSE(matches(s, {}));
  s = scope("hit");
  s.provider = "openai";
  EXPECT_TRUE(matches(s, {.provider = "OpenAI"}));
  EXPECT_FALSE(matches(s, {.provider = "anthropic"}));
  s = scope("hit");
  s.route_prefix = "/openai/v1/";
  EXPECT_TRUE(matches(s, {.path = "/openai/v1"}));
  EXPECT_TRUE(matches(s, {.path = "/openai/v1/chat"}));
  EXPECT_FALSE(matches(s, {.path = "/openai/v10"}));
  s.route_prefix = "/";
  EXPECT_TRUE(matches(s, {.path = "/anything"}));
  s.org_id = "acme";
  EXPECT_FALSE(matches(s, {.path = "/anything"})) << "every selector has to match";
}

TEST(PrivacyPolicy, TheMostSpecificScopeWinsAndTheFirstAmongEquals) {
  PolicyOptions options{Mode::off, "base", {}};
  ScopeOptions org = scope("org", "block");
  org.org_id = "acme";
  ScopeOptions provider = scope("provider", "redact_storage");
  provider.provider = "openai";
  ScopeOptions both = scope("both", "Redact_Upstream");
  both.org_id = "acme";
  both.provider = "openai";
  options.scopes = {provider, org, both};
  const Policy p(options);
  EXPECT_EQ(describe(p.resolve({.org_id = "acme", .provider = "openai"})), "redact_upstream both");
  EXPECT_EQ(describe(p.resolve({.org_id = "acme", .provider = "anthropic"})), "block org");
  EXPECT_EQ(describe(p.resolve({.org_id = "x", .provider = "openai"})), "redact_storage provider");
  EXPECT_EQ(describe(p.resolve({.org_id = "x"})), "off base");
  options.scopes = {org, provider};
  EXPECT_EQ(describe(Policy(options).resolve({.org_id = "acme", .provider = "openai"})), "block org");
  options.scopes = {provider, org};
  EXPECT_EQ(describe(Policy(options).resolve({.org_id = "acme", .provider = "openai"})), "redact_storage provider");
}

TEST(PrivacyPolicy, AScopeChangesOnlyWhatItSets) {
  ScopeOptions only_id = scope("strict/v2");
  only_id.org_id = "a";
  ScopeOptions only_mode = scope("", "block");
  only_mode.org_id = "b";
  const Policy p({Mode::redact_storage, "base", {only_id, only_mode}});
  EXPECT_EQ(describe(p.resolve({.org_id = "a"})), "redact_storage strict/v2");
  EXPECT_EQ(describe(p.resolve({.org_id = "b"})), "block base");
}

}  // namespace
}  // namespace gw::guard

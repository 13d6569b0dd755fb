#include "auth/key_rules.h"

#include <gtest/gtest.h>

namespace gw::auth {
namespace {

constexpr std::int64_t kNow = 1'771'423'200'500'000'000;

store::GatewayKey good() {
  store::GatewayKey key;
  key.id = "gk_1";
  key.role = "developer";
  return key;
}

TEST(KeyRules, WhatIsGeneratedKeepsTheRules) {
  store::GatewayKey key = good();
  key.id = key_id_from(std::string("\x00\x01\xfe\xff\x10\x20\x30\x40", 8));
  EXPECT_EQ(key.id, "gk_0001feff10203040");
  EXPECT_EQ(fault_of_key(key, kNow), "");
  const std::string token = token_from(std::string(24, '\xff'));
  EXPECT_EQ(token, "ogk_" + std::string(32, '_'));
  EXPECT_EQ(fault_of_token(token), "");
}

TEST(KeyRules, NormalisedKeysHaveATenantARoleAndEachPermissionOnce) {
  store::GatewayKey key = good();
  key.id = " a ";
  key.org_id = " ";
  key.workspace_id = "\tcore ";
  key.role = " Admin";
  key.permissions = {" Keys:Manage", "", "keys:manage", " "};
  normalise(key);
  EXPECT_EQ(key.id + "|" + key.org_id + "|" + key.workspace_id + "|" + key.role, "a|default|core|admin");
  EXPECT_EQ(key.permissions, std::vector<std::string>{"keys:manage"});
  key.role = " ";
  normalise(key);
  EXPECT_EQ(key.role, "developer");
}

TEST(KeyRules, IdsFitIntoAPathAndALogLine) {
  for (const char* id : {"a", "9", "gk_0123456789abcdef", "team-a.ci:1"}) {
    store::GatewayKey key = good();
    key.id = id;
    EXPECT_EQ(fault_of_key(key, kNow), "") << id;
  }
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"), std::string("-a"),
        std::string("a\n"), std::string("\xC3\xA4"), std::string(129, 'a'), std::string("a%2f"), std::string("a?b")}) {
    store::GatewayKey key = good();
    key.id = id;
    EXPECT_NE(fault_of_key(key, kNow), "") << id;
  }
}

TEST(KeyRules, UnknownRolesAndPermissionsAndPastExpiriesAreFaults) {
  for (const char* role : {"owner", "admin", "developer", "member", "viewer"}) {
    store::GatewayKey key = good();
    key.role = role;
    EXPECT_EQ(fault_of_key(key, kNow), "") << role;
  }
  store::GatewayKey key = good();
  key.role = "root";
  EXPECT_NE(fault_of_key(key, kNow), "");
  key = good();
  key.permissions = {"analytics:read", "analytics:write"};
  EXPECT_NE(fault_of_key(key, kNow), "");
  key = good();
  for (const auto& [at, fine] : {std::pair{kNow - 1, false}, {kNow, false}, {kNow + 1, true}}) {
    key.expires_at_ns = at;
    EXPECT_EQ(fault_of_key(key, kNow).empty(), fine) << at;
  }
  key = good();
  key.name = "two\nlines";
  EXPECT_NE(fault_of_key(key, kNow), "");
}

TEST(KeyRules, TokensAreLongVisibleAscii) {
  EXPECT_EQ(fault_of_token(std::string(20, 'x')), "");
  EXPECT_EQ(fault_of_token(std::string(512, '~')), "");
  for (const std::string& token : {std::string(19, 'x'), std::string(513, 'x'), std::string("0123456789 0123456789"),
                                   std::string(30, '\x7f'), std::string(30, '\xe4')})
    EXPECT_NE(fault_of_token(token), "") << token;
}

TEST(KeyRules, PermissionsAreThoseOfTheRoleAndTheExplicitOnes) {
  EXPECT_EQ(permissions_of("viewer", {"proxy:write", "nonsense"}), role_permissions("developer"));
  EXPECT_EQ(permissions_of("root", {}), 0);
}

}  // namespace
}  // namespace gw::auth

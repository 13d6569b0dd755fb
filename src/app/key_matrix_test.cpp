// Every row of the policy table for every role and every kind of key, from the store's rows to the decision.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "auth/authorizer.h"
#include "base/sha256.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

constexpr std::int64_t kNow = 1'771'423'200'500'000'000;

/// One letter for each permission: (s)end, (r)ead, (m)anage.
const std::map<std::string, std::string> kMay = {{"owner", "srm"}, {"admin", "srm"}, {"developer", "sr"},
                                                 {"member", "sr"}, {"viewer", "r"},  {"", "sr"},
                                                 {"root", ""}};

/// What a row needs: a letter, `o` when it is open, `x` when nobody may.
struct Row {
  const char* method;
  const char* path;
  char needs;
};
constexpr Row kRows[] = {{"POST", "/openai/v1/chat/completions", 's'},
                         {"GET", "/anthropic/v1/models", 's'},
                         {"OPTIONS", "/openai/v1/chat/completions", 'o'},
                         {"OPTIONS", "/api/gateway-keys", 'o'},
                         {"GET", "/", 'o'},
                         {"GET", "/nowhere", 'o'},
                         {"GET", "/api/health", 'o'},
                         {"HEAD", "/api/ready", 'o'},
                         {"GET", "/api/openapi.json", 'o'},
                         {"GET", "/api/traces", 'r'},
                         {"HEAD", "/api/traces", 'r'},
                         {"GET", "/api/traces/stream", 'r'},
                         {"GET", "/api/traces/1", 'r'},
                         {"GET", "/api/traces/1/replay", 'r'},
                         {"POST", "/api/traces/1/fork", 'r'},
                         {"GET", "/api/analytics/usage", 'r'},
                         {"GET", "/api/analytics/cost", 'r'},
                         {"GET", "/api/analytics/models", 'r'},
                         {"GET", "/api/analytics/keys", 'r'},
                         {"GET", "/api/analytics/latency", 'r'},
                         {"GET", "/api/analytics/errors", 'r'},
                         {"GET", "/api/analytics/summary", 'r'},
                         {"GET", "/api/export/traces", 'r'},
                         {"GET", "/api/diagnostics/trace-pipeline", 'r'},
                         {"GET", "/api/gateway-keys", 'm'},
                         {"HEAD", "/api/gateway-keys", 'm'},
                         {"POST", "/api/gateway-keys", 'm'},
                         {"DELETE", "/api/gateway-keys/1", 'm'},
                         {"POST", "/api/gateway-keys/1/rotate", 'm'},
                         {"PUT", "/api/gateway-keys/1/limits", 'm'},
                         {"DELETE", "/api/traces/1", 'x'},
                         {"PUT", "/api/gateway-keys", 'x'},
                         {"GET", "/api/nowhere", 'x'}};

/// A kind of token, and why it is refused; empty: it is one of a valid key.
struct Kind {
  const char* name;
  const char* reason;
};
constexpr Kind kKinds[] = {{"", "missing_gateway_key"},
                           {"wrong", "invalid_gateway_key"},
                           {"revoked", "invalid_gateway_key"},
                           {"replaced", "invalid_gateway_key"},
                           {"expired", "expired_gateway_key"},
                           {"late", "expired_gateway_key"},  // the token before, after its grace period
                           {"valid", ""},
                           {"rotated", ""},
                           {"grace", ""},
                           {"foreign", ""}};

class KeyMatrix : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "gw_matrix_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    store::SqliteOptions options;
    options.path = folder_ + "/keys.db";
    ASSERT_TRUE(store::open_sqlite_writer(options));
    auto opened = store::open_sqlite_key_store(options, {});
    ASSERT_TRUE(opened) << opened.error().message;
    keys_ = std::move(*opened);
    for (const auto& [role, may] : kMay) make_keys(role);
    const auto set = keys_->load(all_);
    ASSERT_TRUE(set) << set.error().message;
    authorizer_.emplace(auth::Authorizer::of(set->keys));
  }
  void TearDown() override {
    keys_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::string token(const std::string& kind, const std::string& role) {
    return kind.empty() ? "" : "token-of-the-" + kind + "-" + role;
  }
  void make(const std::string& kind, const std::string& role, std::int64_t expires_at_ns = 0) {
    store::GatewayKey key;
    key.id = kind + "-" + role;
    key.token_hash = sha256_hex(token(kind, role));
    key.org_id = kind == "foreign" ? "other" : "acme";
    key.role = role;
    key.created_at_ns = kNow - 100 * kSecondNs;
    key.expires_at_ns = expires_at_ns;
    ASSERT_EQ(*keys_->insert(all_, key), store::KeyOutcome::done);
  }
  void rotate(const std::string& from, const std::string& to, const std::string& role, std::int64_t until_ns) {
    make(from, role);
    const auto done =
        keys_->rotate(all_, from + "-" + role, {sha256_hex(token(to, role)), kNow - 10 * kSecondNs, until_ns});
    ASSERT_TRUE(done) << done.error().message;
  }
  void make_keys(const std::string& role) {
    make("valid", role, kNow + 1);
    make("expired", role, kNow);
    make("foreign", role);
    make("revoked", role);
    ASSERT_EQ(*keys_->revoke(all_, "revoked-" + role, kNow), store::KeyOutcome::done);
    rotate("replaced", "rotated", role, 0);
    rotate("grace", "beside-grace", role, kNow + 1);
    rotate("late", "beside-late", role, kNow);
  }
  auth::Decision decide(const Row& row, const std::string& token, bool verified = true) const {
    const std::string_view path = row.path;
    const std::string_view provider = path.starts_with("/openai")      ? "openai"
                                      : path.starts_with("/anthropic") ? "anthropic"
                                                                       : "";
    return authorizer_->authorize({.method = row.method,
                                   .path = path,
                                   .provider = provider,
                                   .gateway_key = token,
                                   .has_provider_credential = true,
                                   .keys_verified = verified,
                                   .now_ns = kNow});
  }

  const store::TenantScope all_ = store::TenantScope::all();
  std::string folder_;
  std::unique_ptr<store::KeyStore> keys_;
  std::optional<auth::Authorizer> authorizer_;
};

TEST_F(KeyMatrix, EveryRowRoleAndKindOfKeyIsDecidedByTheTable) {
  for (const Row& row : kRows)
    for (const auto& [role, may] : kMay)
      for (const Kind& kind : kKinds) {
        const auth::Decision d = decide(row, token(kind.name, role));
        const std::string what = std::string(row.method) + " " + row.path + " " + kind.name + "-" + role;
        const bool valid = *kind.reason == 0;
        const std::string reason = row.needs == 'o'                           ? ""
                                   : row.needs == 'x'                         ? "action_unmapped"
                                   : !valid                                   ? kind.reason
                                   : may.find(row.needs) == std::string::npos ? "permission_denied"
                                                                              : "";
        EXPECT_EQ(d.reason, reason) << what;
        EXPECT_EQ(d.verdict == auth::Verdict::deny, !reason.empty()) << what;
        EXPECT_EQ(d.status, reason.empty() ? 0 : row.needs == 'x' || valid ? 403 : 401) << what;
        if (row.needs == 'o' || row.needs == 'x' || !valid) continue;
        ASSERT_NE(d.identity, nullptr) << what;
        EXPECT_EQ(d.identity->org_id, std::string(kind.name) == "foreign" ? "other" : "acme") << what;
      }
}

TEST_F(KeyMatrix, KeysThatNobodyCouldVerifyAreNotAskedFor) {
  for (const Row& row : kRows) {
    const auth::Decision d = decide(row, token("valid", "owner"), false);
    EXPECT_EQ(d.status, row.needs == 'o' ? 0 : row.needs == 'x' ? 403 : 503) << row.method << row.path;
    if (d.status != 503) continue;
    EXPECT_EQ(d.reason, "verification_unavailable");
    EXPECT_EQ(d.body, "{\"error\":\"gateway key verification unavailable\"}\n");
    EXPECT_EQ(d.identity, nullptr);
  }
}

TEST_F(KeyMatrix, AKeyWhoseDigestNobodyCanReadIsNobodys) {
  std::vector<store::GatewayKey> keys(2);
  keys[0].id = "broken";
  keys[0].token_hash = std::string(63, '0') + "g";
  keys[1].id = "good";
  keys[1].token_hash = sha256_hex("good");
  const auth::Authorizer authorizer = auth::Authorizer::of(keys);
  ASSERT_EQ(authorizer.key_count(), 1U);
  EXPECT_EQ(authorizer.identities()[0].key_id, "good");
  EXPECT_EQ(authorizer.authorize({.method = "GET", .path = "/api/traces", .gateway_key = "good"}).verdict,
            auth::Verdict::allow);
}

}  // namespace
}  // namespace gw::app

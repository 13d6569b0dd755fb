#include "app/key_keeper.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>

#include "base/sha256.h"
#include "store/sqlite/sqlite_key_store.h"
#include "store/sqlite/sqlite_store.h"

namespace gw::app {
namespace {

std::int64_t now_mono_ns = 0;
constexpr std::int64_t kWall = 1'771'423'200'500'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

store::GatewayKey key(const std::string& id) {
  store::GatewayKey out;
  out.id = id;
  out.token_hash = sha256_hex("token-of-" + id);
  out.role = "developer";
  out.created_at_ns = kWall;
  return out;
}

/// A book, its keeper, and two processes at one database: ours and another.
class Keeping : public ::testing::Test {
 protected:
  void SetUp() override {
    now_mono_ns = 100 * kSecond;
    std::string pattern = testing::TempDir() + "gw_keys_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    options_.path = folder_ + "/keys.db";
    ASSERT_TRUE(store::open_sqlite_writer(options_));
    ours_ = open();
    theirs_ = open();
  }
  void TearDown() override {
    ours_.reset();
    theirs_.reset();
    std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<store::KeyStore> open() {
    auto store = store::open_sqlite_key_store(options_, {key("yaml")});
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  const auth::Identity* identity(const std::string& id) {
    view_ = worker_.view(book_)->view;
    return view_->authorizer()
        .authorize({.method = "POST",
                    .path = "/openai",
                    .provider = "openai",
                    .gateway_key = "token-of-" + id,
                    .has_provider_credential = true,
                    .now_ns = kWall})
        .identity;
  }
  bool known(const std::string& id) { return identity(id) != nullptr; }
  void store_key(store::KeyStore& by, const std::string& id) {
    EXPECT_EQ(*by.insert(store::TenantScope::all(), key(id)), store::KeyOutcome::done);
  }
  void use(const std::string& id, std::int64_t at_ns) {
    const auth::Identity* who = identity(id);
    ASSERT_NE(who, nullptr);
    view_->used(*who, at_ns);
  }
  std::int64_t stored_use(const std::string& id) {
    const auto set = theirs_->load(store::TenantScope::all());
    for (const store::GatewayKey& k : set->keys)
      if (k.id == id) return k.last_used_at_ns;
    return -1;
  }

  std::string folder_;
  bool away_ = false;  ///< the database, from who opens it with such an on_open
  store::SqliteOptions options_;
  std::unique_ptr<store::KeyStore> ours_, theirs_;
  pipeline::KeyBook book_{*auth::Authorizer::build({.enabled = true, .keys = {}}), 100 * kSecond};
  pipeline::WorkerKeys worker_;
  std::shared_ptr<const pipeline::KeyView> view_;
  KeyKeeper keeper_{book_, {.wall_ns = [] { return kWall; }, .mono_ns = [] { return now_mono_ns; }}};
};

TEST_F(Keeping, AChangeMadeHereHoldsWhenRefreshReturns) {
  ASSERT_TRUE(keeper_.refresh(*ours_));
  EXPECT_TRUE(known("yaml"));
  store_key(*ours_, "a");
  EXPECT_FALSE(known("a"));
  ASSERT_TRUE(keeper_.refresh(*ours_));
  EXPECT_TRUE(known("a"));
  EXPECT_TRUE(known("yaml")) << "imported beside it";
  EXPECT_EQ(*ours_->revoke(store::TenantScope::all(), "a", kWall), store::KeyOutcome::done);
  ASSERT_TRUE(keeper_.refresh(*ours_));
  EXPECT_FALSE(known("a"));
}

TEST_F(Keeping, AChangeMadeElsewhereHoldsAfterTheNextLook) {
  ASSERT_TRUE(keeper_.refresh(*ours_));
  EXPECT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::unchanged);
  store_key(*theirs_, "a");
  EXPECT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::replaced);
  EXPECT_TRUE(known("a"));
  EXPECT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::unchanged);
}

TEST_F(Keeping, AnExchangeKeepsTheIdentityThatItWasDecidedWith) {
  store_key(*ours_, "a");
  ASSERT_TRUE(keeper_.refresh(*ours_));
  const auth::Identity* who = identity("a");
  const auto held = view_;
  EXPECT_EQ(*ours_->revoke(store::TenantScope::all(), "a", kWall), store::KeyOutcome::done);
  ASSERT_TRUE(keeper_.refresh(*ours_));
  EXPECT_FALSE(known("a"));
  EXPECT_EQ(who->key_id, "a");
}

TEST_F(Keeping, KeysAreTrustedForAsLongAsTheBookWasTold) {
  store_key(*ours_, "a");
  ASSERT_TRUE(keeper_.refresh(*ours_));
  std::filesystem::rename(options_.path, options_.path + ".away");
  book_.trust_for(5 * kSecond);
  now_mono_ns += 5 * kSecond;
  EXPECT_FALSE(keeper_.poll(*ours_));
  EXPECT_TRUE(book_.trusted(now_mono_ns));
  now_mono_ns += 1;
  EXPECT_FALSE(book_.trusted(now_mono_ns));
}

TEST_F(Keeping, KeysAreTrustedForAMinuteWithoutALookAtTheStore) {
  store_key(*ours_, "a");
  ASSERT_TRUE(keeper_.refresh(*ours_));
  std::filesystem::rename(options_.path, options_.path + ".away");
  now_mono_ns += pipeline::KeyBook::kTrustNs;
  EXPECT_FALSE(keeper_.poll(*ours_));
  EXPECT_TRUE(known("a"));
  EXPECT_TRUE(book_.trusted(now_mono_ns));
  now_mono_ns += 1;
  EXPECT_FALSE(keeper_.poll(*ours_));
  EXPECT_FALSE(book_.trusted(now_mono_ns));
  std::filesystem::rename(options_.path + ".away", options_.path);
  EXPECT_TRUE(keeper_.poll(*ours_));
  EXPECT_TRUE(book_.trusted(now_mono_ns));
  EXPECT_TRUE(known("a"));
}

TEST_F(Keeping, ADatabaseThatCannotBeReadLeavesTheKeysTrustedUntilOneIsChanged) {
  options_.on_open = [this](sqlite3* handle) {
    sqlite3_set_authorizer(
        handle,
        [](void* denies, int, const char*, const char*, const char*, const char*) {
          return *static_cast<bool*>(denies) ? SQLITE_DENY : SQLITE_OK;
        },
        &away_);
  };
  ours_ = open();
  ASSERT_TRUE(keeper_.refresh(*ours_));
  ASSERT_FALSE(theirs_->load(store::TenantScope::all())->stored) << "only those of the configuration";
  away_ = true;
  for (int minute = 0; minute < 10; ++minute) {
    now_mono_ns += pipeline::KeyBook::kTrustNs;
    EXPECT_EQ(keeper_.poll(*ours_).value_or(KeyKeeper::Outcome::replaced), KeyKeeper::Outcome::unchanged);
    EXPECT_TRUE(book_.trusted(now_mono_ns));
    EXPECT_TRUE(known("yaml"));
  }
  ASSERT_EQ(*theirs_->revoke(store::TenantScope::all(), "yaml", kWall), store::KeyOutcome::done);
  now_mono_ns += pipeline::KeyBook::kTrustNs + 1;
  EXPECT_FALSE(keeper_.poll(*ours_));
  EXPECT_FALSE(book_.trusted(now_mono_ns)) << "a key that may be revoked is not trusted";
  away_ = false;
  EXPECT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::replaced);
  EXPECT_TRUE(book_.trusted(now_mono_ns));
  EXPECT_FALSE(known("yaml"));
}

/// As when a reload brings other keys of the configuration: no change number tells of them.
TEST_F(Keeping, AfterARefreshThatFailedTheNextLookReadsTheKeysWhateverTheirChangeNumber) {
  ASSERT_TRUE(keeper_.refresh(*ours_));
  ASSERT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::unchanged);
  options_.on_open = [this](sqlite3* handle) {
    sqlite3_set_authorizer(
        handle,
        [](void* denies, int, const char*, const char*, const char*, const char*) {
          return *static_cast<bool*>(denies) ? SQLITE_DENY : SQLITE_OK;
        },
        &away_);
  };
  auto next = store::open_sqlite_key_store(options_, {key("next")});
  ASSERT_TRUE(next) << next.error().message;
  away_ = true;
  EXPECT_FALSE(keeper_.refresh(**next));
  EXPECT_TRUE(known("yaml"));
  away_ = false;
  ASSERT_EQ(*(*next)->change_number(), *ours_->change_number());
  EXPECT_EQ(*keeper_.poll(**next), KeyKeeper::Outcome::replaced);
  EXPECT_TRUE(known("next"));
  EXPECT_FALSE(known("yaml"));
}

TEST_F(Keeping, WithAuthOffNothingIsRead) {
  pipeline::KeyBook off{*auth::Authorizer::build({}), 0};
  KeyKeeper keeper(off);
  store_key(*theirs_, "a");
  const std::uint64_t epoch = off.epoch();
  ASSERT_TRUE(keeper.refresh(*ours_));
  EXPECT_EQ(*keeper.poll(*ours_), KeyKeeper::Outcome::unchanged);
  EXPECT_EQ(off.epoch(), epoch);
}

TEST_F(Keeping, TimesOfUseAreWrittenAtMostEveryFewSeconds) {
  store_key(*ours_, "a");
  ASSERT_TRUE(keeper_.refresh(*ours_));
  use("a", kWall);
  ASSERT_TRUE(keeper_.write_uses(*ours_));
  EXPECT_EQ(stored_use("a"), kWall);
  use("a", kWall + 2 * kSecond);
  now_mono_ns += KeyKeeper::kWriteUsesNs - 1;
  ASSERT_TRUE(keeper_.write_uses(*ours_));
  EXPECT_EQ(stored_use("a"), kWall);
  now_mono_ns += 1;
  ASSERT_TRUE(keeper_.write_uses(*ours_));
  EXPECT_EQ(stored_use("a"), kWall + 2 * kSecond);
  use("a", kWall + 4 * kSecond);
  ASSERT_TRUE(keeper_.write_uses(*ours_, true));
  EXPECT_EQ(stored_use("a"), kWall + 4 * kSecond);
  EXPECT_EQ(*keeper_.poll(*ours_), KeyKeeper::Outcome::unchanged) << "no change of keys";
}

TEST_F(Keeping, ATimeOfUseOutlivesAChangeOfKeysAndAFailure) {
  store_key(*ours_, "a");
  ASSERT_TRUE(keeper_.refresh(*ours_));
  use("a", kWall);
  store_key(*theirs_, "b");
  ASSERT_TRUE(keeper_.poll(*ours_));
  std::filesystem::rename(options_.path, options_.path + ".away");
  EXPECT_FALSE(keeper_.write_uses(*ours_, true));
  std::filesystem::rename(options_.path + ".away", options_.path);
  ASSERT_TRUE(keeper_.write_uses(*ours_, true));
  EXPECT_EQ(stored_use("a"), kWall);
  EXPECT_EQ(stored_use("b"), 0);
}

TEST_F(Keeping, NothingIsWrittenOfConfiguredKeys) {
  ASSERT_TRUE(keeper_.refresh(*ours_));
  use("yaml", kWall);
  ASSERT_TRUE(keeper_.write_uses(*ours_, true));
  EXPECT_FALSE(theirs_->load(store::TenantScope::all())->stored);
}

}  // namespace
}  // namespace gw::app

#include "store/postgres/key_watcher.h"

#include <condition_variable>
#include <mutex>

#include "store/postgres/postgres_key_store.h"
#include "store/postgres/test_server.h"

namespace gw::store {
namespace {

using postgres::TestServer;

PgOptions options_of(std::string dsn) {
  PgOptions o;
  o.dsn = std::move(dsn);
  return o;
}

GatewayKey some_key() {
  GatewayKey key;
  key.id = "a";
  key.token_hash = std::string(64, 'a');
  key.created_at_ns = 1'000'000'000;
  return key;
}

/// One instance that watches, another that changes keys.
class KeyWatcherTest : public testing::Test {
 protected:
  static constexpr int kLongMs = 120'000;
  const std::string dsn_ = TestServer::get().dsn(TestServer::get().fresh_database());
  std::unique_ptr<KeyStore> theirs_ = *open_postgres_key_store(options_of(dsn_), {}, true);
  std::unique_ptr<KeyStore> ours_ = *open_postgres_key_store(options_of(dsn_), {}, false);
  std::mutex mutex_;
  std::condition_variable looked_;
  std::int64_t looks_ = 0, change_ = -1;

  void look() {
    const auto change = ours_->change_number();
    const std::lock_guard lock(mutex_);
    ++looks_;
    if (change) change_ = *change;
    looked_.notify_all();
  }
  /// Half of the time that a watcher would wait for nothing.
  bool until(const std::function<bool()>& what) {
    std::unique_lock lock(mutex_);
    return looked_.wait_for(lock, std::chrono::milliseconds(kLongMs / 2), what);
  }
};

TEST_F(KeyWatcherTest, AChangeByAnotherInstanceIsLookedAtBecauseItIsHeardOf) {
  PgKeyListener listener(options_of(dsn_));
  KeyWatcher watcher([&](int, int wake) { listener.wait(kLongMs, wake); }, [this] { look(); });
  ASSERT_TRUE(until([this] { return looks_ >= 1; })) << "it has connected";
  ASSERT_TRUE(theirs_->insert(TenantScope::all(), some_key()));
  EXPECT_TRUE(until([this] { return change_ == 1; }));
  ASSERT_TRUE(theirs_->revoke(TenantScope::all(), "a", 1));
  EXPECT_TRUE(until([this] { return change_ == 2; }));
}

TEST_F(KeyWatcherTest, WhatIsNotHeardIsFoundByLooking) {
  PgKeyListener deaf(options_of("host=127.0.0.1 port=" + std::to_string(postgres::free_port())));
  KeyWatcher watcher([&](int ms, int wake) { deaf.wait(ms, wake); }, [this] { look(); });
  ASSERT_TRUE(theirs_->insert(TenantScope::all(), some_key()));
  EXPECT_TRUE(until([this] { return change_ == 1; }));
  EXPECT_FALSE(deaf.listening());
}

TEST_F(KeyWatcherTest, TheServerMayGoAndComeBack) {
  PgKeyListener listener(options_of(dsn_));
  KeyWatcher watcher([&](int ms, int wake) { listener.wait(ms, wake); }, [this] { look(); });
  ASSERT_TRUE(until([this] { return change_ == 0; }));
  TestServer::get().stop();
  std::int64_t before = 0;
  until([&] { return (before = looks_) > 0; });
  EXPECT_TRUE(until([&] { return looks_ > before + 1; })) << "it goes on looking";
  TestServer::get().start();
  for (int i = 0; i < 100; ++i)
    if (theirs_->insert(TenantScope::all(), some_key())) break;
  EXPECT_TRUE(until([this] { return change_ == 1; }));
}

TEST_F(KeyWatcherTest, EndsAtOnceWhileItWaits) {
  PgKeyListener listener(options_of(dsn_));
  const std::int64_t began = mono_now_ns();
  {
    KeyWatcher watcher([&](int, int wake) { listener.wait(kLongMs, wake); }, [this] { look(); });
    ASSERT_TRUE(until([this] { return looks_ >= 1; }));
  }
  EXPECT_LT(mono_now_ns() - began, kLongMs * std::int64_t{1'000'000} / 2);
}

}  // namespace
}  // namespace gw::store

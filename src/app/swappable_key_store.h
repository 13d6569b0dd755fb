#pragma once
// A key store that can be exchanged for another one between two calls: the keys of the configuration are part of a
// store, and a reload may change them.
#include <memory>
#include <mutex>
#include <utility>

#include "store/key_store.h"

namespace gw::app {

/// Calls are those of one thread at a time, as of any store; exchange() is for any thread. Never without a store.
class SwappableKeyStore final : public store::KeyStore {
 public:
  explicit SwappableKeyStore(std::unique_ptr<store::KeyStore> first) : store_(std::move(first)) {}

  /// A call under way ends with the store that it began with.
  void exchange(std::unique_ptr<store::KeyStore> next) {
    std::shared_ptr<store::KeyStore> shared = std::move(next);
    const std::lock_guard lock(mutex_);
    store_.swap(shared);
  }

  Result<std::int64_t> change_number() override { return now()->change_number(); }
  Result<store::KeySet> load(const store::TenantScope& scope) override { return now()->load(scope); }
  Result<store::KeyOutcome> insert(const store::TenantScope& scope, const store::GatewayKey& key) override {
    return now()->insert(scope, key);
  }
  Result<store::KeyOutcome> revoke(const store::TenantScope& scope, std::string_view id, std::int64_t at_ns) override {
    return now()->revoke(scope, id, at_ns);
  }
  Result<store::KeyChange> rotate(const store::TenantScope& scope, std::string_view id,
                                  const store::KeyRotation& rotation) override {
    return now()->rotate(scope, id, rotation);
  }
  Result<store::KeyChange> set_limits(const store::TenantScope& scope, std::string_view id,
                                      const store::KeyLimits& limits, std::int64_t at_ns) override {
    return now()->set_limits(scope, id, limits, at_ns);
  }
  Result<void> touch(const store::TenantScope& scope, std::span<const store::KeyUse> uses) override {
    return now()->touch(scope, uses);
  }

 private:
  std::shared_ptr<store::KeyStore> now() {
    const std::lock_guard lock(mutex_);
    return store_;
  }

  std::mutex mutex_;
  std::shared_ptr<store::KeyStore> store_;
};

}  // namespace gw::app

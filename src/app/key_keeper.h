#pragma once
// Keeps the keys in force those of the store, and writes down when keys were used.
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "pipeline/key_book.h"
#include "store/key_store.h"

namespace gw::app {

class KeyKeeper {
 public:
  /// Times of use are written at most every so often.
  static constexpr std::int64_t kWriteUsesNs = 5'000'000'000;

  /// The book outlives this.
  explicit KeyKeeper(pipeline::KeyBook& book, Clock clock = {}) : book_(book), clock_(clock) {}

  /// Any thread, each with a store of its own: puts the store's keys in force. What was stored before the call holds
  /// when it returns.
  Result<void> refresh(store::KeyStore& store);

  enum class Outcome : std::uint8_t { unchanged, replaced };
  /// One thread, several times a second: refreshes when a key was changed by somebody else. On a failure the keys stay
  /// in force, for as long as the book trusts them.
  Result<Outcome> poll(store::KeyStore& store);
  /// The thread of poll(): writes times of use that are due; `all`: whether due or not. What fails is written the next
  /// time.
  Result<void> write_uses(store::KeyStore& store, bool all = false);

 private:
  pipeline::KeyBook& book_;
  const Clock clock_;
  std::mutex mutex_;  ///< whoever reads the store later also replaces the view later
  std::int64_t change_ = 0;
  bool known_ = false;  ///< what is in force is what the store had at change_
  std::int64_t next_write_ns_ = 0;
  std::map<std::string, std::int64_t> written_;  ///< by the ids of the view: the last time of use in the store
};

}  // namespace gw::app

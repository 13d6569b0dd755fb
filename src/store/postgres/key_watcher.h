#pragma once
// A thread that looks at the gateway keys of the store as soon as they may have changed, and several times a second
// otherwise. For stores whose answers may keep a thread waiting.
#include <atomic>
#include <functional>
#include <thread>

#include "base/unique_fd.h"

namespace gw::store {

class KeyWatcher {
 public:
  /// At most this long between two looks that answer at once.
  static constexpr int kLookMs = 500;

  /// Returns when there may be something new, after `ms`, or when `wake_fd` can be read.
  using Wait = std::function<void(int ms, int wake_fd)>;
  /// One that nothing new is heard of by.
  static void let_pass(int ms, int wake_fd);
  /// Both are called on the thread, which runs from here on.
  KeyWatcher(Wait wait, std::function<void()> look);
  KeyWatcher(const KeyWatcher&) = delete;
  KeyWatcher& operator=(const KeyWatcher&) = delete;
  ~KeyWatcher() { stop(); }

  /// Returns when the thread has ended: after the look that is under way, if any. Once.
  void stop();

 private:
  void run();

  const Wait wait_;
  const std::function<void()> look_;
  UniqueFd wake_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace gw::store

#pragma once
// A copy of a store made while it is written to: what is asked for and what came of it. Plain data.
#include <cstdint>
#include <functional>
#include <string>

namespace gw::store {

struct BackupJob {
  std::string target;  ///< path of the copy
  bool force = false;  ///< replaces what is there
  enum class Phase : std::uint8_t { copying, checking };
  /// Called now and then, on the caller's thread; `of` may be 0. False: stop, leave nothing. May be empty.
  std::function<bool(Phase phase, std::int64_t done, std::int64_t of)> progress{};
};

struct BackupReport {
  std::int64_t bytes = 0;   ///< of the copy
  std::int64_t traces = 0;  ///< in the copy
};

}  // namespace gw::store

#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace gw::pipeline {

/// Responses that were made in the background and whose usage was counted: their request states none, and whoever asks
/// for the answer sees it each time. Remembers the last kMost, by hash, until the process ends.
///
/// Thread: any. Used only by exchanges that see such an answer with its usage.
class BackgroundAnswers {
 public:
  static constexpr std::size_t kMost = 4096;

  /// True the first time that it is called with these.
  bool add(std::string_view provider, std::string_view response_id);

 private:
  std::mutex mutex_;
  std::array<std::uint64_t, kMost> seen_{};  ///< a ring; 0: none
  std::size_t next_ = 0;
};

}  // namespace gw::pipeline

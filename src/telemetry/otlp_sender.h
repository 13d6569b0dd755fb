#pragma once
// One HTTP POST after another, in plain blocking code, over connections that are kept.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/otlp_settings.h"

namespace gw::telemetry::otlp {

enum class Delivery : std::uint8_t {
  taken,
  again,    ///< not now: the receiver is away or has too much to do
  refused,  ///< sending the same again is of no use
};

struct PostResult {
  Delivery delivery = Delivery::again;
  std::string error{};              ///< for the log; holds no secret
  std::int64_t retry_after_ms = 0;  ///< what the receiver asked for; 0: nothing
  std::string answer{};             ///< the body, cut at kMostAnswer
};
inline constexpr std::size_t kMostAnswer = 64 * 1024;

/// libcurl. One thread's, but for abort_at(). Follows no redirect.
class HttpSender {
 public:
  explicit HttpSender(std::string user_agent);
  ~HttpSender();
  HttpSender(const HttpSender&) = delete;
  HttpSender& operator=(const HttpSender&) = delete;

  /// `body` as it goes out. `timeout_ms` bounds all of it.
  PostResult post(const Destination& to, std::string_view body, std::int64_t timeout_ms);

  /// Any thread: a POST that is under way at that time (monotonic ns) ends, and none begins.
  void abort_at(std::int64_t mono_ns) { abort_at_ns_.store(mono_ns, std::memory_order_relaxed); }

 private:
  struct Handle;
  const std::string user_agent_;
  std::unique_ptr<Handle> handle_;
  std::atomic<std::int64_t> abort_at_ns_;
};

/// The files of a destination can be read as what they are for.
Result<void> check_files(const Destination& destination);

/// As gzip.
std::string gzipped(std::string_view body);

}  // namespace gw::telemetry::otlp

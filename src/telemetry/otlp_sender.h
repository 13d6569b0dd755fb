#pragma once
// One HTTP POST after another, in plain blocking code, over connections that are kept.
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "telemetry/otlp_link.h"
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

/// HTTP/1.1. One thread's, but for abort_at(). Follows no redirect.
class HttpSender {
 public:
  explicit HttpSender(std::string user_agent);
  HttpSender(const HttpSender&) = delete;
  HttpSender& operator=(const HttpSender&) = delete;

  /// `body` as it goes out. `timeout_ms` bounds all of it. Where a connection turns out to be closed that was used
  /// before, all is said once more over a new one. The status of an answer says what became of the body, whatever is
  /// wrong with the rest of it: a receiver that has taken it shall not get it again.
  PostResult post(const Destination& to, const Body& body, std::int64_t timeout_ms);

  /// Any thread: a POST that is under way at that time (monotonic ns) ends, and none begins.
  void abort_at(std::int64_t mono_ns) { abort_at_ns_.store(mono_ns, std::memory_order_relaxed); }

 private:
  /// A destination that was asked before.
  struct Way {
    Destination to{};  ///< what its connection depends on
    std::string head;  ///< of its requests, up to the length
    Link link;
    std::int64_t heard_ns = 0;  ///< when its last answer came
  };
  class Answer;
  enum class Talk : std::uint8_t { answered, closed, garbled, late };

  Way& way_to(const Destination& to);
  std::int64_t left_ms(std::int64_t deadline_ns) const;
  Talk talk(Link& link, std::string_view head, const Body& body, std::int64_t deadline_ns, Answer& answer) const;

  const std::string user_agent_;
  std::array<Way, kSignals> ways_;
  std::size_t next_way_ = 0;
  std::atomic<std::int64_t> abort_at_ns_;
};

/// The files of a destination can be read as what they are for.
Result<void> check_files(const Destination& destination);

/// As gzip.
std::string gzipped(std::string_view body);

}  // namespace gw::telemetry::otlp

#pragma once
// A connection to a receiver of OTLP. libcurl makes it (names, proxies, TLS) and moves its bytes; what is said over it
// says HttpSender, which takes a tenth of the instructions that a transfer of libcurl's takes.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "telemetry/otlp_settings.h"

namespace gw::telemetry::otlp {

/// One thread's. Nothing blocks but open() and wait().
class Link {
 public:
  enum class State : std::uint8_t {
    ok,
    again,   ///< no byte can be moved just now
    closed,  ///< and none ever will
  };
  struct Moved {
    State state = State::closed;
    std::size_t bytes = 0;
  };

  Link();
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// A new connection in the place of the one there was, by `timeout_ms` and before `abort_at_ns` (monotonic; may
  /// change). Returns why there is none, without secrets; empty: there is one.
  std::string open(const Destination& to, std::int64_t timeout_ms, const std::atomic<std::int64_t>& abort_at_ns);
  void close();
  /// There is one, and its other end has neither closed it nor said anything since: that would be no answer to what is
  /// said next. Takes a byte of it then, so that only a new connection is of use.
  bool usable();

  Moved send(std::string_view bytes);
  Moved receive(char* to, std::size_t most);
  /// Until bytes may have come or, where asked for, be taken.
  void wait(bool for_room, int ms) const;

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace gw::telemetry::otlp

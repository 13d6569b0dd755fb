#pragma once
// The responses on an upgraded connection, read from its bytes while they pass. Belongs to its exchange, on its
// worker's thread.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "capture/body_capture.h"
#include "http/websocket.h"
#include "provider/message_inflater.h"
#include "provider/websocket_usage.h"
#include "proxy/relay.h"

namespace gw::pipeline {

/// A response that is over, and what was captured of it.
struct WebsocketAnswer {
  provider::WebsocketResponse response;
  capture::BodyCapture request;   ///< the message that asked for it; empty when none did
  capture::BodyCapture answered;  ///< the event that ended it
};

/// Memory: under 3 KiB, 40 KiB more for each direction that compresses, and while bodies are captured a message of each
/// direction and the questions that are not answered yet (at most kMaxQuestions), each cut at the capture's limit.
class WebsocketMessages {
 public:
  static constexpr std::size_t kMaxQuestions = 16;

  WebsocketMessages(const provider::MessageDeflate& deflate, bool capture, std::size_t body_max_size);

  /// Bytes of one side; none: it has said its last. False once, when that side can be read no further: its bytes are no
  /// WebSocket, or do not inflate within the bounds.
  bool push(proxy::TunnelSide from, std::string_view bytes, std::int64_t now_ns);
  /// The connection is over: what is still open ends unfinished.
  void close(std::int64_t now_ns);

  /// Oldest first; the caller takes them off.
  std::deque<WebsocketAnswer>& over() { return over_; }
  /// Whether there ever was a response.
  bool any() const { return usage_.any(); }
  /// Who said goodbye first, by a close frame or by its end.
  std::optional<proxy::TunnelSide> left_first() const { return left_first_; }

 private:
  struct Direction {
    Direction(http::WebsocketScanner::From from, const provider::MessageDeflate& deflate, bool keeps_context)
        : frames(from, deflate.on), inflater(keeps_context) {}
    http::WebsocketScanner frames;
    provider::MessageInflater inflater;
    capture::BodyCapture message;
    bool text = false, compressed = false, readable = true;
  };

  bool read(proxy::TunnelSide from, Direction& side, std::string_view bytes, std::int64_t now_ns);
  void begin_message(proxy::TunnelSide from, Direction& side);
  void take_text(proxy::TunnelSide from, Direction& side, std::string_view text);
  void end_message(proxy::TunnelSide from, Direction& side, std::int64_t now_ns);
  void take_finished(Direction* server);

  struct Question {
    std::uint64_t number = 0;
    capture::BodyCapture body;
  };

  const bool capture_;
  const std::size_t body_max_size_;
  Direction client_, server_;
  provider::WebsocketUsage usage_;
  std::deque<Question> questions_;
  std::deque<WebsocketAnswer> over_;
  std::optional<proxy::TunnelSide> left_first_;
};

}  // namespace gw::pipeline

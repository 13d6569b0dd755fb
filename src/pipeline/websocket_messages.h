#pragma once
// The responses on an upgraded connection, read from its bytes while they pass. Belongs to its exchange, on its
// worker's thread.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/body_capture.h"
#include "http/websocket.h"
#include "provider/message_inflater.h"
#include "provider/usage_estimate.h"
#include "provider/websocket_usage.h"
#include "proxy/relay.h"

namespace gw::pipeline {

/// A response that is over, and what was captured of it.
struct WebsocketAnswer {
  provider::WebsocketResponse response;
  capture::BodyCapture request;   ///< the message that asked for it; empty when none did
  capture::BodyCapture answered;  ///< the event that ended it
  /// One that was cut off or did not state its usage: what there is to count of it, until count_unstated() is done.
  std::unique_ptr<provider::UsageEstimator> uncounted;
};

/// Memory: under 3 KiB; for each direction the first 64 KiB of a message, and 40 KiB more if it compresses; of each
/// question that is not answered yet (at most kMaxQuestions) the first 64 KiB, and while bodies are captured as much as
/// the capture's limit; for each response under way (at most kMaxEstimates) what an estimate keeps of a stream.
class WebsocketMessages {
 public:
  static constexpr std::size_t kMaxQuestions = 16;
  static constexpr std::size_t kMaxEstimates = 4;  ///< responses under way at a time that can be counted

  WebsocketMessages(const provider::MessageDeflate& deflate, const provider::TokenizerSet& tokenizers, bool capture,
                    std::size_t body_max_size);

  /// Bytes of one side; none: it has said its last. False once, when that side can be read no further: its bytes are no
  /// WebSocket, or do not inflate within the bounds.
  bool push(proxy::TunnelSide from, std::string_view bytes, std::int64_t now_ns);
  /// The connection is over: what is still open ends unfinished.
  void close(std::int64_t now_ns);
  /// Counts about `max_bytes` of the text of what is over without having stated its usage. True when nothing is left to
  /// count; then the usage of all in over() is final.
  bool count_unstated(std::size_t max_bytes);

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
    std::string head;      ///< the first kMaxHeadBytes of the message, on one line
    std::size_t size = 0;  ///< of the message so far
    bool text = false, compressed = false, readable = true;
  };
  static constexpr std::size_t kMaxHeadBytes = provider::UsageEstimator::kMaxRequestBytes;

  struct Question {
    std::uint64_t number = 0;
    capture::BodyCapture body;
    std::string text;  ///< its first kMaxHeadBytes
    std::size_t size = 0;
  };
  struct Estimate {
    std::uint64_t response = 0;  ///< WebsocketResponse::number
    std::unique_ptr<provider::UsageEstimator> estimator;
  };

  bool read(proxy::TunnelSide from, Direction& side, std::string_view bytes, std::int64_t now_ns);
  void begin_message(proxy::TunnelSide from, Direction& side);
  void take_text(proxy::TunnelSide from, Direction& side, std::string_view text);
  void end_message(proxy::TunnelSide from, Direction& side, std::int64_t now_ns);
  void collect(const Direction& server);
  void take_finished(Direction* server);
  std::unique_ptr<provider::UsageEstimator> estimator_of(const provider::WebsocketResponse& response,
                                                         const Question* question);

  const provider::TokenizerSet& tokenizers_;
  const bool capture_;
  const std::size_t body_max_size_;
  Direction client_, server_;
  provider::WebsocketUsage usage_;
  std::deque<Question> questions_;
  std::string server_line_;          ///< one delta as an event of a stream
  std::vector<Estimate> estimates_;  ///< of open responses that have said something
  std::deque<WebsocketAnswer> over_;
  std::optional<proxy::TunnelSide> left_first_;
};

}  // namespace gw::pipeline

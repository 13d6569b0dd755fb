#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/usage.h"
#include "provider/field_scanner.h"
#include "provider/session.h"
#include "provider/usage_totals.h"

namespace gw::provider {

enum class ResponseEnd : std::uint8_t {
  done,  ///< the provider said that it is over: completed, incomplete, failed or cancelled
  open,  ///< the connection ended before it was, or too many were open
};

/// One response on a WebSocket. Times are the caller's clock.
struct WebsocketResponse {
  std::string id;                  ///< empty when no event names one
  std::string model;               ///< that was asked for, by the question or the session; or empty
  std::string response_model;      ///< as the answer names it, or empty
  std::string service_tier_asked;  ///< or empty
  std::string service_tier;        ///< or empty
  std::string session;             ///< what the question says of its conversation, see session_of(); or empty
  Usage usage;
  std::uint64_t ask = 0;               ///< 1 for the connection's first question, and so on; 0: none led to it
  std::int64_t asked_at_ns = 0;        ///< end of the question, else of the event that opened the response
  std::int64_t first_token_at_ns = 0;  ///< 0: there was none
  std::int64_t ended_at_ns = 0;
  std::uint32_t messages = 0;  ///< of the provider, from the one that opened it to the one that ended it
  ResponseEnd end = ResponseEnd::done;
};

/// Finds the responses in the messages of a WebSocket of OpenAI's Responses or Realtime API, and counts each once,
/// however many are open at a time and however often their last events come.
///
/// Owner: what reads one connection's messages, on its worker's thread. Memory: about 6 KiB and the open responses, at
/// most kMaxOpen (the oldest is then given up as `open`), and as many questions without an answer. Messages of any
/// length are skimmed, none is kept. Malformed ones count nothing.
class WebsocketUsage {
 public:
  static constexpr std::size_t kMaxOpen = 64;

  void begin_client_message();
  void push_client(std::string_view bytes);
  void end_client_message(std::int64_t now_ns);
  void begin_server_message();
  void push_server(std::string_view bytes);
  void end_server_message(std::int64_t now_ns);
  /// The connection is over: whatever is open joins finished(), unfinished.
  void close_open(std::int64_t now_ns);

  /// The client message that ended last asked for a response; it was the asks()th to do so.
  bool last_client_message_asked() const { return asked_; }
  std::uint64_t asks() const { return asks_; }
  /// The server message that ended last ended a response: the last of finished().
  bool last_server_message_ended() const { return ended_; }

  /// Oldest first; the caller takes them off.
  std::deque<WebsocketResponse>& finished() { return finished_; }
  /// Whether there ever was a response.
  bool any() const { return any_; }

 private:
  struct Question {
    std::uint64_t number = 0;
    std::int64_t at_ns = 0;
    std::string model, service_tier, session;
  };
  struct Open {
    WebsocketResponse response;
    UsageTotals totals;
  };
  /// The beginning of a message, where its type and whose it is are looked for beside the scanner's keys.
  struct Head {
    std::array<char, 320> bytes;
    std::size_t size = 0;
    void push(std::string_view part);
    std::string_view text() const { return {bytes.data(), size}; }
  };

  Open& open_response(std::string_view id, std::int64_t now_ns);
  Open* find(std::string_view id);
  void end_response(std::string_view id, std::int64_t now_ns);
  void finish(Open& open, ResponseEnd how, std::int64_t now_ns);
  bool ended_before(std::string_view id) const;

  FieldScanner client_, server_;
  Head head_;  ///< of the server message under way
  std::string session_model_;
  std::deque<Question> questions_;
  std::vector<Open> open_;  ///< in the order of opening
  std::deque<WebsocketResponse> finished_;
  std::array<std::size_t, kMaxOpen> ended_ids_{};  ///< hashes of the last ids that ended
  std::size_t ended_count_ = 0;
  std::uint64_t asks_ = 0;
  bool asked_ = false, ended_ = false, any_ = false;
};

}  // namespace gw::provider

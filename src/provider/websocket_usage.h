#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "provider/field_scanner.h"
#include "provider/usage_totals.h"

namespace gw::provider {

enum class ResponseEnd : std::uint8_t {
  done,  ///< the provider said it is over: completed, incomplete, failed or cancelled
  open   ///< the connection ended before it was
};

/// One response of a WebSocket, of the Responses or the Realtime API. Texts are empty where no message says them.
struct WebsocketResponse {
  std::string id;
  std::string model;           ///< asked for: that of `response.create`, else of the session
  std::string response_model;  ///< as the response names it
  std::string service_tier_asked, service_tier;
  std::string session;  ///< see session_of()
  Usage usage;
  std::string_view status;             ///< completed, incomplete, failed, cancelled, or empty; static storage
  std::uint64_t number = 0;            ///< 1-based, in the order in which they were first heard of
  std::uint64_t ask = 0;               ///< 1-based number of the `response.create` that led to it; 0: none did
  std::int64_t asked_at_ns = 0;        ///< end of that message, else of `response.created`
  std::int64_t first_token_at_ns = 0;  ///< end of its first `….delta` message; 0: there was none
  std::int64_t ended_at_ns = 0;
  std::uint32_t messages = 0;  ///< from the server, from its first to its last; without those of another response
  ResponseEnd end = ResponseEnd::done;
};

/// Tells the responses of a WebSocket apart, from the text messages of both directions, whole or in pieces. A message
/// is skimmed and never kept, whatever its size. The two directions may interleave.
///
/// Owner: a tunnel. Thread: its worker's. Memory: about 6 KiB and what is open: at most kMaxOpen responses and as many
/// asks. A response beyond that is not tracked: its last message still counts, but nothing else of it is known and a
/// disconnect loses it. An ask beyond that replaces the oldest one. Times are the caller's, monotonic. No errors: a
/// message that is no complete JSON object says nothing.
///
/// A response counts once, however often its last message comes (of the last kMaxFinished ids). Asks and responses
/// belong together in their order; an ask that is answered by an `error` led to none: the ask whose event the error
/// names, and for one that names none the oldest ask whose event has no name. An error about a response that has begun
/// takes no ask away.
class WebsocketUsage {
 public:
  static constexpr std::size_t kMaxOpen = 64;
  static constexpr std::size_t kMaxFinished = 256;

  WebsocketUsage() { reset(); }
  void reset();

  void begin_server_message();
  void push_server(std::string_view bytes) { server_.push(bytes); }
  void end_server_message(std::int64_t now_ns);
  void begin_client_message() { client_.restart(Document::client_message); }
  void push_client(std::string_view bytes) { client_.push(bytes); }
  void end_client_message(std::int64_t now_ns);
  /// The connection has ended: what is open goes to finished(), with what is known.
  void close_open(std::int64_t now_ns);

  /// The last whole message of the client was a `response.create`.
  bool last_client_message_asked() const { return client_asked_; }
  /// The last whole message of the server ended a response: finished() has one more.
  bool last_server_message_ended() const { return server_ended_; }
  /// WebsocketResponse::number of the open response that the last whole message of the server belongs to, if that was a
  /// `….delta` or an error; else 0.
  std::uint64_t last_server_message_continued() const { return continued_; }
  /// WebsocketResponse::model of an open response; empty when it is not open. Valid until it ends.
  std::string_view model_of(std::uint64_t number) const;
  /// Oldest first. The caller takes them out; a message adds at most one, so that nothing else bounds it.
  std::deque<WebsocketResponse>& finished() { return finished_; }
  /// How many times a response was asked for.
  std::uint64_t asks() const { return asks_; }
  /// A response was ever seen: it was created or ended, or a delta came after it was asked for.
  bool any() const { return any_; }

 private:
  struct Ask {
    std::uint64_t number = 0;
    std::int64_t at_ns = 0;
    std::string event_id, model, service_tier, session;
  };
  struct Open {
    WebsocketResponse response;
    UsageTotals totals;
  };

  void refuse_ask();
  void note_session(const FieldScanner& message);
  Open created(std::string_view id, std::int64_t now_ns);
  void finish(std::int64_t now_ns);
  void move_to_finished(Open& open, std::int64_t now_ns);
  Open* find_open(std::string_view id);
  bool known_finished(std::string_view id) const;
  void count_message(std::int64_t now_ns);

  FieldScanner server_, client_;
  std::vector<Open> open_;  ///< oldest first
  std::deque<Ask> pending_;
  std::deque<WebsocketResponse> finished_;
  std::string session_model_;
  std::array<std::size_t, kMaxFinished> finished_ids_{};  ///< hashes, a ring
  std::size_t finished_count_ = 0;
  std::uint64_t asks_ = 0;
  std::uint64_t responses_ = 0;
  std::uint64_t continued_ = 0;
  bool client_asked_ = false;
  bool server_ended_ = false;
  bool any_ = false;
};

}  // namespace gw::provider

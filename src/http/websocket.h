#pragma once
// WebSocket frames (RFC 6455) of one direction of an upgraded connection, read beside the relay: the bytes pass through
// as they are, this only tells which messages they make.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gw::http {

/// Strict: what a peer would have to fail the connection for is `bad`. Incremental, keeps a frame header's bytes and
/// nothing of any payload. The calls it makes, pieces joined, do not depend on how the input was cut.
class WebsocketScanner {
 public:
  enum class From : std::uint8_t { client, server };

  /// `deflate`: permessage-deflate (RFC 7692) was agreed on for this connection, so that a message may be compressed.
  WebsocketScanner(From from, bool deflate) : from_(from), deflate_(deflate) {}

  /// False from the first malformed frame on: nothing after it means anything.
  ///
  /// Calls, for data messages only: `begin(bool text, bool compressed)`, then `payload(std::string_view)` any number of
  /// times (unmasked, still compressed; valid during the call only), then `end()`.
  template <class Begin, class Payload, class End>
  bool scan(std::string_view in, Begin&& begin, Payload&& payload, End&& end) {
    while (!in.empty() && !bad_) {
      if (left_ == 0 && !in_payload_) {
        if (!take_header(in)) continue;
        if (!control_ && opens_) begin(text_, compressed_);
        in_payload_ = true;
      }
      const std::size_t n = left_ < in.size() ? static_cast<std::size_t>(left_) : in.size();
      if (!control_) {
        char piece[kPiece];
        for (std::string_view rest = in.substr(0, n); !rest.empty();) payload(take_piece(rest, piece));
      }
      in.remove_prefix(n);
      left_ -= n;
      if (left_ > 0) return true;
      in_payload_ = false;
      if (!control_ && final_) {
        message_open_ = false;
        end();
      }
    }
    return !bad_;
  }

  /// A close frame was read.
  bool closed() const { return closed_; }

 private:
  static constexpr std::size_t kPiece = 4096;

  /// Takes header bytes off `in`. True: a whole header was read, and what it says is in the members below.
  bool take_header(std::string_view& in);
  void read_header();
  std::size_t header_size() const;
  /// Takes what can be handed on at once off `in`: all of it, or, where it has to be unmasked into `piece`, that much.
  std::string_view take_piece(std::string_view& in, char* piece);

  const From from_;
  const bool deflate_;
  bool bad_ = false;
  bool closed_ = false;
  bool message_open_ = false;  ///< between a message's first and its final frame
  bool text_ = false, compressed_ = false;

  // The frame under way.
  std::array<unsigned char, 14> header_{};
  std::uint8_t header_read_ = 0;
  bool in_payload_ = false;
  bool control_ = false, final_ = false, opens_ = false;
  std::uint8_t mask_at_ = 0;  ///< which byte of the mask the next payload byte takes
  std::array<unsigned char, 4> mask_{};
  std::uint64_t left_ = 0;
};

}  // namespace gw::http

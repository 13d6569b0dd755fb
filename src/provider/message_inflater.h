#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "provider/content_decoder.h"

namespace gw::provider {

/// What permessage-deflate (RFC 7692) was agreed on, as the answer to a WebSocket handshake says.
struct MessageDeflate {
  bool on = false;
  bool client_keeps_context = true;  ///< each message of the client may refer to its earlier ones
  bool server_keeps_context = true;

  /// Adds one Sec-WebSocket-Extensions value of the answer.
  void read(std::string_view extensions);
};

/// Inflates the compressed messages of one direction of a WebSocket, on a copy and piece by piece.
///
/// Owner: what reads the connection's messages. Thread: its worker's. Memory: none before the first compressed message,
/// then about 40 KiB until the end. Work per push is proportional to its size by the bounds of ContentDecoder; what
/// a message took beyond the ratio is charged to the next ones. Over a bound, or on bytes that do not inflate, calls
/// fail, and go on failing: later messages may refer to what was lost.
class MessageInflater {
 public:
  explicit MessageInflater(bool keeps_context);
  ~MessageInflater();
  MessageInflater(MessageInflater&&) noexcept;

  /// Bytes of a compressed message.
  bool push(std::string_view bytes, ContentDecoder::Sink sink);
  /// The message is whole.
  bool end(ContentDecoder::Sink sink);

 private:
  struct Stream;

  bool inflate(std::string_view bytes, ContentDecoder::Sink sink);

  std::unique_ptr<Stream> stream_;
  std::uint64_t received_ = 0, produced_ = 0;  ///< of the message under way
  bool keeps_context_;
  bool failed_ = false;
};

}  // namespace gw::provider

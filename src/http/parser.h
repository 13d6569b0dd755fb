#pragma once
// Strict HTTP/1.x message heads. Pure functions over a contiguous buffer: no sockets, no allocation beyond the field
// vector. What nginx and HAProxy both refuse is refused here: both Content-Length and Transfer-Encoding, repeated or
// odd lengths, obs-fold, bare CR or LF, a repeated or missing Host, white space before a colon, control characters.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/header.h"
#include "http/line_memo.h"

namespace gw::http {

enum class ParseStatus : std::uint8_t { complete, incomplete, bad };

/// Why a head was refused; `status` is the answer to a client (400, 431, 501, 505), `reason` a static text for the JSON
/// error.
struct ParseError {
  int status = 400;
  const char* reason = "malformed request";
};

enum class BodyKind : std::uint8_t {
  none,
  length,  ///< content_length bytes
  chunked,
  until_close,  ///< responses only
};

struct RequestHead {
  std::string_view method;
  std::string_view target;
  int minor = 1;  ///< HTTP/1.minor
  Fields fields;
  BodyKind body = BodyKind::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expect_continue = false;
  bool upgrade = false;  ///< Connection names `upgrade` and an Upgrade field is there
  std::size_t size = 0;  ///< bytes of the head in the buffer, leading empty lines and the last CRLF included

  void clear();
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  int minor = 1;
  Fields fields;
  BodyKind body = BodyKind::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  std::size_t size = 0;

  void clear();
};

/// Parses one request head from the front of `in`. Views in `head` point into `in`; unless it is complete, `head` means
/// nothing. `memo`, if there is one, changes
/// the time that it takes and nothing else.
ParseStatus parse_request(std::string_view in, RequestHead& head, ParseError& error, LineMemo* memo = nullptr);

/// Parses one response head. `head_request`: the answer to a HEAD has no body whatever its fields say.
ParseStatus parse_response(std::string_view in, bool head_request, ResponseHead& head, ParseError& error,
                           LineMemo* memo = nullptr);

/// Resumable look for the end of a head that did not arrive in one piece, so that a client that sends byte by byte
/// costs linear work.
class HeadScanner {
 public:
  /// `in` is the whole of what was received, growing from call to call. `bad` as soon as a bare LF is seen.
  ParseStatus scan(std::string_view in);
  void reset() { *this = {}; }

 private:
  std::size_t pos_ = 0;
  std::size_t line_start_ = 0;
  bool seen_line_ = false;
};

}  // namespace gw::http

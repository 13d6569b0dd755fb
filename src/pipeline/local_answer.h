#pragma once
// Answers that the gateway gives itself: errors, refusals, the API. Every error is JSON.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gw::pipeline {

struct LocalAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>>
      headers;  ///< Content-Length, Connection and the correlation id are added when written
  std::string body;
  bool close = false;
  std::string_view header_lines = {};  ///< written as they are, behind `headers`

  static LocalAnswer error(int status, std::string_view message);
  /// Likewise, and the connection is closed.
  static LocalAnswer malformed(int status, std::string_view message);
};

/// CORS headers of the API router, also on its auth refusals.
void add_cors(LocalAnswer& answer, const std::string& allow_headers);

/// How an answer's body ends.
enum class AnswerFraming : std::uint8_t {
  length,   ///< the body is the answer's, whole
  chunked,  ///< it follows in pieces
  close,    ///< likewise, and ends with the connection
};

struct AnswerHeadInput {
  const LocalAnswer& answer;
  std::string_view correlation_id;
  std::string_view trace_id;  ///< empty: not traced
  int client_minor = 1;
  bool keep_alive = true;
  bool head_request = false;  ///< headers only
  AnswerFraming framing = AnswerFraming::length;
};

/// Appends the whole answer, head and body; of one whose body follows in pieces the head.
void append_answer(std::string& out, const AnswerHeadInput& in);

}  // namespace gw::pipeline

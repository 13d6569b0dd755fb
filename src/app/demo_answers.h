#pragma once
// What the simulated provider says, in the shapes of the two APIs. Pure text. Every answer says that it is simulated:
// in its text, in its id and, where the API has a place for it, as `"system_fingerprint":"simulated"`.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/demo_json.h"

namespace gw::app {

enum class DemoApi { openai, anthropic };

/// Thought up before anything is sent.
struct Answer {
  DemoApi api = DemoApi::openai;
  std::string id;
  std::string model;
  std::int64_t created_s = 0;       ///< Unix seconds
  std::vector<std::string> tokens;  ///< joined they are the text
  std::int64_t input_tokens = 0;
  bool cut = false;  ///< by max_tokens
  bool include_usage = false;

  std::string text() const;
};

Answer make_answer(DemoApi api, const Question& question, std::uint64_t number, std::int64_t unix_s);

/// The JSON document of a plain answer.
std::string plain_answer(const Answer& answer);

/// The events of a streamed answer, framed, in order.
struct StreamEvent {
  std::string text;
  bool token = false;  ///< carries a piece of the answer: a model would have needed time for it
};
std::vector<StreamEvent> stream_answer(const Answer& answer);

/// Why the provider refuses, as its API puts it.
struct DemoRefusal {
  int status = 500;
  std::string_view reason;       ///< of the status line
  std::string_view openai_type;  ///< error.type
  std::string_view openai_code;  ///< error.code; empty: null
  std::string_view anthropic_type;
  std::string message;
  int retry_after_s = 0;  ///< 0: none
};
std::string refusal_body(DemoApi api, const DemoRefusal& refusal, std::uint64_t number);

}  // namespace gw::app

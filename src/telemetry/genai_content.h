#pragma once
// What bodies of the known APIs say in the terms of OpenTelemetry's GenAI conventions: parameters, messages, why an
// answer ended. Pure. Bodies are as they are stored: redacted, and cut where tracing.body_max_size says so; one that is
// no whole JSON says nothing.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gw::telemetry {

inline constexpr std::size_t kMostGenAiMessages = 128;      ///< of a body; later ones are left out
inline constexpr std::size_t kMostGenAiParts = 64;          ///< of a message
inline constexpr std::size_t kMostGenAiText = 16UL * 1024;  ///< of a part; longer ones are cut

struct GenAiPart {
  std::string type;          ///< text, reasoning, tool_call, tool_call_response, or what the API calls it
  std::string content{};     ///< of a text; arguments of a call, the result of a response
  std::string id{}, name{};  ///< of a tool call
  friend bool operator==(const GenAiPart&, const GenAiPart&) = default;
};

struct GenAiMessage {
  std::string role;
  std::vector<GenAiPart> parts{};
  std::string finish_reason{};  ///< of an output
  friend bool operator==(const GenAiMessage&, const GenAiMessage&) = default;
};

struct GenAiRequest {
  std::optional<double> temperature, top_p, frequency_penalty, presence_penalty;
  std::optional<std::int64_t> max_tokens, top_k, seed, choices;
  std::vector<std::string> stop;
  std::string output_type, encoding_format;
  std::vector<GenAiPart> system;
  std::vector<GenAiMessage> messages;
};

struct GenAiResponse {
  std::string id, system_fingerprint;
  std::vector<std::string> finish_reasons;  ///< in the API's words
  std::vector<GenAiMessage> messages;
};

GenAiRequest read_genai_request(std::string_view body);
/// JSON, or a stream of server-sent events.
GenAiResponse read_genai_response(std::string_view body);

}  // namespace gw::telemetry

#pragma once
// What a provider would count in a request, or in an answer that is one JSON document.
#include <cstddef>
#include <cstdint>
#include <string>

namespace gw::provider {

// What cannot be counted from its bytes, per piece.
inline constexpr std::int64_t kImageTokens = 765;      ///< one of 1024 x 1024 in high detail, as OpenAI counts gpt-4o's
inline constexpr std::int64_t kLowImageTokens = 85;    ///< "detail": "low"
inline constexpr std::int64_t kAudioTokens = 300;      ///< 30 seconds at ten a second
inline constexpr std::int64_t kDocumentTokens = 1500;  ///< one full page
// The published overhead of chat.
inline constexpr std::int64_t kMessageTokens = 3;
inline constexpr std::int64_t kNameTokens = 1;
inline constexpr std::int64_t kPrimingTokens = 3;

/// Stands between two texts; no byte of UTF-8.
inline constexpr char kTextEnd = '\xFF';

/// Replaces a request body by the texts in it, each followed by kTextEnd, and gives the tokens that come on top of
/// theirs: overheads, images and the like, token ids. Known are `messages` (content, roles, names, tool calls),
/// `system`, `instructions`, `input`, `prompt`, and `tools` and `functions`, which count as they are written; also in
/// the `response` of a WebSocket's `response.create`. A body that is cut off gives what it has. Works in place; nested
/// deeper than 32 is passed over.
std::int64_t keep_prompt_text(std::string& body);

/// The same of an answer: `choices`, `output`, `content`.
std::int64_t keep_answer_text(std::string& body);

}  // namespace gw::provider

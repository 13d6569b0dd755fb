#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gw::provider {

inline constexpr std::size_t kMaxSessionBytes = 256;

/// What a request's head may say of the conversation; empty: the header is not there.
struct HeaderSession {
  std::string_view thread = {};       ///< the lineage thread, `X-OngoingAI-Thread-ID`
  std::string_view claude_code = {};  ///< `x-claude-code-session-id`
  std::string_view codex = {};        ///< `session-id`, else `session_id`
};

/// What its body may say; see RequestReader::session().
struct BodySession {
  std::string_view metadata = {};  ///< `metadata.session_id` or a like key
  std::string_view user = {};
  std::string_view safety_identifier = {};
  std::string_view prompt_cache_key = {};
  std::string_view metadata_user_id = {};
};

/// Which conversation of the client a request belongs to: the first of these that is not blank, in their order above.
/// Of a user id only the session in it where there is one: Claude Code writes `user_…_account_…_session_<id>`, or a
/// JSON object with `session_id`. Storable text of at most kMaxSessionBytes, in `out`, whose memory is reused; empty
/// when nothing names one.
void session_of(const HeaderSession& head, const BodySession& body, std::string& out);

}  // namespace gw::provider

#include "provider/session.h"

#include "base/strings.h"

namespace gw::provider {
namespace {

/// The session in a user id of either form, else all of it.
std::string_view session_in(std::string_view user_id) {
  constexpr std::string_view kMark = "_session_";
  constexpr std::string_view kKey = "\"session_id\"";
  if (user_id.starts_with('{')) {
    std::size_t at = user_id.find(kKey);
    if (at == std::string_view::npos) return user_id;
    std::string_view rest = trim(user_id.substr(at + kKey.size()));
    if (!rest.starts_with(':')) return user_id;
    rest = trim(rest.substr(1));
    if (!rest.starts_with('"')) return user_id;
    rest.remove_prefix(1);
    const std::string_view session = trim(rest.substr(0, rest.find('"')));
    return session.empty() ? user_id : session;
  }
  const std::size_t at = user_id.rfind(kMark);
  if (at == std::string_view::npos || at + kMark.size() == user_id.size()) return user_id;
  return user_id.substr(at + kMark.size());
}

void keep(std::string_view text, std::string& out) {
  if (is_storable_text(text)) {
    out.assign(text);
  } else {
    out = storable_text(text.substr(0, kMaxSessionBytes * 2));
  }
  out.resize(cut_at_character(out, kMaxSessionBytes).size());
}

}  // namespace

void session_of(const HeaderSession& head, const BodySession& body, std::string& out) {
  out.clear();
  const std::size_t any = head.thread.size() | head.claude_code.size() | head.codex.size() | body.metadata.size() |
                          body.user.size() | body.safety_identifier.size() | body.prompt_cache_key.size() |
                          body.metadata_user_id.size();
  if (any == 0) return;
  for (std::string_view text :
       {head.thread, head.claude_code, head.codex, body.metadata, body.user, body.safety_identifier,
        body.prompt_cache_key, session_in(trim(body.metadata_user_id))}) {
    text = trim(text);
    if (text.empty()) continue;
    keep(text, out);
    if (!out.empty()) return;
  }
}

}  // namespace gw::provider

#include "trace/identity_json.h"

#include <cstdint>
#include <cstring>

#include "base/strings.h"

namespace gw::trace {

bool IdentityJson::Entry::is_of(const IdentityView& who) const {
  const auto same = [](const std::string& own, std::string_view asked) {
    return own.size() == asked.size() && same_bytes(own.data(), asked.data(), asked.size());
  };
  return same(key_id, who.key_id) && same(org_id, who.org_id) && same(workspace_id, who.workspace_id) &&
         same(team, who.team) && same(role, who.role);
}

/// The ends of ids differ, also where they begin alike.
std::size_t IdentityJson::place_of(std::string_view key_id) {
  std::uint32_t end = 0;
  if (key_id.size() >= sizeof end)
    std::memcpy(&end, key_id.data() + key_id.size() - sizeof end, sizeof end);
  else
    for (const char c : key_id) end = end << 8 | static_cast<unsigned char>(c);
  constexpr std::uint32_t kSpread = 2654435761;  // Knuth's: the product's high bits depend on all of the factor's
  static_assert(kEntries == 1 << 8);
  return end * kSpread >> 24;
}

void IdentityJson::write(const IdentityView& who, Entry& entry) {
  entry.key_id.assign(who.key_id);
  entry.org_id.assign(who.org_id);
  entry.workspace_id.assign(who.workspace_id);
  entry.team.assign(who.team);
  entry.role.assign(who.role);
  member(",\"gateway_key_id\":", who.key_id, entry.members.gateway_key_id);
  member(",\"org_id\":", who.org_id, entry.members.org_id);
  member(",\"role\":", lowercase(who.role), entry.members.role);
  member(",\"team\":", who.team.empty() && !who.key_id.empty() ? who.workspace_id : who.team, entry.members.team);
  member(",\"workspace_id\":", who.workspace_id, entry.members.workspace_id);
}

void IdentityJson::member(std::string_view name, std::string_view value, std::string& out) {
  text_.clear();
  if (!value.empty()) {
    text_.raw(name);
    text_.string(value);
  }
  out.assign(text_.text());
}

}  // namespace gw::trace

#include "guard/policy.h"

#include <algorithm>

#include "base/strings.h"

namespace gw::guard {
namespace {

constexpr std::pair<std::string_view, Mode> kModeNames[] = {{"off", Mode::off},
                                                            {"redact_storage", Mode::redact_storage},
                                                            {"redact_upstream", Mode::redact_upstream},
                                                            {"block", Mode::block},
                                                            {"observe", Mode::observe}};

std::string normalised_prefix(std::string_view prefix) {
  prefix = trim(prefix);
  if (prefix.empty()) return {};
  while (prefix.size() > 1 && prefix.ends_with('/')) prefix.remove_suffix(1);
  std::string out;
  if (!prefix.starts_with('/')) out += '/';
  out += prefix;
  return out;
}

bool under(std::string_view path, std::string_view prefix) {
  if (prefix == "/") return true;
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

std::string_view to_string(Mode mode) {
  for (const auto& [name, m] : kModeNames)
    if (m == mode) return name;
  return "off";
}

std::optional<Mode> parse_mode(std::string_view name) {
  for (const auto& [known, mode] : kModeNames)
    if (known == name) return mode;
  return std::nullopt;
}

std::optional<Mode> effective_mode(std::string_view configured, bool capture_bodies) {
  const std::string mode = lowercase(trim(configured));
  if (mode.empty()) return capture_bodies ? Mode::redact_storage : Mode::off;
  return parse_mode(mode);
}

Policy::Policy(const PolicyOptions& options) : mode_(options.mode), policy_id_(trim(options.policy_id)) {
  if (policy_id_.empty()) policy_id_ = kDefaultPolicyId;
  const auto text = [](const std::string& s) { return std::string(trim(s)); };
  const auto more_specific = [](const Scope& a, const Scope& b) { return selectors(a) > selectors(b); };
  for (const ScopeOptions& s : options.scopes) {
    Scope scope{text(s.org_id),
                text(s.workspace_id),
                text(s.key_id),
                text(s.provider),
                normalised_prefix(s.route_prefix),
                parse_mode(lowercase(trim(s.mode))),
                text(s.policy_id)};
    const auto place = std::upper_bound(scopes_.begin(), scopes_.end(), scope, more_specific);  // behind its equals
    scopes_.insert(place, std::move(scope));
  }
}

int Policy::selectors(const Scope& s) {
  return !s.org_id.empty() + !s.workspace_id.empty() + !s.key_id.empty() + !s.provider.empty() +
         !s.route_prefix.empty();
}

bool Policy::matches(const Scope& scope, const PolicyInput& input) {
  const auto is = [](const std::string& wanted, std::string_view given) {
    return wanted.empty() || wanted == trim(given);
  };
  return is(scope.org_id, input.org_id) && is(scope.workspace_id, input.workspace_id) &&
         is(scope.key_id, input.key_id) && (scope.provider.empty() || iequals(scope.provider, trim(input.provider))) &&
         (scope.route_prefix.empty() || under(input.path, scope.route_prefix));
}

bool Policy::may_be(Mode mode) const {
  return mode_ == mode ||
         std::any_of(scopes_.begin(), scopes_.end(), [mode](const Scope& s) { return s.mode == mode; });
}

Resolved Policy::resolve(const PolicyInput& input) const {
  for (const Scope& scope : scopes_)
    if (matches(scope, input))
      return {scope.mode.value_or(mode_),
              scope.policy_id.empty() ? std::string_view(policy_id_) : std::string_view(scope.policy_id)};
  return unscoped();
}

}  // namespace gw::guard

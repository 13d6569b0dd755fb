#include "config/guard_options.h"

#include "base/strings.h"
#include "config/effective.h"

namespace gw::config {

guard::BodyOptions body_options(const Config& c) {
  const PiiDetectorsConfig& d = c.pii.detectors;
  guard::BodyOptions o;
  o.detectors.email = d.email;
  o.detectors.phone = d.phone;
  o.detectors.phone_bare_digits = d.phone_bare_digits;
  o.detectors.phone_international = d.phone_international;
  o.detectors.ssn = d.ssn;
  o.detectors.ssn_ranges = d.ssn_ranges;
  o.detectors.token_like = d.token_like;
  o.detectors.provider_keys = d.provider_keys;
  o.detectors.private_keys = d.private_keys;
  o.detectors.jwt = d.jwt;
  o.detectors.payment_card = d.payment_card;
  o.detectors.iban = d.iban;
  o.detectors.ip_address = d.ip_address;
  for (const PiiPatternConfig& p : c.pii.patterns) {
    guard::PatternOptions& to = o.detectors.patterns.emplace_back();
    to.name = p.name;
    to.regex = p.regex;
    guard::parse_validator(trim(p.validator), to.validator);
  }
  o.key_denylist = c.pii.body.key_denylist;
  o.format = effective_replacement_format(c);
  o.hash_salt = c.pii.replacement.hash_salt;
  return o;
}

guard::PolicyOptions policy_options(const Config& c) {
  guard::PolicyOptions o;
  o.mode = guard::parse_mode(effective_pii_mode(c)).value_or(guard::Mode::redact_storage);
  o.policy_id = effective_pii_policy_id(c);
  for (const PiiScopeConfig& s : c.pii.scopes)
    o.scopes.push_back({s.match.org_id, s.match.workspace_id, s.match.key_id, s.match.provider, s.match.route_prefix,
                        s.mode, s.policy_id});
  return o;
}

std::vector<std::string> pattern_names(const Config& c) {
  std::vector<std::string> out;
  out.reserve(c.pii.patterns.size());
  for (const PiiPatternConfig& p : c.pii.patterns) out.push_back(p.name);
  return out;
}

}  // namespace gw::config

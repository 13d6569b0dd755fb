#include "config/without_effect.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/glob.h"
#include "base/strings.h"
#include "config/effective.h"
#include "guard/policy.h"
#include "guard/request_guard.h"

namespace gw::config {
namespace {

/// A mode of requests' bodies, which are not looked at.
void add_unlooked(std::vector<std::string>& out, const std::string& setting, const std::string& mode) {
  const auto parsed = guard::parse_mode(mode);
  if (parsed && guard::guards_requests(*parsed))
    out.push_back(setting + " " + mode + " lets every request pass as it is: pii.stages.request_body is false");
}

/// Without keys every request is of the tenant default/default.
bool needs_key(const PiiScopeMatchConfig& m) {
  const auto other = [](const std::string& id) { return !trim(id).empty() && trim(id) != "default"; };
  return !trim(m.key_id).empty() || other(m.org_id) || other(m.workspace_id);
}

bool any_limit(const UsageLimitConfig& l) {
  return l.requests_per_minute > 0 || l.max_tokens_per_day > 0 || l.max_cost_usd_per_day > 0 ||
         l.tokens_per_minute > 0 || l.max_cost_usd_per_month > 0 || l.concurrent_requests > 0;
}

void add_limits_of_nobody(std::vector<std::string>& out, const LimitsConfig& limits) {
  const auto unlimited = [&](bool set, std::string_view setting) {
    if (set) out.push_back(std::string(setting) + " limits nobody: auth.enabled is false");
  };
  unlimited(any_limit(limits.per_key), "limits.per_key");
  unlimited(any_limit(limits.per_workspace), "limits.per_workspace");
  unlimited(any_limit(limits.per_org), "limits.per_org");
  unlimited(!limits.per_model.list.empty(), "limits.per_model");
}

/// Patterns behind one that has all of their names already. Whole names are looked for first, wherever they stand.
void add_hidden_models(std::vector<std::string>& out, const std::vector<ModelLimitConfig>& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].model.find('*') == std::string::npos) continue;
    const auto before = list.begin() + static_cast<std::ptrdiff_t>(i);
    const auto hides = [&](const ModelLimitConfig& entry) { return glob_matches(entry.model, list[i].model); };
    const auto by = std::find_if(list.begin(), before, hides);
    if (by != before)
      out.push_back(fmt::format("limits.per_model.{} is never used: {} before it has all of its names", list[i].model,
                                in_quotes(by->model)));
  }
}

/// Parts that are off by default, switched on in a detector that is off.
void add_parts(std::vector<std::string>& out, const PiiDetectorsConfig& d) {
  const auto part = [&](bool set, bool whole, std::string_view name, std::string_view of) {
    if (set && !whole)
      out.push_back(
          fmt::format("pii.detectors.{} finds nothing: it is a part of pii.detectors.{}, which is false", name, of));
  };
  part(d.phone_international, d.phone, "phone_international", "phone");
  part(d.ssn_ranges, d.ssn, "ssn_ranges", "ssn");
}

void add_unseen(std::vector<std::string>& out, const OtelConfig& otel) {
  if (otel.enabled) return;
  const auto unseen = [&](bool set, std::string_view name) {
    if (set)
      out.push_back(fmt::format("observability.otel.{} shows nothing: observability.otel.enabled is false", name));
  };
  unseen(otel.prometheus_enabled, "prometheus_enabled");
  unseen(otel.logs_enabled, "logs_enabled");
}

}  // namespace

std::vector<std::string> settings_without_effect(const Config& c) {
  std::vector<std::string> out;
  add_unseen(out, c.observability.otel);
  add_parts(out, c.pii.detectors);
  const auto providers = all_providers(c);
  if (!c.pii.stages.request_body) add_unlooked(out, "pii.mode", effective_pii_mode(c));
  for (std::size_t i = 0; i < c.pii.scopes.size(); ++i) {
    const PiiScopeConfig& scope = c.pii.scopes[i];
    const std::string setting = fmt::format("pii.scopes[{}]", i);
    const std::string_view name = trim(scope.match.provider);
    if (!name.empty() && std::none_of(providers.begin(), providers.end(), [&](auto* p) { return p->name == name; }))
      out.push_back(setting + " is never used: no provider is named " + in_quotes(name));
    if (!c.auth.enabled && needs_key(scope.match))
      out.push_back(setting +
                    " is never used: auth.enabled is false, and without keys all requests are of default/default");
    if (!c.pii.stages.request_body) add_unlooked(out, setting + ".mode", lowercase(trim(scope.mode)));
  }
  if (c.auth.enabled)
    add_hidden_models(out, c.limits.per_model.list);
  else
    add_limits_of_nobody(out, c.limits);
  return out;
}

}  // namespace gw::config

#include "pipeline/unpriced_models.h"

#include <algorithm>
#include <tuple>

namespace gw::pipeline {

bool UnpricedModels::add(std::string_view provider, std::string_view model, std::int64_t at_ns) {
  provider = provider.substr(0, kMaxNameBytes);
  model = model.substr(0, kMaxNameBytes);
  std::string key(provider);
  key.append(1, '\0').append(model);
  const std::lock_guard lock(mutex_);
  ++total_;
  auto at = models_.find(key);
  if (at == models_.end() && models_.size() < kMaxModels)
    at = models_.emplace(std::move(key), UnpricedModel{std::string(provider), std::string(model)}).first;
  UnpricedModel& entry = at == models_.end() ? other_ : at->second;
  if (entry.count == 0) entry.first_seen_ns = at_ns;
  entry.last_seen_ns = std::max(entry.last_seen_ns, at_ns);
  return ++entry.count == 1;
}

std::vector<UnpricedModel> UnpricedModels::list() const {
  std::vector<UnpricedModel> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : models_) out.push_back(entry);
    if (other_.count > 0) out.push_back(other_);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(b.count, a.provider, a.model) < std::tie(a.count, b.provider, b.model);
  });
  return out;
}

std::uint64_t UnpricedModels::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace gw::pipeline

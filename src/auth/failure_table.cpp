#include "auth/failure_table.h"

#include <algorithm>
#include <functional>

namespace gw::auth {

std::int64_t FailureTable::failed(std::string_view peer, std::int64_t now_ns, std::int64_t most_ns) {
  const std::uint64_t hash = std::hash<std::string_view>{}(peer);
  auto& set = sets_[hash % kSets];
  auto at = std::find_if(set.begin(), set.end(), [&](const Entry& e) { return e.count > 0 && e.peer == hash; });
  if (at == set.end()) {
    at = std::min_element(set.begin(), set.end(), [](const Entry& a, const Entry& b) { return a.last_ns < b.last_ns; });
    *at = {.peer = hash};
  }
  if (now_ns - at->last_ns > kForgetNs) at->count = 0;
  at->last_ns = now_ns;
  constexpr std::uint32_t kMost = 64;
  at->count = std::min(at->count + 1, kMost);
  const int over = static_cast<int>(at->count) - kFree;
  if (over <= 0) return 0;
  constexpr int kMostDoublings = 20;
  return std::min(most_ns, kFirstDelayNs << std::min(over - 1, kMostDoublings));
}

}  // namespace gw::auth

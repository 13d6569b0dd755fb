#include "config/suggest.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/strings.h"

namespace gw::config {
namespace {

/// Levenshtein distance without regard to case; dashes count as underscores.
std::size_t distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) { return x == y || to_lower(x) == to_lower(y) || (x == '-' && y == '_'); };
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (same(a[i], b[j]) ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggest_key(std::string_view key, const Section& section, std::string_view path) {
  constexpr std::size_t kLongestKey = 40;
  if (key.empty() || key.size() > kLongestKey) return {};
  std::size_t best = std::min<std::size_t>(3, (key.size() + 2) / 3 + 1);  // a third of the letters, at most two
  std::string meant;
  for (const Field& f : section.fields) {
    const std::size_t d = distance(key, f.key);
    if (d >= best) continue;
    best = d;
    meant = (path.empty() ? "" : std::string(path) + ".") + std::string(f.key);
  }
  if (!meant.empty()) return meant;
  for (const KeyPath& known : all_keys()) {
    if (!known.path.ends_with("." + std::string(key))) continue;
    if (!meant.empty()) return {};
    meant = known.path;
  }
  return meant;
}

}  // namespace gw::config

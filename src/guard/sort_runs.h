#pragma once
// Sorting of what comes in a few stretches that are sorted already, as finds of one detector after the other do.
#include <algorithm>
#include <cstddef>
#include <vector>

namespace gw::guard {

/// Stable. As many comparisons as elements where they are sorted; else that many for each doubling of the stretches.
template <class T, class Before>
void sort_runs(std::vector<T>& items, Before&& before) {
  std::vector<std::size_t> ends;  // of the stretches
  for (std::size_t i = 1; i < items.size(); ++i)
    if (before(items[i], items[i - 1])) ends.push_back(i);
  if (ends.empty()) return;
  ends.push_back(items.size());
  std::vector<T> merged(items.size());
  const auto at = [](std::vector<T>& v, std::size_t i) { return v.begin() + static_cast<std::ptrdiff_t>(i); };
  while (ends.size() > 1) {
    std::size_t from = 0, kept = 0;
    for (std::size_t run = 0; run < ends.size(); run += 2) {
      const std::size_t middle = ends[run], end = run + 1 < ends.size() ? ends[run + 1] : middle;
      std::merge(at(items, from), at(items, middle), at(items, middle), at(items, end), at(merged, from), before);
      ends[kept++] = from = end;
    }
    ends.resize(kept);
    items.swap(merged);
  }
}

}  // namespace gw::guard

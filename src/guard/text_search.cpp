#include "guard/text_search.h"

#include <algorithm>
#include <cstring>

namespace gw::guard {
namespace {

/// Stands for bytes that are dealt with: in no detector's alphabet, no blank, no word character.
constexpr char kMask = '\x01';
/// Each round masks something, so the search ends by itself; nothing known takes more than three.
constexpr int kMaxRounds = 16;

constexpr unsigned bit(Detector d) { return 1U << static_cast<unsigned>(d); }

std::size_t piece_end(std::span<const std::uint32_t> starts, std::size_t i, std::size_t size) {
  return i + 1 < starts.size() ? starts[i + 1] : size;
}

}  // namespace

bool TextSearch::anything(std::string_view text, std::span<const std::uint32_t> starts) {
  const auto hit = [this](std::string_view part) {
    const unsigned candidates = detectors_.candidates(part);
    for (const Detector d : kDetectors) {
      if ((candidates & bit(d)) == 0) continue;
      detectors_.find(d, part, found_);
      if (!found_.empty()) return true;
    }
    return false;
  };
  found_.clear();
  if (hit(text)) return true;
  if (starts.size() < 2) return false;
  for (std::size_t i = 0; i < starts.size(); ++i)
    if (hit(text.substr(starts[i], piece_end(starts, i, text.size()) - starts[i]))) return true;
  return false;
}

void TextSearch::mask(std::size_t begin, std::size_t end) { std::memset(masked_.data() + begin, kMask, end - begin); }

void TextSearch::mask_placeholders() {
  std::size_t begin = 0;
  std::size_t end = 0;
  while (placeholder_.find(masked_, end, begin, end)) mask(begin, end);
}

bool TextSearch::pass(std::size_t begin, std::size_t end) {
  const std::string_view part = std::string_view(masked_).substr(begin, end - begin);
  const unsigned candidates = detectors_.candidates(part);
  bool any = false;
  for (const Detector d : kDetectors) {
    if ((candidates & bit(d)) == 0) continue;
    found_.clear();
    detectors_.find(d, part, found_);
    for (const Match& m : found_) {
      matches_.push_back({begin + m.begin, begin + m.end, m.kind});
      mask(begin + m.begin, begin + m.end);
    }
    any |= !found_.empty();
  }
  return any;
}

const std::vector<Match>& TextSearch::run(std::string_view text, std::span<const std::uint32_t> starts) {
  matches_.clear();
  if (!anything(text, starts)) return matches_;
  masked_ = text;
  mask_placeholders();
  for (int round = 0; round < kMaxRounds; ++round) {
    bool any = pass(0, text.size());
    if (starts.size() > 1)
      for (std::size_t i = 0; i < starts.size(); ++i) any = pass(starts[i], piece_end(starts, i, text.size())) || any;
    if (!any) break;
  }
  std::sort(matches_.begin(), matches_.end(), [](const Match& a, const Match& b) { return a.begin < b.begin; });
  return matches_;
}

}  // namespace gw::guard

#include "guard/text_search.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "guard/sort_runs.h"

namespace gw::guard {
namespace {

/// Stands for bytes that are dealt with: in no detector's alphabet, no blank, no word character.
constexpr char kMask = '\x01';
/// Each round masks something, so the search ends by itself; nothing known takes more than three.
constexpr int kMaxRounds = 16;
/// What is looked at in one go.
constexpr std::size_t kWindow = 16 * 1024;

}  // namespace

bool TextSearch::start(std::string_view text, std::span<const std::uint32_t> starts, unsigned only) {
  text_ = text;
  starts_ = starts;
  only_ = only;
  matches_.clear();
  taken_ = hidden_ = masked_bytes_ = 0;
  widest_ = text.size();
  masked_.clear();
  round_ = 0;
  found_in_round_ = looked_for_placeholders_ = false;
  begin_part(0);
  if (mask_first_) {
    looked_for_placeholders_ = true;
    mask_placeholders();
  }
  constexpr std::size_t kShort = 4096;
  if (starts.size() > 1 || text.size() > kShort) return true;
  candidates_ = detectors_.candidates(part(), 0, text.size(), only);
  if (candidates_ == 0) return false;
  if (!std::exchange(looked_for_placeholders_, true) && mask_placeholders()) {
    begin_part(0);
  } else {
    stage_ = Stage::detectors;
    detector_ = 0;
    next_detector();
  }
  return true;
}

std::string_view TextSearch::part() const {
  return (masked_.empty() ? text_ : std::string_view(masked_)).substr(part_begin_, part_end_ - part_begin_);
}

void TextSearch::begin_part(std::size_t index) {
  part_ = index;
  part_begin_ = index == 0 ? 0 : starts_[index - 1];
  part_end_ = index == 0 || index == starts_.size() ? text_.size() : starts_[index];
  stage_ = Stage::candidates;
  candidates_ = 0;
  scan_ = {};
}

/// What is left may be long enough to hold something.
bool TextSearch::holds_more() const {
  if ((detectors_.on() & bit_of(Detector::pattern)) != 0) return true;
  return widest_ >= Detectors::kShortest && text_.size() - masked_bytes_ >= Detectors::kShortest;
}

/// False: all rounds are over.
bool TextSearch::next_part() {
  const bool whole = starts_.size() <= 1;
  while (!whole && part_ < starts_.size()) {
    begin_part(part_ + 1);
    if (part_end_ - part_begin_ < Detectors::kShortest && (detectors_.on() & bit_of(Detector::pattern)) == 0) continue;
    mask_found();
    return true;
  }
  if (!std::exchange(found_in_round_, false) || ++round_ == kMaxRounds || !holds_more()) return false;
  mask_found();
  begin_part(0);
  return true;
}

/// From detector_ on, the next one that could find something. False: there is none.
bool TextSearch::next_detector() {
  const unsigned left = candidates_ >> detector_;
  if (left == 0) return false;
  detector_ += static_cast<unsigned>(std::countr_zero(left));
  scan_ = {};
  mask_found();
  return true;
}

bool TextSearch::step(std::size_t& budget) {
  const auto spend = [&budget](std::size_t bytes) { budget -= std::min(bytes, budget); };
  for (;;) {
    const std::string_view text = part();
    const std::size_t stop = std::min(scan_.at + kWindow, text.size());
    if (stage_ == Stage::candidates) {
      if (scan_.at < stop) candidates_ |= detectors_.candidates(text, scan_.at, stop, only_ & ~candidates_);
      spend(stop - scan_.at + 1);
      scan_.at = stop;
      if (stop == text.size()) {
        if (candidates_ == 0) {
          if (!next_part()) break;
        } else if (!std::exchange(looked_for_placeholders_, true) && mask_placeholders()) {
          begin_part(part_);
        } else {
          stage_ = Stage::detectors;
          detector_ = 0;
          next_detector();
        }
      }
    } else {
      const bool done = detectors_.find(kDetectors[detector_], text, scan_, stop, matches_);
      spend(kWindow / 4);
      if (done) {
        take_found();
        ++detector_;
        if (!next_detector() && !next_part()) break;
      }
    }
    if (budget == 0) return false;
  }
  sort_runs(matches_, [](const Match& a, const Match& b) { return a.begin < b.begin; });
  return true;
}

void TextSearch::take_found() {
  if (taken_ == matches_.size()) return;
  found_in_round_ = true;
  std::size_t widest = 0, before = 0;
  for (; taken_ < matches_.size(); ++taken_) {
    Match& m = matches_[taken_];
    m = {part_begin_ + m.begin, part_begin_ + m.end, m.kind};
    widest = std::max(widest, m.begin - before);
    before = m.end;
  }
  widest_ = std::min(widest_, std::max(widest, text_.size() - before));
}

void TextSearch::mask_found() {
  for (; hidden_ < taken_; ++hidden_) mask(matches_[hidden_].begin, matches_[hidden_].end);
}

void TextSearch::mask(std::size_t begin, std::size_t end) {
  if (masked_.empty()) masked_ = text_;
  std::memset(masked_.data() + begin, kMask, end - begin);
  masked_bytes_ += end - begin;
}

/// False: there is none.
bool TextSearch::mask_placeholders() {
  if (text_.size() < placeholder_.shortest()) return false;
  std::size_t begin = 0;
  std::size_t end = 0;
  while (placeholder_.find(masked_.empty() ? text_ : std::string_view(masked_), end, begin, end)) mask(begin, end);
  return end > 0;
}

}  // namespace gw::guard

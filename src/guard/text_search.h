#pragma once
// All detectors over one running text, again and again until nothing is left to find.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guard/detectors.h"
#include "guard/placeholder.h"

namespace gw::guard {

/// Reused from text to text; one per redaction, not shared.
class TextSearch {
 public:
  TextSearch(const Detectors& detectors, const Placeholder& placeholder)
      : detectors_(detectors), placeholder_(placeholder) {}

  /// The texts that come are likely to hold replacements of an earlier run.
  void expect_placeholders() { mask_first_ = true; }

  /// Begins with a text. `starts` are the offsets at which its pieces begin (the first is 0): each piece is searched
  /// for itself too, after the whole. `only`: the detectors that take part, one bit each. The views stay valid until
  /// the search is done. False: there is nothing in it that could be found, and no search.
  bool start(std::string_view text, std::span<const std::uint32_t> starts, unsigned only = ~0U);

  /// Goes on until about `budget` bytes were looked at, which it takes off. True: done.
  bool step(std::size_t& budget);

  /// Of a search that is done: what is to be replaced, sorted, not overlapping. Replacements of an earlier run count as
  /// opaque, as do the ones found on the way: the result holds nothing more to find, so that redacting it again changes
  /// nothing.
  const std::vector<Match>& matches() const { return matches_; }

 private:
  enum class Stage : std::uint8_t { candidates, detectors };

  std::string_view part() const;
  void begin_part(std::size_t index);
  bool next_part();
  bool next_detector();
  void take_found();
  bool holds_more() const;
  void mask_found();
  void mask(std::size_t begin, std::size_t end);
  bool mask_placeholders();

  const Detectors& detectors_;
  const Placeholder& placeholder_;
  std::vector<Match> matches_;
  std::size_t taken_ = 0;   ///< of them; the others are being found, in the part's positions
  std::size_t hidden_ = 0;  ///< of those that are taken, so many are masked
  std::string masked_;      ///< the text without what is dealt with; empty while nothing is

  std::string_view text_;
  std::span<const std::uint32_t> starts_;
  unsigned only_ = 0;
  int round_ = 0;
  bool found_in_round_ = false;
  bool looked_for_placeholders_ = false;
  bool mask_first_ = false;
  std::size_t masked_bytes_ = 0;
  std::size_t widest_ = 0;  ///< no stretch without a match is longer

  // Where it is: part 0 is the whole text, part n its piece n-1.
  std::size_t part_ = 0, part_begin_ = 0, part_end_ = 0;
  Stage stage_ = Stage::candidates;
  unsigned candidates_ = 0;
  std::size_t detector_ = 0;
  Scan scan_;
};

}  // namespace gw::guard

#pragma once
// All detectors over one running text, again and again until nothing is left to find.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guard/detectors.h"

namespace gw::guard {

/// Reused from text to text; one per redaction, not shared.
class TextSearch {
 public:
  TextSearch(const Detectors& detectors, const Placeholder& placeholder)
      : detectors_(detectors), placeholder_(placeholder) {}

  /// What is to be replaced in `text`, sorted, not overlapping. Replacements of an earlier run count as opaque, as do
  /// the ones found on the way: the result holds nothing more to find, so that redacting it again changes nothing.
  /// `starts` are the offsets at which the text's pieces begin (the first is 0): each piece is searched for itself too,
  /// after the whole.
  const std::vector<Match>& run(std::string_view text, std::span<const std::uint32_t> starts);

 private:
  bool anything(std::string_view text, std::span<const std::uint32_t> starts);
  bool pass(std::size_t begin, std::size_t end);
  void mask(std::size_t begin, std::size_t end);
  void mask_placeholders();

  const Detectors& detectors_;
  const Placeholder& placeholder_;
  std::vector<Match> matches_;
  std::vector<Match> found_;
  std::string masked_;
};

}  // namespace gw::guard

#pragma once
// The user's own patterns (pii.patterns): RE2, each with a name and, if wanted, a check of what it matches.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "guard/match.h"

namespace re2 {
class RE2;
}

namespace gw::guard {

enum class Validator : std::uint8_t { none, luhn, iban };

/// `luhn`, `iban`, `none` or blank.
bool parse_validator(std::string_view name, Validator& out);

struct PatternOptions {
  std::string name;
  std::string regex;
  Validator validator = Validator::none;
};

/// Whether it can be used: a name of letters, digits and `_`, and a regular expression of bounded size that matches
/// something. The error says what is wrong, without the key's path.
Result<void> check_pattern(const PatternOptions& pattern);

/// Immutable, shared by all workers. A match does not go over the end of a line, and is not empty.
class Patterns {
 public:
  /// Patterns that check_pattern() refuses, and those after the first kMaxPatterns, are left out.
  explicit Patterns(const std::vector<PatternOptions>& patterns);
  Patterns(Patterns&&) noexcept;
  ~Patterns();

  bool empty() const { return patterns_.empty(); }

  /// Whether one matches in `text`.
  bool matches(std::string_view text) const;
  /// The first match that begins in [from, stop) of each pattern in their order, not overlapping. Lines that begin
  /// before `stop` are searched to their end: where that is, is returned.
  std::size_t find(std::string_view text, std::size_t from, std::size_t stop, std::vector<Match>& out) const;

 private:
  struct One {
    std::unique_ptr<re2::RE2> regex;
    Validator validator;
    Kind kind;
  };
  std::vector<One> patterns_;
};

}  // namespace gw::guard

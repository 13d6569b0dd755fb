#include "guard/patterns.h"

#include <re2/re2.h>

#include <algorithm>

#include "guard/checksums.h"
#include "guard/text_class.h"

namespace gw::guard {
namespace {

constexpr std::size_t kMaxName = 32;
constexpr std::size_t kMaxRegex = 2000;
constexpr std::int64_t kMaxMemory = 1 << 20;  // of one compiled pattern and what it caches

std::unique_ptr<re2::RE2> compile(const std::string& regex) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_nl(true);
  options.set_max_mem(kMaxMemory);
  return std::make_unique<re2::RE2>(regex, options);
}

bool is_valid(Validator v, std::string_view s) {
  switch (v) {
    case Validator::none:
      return true;
    case Validator::luhn:
      return passes_luhn(s);
    case Validator::iban:
      return passes_mod97(s);
  }
  return true;
}

bool overlaps(const std::vector<Match>& matches, std::size_t first, std::size_t begin, std::size_t end) {
  return std::any_of(matches.begin() + static_cast<std::ptrdiff_t>(first), matches.end(),
                     [=](const Match& m) { return m.begin < end && begin < m.end; });
}

}  // namespace

bool parse_validator(std::string_view name, Validator& out) {
  for (const auto& [known, v] : {std::pair(std::string_view(), Validator::none),
                                 {"none", Validator::none},
                                 {"luhn", Validator::luhn},
                                 {"iban", Validator::iban}})
    if (name == known) {
      out = v;
      return true;
    }
  return false;
}

Result<void> check_pattern(const PatternOptions& p) {
  if (p.name.empty() || p.name.size() > kMaxName || !std::all_of(p.name.begin(), p.name.end(), is_word))
    return fail("name must be 1 to 32 letters, digits or underscores");
  if (p.regex.empty() || p.regex.size() > kMaxRegex) return fail("regex must have 1 to 2000 characters");
  const auto compiled = compile(p.regex);
  if (!compiled->ok()) return fail("regex is not a regular expression of RE2: " + compiled->error());
  if (re2::RE2::PartialMatch("", *compiled)) return fail("regex must not match the empty text");
  return {};
}

Patterns::Patterns(const std::vector<PatternOptions>& patterns) {
  for (const PatternOptions& p : patterns) {
    if (patterns_.size() == kMaxPatterns) break;
    if (check_pattern(p)) patterns_.push_back({compile(p.regex), p.validator, pattern_kind(patterns_.size())});
  }
}
Patterns::Patterns(Patterns&&) noexcept = default;
Patterns::~Patterns() = default;

bool Patterns::matches(std::string_view text) const {
  return std::any_of(patterns_.begin(), patterns_.end(), [text](const One& p) {
    return p.regex->Match({text.data(), text.size()}, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
  });
}

std::size_t Patterns::find(std::string_view text, std::size_t from, std::size_t stop, std::vector<Match>& out) const {
  std::size_t end = text.size();
  if (stop < end) end = std::min(text.find('\n', stop), end);
  const std::size_t first = out.size();
  for (const One& p : patterns_) {
    re2::StringPiece hit;
    for (std::size_t at = from;
         at < end && p.regex->Match({text.data(), text.size()}, at, end, re2::RE2::UNANCHORED, &hit, 1);) {
      const auto begin = static_cast<std::size_t>(hit.data() - text.data());
      const std::size_t close = begin + hit.size();
      if (hit.empty()) {
        at = begin + 1;
        continue;
      }
      at = close;
      if (!is_valid(p.validator, {hit.data(), hit.size()}) || overlaps(out, first, begin, close)) continue;
      out.push_back({begin, close, p.kind});
    }
  }
  return end;
}

}  // namespace gw::guard

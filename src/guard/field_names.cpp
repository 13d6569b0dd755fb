#include "guard/field_names.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace gw::guard {
namespace {

enum class Class : unsigned char { separator, lower, upper, digit };

constexpr std::array<Class, 256> kClasses = [] {
  std::array<Class, 256> t{};
  for (std::size_t c = 0; c < t.size(); ++c)
    t[c] = (c >= 'a' && c <= 'z') || c >= 0x80 ? Class::lower
           : c >= 'A' && c <= 'Z'              ? Class::upper
           : c >= '0' && c <= '9'              ? Class::digit
                                               : Class::separator;
  return t;
}();
constexpr Class class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }

/// A word starts at `i`, which is no separator.
bool word_starts_at(std::string_view name, std::size_t i) {
  if (i == 0) return true;
  const Class before = class_of(name[i - 1]);
  const Class here = class_of(name[i]);
  if (before == Class::separator) return true;
  if (here == Class::digit || before == Class::digit) return here != before;
  if (here == Class::upper && before == Class::lower) return true;
  // APIToken: the last capital of a run belongs to the word behind it.
  return here == Class::upper && i + 1 < name.size() && class_of(name[i + 1]) == Class::lower;
}

std::string without_separators(std::string_view s) {
  std::string out;
  for (char c : s)
    if (class_of(c) != Class::separator) out += to_lower(c);
  return out;
}

/// The words from `i` on spell `entry`, and a word ends where it ends.
bool spells(std::string_view name, std::size_t i, std::string_view entry) {
  std::size_t matched = 0;
  for (; i < name.size() && matched < entry.size(); ++i) {
    if (class_of(name[i]) == Class::separator) continue;
    if (to_lower(name[i]) != entry[matched++]) return false;
  }
  if (matched < entry.size()) return false;
  return i == name.size() || class_of(name[i]) == Class::separator || word_starts_at(name, i);
}

/// Letters have numbers of their own; what else shares one is told apart later.
constexpr std::size_t letter_of(char c) { return static_cast<unsigned char>(to_lower(c)) & 31; }

}  // namespace

FieldNames::FieldNames(const std::vector<std::string>& entries) {
  for (const std::string& e : entries)
    if (std::string entry = without_separators(e); !entry.empty()) entries_.push_back(std::move(entry));
  std::sort(entries_.begin(), entries_.end(),
            [](const std::string& a, const std::string& b) { return letter_of(a[0]) < letter_of(b[0]); });
  for (const std::string& e : entries_) {
    ++by_letter_[letter_of(e[0]) + 1];
    shortest_ = std::min(shortest_, e.size());
  }
  for (std::size_t l = 0; l < kLetters; ++l) by_letter_[l + 1] += by_letter_[l];
}

bool FieldNames::is_denied(std::string_view name) const {
  if (name.size() < shortest_) return false;
  Class before = Class::separator;
  for (std::size_t i = 0; i <= name.size() - shortest_; ++i) {
    const Class here = class_of(name[i]);
    const bool inside = here == Class::separator || (here == before && here != Class::upper);
    before = here;
    if (inside) continue;
    const std::size_t letter = letter_of(name[i]);
    if (by_letter_[letter] == by_letter_[letter + 1] || !word_starts_at(name, i)) continue;
    for (std::size_t e = by_letter_[letter]; e < by_letter_[letter + 1]; ++e)
      if (spells(name, i, entries_[e])) return true;
  }
  return false;
}

bool FieldNames::is_usage(std::string_view name) {
  if (name.size() < 5 || name.size() > 16 || to_lower(name[0]) != 'u') return false;
  const std::string plain = without_separators(name);
  return plain == "usage" || plain == "usagemetadata";
}

}  // namespace gw::guard

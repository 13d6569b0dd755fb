#include "guard/field_names.h"

#include "base/strings.h"

namespace gw::guard {
namespace {

enum class Class : unsigned char { separator, lower, upper, digit };

Class class_of(char c) {
  if (c >= 'a' && c <= 'z') return Class::lower;
  if (c >= 'A' && c <= 'Z') return Class::upper;
  if (c >= '0' && c <= '9') return Class::digit;
  return static_cast<unsigned char>(c) >= 0x80 ? Class::lower : Class::separator;
}

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

constexpr std::uint32_t letter_bit(char c) {
  return std::uint32_t{1} << (static_cast<unsigned char>(to_lower(c)) & 31);
}

}  // namespace

FieldNames::FieldNames(const std::vector<std::string>& entries) {
  for (const std::string& e : entries)
    if (std::string entry = without_separators(e); !entry.empty()) entries_.push_back(std::move(entry));
  for (const std::string& e : entries_) first_letters_ |= letter_bit(e[0]);
}

bool FieldNames::is_denied(std::string_view name) const {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((first_letters_ & letter_bit(name[i])) == 0 || class_of(name[i]) == Class::separator ||
        !word_starts_at(name, i))
      continue;
    for (const std::string& entry : entries_)
      if (entry[0] == to_lower(name[i]) && spells(name, i, entry)) return true;
  }
  return false;
}

bool FieldNames::is_usage(std::string_view name) {
  if (name.size() < 5 || name.size() > 16 || to_lower(name[0]) != 'u') return false;
  const std::string plain = without_separators(name);
  return plain == "usage" || plain == "usagemetadata";
}

}  // namespace gw::guard

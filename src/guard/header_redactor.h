#pragma once
// Which header values never enter a stored trace. Immutable, shared by all workers; asked for every header of every
// request and answer.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::guard {

/// What a stored trace shows instead of a denied header's values.
inline constexpr std::string_view kRedactedHeaderValue = "[REDACTED]";

class HeaderRedactor {
 public:
  /// The built-in credential headers and `auth_header` are always denied; `denylist` (pii.headers.denylist) counts only
  /// while its stage is on. One redactor for requests, one for responses: their stages differ.
  HeaderRedactor(const std::vector<std::string>& denylist, bool stage_on, std::string_view auth_header);

  /// Case-insensitive; a few nanoseconds, no allocation.
  bool is_denied(std::string_view name) const {
    if (name.empty()) return false;
    const std::uint64_t lengths = lengths_by_first_[static_cast<unsigned char>(name[0]) & 31];
    return (lengths >> (name.size() & 63) & 1) != 0 && is_listed(name);
  }

 private:
  bool is_listed(std::string_view name) const;
  void add(std::string_view name);

  std::array<std::uint64_t, 32>
      lengths_by_first_{};          // bit n: a denied name of n (mod 64) bytes starts with this letter
  std::vector<std::string> names_;  // lowercase
};

}  // namespace gw::guard

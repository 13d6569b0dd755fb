#pragma once
// Member names whose values are replaced whole (pii.body.key_denylist).
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gw::guard {

/// Names match on word boundaries: `access_token`, `user-token` and `apiToken` hit the entry `token`, `max_tokens` and
/// `tokenizer` do not; `apikey`, `apiKey` and `x-api-key` all hit `api_key`. Words end at separators, at case changes
/// and between letters and digits.
class FieldNames {
 public:
  explicit FieldNames(const std::vector<std::string>& entries);

  bool empty() const { return entries_.empty(); }
  /// `name` as decoded from JSON.
  bool is_denied(std::string_view name) const;
  /// A member that holds accounting (`usage`, `usageMetadata`): no name below it is ever denied.
  static bool is_usage(std::string_view name);

 private:
  static constexpr std::size_t kLetters = 32;

  std::vector<std::string> entries_;                     // lowercase, separators removed, by first letter
  std::array<std::uint32_t, kLetters + 1> by_letter_{};  // where its entries begin
  std::size_t shortest_ = static_cast<std::size_t>(-1);  // of them
};

}  // namespace gw::guard

#pragma once
// Member names whose values are replaced whole (pii.body.key_denylist).
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
  std::vector<std::string> entries_;  // lowercase, separators removed
  std::uint32_t first_letters_ = 0;   // of all entries, one bit each; the cheap way out for nearly every name
};

}  // namespace gw::guard

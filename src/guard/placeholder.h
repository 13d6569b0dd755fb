#pragma once
// What stands in the place of a redacted value, and how it is counted.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace re2 {
class RE2;
}

namespace gw::guard {

/// Everything that redaction counts. From `pattern` on, one for each of the user's own patterns.
enum class Kind : std::uint8_t { field_name, email, phone, ssn, token_like, payment_card, iban, ip_address, pattern };
inline constexpr std::size_t kMaxPatterns = 16;
inline constexpr std::size_t kKinds = static_cast<std::size_t>(Kind::pattern) + kMaxPatterns;
using Counts = std::array<std::uint32_t, kKinds>;

constexpr Kind pattern_kind(std::size_t index) {
  return static_cast<Kind>(static_cast<std::size_t>(Kind::pattern) + index);
}

/// What kinds are called. Immutable; views point into it.
class KindNames {
 public:
  /// `patterns`: the names of the user's own patterns: letters, digits and `_`.
  explicit KindNames(std::vector<std::string> patterns = {});

  /// Key in `redaction_counts`: `email`.
  std::string_view count_key(Kind kind) const;
  /// `{type}` of a replacement: `EMAIL`.
  std::string_view type(Kind kind) const;
  std::size_t size() const { return static_cast<std::size_t>(Kind::pattern) + patterns_.size(); }

 private:
  std::vector<std::string> patterns_, types_;
};

/// pii.replacement: a format with `{type}` and `{hash}`, and the salt of the hash. Immutable, shared by all workers.
class Placeholder {
 public:
  /// A blank format means the default; control bytes in it become spaces, so that a replacement never ends a line.
  Placeholder(std::string_view format, std::string_view salt, KindNames names = KindNames());
  ~Placeholder();

  /// Appends the replacement for `value`; the hash ties equal values of one workspace together (blank: `default`).
  void append(std::string& out, Kind kind, std::string_view workspace_id, std::string_view value) const;

  /// The first replacement in `text` at or after `from`, written by an earlier run. False when there is none, or when
  /// the format is too plain to be told from a secret (`{hash}` alone): then redacting twice hashes twice.
  bool find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) const;
  /// `text` starts with a replacement.
  bool starts(std::string_view text) const;
  /// All of `text` is one replacement.
  bool is_whole(std::string_view text) const;

 private:
  struct Part {
    enum class What : std::uint8_t { text, type, hash } what;
    std::string fixed;
  };

  KindNames names_;
  std::vector<Part> parts_;
  std::string salt_;
  std::string anchor_;                   // text that stands in every replacement; cheap to look for
  std::unique_ptr<re2::RE2> recognise_;  // null: cannot be recognised
};

}  // namespace gw::guard

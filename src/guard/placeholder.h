#pragma once
// What stands in the place of a redacted value, and how it is counted.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guard/value_hash.h"

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

  /// How a replacement is written down.
  enum class As : std::uint8_t { text, json, form };

  /// Gives the values of one workspace (blank: `default`) their hashes, which tie equal values together.
  ValueHash hash_in(std::string_view workspace_id) const;
  void append(std::string& out, Kind kind, std::uint64_t hash, As as = As::text) const;

  /// Text that is neither JSON nor events does not become such by having replacements in it.
  bool is_inert() const { return inert_; }

  /// The first replacement in `text` at or after `from`, written by an earlier run. False when there is none, or when
  /// the format is too plain to be told from a secret (`{hash}` alone): then redacting twice hashes twice.
  bool find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) const;
  /// Bytes that one has at the least.
  std::size_t shortest() const { return shortest_; }
  /// `text` starts with a replacement.
  bool starts(std::string_view text) const;
  /// All of `text` is one replacement.
  bool is_whole(std::string_view text) const;

 private:
  /// A replacement of one kind, with the places where the hash stands.
  struct Form {
    std::string text;
    std::vector<std::size_t> hashes;
    std::size_t anchor = 0;  ///< where anchor_ stands
  };
  std::size_t end_of(const Form& form, std::string_view text, std::size_t at) const;
  std::size_t longest_at(std::string_view text, std::size_t anchor, std::size_t from, std::size_t& begin) const;

  static constexpr std::size_t kWritings = 3;
  void add(Form& form, std::size_t writing, std::string_view text);

  std::string salt_;
  std::array<std::vector<Form>, kWritings> forms_;       // by As and Kind
  std::size_t probe_ = 0;                                // where their first types stand, or their anchors
  std::size_t recognised_ = 0;                           // so many kinds
  std::size_t shortest_ = static_cast<std::size_t>(-1);  // of those
  std::string anchor_;                                   // text that stands in every replacement; cheap to look for
  std::array<bool, 256> begins_{};                       // bytes that recognised ones begin with
  bool inert_ = false;
};

}  // namespace gw::guard

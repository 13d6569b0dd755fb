#pragma once
// SHA-256 of many short values behind the same bytes, which are digested once.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "guard/sha256_pair.h"

namespace gw::guard {

/// Nothing of a value is left in it.
class ValueHash {
 public:
  static constexpr std::size_t kHexSize = 16;

  explicit ValueHash(std::string_view before);
  /// The first eight bytes of the digest of what is before and `value`.
  std::uint64_t of(std::string_view value) const;
  /// The same of two values, which takes hardly longer than of one.
  std::array<std::uint64_t, 2> of(std::string_view a, std::string_view b) const;
  /// Writes them to `out` as kHexSize hex digits.
  static void write_hex(std::uint64_t hash, char* out);

 private:
  static constexpr std::size_t kBlock = std::tuple_size_v<ShaBlock>;
  bool fits(std::string_view value) const;
  ShaBlock last_block(std::string_view value) const;

  std::string before_;
  ShaState state_;    // behind the whole blocks of it
  ShaBlock begun_{};  // the block that a value goes on with
  std::size_t begun_size_ = 0;
};

}  // namespace gw::guard

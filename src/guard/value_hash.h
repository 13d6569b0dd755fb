#pragma once
// SHA-256 of many short values behind the same bytes, which are digested once.
#include <array>
#include <cstddef>
#include <string_view>

namespace gw::guard {

/// A value type. Nothing of a value is left in it.
class ValueHash {
 public:
  static constexpr std::size_t kHexSize = 16;

  explicit ValueHash(std::string_view before);
  /// The first kHexSize hex digits of the digest of what is before and `value`.
  std::array<char, kHexSize> hex(std::string_view value) const;

 private:
  static constexpr std::size_t kStateSize = 112, kBlock = 64;
  alignas(8) std::array<unsigned char, kStateSize> state_;  // of the library
  std::array<unsigned char, kBlock> begun_;                 // the block that a value goes on with
  std::size_t begun_size_ = 0;
  std::size_t before_size_ = 0;
};

}  // namespace gw::guard
